"""Some sequences run by themselves, with all that a shard keeps open to look at."""

import math
from typing import Any

import numpy as np

from sklstm._kernels import one_shard, packing, pooling, tasks
from sklstm._kernels.spans import STARTS
from sklstm._machine.linkage import EVERY_NET, UPPER_LAYERS
from sklstm._network.gradients import GradientSum
from sklstm._network.layout import (
    State,
    aligned,
    check_size,
    compiled_for,
    make_layout,
    read_tape,
    state_of,
)


class Trace:
    """A shard of sequences: its steps, its states, and the gradient on X.

    All arrays that it takes and gives have the rows of `sequences`, in their order.

    Parameters
    ----------
    architecture : Architecture
    sequences : Sequences
        All of them are one shard.
    weights : ndarray of shape (n_weights,)
    steps : int or None
        The most steps of a segment; None: as many as the longest sequence has. With two directions
        there is one segment, the whole.
    states : bool
        Whether segments start from states and end with them; without, there is but the whole.
    """

    def __init__(self, architecture, sequences, weights, steps=None, states=True):
        EVERY_NET.link(sequences.dtype)
        pooling.link(architecture.pooling, sequences.dtype, training=True)
        UPPER_LAYERS.link(sequences.dtype)
        check_size("weights", weights, (architecture.n_weights,), sequences.dtype)
        check_size("scaling", sequences.scaling, (2, architecture.n_features))
        self._lengths = sequences.records["length"]
        self._order = np.argsort(-self._lengths, kind="stable")
        self._steps = sequences.longest if steps is None else steps
        n, dtype = len(sequences.records), sequences.dtype
        self._layout = make_layout(
            architecture, dtype, n, self._steps, True,
            segments=2 if states and not architecture.bidirectional else 1, x_gradient=True,
        )  # fmt: skip
        net, cells = self._layout.net.copy(), self._layout.cells.copy()
        packed = aligned((self._layout.packed_size,), dtype)
        packing.pack(net, cells, weights, packed, True)
        self._work = aligned((self._layout.work_size,), dtype)
        self._turn = np.zeros(tasks.TURN_SIZE, np.int64)
        self._turn[[tasks.TAPE, tasks.ANSWERS]] = 1
        # The kernels see addresses alone: this keeps the memory behind them.
        self._sequences = sequences
        self._arguments = (
            net, cells, packed, sequences.records[:], compiled_for(sequences.scaling), self._order,
            np.ones((n, 0), dtype), self._work, np.zeros(STARTS + self._steps + 1, np.int64),
            self._turn,
        )  # fmt: skip
        # Of each sequence one output, or as many as the longest has steps.
        each = [sequences.longest] if architecture.reads_each_step else []
        self._places = np.arange(n) * math.prod(each)
        # By row, and the same memory as the kernels see it.
        self._raw = np.full((n, *each, architecture.n_outputs), np.nan, dtype)
        self._flat_raw = self._raw.reshape(-1, architecture.n_outputs)
        self._sum = GradientSum(architecture, self._layout, 1, dtype)
        self._segment: Any = None

    def forward(self, begin=0, end=None, state=None):
        """Read steps `begin` to `end`.

        Parameters
        ----------
        begin, end : int
            None: the last.
        state : State or None
            What the segment starts from; None if it is the first.

        Returns
        -------
        raw : ndarray of shape (n_samples, n_outputs) or (n_samples, longest, n_outputs)
            The raw output, once all sequences have ended; with an output for each step, those that
            were read so far, else NaN.
        state : State or None
            What each sequence ends with; None with two directions, or without `states`.
        """
        longest, one = self._sequences.longest, self._layout.net[0]["state_size"] == 0
        end = longest if end is None else end
        if not 0 <= begin < end <= longest or end - begin > self._steps:
            raise ValueError(
                f"A segment is of 1 to {self._steps} of {longest} steps, got {begin} to {end}."
            )
        if one and (begin, end) != (0, longest):
            raise ValueError(f"Without states, the segment is 0 to {longest}.")
        if begin > 0 and state is None:
            raise ValueError("state must be what the segment before ended with, got None.")
        self._begin_segment(begin, end)
        has_state = self._layout.net[0]["state_size"] > 0
        if has_state:
            place = state_of(self._layout, self._work, len(self._order))
            for array in _arrays(place):
                array[:] = 0
            if state is not None:
                self._write(place, state)
            start = self._read(place)
        one_shard.forward(*self._arguments, self._flat_raw, self._places)
        raw = np.empty_like(self._raw)
        raw[self._order] = self._raw
        return raw, self._end(start, self._read(place).kept) if has_state else None

    def steps(self):
        """The gates and states of the last segment, which `backward` overwrites.

        Returns
        -------
        steps : list of Steps
            One a layer and direction, of arrays (n_samples, n_steps, units); NaN where a sequence
            has no such step.
        """
        tape = read_tape(self._layout, self._work, self._n_steps)
        return [type(cell)(*map(self._by_sequence, cell)) for cell in tape]

    def backward(self, d_raw, d_state=None, kept=None, weights=True):
        """Go back through the last segment.

        Parameters
        ----------
        d_raw : ndarray of the shape of `raw`
            The gradient of the raw output; read where the segment is the last, or of its steps.
        d_state : State or None
            The gradient of what the segment ended with.
        kept : ndarray or None
            What the pooling had kept in the end, if that was another segment.
        weights : bool
            Whether the gradient of the weights is wanted: a third of the work.

        Returns
        -------
        gradient : ndarray of shape (n_weights,) or None
        d_X : ndarray of shape (n_samples, n_steps, n_features)
            In the units of X; NaN where a sequence has no such step.
        d_state : State or None
            The gradient of what the segment started from; None for the first.
        """
        check_size("d_raw", d_raw, self._raw.shape)
        if self._layout.net[0]["state_size"] > 0:
            place = state_of(self._layout, self._work, len(self._order), gradient=True)
            if d_state is not None:
                self._write(place, d_state)
            if kept is not None:
                state_of(self._layout, self._work, len(kept)).kept[:] = kept[self._order]
        one_shard.backward(
            *self._arguments,
            np.ascontiguousarray(d_raw[self._order], self._raw.dtype).reshape(self._flat_raw.shape),
            self._places,
            self._sum.gradients[0] if weights else self._sum.gradients[0, :0],
        )  # fmt: skip
        net = self._layout.net[0]
        d_x = self._work[net["d_x"] : net["d_x"] + self._n_steps * net["x_width"]]
        d_X = self._by_sequence(d_x.reshape(self._n_steps, -1)[:, : net["features"]])
        d_X *= self._sequences.scaling[1]
        gradient = self._sum(1).copy() if weights else None
        return gradient, d_X, self._read(place) if self._segment[0] > 0 else None

    def _begin_segment(self, begin, end):
        """Note which sequences, longest first, have which steps."""
        if self._segment == (begin, end):
            return
        # An interrupt in between finds another segment, and has this done again.
        self._segment = None
        running = self._lengths[self._order] > np.arange(begin, end)[:, np.newaxis]
        self._running, self._n_steps = running, np.count_nonzero(running)
        self._turn[[tasks.BEGIN, tasks.REVERSE_BEGIN]] = begin
        self._turn[[tasks.END, tasks.REVERSE_END]] = end
        self._segment = begin, end

    def _end(self, start, kept):
        """The state that each sequence ends with, given that which it started from."""
        steps = np.count_nonzero(self._running, axis=0)
        ran = np.flatnonzero(steps)
        cells = [tuple(array.copy() for array in cell) for cell in start.cells]
        for ends, tape in zip(cells, self.steps(), strict=True):
            for end, of_steps in zip(ends, (tape.hidden, tape.cell), strict=True):
                rows = self._order[ran]
                end[rows] = of_steps[rows, steps[ran] - 1]
        return State(cells, kept)

    def _by_sequence(self, steps):
        """Steps in the kernels' order, as (n_samples, n_steps, n), with NaN where there is none."""
        running = self._running
        if len(steps) == running.size:
            by_time = steps.reshape(*running.shape, -1)
        else:
            by_time = np.full((*running.shape, steps.shape[1]), np.nan, self._raw.dtype)
            by_time[running] = steps
        result = np.empty((len(self._order), len(running), steps.shape[1]), self._raw.dtype)
        result[self._order] = by_time.transpose(1, 0, 2)
        return result

    def _write(self, place, state):
        for here, given in zip(_arrays(place), _arrays(state), strict=True):
            here[:] = given[self._order]

    def _read(self, place):
        def copied(array):
            result = np.empty_like(array)
            result[self._order] = array
            return result

        return State([tuple(map(copied, cell)) for cell in place.cells], copied(place.kept))


def _arrays(state):
    return [array for cell in state.cells for array in cell] + [state.kept]
