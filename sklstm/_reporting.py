"""What a fit says: lines as it goes on, if verbose, and warnings at its end."""

from contextlib import nullcontext

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklstm._machine.announce import announced_compilation
from sklstm._messages import warn_user
from sklstm._training.state import End


def compilation_told(verbose):
    """A context in which it is said, if verbose, when kernels are compiled."""
    if not verbose:
        return nullcontext()
    line = "Compiling kernels for this processor, which takes some seconds the first time."
    return announced_compilation(lambda: print(line, flush=True))


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
        loss, score = progress.history[-1]
        self._print(f"Iteration {len(progress.history)}, loss = {loss:.8f}")
        if score is not None:
            self._print(f"Validation score: {score:f}")

    def plateau(self, rate):
        """Patience has run out, and the learning rate falls to `rate`."""
        self._print(f"{self._impatience()} Setting learning rate to {rate:f}")

    def end(self, end):
        """Training has ended."""
        lbfgs = self._settings.optimizer is None
        if end is End.PATIENCE and not lbfgs:
            adaptive = self._settings.learning_rate == "adaptive"
            why = " Learning rate too small." if adaptive else ""
            self._print(f"{self._impatience()}{why} Stopping.")
        if end is End.INTERRUPTED:
            warn_user("Training interrupted by user.")
        if end is End.MAX_ITER and not self._planned():
            solver = "lbfgs" if lbfgs else "Stochastic Optimizer"
            self._warn_of_convergence(
                f"{solver}: Maximum iterations ({self._settings.max_iter}) reached and the "
                "optimization hasn't converged yet."
            )
        if end is End.MAX_FUN:
            self._warn_of_convergence(
                f"lbfgs: Maximum loss evaluations ({self._settings.max_fun}) reached and the "
                "optimization hasn't converged yet."
            )
        if end is End.DIVERGED:
            self._warn_of_convergence(
                f"The loss became infinite or NaN in epoch {len(self._progress.history) + 1}; the "
                f"last weights with a finite loss are kept. {self._mend()}"
            )

    def _mend(self):
        """What keeps a loss finite."""
        settings, scale = self._settings, "scale X if normalize_X=False"
        if settings.optimizer is None:
            return f"Raise alpha, or {scale}."
        clip = "set max_grad_norm, for example to 1"
        if settings.max_grad_norm is not None:
            clip = "max_grad_norm"
        return f"Lower learning_rate_init, or {clip}, or {scale}."

    def _planned(self):
        """Whether it was to go on until max_iter in any case."""
        settings = self._settings
        endless = settings.n_iter_no_change == np.inf or settings.learning_rate == "cosine"
        return settings.optimizer is not None and endless

    def _impatience(self):
        return (
            f"{self._watched} did not improve more than tol={self._settings.tol:f} for "
            f"{self._settings.n_iter_no_change} consecutive epochs."
        )

    def _print(self, line):
        if self._verbose:
            print(line)

    def _warn_of_convergence(self, message):
        warn_user(message, ConvergenceWarning)
