"""When to stop: patience with epochs that do not improve."""

import numpy as np


class Patience:
    """Counts epochs in a row whose loss is not below the best by `tol`, as MLPRegressor does.

    Parameters
    ----------
    tol : float
    n_iter_no_change : int
    """

    def __init__(self, tol, n_iter_no_change):
        self.tol, self.n_iter_no_change = tol, n_iter_no_change
        self.best, self.waited = np.inf, 0

    def exhausted(self, loss):
        """Take note of an epoch's loss; whether it is time to stop."""
        self.waited = self.waited + 1 if loss > self.best - self.tol else 0
        self.best = min(self.best, loss)
        return self.waited > self.n_iter_no_change
