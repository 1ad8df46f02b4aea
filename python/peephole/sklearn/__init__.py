"""Networks as scikit-learn estimators; need scikit-learn: `pip install "peephole[sklearn]"`."""

try:
    from sklearn.utils.validation import validate_data as _since_1_6
except ImportError as error:
    raise ImportError(
        "peephole.sklearn needs scikit-learn 1.6 or later: "
        f'pip install "peephole[sklearn]" ({error})'
    ) from error

from peephole._runtime import register_with_threadpoolctl
from peephole.sklearn.classifier import LSTMClassifier
from peephole.sklearn.regressor import LSTMRegressor

__all__ = ["LSTMClassifier", "LSTMRegressor"]

del _since_1_6
register_with_threadpoolctl()  # scikit-learn has imported threadpoolctl

# Pickles and messages use the public place of these names, not the module that defines them.
for _public in (LSTMClassifier, LSTMRegressor):
    _public.__module__ = __name__
