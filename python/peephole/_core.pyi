"""The binding: checks and converts arguments, then calls the C++ core.

Each class exists for float32 and float64, with the dtype in its name. The class without a dtype in
its name is a base for type checkers only. Array arguments accept anything that NumPy can convert to
the model's dtype by a same-kind cast, with any strides and byte order; results are new arrays. A
single sequence may be given as (T, I): then no result has a batch axis. Wrong arguments raise
ValueError or TypeError before anything is computed or changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias, type_check_only

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array: TypeAlias = NDArray[Any]
_State: TypeAlias = Sequence[tuple[ArrayLike, ArrayLike]]
_StateOut: TypeAlias = tuple[tuple[_Array, _Array], ...]

__version__: str

@type_check_only
class Parameters:
    """The parameters of one model, in the model's memory."""

    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    def shape(self, name: str) -> tuple[int, ...]: ...
    def view(self, name: str) -> _Array:
        """A writable view. While it or a view of it is alive, each call looks for changes."""
    def assign(self, name: str, value: ArrayLike) -> None:
        """Copies `value` in; masked entries are set to 0."""
    def mask(self, name: str) -> NDArray[np.bool_] | None: ...
    def set_mask(self, name: str, connected: ArrayLike) -> None: ...

@type_check_only
class Tape:
    """What a forward pass keeps for backward."""

    @property
    def nbytes(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def time(self) -> int: ...
    @property
    def logits(self) -> Any:
        """Of a network V r + v, shaped as y; otherwise None."""
    def gates(self, layer: SupportsIndex = 0, direction: SupportsIndex = 0) -> dict[str, _Array]:
        """{"i", "f", "g", "o", "c": (B, T, H), "h": (B, T, P)}, copies; not if it recomputes.

        direction 1 is the reverse one. Row t is of step t in both.
        """

_GradientsOut: TypeAlias = tuple[Any, _StateOut, dict[str, _Array]]

@type_check_only
class _Model:
    """What LSTM and Network have in common."""

    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def options(self) -> dict[str, Any]:
        """The constructor's arguments, ready for JSON: complete activations, one per layer."""
    @property
    def parameters(self) -> Parameters: ...
    def initialise(self, seed: int, recurrent: Literal["uniform", "orthogonal"]) -> None: ...
    def quantize(self, quantization: str) -> Any:
        """A model in float32, of the same class."""
    def release_workspaces(self) -> None: ...
    def save(self, path: str | bytes, metadata: dict[str, str]) -> None: ...
    def __call__(
        self,
        x: ArrayLike,
        state: _State | None = None,
        lengths: ArrayLike | None = None,
        out: _Array | None = None,
    ) -> tuple[_Array, _StateOut]:
        """(y, state); y of a network is (B, O) for readouts but "all"."""
    def jvp(
        self,
        x: ArrayLike,
        state: _State | None,
        lengths: ArrayLike | None,
        tangent_x: ArrayLike | None,
        tangent_state: _State | None,
        tangent_parameters: dict[Any, Any] | None,
        seed: int | None,
    ) -> tuple[tuple[_Array, _StateOut], tuple[_Array, _StateOut]]:
        """(y, state) of forward, and their derivatives along the tangents."""
    def backward_jvp(
        self,
        tape: Tape,
        dy: ArrayLike,
        dstate: _State | None,
        of_y: bool,
        tangent_x: ArrayLike | None,
        tangent_state: _State | None,
        tangent_parameters: dict[Any, Any] | None,
        dy_tangent: ArrayLike | None,
        dstate_tangent: _State | None,
        inputs: bool,
    ) -> tuple[_GradientsOut, _GradientsOut]:
        """What backward returns, and its derivatives; dy is of y or else of the logits."""

@type_check_only
class LSTM(_Model):
    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        *,
        peephole: str = "diagonal",
        peephole_gates: str = "ifgo",
        output_peephole: str = "previous",
        bias: bool = True,
        activations: Sequence[Mapping[str, str]] = ...,
        coupled_input_forget: bool = False,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        initial_state: str = "zeros",
        cell_clip: float | None = None,
        preactivation_clip: float | None = None,
        layer_norm: str | None = None,
        layer_norm_cell: str = "state",
        layer_norm_epsilon: float = 1e-5,
        projection_size: int | None = None,
        projection_clip: float | None = None,
        quantization: str | None = None,
    ) -> None: ...
    def forward(
        self,
        x: ArrayLike,
        state: _State | None = None,
        lengths: ArrayLike | None = None,
        seed: int | None = None,
        recompute: bool = False,
    ) -> tuple[_Array, _StateOut, Tape]: ...
    def trace(
        self, x: ArrayLike, state: _State | None = None, lengths: ArrayLike | None = None
    ) -> tuple[_Array, _StateOut, Tape]:
        """A call that fills a tape for `Tape.gates`; `backward` refuses it."""
    def backward(
        self, tape: Tape, dy: ArrayLike, dstate: _State | None = None, inputs: bool = True
    ) -> tuple[Any, _StateOut, dict[str, _Array]]:
        """(dx or None, gradient of the initial state, gradients by parameter name)."""

    # The passes as functions of arrays; see python/binding/functional.cpp.
    @property
    def tape_size(self) -> tuple[int, int, int]:
        """Values of a tape: for each step of a sequence, for each sequence, and fixed."""
    @property
    def flat_size(self) -> int:
        """Values of the parameters in one array."""
    @property
    def flat_layout(self) -> list[tuple[str, tuple[int, ...], int]]:
        """(name, shape, where it begins) of each parameter in one array."""
    def infer_with(
        self,
        parameters: list[_Array] | _Array,
        x: _Array,
        h: _Array | None,
        c: _Array | None,
        lengths: _Array | None,
        time_major: bool,
    ) -> tuple[_Array, _Array, _Array]:
        """(y, h, c)."""
    def forward_with(
        self,
        parameters: list[_Array] | _Array,
        x: _Array,
        h: _Array | None,
        c: _Array | None,
        lengths: _Array | None,
        seed: int | None,
        time_major: bool,
    ) -> tuple[_Array, _Array, _Array, _Array]:
        """(y, h, c, tape)."""
    def backward_with(
        self,
        parameters: list[_Array] | _Array,
        tape: _Array,
        dy: _Array,
        dh: _Array | None,
        dc: _Array | None,
        lengths: _Array | None,
        seed: int | None,
        time_major: bool,
        inputs: bool,
        state_given: bool,
    ) -> tuple[Any, _Array, _Array, _Array]:
        """Gradients of x or None, h, c and the parameters."""
    def backward_jvp_with(
        self,
        parameters: list[_Array] | _Array,
        tape: _Array,
        dy: _Array,
        dh: _Array | None,
        dc: _Array | None,
        lengths: _Array | None,
        seed: int | None,
        time_major: bool,
        tangent_parameters: _Array | None,
        tangent_x: _Array | None,
        tangent_h: _Array | None,
        tangent_c: _Array | None,
        state_given: bool,
    ) -> tuple[_Array, _Array, _Array, _Array, _Array, _Array, _Array]:
        """Derivatives of y, h, c, and of the gradients of x, h, c and the parameters."""

@type_check_only
class Network(_Model):
    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        output_size: int,
        *,
        head: str = "identity",
        readout: str = "all",
        input_dense_size: int | None = None,
        input_activation: str = "identity",
        peephole: str = "diagonal",
        peephole_gates: str = "ifgo",
        output_peephole: str = "previous",
        bias: bool = True,
        activations: Sequence[Mapping[str, str]] = ...,
        coupled_input_forget: bool = False,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        initial_state: str = "zeros",
        cell_clip: float | None = None,
        preactivation_clip: float | None = None,
        layer_norm: str | None = None,
        layer_norm_cell: str = "state",
        layer_norm_epsilon: float = 1e-5,
        projection_size: int | None = None,
        projection_clip: float | None = None,
        quantization: str | None = None,
    ) -> None: ...
    @property
    def lstm(self) -> LSTM:
        """The stack inside, with the same parameters in the same memory."""
    def evaluate(
        self,
        x: ArrayLike,
        state: _State | None = None,
        lengths: ArrayLike | None = None,
    ) -> tuple[_Array, _Array, _StateOut]:
        """(y, logits, state) of inference."""
    def forward(
        self,
        x: ArrayLike,
        state: _State | None = None,
        lengths: ArrayLike | None = None,
        seed: int | None = None,
        recompute: bool = False,
    ) -> tuple[_Array, _Array, _StateOut, Tape]:
        """(y, logits, state, tape)."""
    def trace(
        self, x: ArrayLike, state: _State | None = None, lengths: ArrayLike | None = None
    ) -> tuple[_Array, _Array, _StateOut, Tape]:
        """As of `LSTM`."""
    def backward(
        self,
        tape: Tape,
        dy: ArrayLike | None = None,
        dstate: _State | None = None,
        dlogits: ArrayLike | None = None,
        inputs: bool = True,
    ) -> tuple[Any, _StateOut, dict[str, _Array]]:
        """As of LSTM; takes exactly one of dy and dlogits."""

@type_check_only
class Stream:
    """A model with its state, with the weights that the model had at construction."""

    def __init__(self, model: LSTM | Network, batch: int) -> None: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def batch(self) -> int: ...
    @property
    def input_size(self) -> int: ...
    @property
    def output_size(self) -> int: ...
    def step(self, x: ArrayLike, out: _Array | None = None) -> _Array: ...
    def process(self, x: ArrayLike, out: _Array | None = None) -> _Array: ...
    def get_state(self) -> _StateOut:
        """Always with a batch axis."""
    def set_state(self, state: _State | None, batched: bool) -> None: ...
    @property
    def options(self) -> dict[str, Any]:
        """Those of the model that it was made of."""
    def weights(self) -> dict[str, _Array]:
        """The parameters that it was made with, by name: copies."""
    def copy(self) -> Stream: ...

@type_check_only
class Sessions:
    """A pool of sessions, with the weights that the model had at construction."""

    def __init__(self, model: LSTM | Network, capacity: int) -> None: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def capacity(self) -> int: ...
    @property
    def input_size(self) -> int: ...
    @property
    def output_size(self) -> int: ...
    def open(self) -> int: ...
    def close(self, id: SupportsIndex) -> None: ...
    def contains(self, id: object) -> bool:
        """TypeError for anything but an int."""
    def ids(self) -> NDArray[np.int64]:
        """(len(self),), in no particular order."""
    def step(self, ids: ArrayLike, x: ArrayLike, out: _Array | None = None) -> _Array: ...
    def process(
        self,
        ids: ArrayLike,
        x: ArrayLike,
        lengths: ArrayLike | None = None,
        out: _Array | None = None,
    ) -> _Array: ...
    def get_state(self, id: SupportsIndex) -> _StateOut:
        """Without a batch axis."""
    def set_state(self, id: SupportsIndex, state: _State | None, batched: bool) -> None: ...
    def snapshot(self) -> NDArray[np.uint8]: ...
    def restore(self, snapshot: NDArray[np.uint8]) -> None: ...
    @property
    def options(self) -> dict[str, Any]:
        """Those of the model that it was made of."""
    def weights(self) -> dict[str, _Array]:
        """The parameters that it was made with, by name: copies."""
    def __len__(self) -> int: ...
    def copy(self) -> Sessions: ...

@type_check_only
class Optimiser:
    def __init__(
        self, parameters: Parameters, rule: str, learning_rate: float, **options: Any
    ) -> None:
        """`rule` is "Adam", "AdamW", "SGD" or "RMSprop"; `options` must be complete."""
    learning_rate: float
    @property
    def steps(self) -> int: ...
    def step(self, gradients: Mapping[str, _Array]) -> None:
        """Updates the parameters in place, given a gradient for each."""
    def state(self) -> dict[str, _Array]:
        """Copies of the rule's state, named as "m/weight_ih_l0"."""
    def set_state(self, state: Mapping[str, ArrayLike], steps: SupportsIndex) -> None: ...

def clip_norm(gradients: Mapping[str, _Array], max_norm: float) -> float:
    """Scales gradients in place to a joint norm of at most max_norm; returns the norm before."""

def clip_value(gradients: Mapping[str, _Array], max_value: float) -> None:
    """Clips each value to ±max_value, in place."""

def ctc(
    logits: _Array,
    lengths: NDArray[Any],
    labels: NDArray[Any],
    counts: NDArray[Any],
    blank: SupportsIndex,
) -> tuple[NDArray[np.float64], _Array]:
    """Losses (B,) of logits (B, T, O), and their gradients (B, T, O).

    `labels` are those of all sequences, one after the other; `counts` (B,) says how many each has.
    """

def load(path: str | bytes) -> tuple[LSTM | Network, dict[str, str]]:
    """The model in a file, of a class for float32 or float64, and the metadata beside it."""

def load_nam_float32(path: str | bytes) -> tuple[Network, dict[str, str]]:
    """The network of a NeuralAmpModeler file, with its initial state; and its metadata."""

def load_nam_float64(path: str | bytes) -> tuple[Network, dict[str, str]]: ...
def load_rtneural_float32(path: str | bytes) -> LSTM | Network:
    """The model in an RTNeural file."""

def load_rtneural_float64(path: str | bytes) -> LSTM | Network: ...

class TensorFile:
    """A safetensors file, open to be read; its header has been checked as a whole."""

    def __init__(self, path: str | bytes) -> None: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    @property
    def specs(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """{name: (dtype of the file, such as "F32", shape)}; nothing is read for it."""
    def read(self, name: str) -> _Array: ...

def write_tensors(
    path: str | bytes, arrays: dict[str, NDArray[Any]], metadata: dict[str, str]
) -> None:
    """Writes a safetensors file, which replaces the one at `path` as a whole or not at all."""

def check_writable(path: str | bytes) -> None:
    """Raises the OSError that `write_tensors` would raise for the path; leaves no file there."""

def read_tensors(path: str | bytes) -> tuple[dict[str, _Array], dict[str, str]]:
    """(arrays, metadata) of a safetensors file, checked before anything is allocated."""

def activation_names() -> list[str]: ...
def option_choices() -> dict[str, list[str]]:
    """{option: the names of its values}, of the options whose values have names."""

def option_defaults() -> dict[str, Any]:
    """{option: its default}, of all options but the sizes; activations: [], the default in each."""

class executor:
    """`with executor(name):` is `set_executor(name)` for the current thread, within the block."""

    def __init__(self, name: Literal["own", "openmp"]) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *exception: object) -> None: ...

def num_threads() -> int: ...
def set_num_threads(num_threads: int) -> None: ...
def set_executor(name: str) -> None: ...

MOST_METADATA: int  # the most entries of a model's metadata
MOST_SESSIONS: int  # the largest capacity of a pool

def set_isa(name: str) -> None: ...
def build_info() -> dict[str, Any]: ...

class ParametersFloat32(Parameters): ...
class ParametersFloat64(Parameters): ...
class TapeFloat32(Tape): ...
class TapeFloat64(Tape): ...

class LSTMFloat32(LSTM):
    def dequantize(self) -> LSTMFloat32: ...

class LSTMFloat64(LSTM): ...

class NetworkFloat32(Network):
    def dequantize(self) -> NetworkFloat32: ...

class NetworkFloat64(Network): ...
class StreamFloat32(Stream): ...
class StreamFloat64(Stream): ...
class SessionsFloat32(Sessions): ...
class SessionsFloat64(Sessions): ...
class OptimiserFloat32(Optimiser): ...
class OptimiserFloat64(Optimiser): ...
