"""The order of rows: sequences from the longest to the shortest, and what comes out of each."""

from functools import cached_property

import numpy as np


class LongestFirst:
    """Sorts rows by the lengths of their sequences, equal ones as they come.

    All arrays are made here, none by a call.

    Parameters
    ----------
    lengths : ndarray of int64, of shape (n_samples,)
    max_rows : int
        The most rows of a call.
    """

    def __init__(self, lengths, max_rows):
        # A key is a row's place less its length times `max_rows`: no two are equal, so that any
        # sort is stable, and the remainder is the place.
        self._places = np.arange(max_rows, dtype=np.int64)
        self._keys = np.empty_like(self._places)
        # Each call would make an array of a Python int.
        self._max_rows = np.array(max_rows, np.int64)
        self._scaled_lengths = lengths * self._max_rows

    def __call__(self, rows):
        """The places of `rows` in their new order; the next call overwrites them."""
        n = len(rows)
        keys = self._keys[:n]
        # Unless told to clip, `take` goes through a buffer.
        self._scaled_lengths.take(rows, out=keys, mode="clip")
        np.subtract(self._places[:n], keys, out=keys)
        keys.sort()
        keys %= self._max_rows
        return keys


class Outputs:
    """Which of the net's outputs, and of targets, are a sequence's: one, or one for each step.

    Those of a sequence follow one another, and sequences do.

    Parameters
    ----------
    lengths : ndarray of int64, of shape (n_samples,), or None
        The steps of each sequence; None: each has one output.
    """

    def __init__(self, lengths=None):
        self.lengths = lengths

    def count(self, rows):
        """How many those of some sequences are."""
        return len(rows) if self.lengths is None else int(self.lengths[rows].sum())

    def starts(self, rows):
        """Where those of each sequence start, if these sequences are all, in this order."""
        if self.lengths is None:
            return np.arange(len(rows))
        starts = np.zeros(len(rows), np.int64)
        np.cumsum(self.lengths[rows[:-1]], out=starts[1:])
        return starts

    def of(self, rows):
        """The places of those of some sequences among all."""
        return rows if self.lengths is None else self._spread(self._all_starts[rows], rows)

    def weighed(self, rows, weights):
        """The same, but of steps without a weight: they have no target."""
        some = self.of(rows)
        return some if self.lengths is None else some[weights[some] > 0]

    def reordered(self, rows, order):
        """The places of those of `rows[order]`, where they are in the order of `rows`."""
        if self.lengths is None:
            return order
        return self._spread(self.starts(rows)[order], rows[order])

    def add_up(self, weights):
        """The sum of the weights of each sequence's."""
        if self.lengths is None:
            return weights
        return np.add.reduceat(weights, self._all_starts)

    @cached_property
    def _all_starts(self):
        return self.starts(np.arange(len(self.lengths)))

    def _spread(self, starts, rows):
        lengths = self.lengths[rows]
        return np.repeat(starts - self.starts(rows), lengths) + np.arange(lengths.sum())
