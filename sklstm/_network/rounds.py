"""Rounds over the rows of a data set: to predict, to learn, or to go forward and then back."""

from typing import NamedTuple

import numpy as np

from sklstm._kernels import arrays, losses, packing, tasks
from sklstm._machine.linkage import EVERY_NET
from sklstm._network.layout import aligned, check_size, make_layout
from sklstm._network.team import Team, copies


class Goal(NamedTuple):
    """What a `Learner` learns: a loss that the kernels have, its settings and data.

    Parameters
    ----------
    loss : int
        Of `_kernels.losses`.
    settings : tuple of float
    targets : ndarray of shape (n_samples, n_outputs / len(settings))
    sample_weight : ndarray of shape (n_samples,)
        Both of the dtype of the sequences. If there is an output for each step, there are as many
        of both as steps: all of the first sequence, then those of the next.
    """

    loss: int
    settings: tuple
    targets: np.ndarray
    sample_weight: np.ndarray


def packed_to_predict(architecture, weights):
    """The weights as rounds that predict read them, of any number of rows."""
    dtype = weights.dtype
    check_size("weights", weights, (architecture.n_weights,))
    EVERY_NET.link(dtype)
    layout = make_layout(architecture, dtype, 1, 1, False)
    packed = aligned((layout.packed_size,), dtype)
    packing.pack(copies(layout.net, 1), copies(layout.cells, 1), weights, packed, False)
    return packed


class Predictor(Team):
    """Rounds that predict."""

    def predict(self, weights, rows, last=False):
        """The raw outputs (rows, n_outputs) of some sequences; the array is new.

        Of a team whose weights were packed before, these are not read.

        If there is one for each step, they are (steps, n_outputs): all of the first row, then those
        of the next.

        After the `last` round, workers leave as soon as they find no more work.
        """
        n = self._begin(weights, rows)
        self._run(tasks.PREDICT, last)
        return self._raw(n)

    def predict_others(self, sequences, last=False):
        """Predict as in the last round, but other sequences.

        They must be as many as those that the team was made for, all as long as they were, and the
        round have been one of all in their order.
        """
        # Field by field, as NumPy would copy records, takes long.
        self._numbers_of_records[:] = sequences.records[:].view(np.int64)
        self._held[0] = sequences
        self._run(tasks.PREDICT, last)
        return self._raw(len(sequences))

    def predict_array(self, X, last=False):
        """As `predict_others`, but those of an array; None if there is NaN or infinity in it.

        Parameters
        ----------
        X : ndarray
            Of the type of the net's numbers; of any shape that has as many of them, in the order of
            (n_samples, n_timesteps, n_features).
        """
        if X.shape != self._shape:
            X = X.reshape(self._shape)
        if not arrays.read(X, self._context.sequences):
            return None
        self._held[0] = X
        self._run(tasks.PREDICT, last)
        return self._context.raw.copy()

    def let_go(self):
        """Hold no sequences any more, between rounds."""
        self._held[0] = None


class Learner(Team):
    """Rounds that go forward, compute a loss, and back, shard by shard.

    The tape is then still in the cache, and there need be no more tapes than threads.

    Parameters
    ----------
    architecture, sequences, max_rows
        As above.
    goal : Goal
    dropout, recurrent_dropout, bptt_steps
        As above.
    """

    _training = True

    def __init__(
        self, architecture, sequences, max_rows, goal, dropout=False, recurrent_dropout=False,
        bptt_steps=None,
    ):  # fmt: skip
        losses.link(goal.loss, sequences.dtype)
        super().__init__(
            architecture, sequences, max_rows, dropout, recurrent_dropout, goal, bptt_steps
        )

    def learn(self, weights, rows, scale, masks=None):
        """The goal's loss of some sequences, and its gradient, which the next round overwrites.

        The loss of each raw output counts sample weight times `scale`. `masks` (rows, columns)
        multiply what dropout acts on; columns as of `Architecture.mask_sizes`.
        """
        n = self._begin(weights, rows, masks)
        self._context.parameters[0] = scale
        self._run(tasks.LEARN)
        loss = float(self._context.values[: self._count(n)].ravel().sum())
        return loss, self._gradient()


class TwoWay(Team):
    """Rounds that go forward, and rounds that go back, for a loss that the kernels have not.

    Parameters
    ----------
    architecture, sequences, max_rows, dropout, recurrent_dropout, bptt_steps
        As of `Learner`.
    """

    _training = _keeps_tapes = True

    def forward(self, weights, rows, masks=None):
        """The raw outputs, as of `Predictor`; `masks` as of `Learner`."""
        self._n = self._begin(weights, rows, masks)
        self._run(tasks.FORWARD)
        return self._raw(self._n)

    def backward(self, d_raw):
        """The gradient on the flat vector of weights, given that on the last raw outputs."""
        self._context.d_raw[: len(d_raw)] = d_raw[self._computed(self._n)]
        self._run(tasks.BACKWARD)
        return self._gradient().copy()
