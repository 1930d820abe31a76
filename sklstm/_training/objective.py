"""The penalised mean loss of some samples, and its gradient on the flat vector."""

from typing import Any

import numpy as np

from sklstm._kernels import updates
from sklstm._network.parameters import penalized
from sklstm._network.rounds import Goal, Learner, TwoWay


class Objective:
    """mean loss + alpha / (2 total) ||weights without biases||^2.

    A context manager: it holds threads and buffers for minibatches of the solver.

    Parameters
    ----------
    architecture : Architecture
    data : Data
    settings : Settings
    """

    def __init__(self, architecture, data, settings):
        self.architecture = architecture
        self._data, self._settings = data, settings
        row_weight = data.row_weight[data.rows]
        self._mean_weight = float(row_weight[row_weight > 0].mean(dtype=np.float64))
        self._penalty = float(settings.alpha) * penalized(architecture, data.sequences.dtype)
        self._decay = np.empty_like(self._penalty)
        self._decoupled = settings.solver.decoupled
        self.batch_size = min(settings.solver.batch_size, len(data.rows))
        self._batch_weight = np.zeros(self.batch_size, data.sample_weight.dtype)
        loss, of_team = settings.loss, (architecture, data.sequences, self.batch_size)
        options: dict[str, Any] = {
            "dropout": settings.dropout > 0,
            "recurrent_dropout": settings.recurrent_dropout > 0,
            "bptt_steps": settings.bptt_steps,
        }
        self._team: Any
        if loss.kernel is None:
            self._team = TwoWay(*of_team, **options)
        else:
            goal = Goal(loss.kernel, loss.settings, data.targets, data.sample_weight)
            self._team = Learner(*of_team, goal, **options)

    def __enter__(self):
        self._team.__enter__()
        return self

    def __exit__(self, *exception):
        self._team.__exit__(*exception)

    def __call__(self, weights, rows, masks=None):
        """How many rows have a weight, the objective, and its gradient; None if there are none.

        The gradient is overwritten by the next call.

        The loss is divided by the number of rows with a weight, times the mean of all positive
        weights, and not by the sum of these rows' own: else a row would count the more, the lighter
        the rows that it is drawn with.

        Parameters
        ----------
        weights : ndarray of shape (n_weights,)
        rows : ndarray of int
            The minibatch.
        masks : ndarray or None
            Of dropout.
        """
        batch_weight = self._batch_weight[: len(rows)]
        # Unless told to clip, `take` goes through a buffer.
        np.take(self._data.row_weight, rows, out=batch_weight, mode="clip")
        count = np.count_nonzero(batch_weight)
        if count == 0:
            return 0, 0.0, None
        total = count * self._mean_weight
        loss, gradient = self.mean_loss(weights, rows, 1 / total, masks)
        return count, loss + self.penalize(weights, gradient, total), gradient

    def penalize(self, weights, gradient, total):
        """Add the penalty's gradient for a sum of sample weights; returns its value."""
        if self._decoupled:
            return 0.0
        return updates.add_penalty(gradient, weights, self._penalty, 1 / total)

    def mean_loss(self, weights, rows, scale, masks=None):
        """The sum of the loss by sample weight, times `scale`, and its gradient."""
        loss, data = self._settings.loss, self._data
        scale /= loss.n_terms(data.targets.shape[1])
        if loss.kernel is not None:
            return self._team.learn(weights, rows, scale, masks)
        some = data.outputs.of(rows)
        y, share = data.targets[some], scale * data.sample_weight[some, np.newaxis]
        raw = self._team.forward(weights, rows, masks)
        gradient = self._team.backward((share * loss.gradient(raw, y)).astype(raw.dtype))
        return float((share * loss.value(raw, y)).sum()), gradient

    def prepare(self, weights, gradient, rate):
        """Clip the gradient, and let a decoupled penalty shrink the weights."""
        if self._settings.max_grad_norm is not None:
            updates.clip(gradient, float(self._settings.max_grad_norm))
        if self._decoupled:
            np.multiply(self._penalty, weights, out=self._decay)
            self._decay *= rate
            weights -= self._decay
