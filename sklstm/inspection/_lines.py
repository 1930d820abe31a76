"""Paths through the transformers of a pipeline: straight in X, and bent in what the net reads.

There, straight lines stand for them, one after the other. On each of these a net is as smooth as
without transformers, even where these jump or have corners. What the inputs of a line add is said
of the numbers of X that have changed them.
"""

from functools import cached_property

import numpy as np

from sklstm.inspection._chain import transformed
from sklstm.inspection._path import position

# How far paths may be from the middles of lines, on the average, relative to how far these go, and
# times the square of n_points: as that of the number of lines, by which what is off shrinks. Single
# attributions are off by about as much, relative to the sizes of all.
_BENT = 0.4
# What the ends of lines may hold.
_KEPT_BYTES = 200_000_000


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
                f"refuse numbers between them, with the words: {error}"
            ) from error
        return inputs.reshape(*steps.shape[:-1], inputs.shape[1])

    def are_straight(self, n_points):
        """Whether the paths of each sequence are, about, in what the net reads."""
        middles = self._transformed((self._steps[:-1] + self._steps[1:]) / 2)
        # As the net multiplies them.
        scale = self._given.net._scaling[1]
        off = np.abs((middles - (self._inputs[:-1] + self._inputs[1:]) / 2) * scale)
        far = np.abs((self._inputs[1:] - self._inputs[:-1]) * scale)
        starts = np.cumsum(self._of_sequences) - self._of_sequences
        off, far = (np.add.reduceat(each.sum(axis=(0, 2)), starts) for each in (off, far))
        return off / self.n * n_points**2 <= _BENT * far

    def attributions(self, gradients):
        """What each number of X adds, (n_steps, n_features).

        Parameters
        ----------
        gradients : ndarray of shape (n * n_steps, n_inputs)
            The mean gradients on all lines.
        """
        begin, end = self.ends
        shape = self.n, -1, self._steps.shape[2]
        if not self._given.transformers:
            return (gradients * (end - begin)).reshape(shape).sum(axis=0)
        if self._sources is None:
            return self._of_several(gradients).reshape(shape).sum(axis=0)
        of_inputs = (gradients * (end - begin)).reshape(self.n, *self._inputs.shape[1:])
        result = np.zeros(self._steps.shape[1:])
        np.add.at(result.T, self._sources, of_inputs.sum(axis=0).T)
        return result

    @cached_property
    def _sources(self):
        """The feature that each input is made of; None if one is made of several.

        Some features are changed at once, those whose numbers have a bit, and then all others: an
        input of one source changes with those or with these, as if all had changed.
        """
        (first, last), (begin, end) = (each[[0, -1]] for each in (self._steps, self._inputs))
        n_features = first.shape[1]
        sources = np.zeros(begin.shape[1], int)
        # Of what ends as it began, this shows nothing; but it may have changed between.
        if ((begin == end).all(axis=0) & (self._inputs != begin).any(axis=(0, 1))).any():
            return None
        for bit in range((n_features - 1).bit_length()):
            has_bit = np.arange(n_features) >> bit & 1 == 1
            of_some = self._transformed(np.where(has_bit, last, first))
            of_others = self._transformed(np.where(has_bit, first, last))
            is_some = ((of_some == end) & (of_others == begin)).all(axis=0)
            is_other = ((of_some == begin) & (of_others == end)).all(axis=0)
            if not (is_some | is_other).all():
                return None
            # What nothing changes is both, and adds nothing.
            sources += (is_some & ~is_other) << bit
        return sources if (sources < n_features).all() else None

    def _of_several(self, gradients):
        """The same for all lines, where inputs are made of several features.

        What a feature changes of an input is the mean of what it changes before all others, and
        after all of them. Of what this leaves, where three or more act together, those that change
        have equal shares.
        """
        first, last = _ends(self._steps)
        begin, end = self.ends
        rest, result = end - begin, np.zeros_like(first)
        for feature in range(result.shape[1]):
            before, after = first.copy(), last.copy()
            before[:, feature], after[:, feature] = last[:, feature], first[:, feature]
            before, after = (self._transformed(each) for each in (before, after))
            changes = (before - begin + end - after) / 2
            rest -= changes
            result[:, feature] = (gradients * changes).sum(axis=1)
        changed = first != last
        shares = changed / changed.sum(axis=1, keepdims=True).clip(min=1)
        return result + shares * (gradients * rest).sum(axis=1, keepdims=True)


def lines_of(given, rows, start, bend, n_points):
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
        Twice as many as there may be lines.

    Yields
    ------
    rows : ndarray of int
        Some of these.
    lines : Lines
        Of them.
    """
    most = max(n_points // 2, 1) if given.transformers else 1
    numbers = given.n_features + given.sequences.n_features
    bytes_of_row = 2 * (most + 1) * given.lengths[rows].max() * numbers * 8
    at_a_time = max(_KEPT_BYTES // bytes_of_row, 1)
    for begin in range(0, len(rows), at_a_time):
        todo, n = rows[begin : begin + at_a_time], 1
        while len(todo):
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
