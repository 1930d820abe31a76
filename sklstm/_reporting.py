"""What a fit says: lines as it goes on, if verbose, and warnings at its end."""

from contextlib import nullcontext

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
        if not self._verbose:
            return
        progress = self._progress
        loss, score, _ = progress.history.newest
        self._print(f"Iteration {len(progress.history)}, loss = {loss:.8f}")
        if score is not None:
            self._print(f"Validation score: {score:f}")

    def plateau(self, rate):
        """Patience has run out, and the learning rate falls to `rate`."""
        self._print(f"{self._impatience()} Setting learning rate to {rate:f}")

    def end(self, end):
        """Training has ended."""
        settings, solver = self._settings, self._settings.solver
        words = solver.last_words(self._impatience()) if end is End.PATIENCE else None
        if words is not None:
            self._print(words)
        if end is End.INTERRUPTED:
            warn_user("Training interrupted by user.")
        limit = solver.exhausted(end, settings)
        if limit is not None:
            what, size = limit
            self._warn_of_convergence(
                f"{solver.title}: Maximum {what} ({size}) reached and the optimization hasn't "
                "converged yet."
            )
        if end is End.DIVERGED:
            self._warn_of_convergence(
                f"The loss became infinite or NaN in epoch {len(self._progress.history) + 1}; the "
                f"last weights with a finite loss are kept. {solver.remedy(settings)}, or scale X "
                "if normalize_X=False."
            )

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
