"""LSTM estimators for scikit-learn whose recurrent loops are Numba kernels."""

from sklstm._classifier import LSTMClassifier
from sklstm._regressor import LSTMRegressor

__version__ = "0.1.0"

__all__ = ["LSTMClassifier", "LSTMRegressor", "__version__"]
