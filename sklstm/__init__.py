"""LSTM estimators for scikit-learn whose recurrent loops are Numba kernels."""

from sklstm._classifier import LSTMClassifier
from sklstm._regressor import LSTMRegressor
from sklstm._warm_up import warm_up
from sklstm.preprocessing import TimestepTransformer
from sklstm.streaming import StreamingPredictor
from sklstm.windows import sliding_windows

__version__ = "0.1.0"

__all__ = [
    "LSTMClassifier",
    "LSTMRegressor",
    "StreamingPredictor",
    "TimestepTransformer",
    "__version__",
    "sliding_windows",
    "warm_up",
]
