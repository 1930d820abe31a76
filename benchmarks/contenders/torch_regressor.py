"""The least that scikit-learn's searches need around PyTorch."""

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin

from benchmarks.contenders.torch_ import Net, train


class TorchRegressor(RegressorMixin, BaseEstimator):
    """One LSTM layer; the number of threads is what joblib leaves to its workers."""

    def __init__(self, units=64, learning_rate=1e-3, batch_size=32, epochs=10):
        self.units = units
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs

    def fit(self, X, y):
        """Train from the start."""
        self.net_ = Net(X.shape[2], (self.units,))
        optimizer = torch.optim.Adam(self.net_.parameters(), self.learning_rate)
        X, y = torch.from_numpy(X), torch.from_numpy(y)
        train(self.net_, optimizer, X, y, self.batch_size, self.epochs)
        return self

    def predict(self, X):
        """All rows at once."""
        with torch.inference_mode():
            return self.net_(torch.from_numpy(np.ascontiguousarray(X))).numpy()
