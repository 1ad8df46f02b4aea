"""Small ONNX graphs as other packages write them, node by node."""

import numpy as np

from support.onnx_files import packages

INPUTS, UNITS, OUTPUTS = 3, 4, 2


class Builder:
    """Nodes, constants, inputs and outputs that make a model at the end."""

    def __init__(self, seed=0, opset=17):
        self.onnx, _ = packages()
        self.rng = np.random.default_rng(seed)
        self.opset = opset
        self.nodes, self.tensors, self.inputs, self.outputs = [], [], [], []

    def input(self, name, *shape, kind="FLOAT"):
        kind = getattr(self.onnx.TensorProto, kind)
        self.inputs.append(self.onnx.helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name):
        kind = self.onnx.TensorProto.FLOAT
        self.outputs.append(self.onnx.helper.make_tensor_value_info(name, kind, None))

    def tensor(self, value, dtype=np.float32):
        """A constant: an initialiser or a Constant node, in turn."""
        array = np.asarray(value, dtype)
        name = f"t{len(self.tensors) + len(self.nodes)}"
        if len(self.tensors) % 2:
            tensor = self.onnx.numpy_helper.from_array(array)
            self.nodes.append(self.onnx.helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.tensors.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def integers(self, *values):
        return self.tensor(values, np.int64)

    def slice(self, start, end, axis):
        """The inputs of Slice after the first."""
        return [self.integers(value) for value in (start, end, axis)]

    def random(self, *shape):
        return self.tensor(self.rng.uniform(-0.5, 0.5, shape))

    def add(self, kind, *inputs, outputs=1, **attributes):
        names = [f"{kind.lower()}{len(self.nodes)}_{k}" for k in range(outputs)]
        node = self.onnx.helper.make_node(kind, inputs, names, name=names[0][:-2], **attributes)
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def lstm(
        self, x, inputs=INPUTS, directions=1, peephole=False, lengths="", state=(), **attributes
    ):
        """Y, Y_h, Y_c of an LSTM node with random weights."""
        n = UNITS
        weights = [self.random(directions, 4 * n, width) for width in (inputs, n)]
        bias = self.random(directions, 8 * n)
        h, c = state or ("", "")
        rest = [self.random(directions, 3 * n)] if peephole else []
        if directions == 2:
            attributes["direction"] = "bidirectional"
        return self.add(
            "LSTM", x, *weights, bias, lengths, h, c, *rest, outputs=3, hidden_size=n, **attributes
        )

    def dense(self, value, width):
        """MatMul and Add."""
        product = self.add("MatMul", value, self.random(width, OUTPUTS))
        return self.add("Add", product, self.random(OUTPUTS))

    def model(self, *outputs):
        for name in outputs:
            self.output(name)
        helper = self.onnx.helper
        graph = helper.make_graph(self.nodes, "g", self.inputs, self.outputs, self.tensors)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8
        )

    def bytes(self, *outputs):
        return self.model(*outputs).SerializeToString()
