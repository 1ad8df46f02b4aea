"""Networks as scikit-learn estimators; need scikit-learn: `pip install "peephole[sklearn]"`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import (
        assert_all_finite,
        check_array,
        check_consistent_length,
        check_random_state,
        column_or_1d,
    )
    from sklearn.utils.class_weight import compute_class_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "peephole.sklearn needs scikit-learn 1.6 or later: "
        f'pip install "peephole[sklearn]" ({error})'
    ) from error

from peephole._checks import at_least_one, flag, without_mask
from peephole._keywords import explains_keywords
from peephole._runtime import register_with_threadpoolctl
from peephole._sequences import alike
from peephole._types import Activations, LSTMOptions
from peephole.metrics import r2
from peephole.models.network import Network
from peephole.optim import Optimiser
from peephole.parameters import Parameters
from peephole.training.keep.history import History
from peephole.training.optimisers import optimiser_of

__all__ = ["LSTMClassifier", "LSTMRegressor"]

register_with_threadpoolctl()  # scikit-learn has imported threadpoolctl

_FLOATS = [np.float64, np.float32]
_CHECKED_TOGETHER = 256  # sequences; many share the overhead, and their copy stays small
_SEEDS = 2**31 - 1  # RandomState draws seeds below this on every platform


class _Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
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
        """Whether a call trains the network that there is."""
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
        """Raises ValueError if the network cannot be trained on with these data and options."""
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
        outputs: NDArray[Any] = self.network_.predict(self._read(x, reset=False))
        return outputs.astype(np.float64)

    def _read(self, x: Any, reset: bool) -> NDArray[Any] | list[NDArray[Any]]:
        """X in the form for `Network`: (n, T, I), or a list of (T_i, I)."""
        without_mask(x, "X")
        if _are_sequences(x):
            return self._read_sequences(x, reset)
        flat = validate_data(self, x, reset=reset, dtype=_FLOATS)
        features = flat.shape[1]
        steps = features if self.n_steps is None else at_least_one(self.n_steps, "n_steps")
        if features % steps:
            raise ValueError(
                f"X: expected flat windows of n_steps={steps} steps, a multiple of {steps} "
                f"features, got {features}"
            )
        windows: NDArray[Any] = flat.reshape(len(flat), steps, features // steps)
        return windows

    def _read_sequences(self, x: Any, reset: bool) -> NDArray[Any] | list[NDArray[Any]]:
        sequences: NDArray[Any] | list[NDArray[Any]]
        clean = False
        if getattr(x, "ndim", 0) == 3:
            sequences = check_array(x, allow_nd=True, dtype=_FLOATS, input_name="X", estimator=self)
        else:
            sequences = list(x)
            clean = _are_clean(sequences)
            if not clean:
                sequences = [
                    check_array(item, dtype=_FLOATS, input_name=f"X[{k}]", estimator=self)
                    for k, item in enumerate(sequences)
                ]
        if reset:
            self.n_features_in_ = int(sequences[0].shape[-1])
        if isinstance(sequences, np.ndarray) or clean:  # all have the same number of features
            wrong = [0] if sequences[0].shape[-1] != self.n_features_in_ else []
        else:
            wrong = [k for k, s in enumerate(sequences) if s.shape[-1] != self.n_features_in_]
        if wrong:
            raise ValueError(
                f"X[{wrong[0]}]: expected sequences of {self.n_features_in_} features, "
                f"got {sequences[wrong[0]].shape}"
            )
        return sequences


def _with_parameters_of(base: type, function: Callable[..., Any]) -> inspect.Signature:
    """The signature of `function`, with the parameters of the base's constructor for its **."""
    own = dict(inspect.signature(function).parameters)
    rest = inspect.signature(base.__init__).parameters  # type: ignore[misc]
    own = {k: p for k, p in own.items() if p.kind is not p.VAR_KEYWORD}
    return inspect.Signature([*own.values(), *(p for k, p in rest.items() if k not in own)])


class LSTMClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """Classifies sequences: an LSTM with a softmax head.

    X, in all methods, is one of

    - (n, T, I): n sequences of T steps with I features;
    - a list of n arrays (T_i, I), of any lengths;
    - (n, T * I): flat windows with the features of one step after the other, for the rest of
      scikit-learn. `n_steps` is T; without it, every feature is a step (I = 1).

    Scale the features to about unit size first, for example flat windows by a `StandardScaler`.

    Args:
        hidden_size, num_layers, peephole, peephole_gates, output_peephole, bias, activations,
            coupled_input_forget, bidirectional, dropout, recurrent_dropout, zoneout, dtype,
            recurrent_init: As in `peephole.LSTM`.
        n_steps: T of flat windows.
        class_weight: Weights of the labels in the loss: {label: weight}, other labels have 1;
            "balanced" for weights in inverse proportion to the labels' numbers; None for 1. They
            multiply the `sample_weight` of `fit`.
        epochs, batch_size, learning_rate, clip_norm: As in `peephole.Network.fit`.
        fit_options: Other keyword arguments of `peephole.Network.fit`, {name: value}.
        random_state: An int for reproducible results, a `numpy.random.RandomState`, or None for
            NumPy's global one.
        verbose: Whether to show a progress bar.
        warm_start: Whether `fit` continues with the network of the last call, with a new state of
            the optimiser. `partial_fit` always does, and keeps that state.

    Attributes:
        classes_: (O,) the labels, sorted.
        n_features_in_: I; for flat windows T * I.
        network_: The trained `peephole.Network`.
        history_: The `History` that its `fit` returned.

    Raises:
        ValueError, TypeError: In `fit`, if a parameter or the data are wrong.

    Example:
        >>> data = peephole.datasets.japanese_vowels()
        >>> classifier = LSTMClassifier(50, epochs=10, random_state=0)
        >>> classifier.fit(data.train_x, data.train_y).score(data.test_x, data.test_y)
        0.97
    """

    classes_: NDArray[Any]

    @explains_keywords
    def __init__(
        self,
        hidden_size: int | Sequence[int] = 32,
        num_layers: int = 1,
        *,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__(hidden_size, num_layers, **parameters)
        self.class_weight = class_weight

    # scikit-learn reads the names of the parameters here.
    __init__.__signature__ = _with_parameters_of(_Estimator, __init__)  # type: ignore[attr-defined]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LSTMClassifier:
        """Trains on X and labels y (n,), of any type, with at least two classes.

        sample_weight: (n,) weights of the sequences in the loss, 0 or more.
        """
        return self._fit(X, y, None, sample_weight, partial=False)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> LSTMClassifier:
        """Trains for one epoch on X and labels y (n,), continuing from the last call.

        The first call makes the network; it needs `classes`, all labels that calls will have.
        """
        return self._fit(X, y, classes, sample_weight, partial=True)

    def _fit(
        self, X: Any, y: Any, classes: Any, sample_weight: Any, partial: bool
    ) -> LSTMClassifier:
        _require_target(self, y)
        without_mask(y, "y", 'use y.filled(numpy.nan) and fit_options={"missing": "skip"}')
        continues = self._continues(partial)
        if partial and not continues and classes is None:
            raise ValueError("classes: expected all labels in the first call, got None")
        x = self._read(X, reset=not continues)
        labels = column_or_1d(y, warn=True)
        check_consistent_length(x, labels)
        if labels.dtype.kind == "f":
            assert_all_finite(labels, estimator_name=type(self).__name__, input_name="y")
        check_classification_targets(labels)
        known = self._classes(labels, classes, partial, continues)
        if len(known) < 2:
            raise ValueError(
                f"y: expected labels of at least two classes, got one class, {known[0]!r}"
            )
        unknown = np.setdiff1d(labels, known)
        if len(unknown):
            raise ValueError(f"y: expected labels among {known.tolist()}, got {unknown[0]!r}")
        self._train(
            x,
            np.searchsorted(known, labels),
            len(known),
            "softmax",
            partial,
            sample_weight=sample_weight,
            class_weight=self._class_weight(known, labels, partial),
        )
        self.classes_ = known
        return self

    def _classes(
        self, labels: NDArray[Any], classes: Any, partial: bool, continues: bool
    ) -> NDArray[Any]:
        """(O,) the labels, sorted, which must be the same if the training continues."""
        known: NDArray[Any] = np.unique(labels if classes is None else column_or_1d(classes))
        if not continues or (partial and classes is None):
            return self.classes_ if continues else known
        if not np.array_equal(known, self.classes_):
            name = "y" if classes is None else "classes"
            raise ValueError(
                f"{name}: expected the classes {self.classes_.tolist()}, with which the network "
                f"was trained, got {known.tolist()}"
            )
        return known

    def _class_weight(
        self, known: NDArray[Any], labels: NDArray[Any], partial: bool
    ) -> NDArray[np.float64] | Literal["balanced"] | None:
        """The argument `class_weight` of `Network.fit`."""
        weight = self.class_weight
        if weight is None:
            return None
        if isinstance(weight, str) and weight == "balanced":
            if partial:
                raise ValueError(
                    "class_weight: expected {label: weight} for partial_fit, which sees some of "
                    'the labels at a time, got "balanced"'
                )
            return "balanced"
        if not isinstance(weight, Mapping):
            raise ValueError(
                f'class_weight: expected "balanced", {{label: weight}} or None, got {weight!r}'
            )
        weights: NDArray[np.float64] = compute_class_weight(dict(weight), classes=known, y=labels)
        return weights

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(n, O): the probability of each class, in the order of `classes_`."""
        probabilities = self._outputs(X)
        # float32 rows sum to 1 within 1e-7; float64 rows are expected to be more exact.
        normalised: NDArray[np.float64] = probabilities / probabilities.sum(axis=1, keepdims=True)
        return normalised

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,): the most probable class of each sequence."""
        most_probable = self._outputs(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[most_probable]
        return labels


class LSTMRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """Predicts one or several values for each sequence: an LSTM with a linear head.

    Trained on the squared error. Targets far from unit size take long to train: scale them, for
    example by `sklearn.compose.TransformedTargetRegressor`. X and the parameters are those of
    `LSTMClassifier`.

    Attributes:
        n_features_in_: I; for flat windows T * I.
        network_: The trained `peephole.Network`.
        history_: The `History` that its `fit` returned.

    Raises:
        ValueError, TypeError: In `fit`, if a parameter or the data are wrong.

    Example:
        >>> windows = np.lib.stride_tricks.sliding_window_view(series, 25)
        >>> regressor = LSTMRegressor(random_state=0).fit(windows[:, :24], windows[:, 24])
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LSTMRegressor:
        """Trains on X and targets y, (n,) or (n, O).

        With fit_options={"missing": "skip"}, targets that are NaN are left out. sample_weight: (n,)
        weights of the sequences in the loss, 0 or more.
        """
        return self._fit(X, y, sample_weight, partial=False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> LSTMRegressor:
        """Trains for one epoch on X and targets y, continuing from the last call, if any."""
        return self._fit(X, y, sample_weight, partial=True)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the predictions; targets that are NaN are left out if `fit` does so."""
        targets = np.asarray(y)
        if not (self._skips_missing() and targets.dtype.kind == "f" and np.isnan(targets).any()):
            return float(super().score(X, y, sample_weight))
        without_mask(y, "y")
        weights = None if sample_weight is None else np.asarray(sample_weight)
        predicted = self.predict(X)
        if targets.shape != predicted.shape:
            raise ValueError(f"y: expected {predicted.shape}, got {targets.shape}")
        rows = (len(targets), -1)
        return r2(predicted.reshape(rows), targets.reshape(rows), weights)

    def _skips_missing(self) -> bool:
        return (self.fit_options or {}).get("missing") == "skip"

    def _fit(self, X: Any, y: Any, sample_weight: Any, partial: bool) -> LSTMRegressor:
        _require_target(self, y)
        without_mask(y, "y", 'use y.filled(numpy.nan) and fit_options={"missing": "skip"}')
        x = self._read(X, reset=not self._continues(partial))
        targets = check_array(
            y,
            ensure_2d=False,
            dtype=_FLOATS,
            ensure_all_finite="allow-nan" if self._skips_missing() else True,
            input_name="y",
            estimator=self,
        )
        if targets.ndim > 2:
            raise ValueError(f"y: expected (n,) or (n, outputs), got {targets.shape}")
        check_consistent_length(x, targets)
        outputs = targets.shape[1] if targets.ndim == 2 else 1
        self._train(x, targets, outputs, "identity", partial, sample_weight=sample_weight)
        self._target_shape = targets.shape[1:]
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """(n,) or (n, O), with the shape of the targets in `fit`."""
        outputs = self._outputs(X)
        return outputs.reshape(len(outputs), *self._target_shape)


def _are_sequences(x: Any) -> bool:
    """Whether X is a 3-D array or a list of 2-D arrays, rather than flat windows."""
    if isinstance(x, (list, tuple)) or (getattr(x, "ndim", 0) == 1 and x.dtype == object):
        return len(x) > 0 and np.ndim(x[0]) == 2
    return getattr(x, "ndim", 0) == 3


def _are_clean(sequences: list[Any]) -> bool:
    """Whether `check_array` would return each sequence unchanged, and all have the same features.

    `check_array` takes a third of a millisecond, more than the network needs for a short sequence;
    here the values of many sequences are checked together.
    """
    if not all(type(item) is np.ndarray for item in sequences) or not alike(sequences):
        return False
    if sequences[0].ndim != 2 or sequences[0].dtype not in _FLOATS or not sequences[0].shape[1]:
        return False
    if not all(map(len, sequences)):
        return False
    for start in range(0, len(sequences), _CHECKED_TOGETHER):
        if not np.isfinite(np.concatenate(sequences[start : start + _CHECKED_TOGETHER])).all():
            return False
    return True


def _require_target(estimator: Any, y: Any) -> None:
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None"
        )
