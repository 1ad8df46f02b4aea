"""The stack of LSTM layers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole import _core as core
from peephole._checks import array
from peephole._keywords import explains_keywords
from peephole._types import Activations, Columns, Gradients, Seed, State, StateArrays
from peephole.models.build import build, keyword_defaults
from peephole.models.derivatives import LSTMDerivatives
from peephole.models.passes import backward, forward
from peephole.models.prediction import call
from peephole.models.sessions import Sessions
from peephole.models.stream import Stream

_CLASSES = {"float32": core.LSTMFloat32, "float64": core.LSTMFloat64}


class LSTM(LSTMDerivatives):
    r"""A stack of LSTM layers with peephole connections.

    For each layer, at each step t::

        a_k = W_k x_t + R_k h_{t-1} + P_k c_{t-1} + b_k        k = i, f, g, o
        i = σ_i(a_i)    f = σ_f(a_f)    g = g(a_g)    o = σ_o(a_o)
        c_t = f ⊙ c_{t-1} + g ⊙ i
        h_t = h(c_t) ⊙ o

    with the input gate i, the forget gate f, the cell input g and the output gate o. The peepholes
    P let every gate, and the cell input, see the cell state of the previous step [1]_. In a stack,
    the h_t of one layer is the x_t of the next. With `projection_size`, of P values [11]_::

        h_t = clip(W_hr (h(c_t) ⊙ o))

    Args:
        input_size: I, the features of a step of x.
        hidden_size: H, the units of each layer: an int, or one int per layer.
        num_layers: L, the number of layers; only with an int `hidden_size`.
        peephole: "diagonal": each cell is connected to its own gates, P_k is (H,). "dense": to all
            gates of its layer, P_k is (H, H). "none": no peepholes, as in `torch.nn.LSTM`.
        peephole_gates: The gates that have peepholes: any subset of "ifgo". The rows of the other
            gates are 0 and stay 0.
        output_peephole: The cell state that o reads: "previous", c_{t-1}, or "current", c_t, as in
            [2]_ and [3]_.
        bias: Whether there is a bias b.
        activations: {"i", "f", "g", "o": of the gates, "c": h, of the cell output} -> name; or one
            such mapping per layer. The default is tanh for g and c, and sigmoid for the others.
            Names: sigmoid, tanh, identity, relu, softsign, softplus, hard_sigmoid
            (clip(0.2 a + 0.5, 0, 1)), and one: a gate that is always open (the variants NIG, NFG,
            NOG of [4]_).
        coupled_input_forget: f = 1 - i (the variant CIFG of [4]_).
        bidirectional: Each layer also reads the sequence from its last step to its first, with
            separate parameters (`_reverse`). The layer's output is that of both directions,
            concatenated, forward first.
        dropout: In training, the probability that a value passed from one layer to the next is set
            to 0; the other values are scaled up to keep the mean, here and in recurrent_dropout. In
            a `Network` it also applies to the values that the head reads, as in [6]_. The output of
            an `LSTM`'s last layer has no dropout, so with one layer there is a UserWarning.
        recurrent_dropout: In training, the probability that a unit's h_{t-1} is 0 for all gates, at
            all steps of a sequence: variational dropout [7]_, the form with tied weights.
        zoneout: In training, the probability at each step that a unit keeps its c_{t-1} instead of
            taking c_t, and, drawn independently, its h_{t-1} instead of h_t [8]_. Inference uses
            the expected value: c_t = z c_{t-1} + (1 - z) (f ⊙ c_{t-1} + g ⊙ i), and h_t likewise.
        initial_state: The state in which a sequence begins where a call is given none, and a stream
            at first and after a reset: "zeros", or "learned", parameters that begin at 0.
        cell_clip: The bound of the cell state, c_t = clip(f ⊙ c_{t-1} + g ⊙ i, ±cell_clip), as in
            TensorFlow's LSTMCell and Kaldi. None, here and below: no bound. A gradient passes up to
            a bound, and is 0 beyond it; NaN stays NaN.
        preactivation_clip: The bound of each a_k, before its activation, as `clip` of ONNX's LSTM.
        layer_norm: Layer normalisation [10]_, LN(z) = (z - mean(z)) / sqrt(var(z) + epsilon), with
            gains γ. "gates": each gate's sum over its H values,
            a_k = γ_k ⊙ LN(W_k x_t + R_k h_{t-1} + P_k c_{t-1}) + b_k, as in TensorFlow and LiteRT.
            "products": each of the two products over all its 4H values, a = γ_x ⊙ LN(W x_t) +
            γ_h ⊙ LN(R h_{t-1}) + P c_{t-1} + b, as in [10]_. None: none.
        layer_norm_cell: What `layer_norm` does to the cell state, with a gain γ_c and a shift β_c.
            "state": c_t = γ_c ⊙ LN(f ⊙ c_{t-1} + g ⊙ i) + β_c, which the next step reads too.
            "output": h_t = h(γ_c ⊙ LN(c_t) + β_c) ⊙ o alone, as in [10]_. "none": nothing.
        layer_norm_epsilon: The epsilon of `layer_norm`, in 1e-30..1.
        projection_size: P, the values of h of each layer [11]_, below each H: `proj_size` of
            `torch.nn.LSTM`. They go to the next layer and to the next step; y and the h of states
            have P values for H. None: no projection, P is H.
        projection_clip: h is clipped to ±projection_clip; only with `projection_size`. None: it is
            not clipped.
        quantization: The integers of a model for inference only: "int16", "int8" or "int8_fast".
            `quantize` makes such a model of a trained one, and describes them. None: a model in
            floating point.
        masks: {parameter name: bool array of its shape}: weights are not connected where it is
            False. They are 0, have gradient 0, and stay 0 in training. `peephole.masks` makes some.
        gate_inputs: {gates: the columns of x that they see}, for the first layer, such as
            {"i": [0, 1], "fgo": slice(2, None)}; columns are ints, a slice or bools (I,). Other
            gates see all columns. It adds masks of weight_ih_l0.
        dtype: "float32" or "float64".
        seed: An int, or a `numpy.random.Generator` to draw one from; None for a random seed.
        recurrent_init: "uniform", or "orthogonal": the recurrent weights of each gate start as an
            orthogonal matrix.

    Attributes:
        parameters: For each layer k, with the rows of gates i, f, g, o (H each) in this order:

            - weight_ih_l{k}  (4H, I)  W, the input weights; I is the layer's own
            - weight_hh_l{k}  (4H, P)  R, the recurrent weights
            - weight_ch_l{k}  (4, H) or dense (4H, H)  P, the peepholes; absent for "none"
            - bias_l{k}  (4H,)  b; absent without bias
            - h0_l{k}, c0_l{k}  (H,)  the initial state; only if it is learned
            - gain_l{k}  (4H,)  γ, with layer_norm="gates"
            - gain_ih_l{k}, gain_hh_l{k}  (4H,)  γ_x and γ_h, with layer_norm="products"
            - gain_c_l{k}, shift_c_l{k}  (H,)  γ_c and β_c, with layer_norm and a layer_norm_cell
              other than "none"
            - weight_hr_l{k}  (P, H)  W_hr, the projection; absent without projection_size

            and, if bidirectional, the same again with `_reverse`. Weights start uniform in
            ±1/sqrt(H), biases and shifts as 0, the bias of the forget gate as 1 [5]_, gains as 1.

    Raises:
        ValueError, TypeError: If an option is out of its range; the message names it.

    References:
        .. [1] F. A. Gers, J. Schmidhuber, "Recurrent nets that time and count", IJCNN 2000,
           doi:10.1109/IJCNN.2000.861302.
        .. [2] F. A. Gers, N. N. Schraudolph, J. Schmidhuber, "Learning precise timing with LSTM
           recurrent networks", JMLR 3 (2002) 115-143.
        .. [3] A. Graves, "Generating sequences with recurrent neural networks", 2013,
           arXiv:1308.0850.
        .. [4] K. Greff, R. K. Srivastava, J. Koutník, B. R. Steunebrink, J. Schmidhuber, "LSTM: a
           search space odyssey", IEEE TNNLS 28 (2017) 2222-2232, doi:10.1109/TNNLS.2016.2582924.
        .. [5] F. A. Gers, J. Schmidhuber, F. Cummins, "Learning to forget: continual prediction
           with LSTM", Neural Computation 12 (2000) 2451-2471, doi:10.1162/089976600300015015.
        .. [6] W. Zaremba, I. Sutskever, O. Vinyals, "Recurrent neural network regularization",
           2014, arXiv:1409.2329.
        .. [7] Y. Gal, Z. Ghahramani, "A theoretically grounded application of dropout in recurrent
           neural networks", NIPS 2016, arXiv:1512.05287.
        .. [8] D. Krueger et al., "Zoneout: regularizing RNNs by randomly preserving hidden
           activations", ICLR 2017, arXiv:1606.01305.
        .. [9] T. Chen, B. Xu, C. Zhang, C. Guestrin, "Training deep nets with sublinear memory
           cost", 2016, arXiv:1604.06174.
        .. [10] J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016, arXiv:1607.06450.
        .. [11] H. Sak, A. Senior, F. Beaufays, "Long short-term memory based recurrent neural
           network architectures for large vocabulary speech recognition", 2014, arXiv:1402.1128.

    Example:
        >>> lstm = peephole.LSTM(12, 64, seed=0)
        >>> y, state = lstm(np.zeros((8, 20, 12), np.float32))
        >>> y.shape
        (8, 20, 64)
    """

    __slots__ = ()

    _core: core.LSTM

    @explains_keywords
    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        *,
        peephole: Literal["diagonal", "dense", "none"] = "diagonal",
        peephole_gates: str = "ifgo",
        output_peephole: Literal["previous", "current"] = "previous",
        bias: bool = True,
        activations: Activations | None = None,
        coupled_input_forget: bool = False,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        initial_state: Literal["zeros", "learned"] = "zeros",
        cell_clip: float | None = None,
        preactivation_clip: float | None = None,
        layer_norm: Literal["gates", "products"] | None = None,
        layer_norm_cell: Literal["state", "output", "none"] = "state",
        layer_norm_epsilon: float = 1e-5,
        projection_size: int | None = None,
        projection_clip: float | None = None,
        quantization: Literal["int16", "int8", "int8_fast"] | None = None,
        masks: Mapping[str, NDArray[np.bool_]] | None = None,
        gate_inputs: Mapping[str, Columns] | None = None,
        dtype: Any = "float32",
        seed: Seed = None,
        recurrent_init: Literal["uniform", "orthogonal"] = "uniform",
    ) -> None:
        core_lstm = build(
            _CLASSES,
            input_size,
            hidden_size,
            num_layers=num_layers,
            peephole=peephole,
            peephole_gates=peephole_gates,
            output_peephole=output_peephole,
            bias=bias,
            activations=activations,
            coupled_input_forget=coupled_input_forget,
            bidirectional=bidirectional,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            initial_state=initial_state,
            cell_clip=cell_clip,
            preactivation_clip=preactivation_clip,
            layer_norm=layer_norm,
            layer_norm_cell=layer_norm_cell,
            layer_norm_epsilon=layer_norm_epsilon,
            projection_size=projection_size,
            projection_clip=projection_clip,
            quantization=quantization,
            masks=masks,
            gate_inputs=gate_inputs,
            dtype=dtype,
            seed=seed,
            recurrent_init=recurrent_init,
        )
        self._adopt(core_lstm)
        if self.options["dropout"] > 0 and self.num_layers == 1:
            warnings.warn(
                f"dropout={dropout} has no effect: it applies between layers, and there is one; "
                "a Network also applies it before the head",
                stacklevel=3,  # of explains_keywords
            )

    @classmethod
    def _core_classes(cls) -> tuple[Any, ...]:
        return tuple(_CLASSES.values())

    @staticmethod
    def _option_defaults() -> dict[str, Any]:
        return keyword_defaults(LSTM.__init__)

    @property
    def output_size(self) -> int:
        """The features of y: the units of the last layer, or those of its projection.

        Twice as many if bidirectional.
        """
        values = self.projection_size or self.hidden_sizes[-1]
        return values * (2 if self.bidirectional else 1)

    def __call__(
        self,
        x: ArrayLike,
        state: State | None = None,
        lengths: ArrayLike | None = None,
        *,
        out: NDArray[Any] | None = None,
    ) -> tuple[NDArray[Any], StateArrays]:
        """Runs the stack in inference mode.

        Args:
            x: (B, T, I), or (T, I) for a single sequence: then nothing has a batch axis.
            state: The initial state: one pair (h, c), each (B, H_k), per layer, h with a projection
                (B, P); if bidirectional, per layer and direction (layer 0 forward, layer 0 reverse,
                layer 1 forward, ...). None stands for zeros, or for the learned initial state of a
                model that has one.
            lengths: (B,) integers in 0..T: the number of valid steps of each sequence. Not allowed
                with a single sequence.
            out: (B, T, output_size): an array to write y to.

        Returns:
            y: (B, T, output_size); 0 beyond a sequence's length.
            state: The state after each sequence's last valid step, shaped as the initial one.

        Raises:
            ValueError, TypeError: If an argument is wrong, before anything is computed; the message
                names it.
            KeyboardInterrupt: At Ctrl-C, within about 0.1 s, also in the other methods that
                compute. The model is unchanged; the values of `out` are then undefined.
        """
        return call(self._core, x, state, lengths, out)

    def stream(self, batch: int = 1) -> Stream:
        """A `Stream` of B = `batch` sequences with the current weights, run step by step."""
        return Stream(self, batch)

    def sessions(self, capacity: int) -> Sessions:
        """A pool of at most `capacity` `Sessions` with the current weights."""
        return Sessions(self, capacity)

    def forward(
        self,
        x: ArrayLike,
        state: State | None = None,
        lengths: ArrayLike | None = None,
        *,
        seed: Seed = None,
        recompute: bool = False,
    ) -> tuple[NDArray[Any], StateArrays, core.Tape]:
        """The forward pass of training, with dropout, recurrent_dropout and zoneout.

        Args:
            x, state, lengths: As in a call of the model.
            seed: Of the random numbers, an int or a `numpy.random.Generator`; required by a model
                with one of the three. The numbers of a unit depend only on the seed, the layer, the
                direction, the position of the sequence in the batch and, except for
                recurrent_dropout, the step.
            recompute: Whether the tape keeps only h, and `backward` computes the gates and cell
                states again, some steps at a time (gradient checkpointing [9]_). For long sequences
                this takes about a sixth of the memory and a third more time. The results have the
                same bits.

        Returns:
            (y, state, tape): `backward` needs `tape`; `tape.nbytes` is its size.
            `tape.gates(layer, direction)` returns copies of what a layer computed (not with
            `recompute`): a dict of the activated gates "i", "f", "g", "o", the cell state "c" and
            the output "h", each (B, T, H), h with a projection (B, T, P), 0 beyond a sequence's
            length.
        """
        y, final, tape = forward(self._core, x, state, lengths, seed, recompute)
        return y, final, tape

    def backward(
        self,
        tape: core.Tape,
        dy: ArrayLike,
        dstate: State | None = None,
        *,
        inputs: bool = True,
    ) -> Gradients:
        """Exact gradients, by backpropagation through time.

        Args:
            tape: From a `forward` of this model, whose parameters have not changed since.
            dy: (B, T, output_size), the gradient of y; entries beyond a sequence's length are
                ignored.
            dstate: The gradient of the final state, with its shape; None stands for zeros.
            inputs: Whether to compute the gradient of x. Training does not need it and is faster
                without.

        Returns:
            Gradients: of x (B, T, I), or None; of the initial state; of the parameters, {name:
                array of its shape}.
        """
        return backward(self._core, tape, dstate, inputs, dy=array(dy, "dy"))
