"""The order of rows: sequences from the longest to the shortest, and the steps of each in a row."""

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


def places_of(lengths):
    """Where each sequence starts, if all steps of one follow those of the sequence before."""
    places = np.zeros(len(lengths), np.int64)
    np.cumsum(lengths[:-1], out=places[1:])
    return places


def steps_from(places, lengths):
    """The places of all steps of sequences that start at such places."""
    return np.repeat(places - places_of(lengths), lengths) + np.arange(lengths.sum())
