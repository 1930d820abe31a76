"""When to stop, and which weights were the best."""

import numpy as np

from sklstm._network.rounds import Predictor
from sklstm._training.state import End


class Patience:
    """Watches a quantity that should fall: the training loss, or minus the validation score.

    As in MLPRegressor, an epoch improves if it is below the best by `tol`, and patience runs out
    after more than `n_iter_no_change` epochs in a row that do not.

    Parameters
    ----------
    tol : float
    n_iter_no_change : int
    """

    def __init__(self, tol, n_iter_no_change):
        self.tol, self.n_iter_no_change = tol, n_iter_no_change
        self.best, self.best_weights, self.waited = np.inf, None, 0

    def watch(self, value, weights):
        """Take note of an epoch; whether patience has run out."""
        self.waited = self.waited + 1 if value > self.best - self.tol else 0
        if value < self.best:
            self.best, self.best_weights = value, weights.copy()
        return self.waited > self.n_iter_no_change


class Watch:
    """Keeps the history of epochs, and says when to stop.

    Parameters
    ----------
    progress : Progress
    course : Course
    settings : Settings
    score : Scorer or None
        With it, patience goes by the validation score; without, by the objective.
    hooks : Hooks
    """

    def __init__(self, progress, course, settings, score, hooks):
        if course.patience is None:
            course.patience = Patience(settings.tol, settings.n_iter_no_change)
        self.course, self._patience = course, course.patience
        self._progress, self._score, self._hooks = progress, score, hooks

    @property
    def validates(self):
        """Whether patience goes by a validation score."""
        return self._score is not None

    @property
    def best_weights(self):
        """Those of the best epoch, or None before the first."""
        return self._patience.best_weights

    def score_start(self):
        """Let what earlier fits ended with be beaten, by this fit's loss and rows."""
        weights = self._progress.weights
        self._patience.watch(-self._score(weights)[0], weights)
        self._progress.best_score = -self._patience.best

    def begin(self):
        """Say that an epoch begins."""
        self._hooks.begin()

    def end(self, loss):
        """Take note of an epoch; why to stop, or None."""
        progress, course = self._progress, self.course
        score, validation_loss = None, None
        if self._score is not None:
            score, validation_loss = self._score(progress.weights)
        # At once, and not before there is a score: an interrupt leaves all or none.
        progress.history.append((loss, score, validation_loss))
        course.epochs += 1
        progress.best_loss = min(progress.best_loss, loss)
        impatient = self._patience.watch(loss if score is None else -score, progress.weights)
        if self.validates:
            progress.best_score = -self._patience.best
        stopped = self._hooks.end()
        course.end = End.CALLBACK if stopped else End.PATIENCE if impatient else None
        self._hooks.keep()
        return course.end

    def wait_anew(self, rate):
        """Have patience once more, with steps of another `rate`."""
        self._patience.waited, self.course.end = 0, None
        self._hooks.plateau(rate)


class Scorer:
    """The validation score of weights, and the mean loss; a context manager."""

    def __init__(self, architecture, validation, loss):
        self._rows, self._loss = validation.rows, loss
        outputs, sample_weight = validation.outputs, validation.sample_weight
        scored = outputs.weighed(validation.rows, sample_weight)
        self._targets, self._sample_weight = validation.targets[scored], sample_weight[scored]
        self._scored = slice(None)
        if outputs.lengths is not None:
            self._scored = sample_weight[outputs.of(validation.rows)] > 0
        self._team = Predictor(architecture, validation.sequences, len(validation.rows))

    def __enter__(self):
        self._team.__enter__()
        return self

    def __exit__(self, *exception):
        self._team.__exit__(*exception)

    def __call__(self, weights):
        raw = self._team.predict(weights, self._rows)[self._scored]
        data = raw, self._targets, self._sample_weight
        return self._loss.score(*data), self._loss.mean(*data)
