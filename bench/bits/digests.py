"""What a configuration computes, as hashes."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import peephole

from bench.bits.arrays import Array, Arrays
from bench.bits.configurations import Configuration

# What each hash is of:
#   values      first parameters, y and final states of inference, training and predict
#   gradients   of x, state and all parameters
#   stream      y and states, by steps and by blocks; nothing where there are no streams
#   optimiser   gradients after clipping, parameters after two steps, and y with them
#   file        the tensors of a saved file by name, and the parameters of the loaded model
#   options     the values of the options of OPTIONS, in the file: a new option leaves it unchanged
#   bytes       the whole file
COLUMNS = ("values", "gradients", "stream", "optimiser", "file", "options", "bytes")

OPTIONS = (
    "input_size",
    "hidden_size",
    "output_size",
    "head",
    "readout",
    "peephole",
    "peephole_gates",
    "output_peephole",
    "bias",
    "activations",
    "coupled_input_forget",
    "bidirectional",
    "dropout",
    "recurrent_dropout",
    "zoneout",
    "initial_state",
    "cell_clip",
    "preactivation_clip",
    "layer_norm",
    "layer_norm_cell",
    "layer_norm_epsilon",
    "projection_size",
    "projection_clip",
    "quantization",
    "input_dense_size",
    "input_activation",
    "dtype",
)

OPTIMISERS: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", {}),
    "Nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "Adam": ("Adam", {"weight_decay": 0.01}),
    "AdamW": ("AdamW", {}),
    "RMSprop": ("RMSprop", {"momentum": 0.5}),
    "centred": ("RMSprop", {"centred": True, "weight_decay": 0.01}),
}

# Streams take at most so many steps of each configuration.
_STREAM_STEPS = 60


class Digest:
    """SHA-256 of named values. Every bit counts: those of NaN, and the sign of 0."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, name: str, value: Any) -> None:
        """Adds an array, a text, bytes or None, or a mapping or sequence of such values."""
        if isinstance(value, dict):
            for key in sorted(value):
                self.add(f"{name}/{key}", value[key])
        elif isinstance(value, (tuple, list)):
            self._hash.update(f"{name}: {len(value)}\n".encode())
            for k, one in enumerate(value):
                self.add(f"{name}/{k}", one)
        elif value is None or isinstance(value, (str, bytes)):
            content = value if isinstance(value, bytes) else repr(value).encode()
            self._hash.update(f"{name}: {len(content)}\n".encode() + content)
        else:
            array = np.asarray(value)
            self._hash.update(f"{name}: {array.dtype.str} {array.shape}\n".encode())
            self._hash.update(array.tobytes())

    def short(self) -> str:
        """Twelve hexadecimal digits."""
        return self._hash.hexdigest()[:12]


def digests(configuration: Configuration) -> dict[str, str]:
    """A short hash for each of COLUMNS."""
    return Computation(configuration).all()


class Computation:
    """The model of one configuration, and hashes of what it computes."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.call = configuration.call
        self.arrays = Arrays(configuration)
        self.columns = {name: Digest() for name in COLUMNS}
        kind = peephole.Network if configuration.network else peephole.LSTM
        self.model: Any = kind(**configuration.options, masks=self.arrays.masks())
        self.x = self.arrays.padded(self.arrays.x())
        self.state = self.arrays.state()
        lengths = configuration.lengths
        self.lengths = None if lengths is None else np.array(lengths)

    def all(self) -> dict[str, str]:
        """Everything once; the hashes."""
        self.columns["values"].add("first", self._parameters())
        for name, value in self.arrays.parameters().items():
            self.model.parameters[name] = value
        self._infer("values")
        if self.configuration.network:
            self._predict()
        gradients = self._train()
        if self.configuration.streams:
            self._stream()
        self._save()
        self._optimise(gradients)
        return {name: digest.short() for name, digest in self.columns.items()}

    def _parameters(self) -> dict[str, Array]:
        return {name: np.array(self.model.parameters[name]) for name in self.model.parameters}

    def _infer(self, column: str) -> None:
        y, final = self.model(self.x, self.state, self.lengths)
        self.columns[column].add("inference", {"y": y, "final": final})

    def _predict(self) -> None:
        values, batch_size = self.columns["values"], self.call["batch_size"]
        values.add("predict", self.model.predict(self.x, self.lengths, batch_size=batch_size))
        if not self.configuration.single:
            x = self.arrays.x()
            lengths = self.configuration.lengths or [self.configuration.time] * len(x)
            sequences = [sequence[:n] for sequence, n in zip(x, lengths, strict=True)]
            y = self.model.predict(sequences, batch_size=batch_size)
            values.add("predict of a list", y)

    def _train(self) -> Any:
        options = self.configuration.options
        random = {"dropout", "recurrent_dropout", "zoneout"} & options.keys()
        seed = self.call["seed"] if random else None
        y, final, tape = self.model.forward(
            self.x, self.state, self.lengths, seed=seed, recompute=self.call["recompute"]
        )
        self.columns["values"].add("training", {"y": y, "final": final})
        dy, dstate, inputs = self.arrays.dy(), self.arrays.dstate(), self.call["inputs"]
        if self.call.get("dlogits"):
            gradients = self.model.backward(tape, dstate=dstate, dlogits=dy, inputs=inputs)
        else:
            gradients = self.model.backward(tape, dy, dstate, inputs=inputs)
        column = self.columns["gradients"]
        column.add("x", gradients.x)
        column.add("state", gradients.state)
        column.add("parameters", gradients.parameters)
        return gradients

    def _stream(self) -> None:
        """From the initial state by steps, then by blocks; and again from zeros in one block."""
        column, steps = self.columns["stream"], self.call["steps"]
        x = self.arrays.x()[..., :_STREAM_STEPS, :]
        stream = self.model.stream(self.configuration.batch)
        stream.state = self.state
        column.add("steps", [stream.step(x[..., t, :]) for t in range(steps)])
        column.add("state after steps", stream.state)
        blocks = range(steps, x.shape[-2], self.call["block"])
        column.add(
            "blocks", [stream.process(x[..., t : t + self.call["block"], :]) for t in blocks]
        )
        column.add("state after blocks", stream.state)
        stream.reset()
        column.add("one block", stream.process(x))
        column.add("state after one block", stream.state)

    def _save(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            self.model.save(path)
            content = path.read_bytes()
            loaded: Any = peephole.load(path)
        metadata, tensors = read_safetensors(content)
        options = json.loads(metadata["options"])
        kept = {name: options[name] for name in OPTIONS if name in options}
        self.columns["bytes"].add("content", content)
        self.columns["options"].add("kind", metadata["kind"])
        self.columns["options"].add("options", json.dumps(kept, sort_keys=True))
        self.columns["file"].add("tensors", tensors)
        self.columns["file"].add(
            "loaded", {n: np.array(loaded.parameters[n]) for n in tensors if n in loaded.parameters}
        )

    def _optimise(self, gradients: Any) -> None:
        column = self.columns["optimiser"]
        if self.call["clip"] == "norm":
            column.add("norm", peephole.optim.clip_norm(gradients, 0.5))
        elif self.call["clip"] == "value":
            peephole.optim.clip_value(gradients, 0.1)
        column.add("clipped", gradients.parameters)
        name, rule = OPTIMISERS[self.call["optimiser"]]
        optimiser = getattr(peephole.optim, name)(self.model.parameters, learning_rate=0.01, **rule)
        for _ in range(2):
            optimiser.step(gradients)
        column.add("parameters", self._parameters())
        self._infer("optimiser")


def read_safetensors(content: bytes) -> tuple[dict[str, str], dict[str, list[Any]]]:
    """The metadata, and of each tensor its type, shape and bytes.

    The format: https://huggingface.co/docs/safetensors, "Format".
    """
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    data = content[8 + size :]
    metadata = header.pop("__metadata__")
    tensors = {
        name: [one["dtype"], str(one["shape"]), data[slice(*one["data_offsets"])]]
        for name, one in header.items()
    }
    return metadata, tensors
