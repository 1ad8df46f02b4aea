"""What the estimators have in common: parameters, the network and its training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from peephole._checks import flag, without_mask
from peephole._keywords import explains_keywords
from peephole._types import Activation, Activations, LSTMOptions
from peephole.models.network import Network
from peephole.optim import Optimiser
from peephole.parameters import Parameters
from peephole.sklearn.inputs import read_input
from peephole.training.keep.history import History
from peephole.training.optimisers import optimiser_of

_SEEDS = 2**31 - 1  # RandomState draws seeds below this on every platform


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A network that gives one output per sequence; not for use by itself."""

    network_: Network
    history_: History
    n_features_in_: int
    _optimiser_state: Mapping[str, NDArray[Any]]
    _made_with: Mapping[str, Any]

    @explains_keywords
    def __init__(
        self,
        hidden_size: int | Sequence[int] = 32,
        num_layers: int = 1,
        *,
        n_steps: int | None = None,
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
        input_dense_size: int | None = None,
        input_activation: Activation = "identity",
        dtype: Any = "float32",
        recurrent_init: Literal["uniform", "orthogonal"] = "uniform",
        epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float = 1e-2,
        clip_norm: float | None = 1.0,
        fit_options: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
        warm_start: bool = False,
    ) -> None:
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.n_steps = n_steps
        self.peephole = peephole
        self.peephole_gates = peephole_gates
        self.output_peephole = output_peephole
        self.bias = bias
        self.activations = activations
        self.coupled_input_forget = coupled_input_forget
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.zoneout = zoneout
        self.initial_state = initial_state
        self.cell_clip = cell_clip
        self.preactivation_clip = preactivation_clip
        self.layer_norm = layer_norm
        self.layer_norm_cell = layer_norm_cell
        self.layer_norm_epsilon = layer_norm_epsilon
        self.projection_size = projection_size
        self.projection_clip = projection_clip
        self.input_dense_size = input_dense_size
        self.input_activation = input_activation
        self.dtype = dtype
        self.recurrent_init = recurrent_init
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.clip_norm = clip_norm
        self.fit_options = fit_options
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _continues(self, partial: bool) -> bool:
        """Whether a call continues the training of the existing network."""
        return hasattr(self, "network_") and (partial or flag(self.warm_start, "warm_start"))

    def _train(
        self,
        x: Any,
        y: NDArray[Any],
        output_size: int,
        head: Literal["identity", "softmax"],
        partial: bool,
        **weights: Any,
    ) -> None:
        """Trains a network; `weights` are arguments of its `fit`."""
        continues = self._continues(partial)
        if continues:
            network = self.network_
            self._check_same(network, x, output_size)
        else:
            self._random = check_random_state(self.random_state)
            network = Network(
                x[0].shape[-1],
                self.hidden_size,
                output_size,
                head=head,
                readout="last",
                **self._lstm_options(int(self._random.randint(_SEEDS))),
            )
        options = {
            "epochs": 1 if partial else self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "clip_norm": self.clip_norm,
            "progress": self.verbose,
            **(self.fit_options or {}),
            **{name: value for name, value in weights.items() if value is not None},
        }
        choice = options.pop("optimiser", "adam")
        state = self._optimiser_state if partial and continues else None
        made: list[Optimiser] = []

        def optimiser(parameters: Parameters, learning_rate: float) -> Optimiser:
            made.append(optimiser_of(choice, parameters, learning_rate))
            if state is not None:
                made[0].set_state({**state, "learning_rate": learning_rate})
            return made[0]

        seed = int(self._random.randint(_SEEDS))
        self.history_ = network.fit(x, y, seed=seed, optimiser=optimiser, **options)
        self.network_ = network
        # State, since estimators are copied and pickled, which optimisers are not.
        self._optimiser_state = made[0].state()
        self._made_with = self._network_options()

    def _check_same(self, network: Network, x: Any, output_size: int) -> None:
        """Raises ValueError if training cannot continue with these data and options."""
        if x[0].shape[-1] != network.input_size:
            raise ValueError(
                f"X: expected {network.input_size} features, with which the network was trained, "
                f"got {x[0].shape[-1]}"
            )
        if output_size != network.output_size:
            raise ValueError(
                f"y: expected {network.output_size} outputs, with which the network was trained, "
                f"got {output_size}"
            )
        for name, value in self._network_options().items():
            before = self._made_with[name]
            if value != before:
                raise ValueError(
                    f"{name}: expected {before!r}, with which the network was made, since the "
                    f"training continues, got {value!r}"
                )

    def _lstm_options(self, seed: int) -> LSTMOptions:
        """The parameters that are options of `LSTM`, and the seed."""
        parameters = self.get_params(deep=False)
        names = Network._option_defaults().keys() & parameters.keys()
        return cast("LSTMOptions", {name: parameters[name] for name in names} | {"seed": seed})

    def _network_options(self) -> dict[str, Any]:
        return {"hidden_size": self.hidden_size, **self._lstm_options(0)}

    def _outputs(self, x: Any) -> NDArray[np.float64]:
        """(n, O): the network's output for each sequence."""
        check_is_fitted(self)
        outputs: NDArray[Any] = self.network_.predict(
            read_input(self, x, self.n_steps, reset=False)
        )
        return outputs.astype(np.float64)


def with_parameters_of(base: type, function: Callable[..., Any]) -> inspect.Signature:
    """The signature of `function`; the parameters of the base's constructor replace its `**`."""
    own = dict(inspect.signature(function).parameters)
    rest = inspect.signature(base.__init__).parameters  # type: ignore[misc]
    own = {k: p for k, p in own.items() if p.kind is not p.VAR_KEYWORD}
    return inspect.Signature([*own.values(), *(p for k, p in rest.items() if k not in own)])


def check_target(estimator: Any, y: Any) -> None:
    """Raises ValueError for y that is None, as scikit-learn does, and TypeError for masked y."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None"
        )
    without_mask(y, "y", 'use y.filled(numpy.nan) and fit_options={"missing": "skip"}')
