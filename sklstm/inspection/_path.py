"""Straight paths to what the net reads: predictions and gradients at points of parts of them."""

from dataclasses import dataclass

import numpy as np

from sklstm._kernels.shard import SEQUENCE
from sklstm._network.parameters import Architecture
from sklstm._network.trace import Trace
from sklstm._sequences import Sequences
from sklstm.inspection._blocks import gradient_on_x, most_rows
from sklstm.inspection._given import Given
from sklstm.inspection._outputs import Output


@dataclass(frozen=True, eq=False)
class Way:
    """What a prediction is made of, and its gradient.

    Parameters
    ----------
    given : Given
    output : Output
    architecture : Architecture
    weights : ndarray of shape (n_weights,), of float64
        Both are those of a net whose cells are those of the given one.
    bytes_of_step : int
        What a rule keeps for each step of a part.
    bend : float
        How much slower the way is gone near the baseline: see `position`.
    n_lines : int
        Of how many straight paths, one after the other, the way consists.
    """

    given: Given
    output: Output
    architecture: Architecture
    weights: np.ndarray
    bytes_of_step: int = 0
    bend: float = 0.0
    n_lines: int = 1


def position(times, bend):
    """Where one is at times from 0 to 1, who is exp(bend) times as fast in the end as at first."""
    return np.expm1(bend * times) / np.expm1(bend) if bend else times


def speed(times, bend):
    """The derivative of `position`."""
    return bend * np.exp(bend * times) / np.expm1(bend) if bend else np.ones_like(times)


class Parts:
    """Parts of some paths, each from a first to a last position.

    Parameters
    ----------
    steps : tuple of two ndarray of shape (n_steps, n_inputs)
        The sequences where paths begin, and where they end, with all steps of all in a row.
    of_paths : ndarray of int, of shape (n_paths,)
        The lengths of these sequences.
    rows : ndarray of int, of shape (n_parts,)
        Which path each is a part of.
    first, last : ndarray of shape (n_parts,)
        Between 0, where paths begin, and 1, where they end.
    bend : float
        How parts are gone, as of `position`.

    Attributes
    ----------
    lengths : ndarray of int, of shape (n_parts,)
    places : ndarray of int, of shape (n_steps,)
        The steps of all parts in a row, among those of all paths.
    share : ndarray of shape (n_parts,)
        How much of its path each is.
    are_whole : bool
        Whether all are paths from 0 to 1.
    start, span : ndarray of shape (n_steps, n_inputs)
        What they are at the first positions, and what they have more at the last.
    """

    def __init__(self, steps, of_paths, rows, first, last, bend=0.0):
        self._steps, self._of_paths, self.bend = steps, of_paths, bend
        self.rows, self.first, self.last = rows, first, last
        self.lengths = of_paths[rows]
        self._begins = np.cumsum(self.lengths) - self.lengths
        begins = np.cumsum(of_paths) - of_paths
        self.places = np.repeat(begins[rows] - self._begins, self.lengths)
        self.places += np.arange(len(self.places))
        start, end = (each[self.places] for each in steps)
        self.share = last - first
        self.are_whole = bool((self.share == 1).all())
        self.start = start + self.at_steps(first) * (end - start)
        self.span = self.at_steps(self.share) * (end - start)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, some):
        of_these = self.rows[some], self.first[some], self.last[some]
        return Parts(self._steps, self._of_paths, *of_these, self.bend)

    def cut(self, at):
        """Each cut in three, or in two where these positions of it, (2, n_parts), leave nothing."""
        within = self.first + at * self.share
        # Where a part ends, without rounding.
        within[at == 1] = np.broadcast_to(self.last, at.shape)[at == 1]
        edges = np.stack([self.first, *within, self.last], axis=1)
        first, last = edges[:, :-1].ravel(), edges[:, 1:].ravel()
        pieces = np.flatnonzero(first < last)
        rows = self.rows[pieces // 3]
        return Parts(self._steps, self._of_paths, rows, first[pieces], last[pieces])

    def at_steps(self, of_parts):
        """Numbers, one a part, at each of its steps: (n_steps, 1)."""
        return np.repeat(of_parts, self.lengths)[:, np.newaxis]

    def places_of(self, some):
        """Where the steps of some of the parts are, with those of all in a row."""
        return np.concatenate([np.arange(self.lengths[n]) + self._begins[n] for n in some])

    def sums(self, of_steps):
        """Numbers (n_steps, n_inputs) added up to one a part."""
        return np.add.reduceat(of_steps.sum(axis=1), self._begins)

    def largest(self, of_steps):
        """The size of the largest number of each part."""
        return np.maximum.reduceat(np.abs(of_steps).max(axis=1), self._begins)


class Reader:
    """Parts of paths, read at positions that are counted from 0 to 1 in each part.

    Parameters
    ----------
    way : Way
    parts : Parts
    stopped : callable
        Whether to give up; there are no more answers then.
    """

    def __init__(self, way, parts, stopped):
        self._way, self._parts, self._stopped = way, parts, stopped
        dtype = np.dtype(np.float64)
        # Few parts are read at several positions together, to fill the register tiles.
        most = most_rows(way.architecture, dtype, parts.lengths.max())
        self._at_a_time = max(most // len(parts), 1)
        lengths = np.tile(parts.lengths, self._at_a_time)
        self._lengths = lengths
        exists = np.arange(lengths.max()) < lengths[:, np.newaxis]
        self._exists = None if exists.all() else exists
        n_features = way.given.sequences.n_features
        self._numbers = np.zeros((lengths.sum(), n_features))
        records = np.zeros(len(lengths), SEQUENCE)
        address = self._numbers.__array_interface__["data"][0]
        starts = np.cumsum(lengths) - lengths
        records["address"] = address + starts * self._numbers.strides[0]
        records["step_stride"], records["feature_stride"] = self._numbers.strides
        records["length"] = lengths
        scaling = way.given.sequences.scaling
        sequences = Sequences(records, dtype, n_features, self._numbers, scaling)
        self._trace = Trace(way.architecture, sequences, way.weights, states=False)

    def raw(self, positions):
        """What the net says.

        Yields
        ------
        raw : ndarray of shape (n_parts, ...)
            The raw outputs for each part at a position.
        """
        for raw, n in self._forward(positions):
            yield from raw.reshape(-1, len(self._parts), *raw.shape[1:])[:n]

    def gradients(self, positions, seeds=None):
        """What the net says, and its gradient.

        Parameters
        ----------
        positions : ndarray of shape (n_positions,)
        seeds : ndarray of shape (n_positions, n_parts, ...) or None
            The gradient on raw outputs; None: that of the prediction.

        Yields
        ------
        value : ndarray of shape (n_parts,) or None
            The prediction for each part at a position; None with `seeds`.
        slope : ndarray of shape (n_steps, n_inputs)
            The gradient on what the net reads, with all steps of all parts in a row.
        """
        first = 0
        for raw, n in self._forward(positions):
            if seeds is None:
                values, d_raw = self._way.output.value_and_slope(raw, self._lengths)
                values = values.reshape(self._at_a_time, -1)
            else:
                values, d_raw = [None] * n, np.zeros_like(raw)
                by_position = d_raw.reshape(self._at_a_time, -1, *raw.shape[1:])
                by_position[:n] = seeds[first : first + n]
            slopes = gradient_on_x(self._trace, d_raw)
            if self._exists is not None:
                slopes = slopes[self._exists]
            slopes = slopes.reshape(self._at_a_time, -1, slopes.shape[-1])
            yield from zip(values[:n], slopes[:n], strict=True)
            first += n

    def _forward(self, positions):
        """Some positions after others: their raw outputs, and how many they are."""
        parts = self._parts
        for first in range(0, len(positions), self._at_a_time):
            if self._stopped():
                return
            here = positions[first : first + self._at_a_time]
            n = len(here)
            # There is room for more: those are read in vain.
            here = np.append(here, np.zeros(self._at_a_time - n))
            steps = parts.start + here[:, np.newaxis, np.newaxis] * parts.span
            self._numbers[:] = steps.reshape(self._numbers.shape)
            yield self._trace.forward()[0], n
