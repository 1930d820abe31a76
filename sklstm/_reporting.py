"""What a fit says: lines as it goes on, if verbose, and warnings at its end."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from sklstm._training.state import End


class Reporter:
    """Prints what MLPRegressor prints, and warns of what it warns.

    Parameters
    ----------
    verbose : bool or int
    settings : Settings
    progress : Progress
    validates : bool
        Whether training watches a validation score.
    """

    def __init__(self, verbose, settings, progress, validates):
        self._verbose, self._settings, self._progress = verbose, settings, progress
        self._watched = "Validation score" if validates else "Training loss"

    def epoch(self):
        """An epoch has ended."""
        progress = self._progress
        self._print(f"Iteration {len(progress.losses)}, loss = {progress.losses[-1]:.8f}")
        if progress.scores:
            self._print(f"Validation score: {progress.scores[-1]:f}")

    def plateau(self, rate):
        """Patience has run out, and the learning rate falls to `rate`."""
        self._print(f"{self._impatience()} Setting learning rate to {rate:f}")

    def end(self, end):
        """Training has ended; warnings name the caller of `fit`."""
        lbfgs = self._settings.optimizer is None
        if end is End.PATIENCE and not lbfgs:
            adaptive = self._settings.learning_rate == "adaptive"
            why = " Learning rate too small." if adaptive else ""
            self._print(f"{self._impatience()}{why} Stopping.")
        if end is End.INTERRUPTED:
            warnings.warn("Training interrupted by user.", stacklevel=5)
        if end is End.MAX_ITER:
            solver = "lbfgs" if lbfgs else "Stochastic Optimizer"
            self._warn(
                f"{solver}: Maximum iterations ({self._settings.max_iter}) reached and the "
                "optimization hasn't converged yet."
            )
        if end is End.MAX_FUN:
            self._warn(
                f"lbfgs: Maximum loss evaluations ({self._settings.max_fun}) reached and the "
                "optimization hasn't converged yet."
            )
        if end is End.DIVERGED:
            self._warn(
                f"The loss became infinite or NaN in epoch {len(self._progress.losses) + 1}; the "
                "last weights with a finite loss are kept. Scale X, or lower learning_rate_init or "
                "max_grad_norm."
            )

    def _impatience(self):
        return (
            f"{self._watched} did not improve more than tol={self._settings.tol:f} for "
            f"{self._settings.n_iter_no_change} consecutive epochs."
        )

    def _print(self, line):
        if self._verbose:
            print(line)

    def _warn(self, message):
        warnings.warn(message, ConvergenceWarning, stacklevel=6)
