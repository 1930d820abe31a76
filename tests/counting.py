"""A forecaster's net whose answers can be computed by hand: series count, and so does it."""

import numpy as np
from sklearn.base import BaseEstimator


class Counts(BaseEstimator):
    """Says that each of the first columns goes on counting from the last row of its window.

    Parameters
    ----------
    n_targets, horizon : int
    """

    def __init__(self, n_targets=1, horizon=1):
        self.n_targets = n_targets
        self.horizon = horizon

    def fit(self, X, y):
        self.X_, self.y_, self.calls_ = np.asarray(X), y, []
        return self

    def predict(self, X):
        self.calls_.append(np.asarray(X))
        last = np.asarray(X)[:, -1, : self.n_targets]
        ahead = 1 + np.arange(self.horizon)
        return (last[:, np.newaxis, :] + ahead[:, np.newaxis]).reshape(len(last), -1)

    def score(self, X, y):
        wrong = self.predict(X).reshape(np.shape(y)) - y
        return -float(np.abs(wrong).mean())
