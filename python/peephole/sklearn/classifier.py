"""LSTMClassifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from peephole._keywords import explains_keywords
from peephole.sklearn.base import Estimator, check_target, with_parameters_of
from peephole.sklearn.inputs import read_input


class LSTMClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """Classifies sequences: an LSTM with a softmax head.

    X, in all methods, is one of

    - (n, T, I): n sequences of T steps with I features;
    - a list of n arrays (T_i, I), of any lengths;
    - (n, T * I): flat windows, the features of one step after those of another, as the rest of
      scikit-learn expects. `n_steps` is T; without it, every feature is a step (I = 1).

    Scale the features to about unit size first, for example sequences by a `peephole.Standardiser`
    and flat windows by a `StandardScaler`.

    Args:
        hidden_size, num_layers, peephole, peephole_gates, output_peephole, bias, activations,
            coupled_input_forget, bidirectional, dropout, recurrent_dropout, zoneout, initial_state,
            cell_clip, preactivation_clip, layer_norm, layer_norm_cell, layer_norm_epsilon,
            projection_size, projection_clip, dtype,
            recurrent_init: As in `peephole.LSTM`.
        input_dense_size, input_activation: A dense layer before the LSTM, as in `peephole.Network`.
        n_steps: T of flat windows.
        class_weight: Weights of the labels in the loss: {label: weight}, other labels have 1;
            "balanced" for weights in inverse proportion to the labels' frequencies; None for 1.
            They multiply the `sample_weight` of `fit`.
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
    __init__.__signature__ = with_parameters_of(Estimator, __init__)  # type: ignore[attr-defined]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LSTMClassifier:
        """Trains on X and labels y (n,), of any type, with at least two classes.

        sample_weight: (n,) weights of the sequences in the loss, 0 or more.
        """
        return self._fit(X, y, None, sample_weight, partial=False)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> LSTMClassifier:
        """Trains for one epoch on X and labels y (n,), continuing from the last call.

        The first call makes the network; it needs `classes`, the labels of all calls.
        """
        return self._fit(X, y, classes, sample_weight, partial=True)

    def _fit(
        self, X: Any, y: Any, classes: Any, sample_weight: Any, partial: bool
    ) -> LSTMClassifier:
        check_target(self, y)
        continues = self._continues(partial)
        if partial and not continues and classes is None:
            raise ValueError("classes: expected all labels in the first call, got None")
        x = read_input(self, X, self.n_steps, reset=not continues)
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
