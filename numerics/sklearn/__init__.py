"""The theory as an estimator of scikit-learn; needs the extra `sklearn`, and `import numerics` leaves it."""

try:
    from numerics.sklearn.regressor import FeatureLearningRegressor
except ImportError as missing:
    if (missing.name or "").partition(".")[0] != "sklearn":
        raise
    raise ImportError(
        "numerics.sklearn needs scikit-learn 1.6 or newer: pip install 'feature-eos[sklearn]'"
    ) from missing

__all__ = ["FeatureLearningRegressor"]
