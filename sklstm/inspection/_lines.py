"""Paths through the transformers of a pipeline: straight in X, and bent in what the net reads.

There, straight lines stand for them, one after the other. On each of these a net is as smooth as
without transformers, even where these jump or have corners. What the inputs of a line add is said
of the numbers of X that have changed them.
"""

import numpy as np
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sklstm.inspection._chain import transformed
from sklstm.inspection._path import position

# Transformers that make each input of one feature, the one in its place.
_ALONE = (
    MaxAbsScaler, MinMaxScaler, PowerTransformer, QuantileTransformer, RobustScaler, StandardScaler
)  # fmt: skip
# How far paths may be from lines, on the average, relative to how far these go, and times the
# square of n_points: as that of the number of lines, by which what is off shrinks. Single
# attributions are off by about as much, relative to the sizes of all.
_BENT = 0.4
# Where on a line this is looked at: in its middle, what is odd or comes round would pass.
_BETWEEN = 0.38
# What lines may hold: numbers of X and of inputs at their ends, and some more arrays of that size.
_KEPT_BYTES, _ARRAYS = 200_000_000, 6


class Lines:
    """Straight paths, which lead one after the other from baselines to sequences.

    Parameters
    ----------
    given : Given
    steps : ndarray of shape (n + 1, n_steps, n_features)
        Where the first lines of all sequences begin, where these end and the next ones begin, and
        so on.
    of_sequences : ndarray of int, of shape (n_sequences,)
        Their lengths.

    Attributes
    ----------
    n : int
        How many lines each sequence has.
    ends : tuple of two ndarray of shape (n * n_steps, n_inputs)
        Where all lines begin, and where they end, in what the net reads.
    lengths : ndarray of int, of shape (n * n_sequences,)
    """

    def __init__(self, given, steps, of_sequences):
        self._given, self._steps, self._of_sequences = given, steps, of_sequences
        self._inputs = self._transformed(steps)
        self.n, self.ends = len(steps) - 1, _ends(self._inputs)
        self.lengths = np.tile(of_sequences, self.n)

    def _transformed(self, steps):
        """What the net reads of steps (..., n_features)."""
        if not self._given.transformers:
            return steps
        rows = steps.reshape(-1, steps.shape[-1])
        try:
            inputs = transformed(self._given.transformers, rows)
        except ValueError as error:
            raise ValueError(
                "There is no path from the baseline to X through the pipeline: its transformers "
                f"refuse numbers on it or near it, with the words: {error}"
            ) from error
        return inputs.reshape(*steps.shape[:-1], inputs.shape[1])

    def are_straight(self, n_points):
        """Whether the paths of each sequence are, about, in what the net reads."""
        begin, end = self._steps[:-1], self._steps[1:]
        between = self._transformed(begin + _BETWEEN * (end - begin))
        begin, end = self._inputs[:-1], self._inputs[1:]
        # As the net multiplies them.
        scale = self._given.net._scaling[1]
        off = np.abs((between - (begin + _BETWEEN * (end - begin))) * scale)
        far = np.abs((end - begin) * scale)
        # Lines are added one after the other: NumPy's order depends on how many steps there are.
        off, far = (self.sums(sum(each)) for each in (off, far))
        return off / self.n * n_points**2 <= _BENT * far

    def attributions(self, gradients):
        """What each number of X adds, (n_steps, n_features).

        Parameters
        ----------
        gradients : ndarray of shape (n * n_steps, n_inputs)
            The mean gradients on all lines.
        """
        transformers = (each.transformer_ for each in self._given.transformers)
        if all(type(each) in _ALONE for each in transformers):
            of_lines = gradients * (self.ends[1] - self.ends[0])
        else:
            of_lines = self._of_several(gradients)
        return sum(of_lines.reshape(self.n, *self._steps.shape[1:]))

    def sums(self, of_steps):
        """Numbers (n_steps, ...) added up to one a sequence."""
        starts = np.cumsum(self._of_sequences) - self._of_sequences
        return np.add.reduceat(of_steps.sum(axis=1), starts)

    def _of_several(self, gradients):
        """The same on each line, where inputs may be made of several features.

        What a feature changes of an input is the mean of what it changes before all others, and
        after all of them. Of what this leaves, where three or more act together, those that change
        have equal shares; of all, where transformers have no answer before or after.
        """
        first, last = _ends(self._steps)
        begin, end = self.ends
        rest, result = end - begin, np.zeros_like(first)
        for feature in range(result.shape[1]):
            before, after = first.copy(), last.copy()
            before[:, feature], after[:, feature] = last[:, feature], first[:, feature]
            before, after = (self._transformed(each) for each in (before, after))
            changes = (before - begin + end - after) / 2
            changes[~np.isfinite(changes).all(axis=1)] = 0
            rest -= changes
            result[:, feature] = (gradients * changes).sum(axis=1)
        changed = first != last
        shares = changed / changed.sum(axis=1, keepdims=True).clip(min=1)
        return result + shares * (gradients * rest).sum(axis=1, keepdims=True)


def lines_of(given, rows, start, bend, n_points, stopped):
    """Paths to some sequences, in as many lines as these take.

    Parameters
    ----------
    given : Given
    rows : ndarray of int
    start : callable
        The steps of baselines, (n_steps, n_features), of some rows.
    bend : float
        Of paths in X: see `position`.
    n_points : int
        At most half as many lines are taken.
    stopped : callable
        Whether to give up.

    Yields
    ------
    rows : ndarray of int
        Some of these.
    lines : Lines
        Of them.
    """
    most = max(n_points // 2, 1) if given.transformers else 1
    numbers = given.n_features + given.sequences.n_features
    bytes_of_row = _ARRAYS * (most + 1) * given.lengths[rows].max() * numbers * 8
    at_a_time = max(_KEPT_BYTES // bytes_of_row, 1)
    for begin in range(0, len(rows), at_a_time):
        todo, n = rows[begin : begin + at_a_time], 1
        while len(todo) and not stopped():
            lines = _in_lines(given, todo, start, bend, n)
            done = lines.are_straight(n_points) if n < most else np.full(len(todo), True)
            if done.all():
                yield todo, lines
            elif done.any():
                yield todo[done], _in_lines(given, todo[done], start, bend, n)
            todo, n = todo[~done], min(2 * n, most)


def _in_lines(given, rows, start, bend, n):
    first, last = start(rows), given.steps_of(rows)
    at = position(np.arange(n) / n, bend)[:, np.newaxis, np.newaxis]
    steps = np.concatenate([first + at * (last - first), last[np.newaxis]])
    return Lines(given, steps, given.lengths[rows])


def _ends(corners):
    """Where lines begin and where they end, those of all one below the other."""
    return tuple(each.reshape(-1, each.shape[2]) for each in (corners[:-1], corners[1:]))
