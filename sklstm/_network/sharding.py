"""Rows to shards, groups of shards to threads.

How rows are cut depends on the data and the model alone, and gradients are added in the order of
the shards: any number of threads gives the same bits.
"""

import _thread
import math
import os
import time
import weakref
from queue import Empty, SimpleQueue
from typing import NamedTuple

import numpy as np

from sklstm._kernels import losses, shard, team
from sklstm._machine.linkage import EVERY_NET, UPPER_LAYERS
from sklstm._machine.processor import available_threads
from sklstm._network.gradients import GradientSum
from sklstm._network.layout import aligned, make_layout
from sklstm._network.order import LongestFirst

# Rows of a group, which a thread takes at a time: few enough for a minibatch of 32 to make two.
GROUP_ROWS = 16
# Every group of a minibatch has a gradient of its own: larger minibatches have larger groups.
MOST_GROUPS = 32
# Nominal rows of a shard, in training and in prediction: enough to fill the register tiles. The
# rounding in `cut` makes them up to half as many more.
MANY_ROWS, FEW_ROWS, PREDICT_ROWS = 16, 8, 32
# Bytes of a tape that does not stay in the cache, and of recurrent weights that do not.
LARGE_TAPE, LARGE_WEIGHTS = 5_000_000, 1_500_000
# Multiply-adds that a caller does before it returns to see signals: less than a tenth of a second.
BETWEEN_SIGNALS = 2_000_000_000
# What the gates of a unit cost at a step, in multiply-adds.
GATES_WORK = 128
# Seconds after which a sleeping worker looks whether its team is still there.
NAP = 0.1
# Multiply-adds of a round below which starting or waking a second thread costs more than it saves.
WORTH_A_THREAD = 2_000_000


def count_shards(n_rows, shard_rows):
    """The number of shards of about `shard_rows`: a power of two.

    A power of two shares out evenly among 2, 4 or 8 threads.
    """
    return 2 ** max(0, round(math.log2(max(1, n_rows / shard_rows))))


def cut(n_rows, shard_rows):
    """Yield the boundaries of shards of about `shard_rows`, nearly equal."""
    count = count_shards(n_rows, shard_rows)
    quads = -(-n_rows // 4)  # small tiles, of one or two rows, in the last shard alone
    for place in range(count):
        yield min(4 * (place * quads // count), n_rows)
    yield n_rows


class Goal(NamedTuple):
    """What `Team.learn` learns: a loss that the kernels have, its data and parameter.

    Parameters
    ----------
    loss : int
        Of `_kernels.losses`.
    parameter : float
    targets : ndarray of shape (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,)
        Both of the dtype of the sequences.
    """

    loss: int
    parameter: float
    targets: np.ndarray
    sample_weight: np.ndarray


class Team:
    """Threads and buffers for many rounds over one set of sequences; a context manager.

    When a round is interrupted, the team must be left: workers may still be in it.

    Parameters
    ----------
    architecture : Architecture
    sequences : Sequences
        The data; the rows of a round are indices into it.
    max_rows : int
        The most rows that a round may have.
    training : bool
        Whether rounds are `forward` and `backward`, or `learn`, or else `predict`.
    dropout, recurrent_dropout : bool
        Whether training applies masks to the inputs of layers and head, and to recurrent states.
    goal : Goal or None
        What rounds of `learn` are about; None if they are `forward` and `backward`.
    """

    def __init__(
        self, architecture, sequences, max_rows, training, dropout=False, recurrent_dropout=False,
        goal=None,
    ):  # fmt: skip
        dtype, steps = sequences.dtype, sequences.longest
        # Kernels trust sizes: what they read at an address is checked where it is handed to them.
        check_size("scaling", sequences.scaling, (2, architecture.n_features))
        self._n_weights = architecture.n_weights
        EVERY_NET.link(dtype)
        if len(architecture.units) > 1:
            UPPER_LAYERS.link(dtype)
        self._longest_first = self._order = None
        if not sequences.equal_lengths:
            self._longest_first = LongestFirst(sequences.records["length"], max_rows)
        self._shard_rows, self._group = divide(
            architecture, dtype, steps, max_rows, training, sequences.equal_lengths
        )
        most_shards = count_shards(max_rows, self._shard_rows)
        most_groups = -(-most_shards // self._group)
        layout = make_layout(
            architecture, dtype, min(max_rows, 3 * self._shard_rows // 2), steps, training,
            bool(dropout), bool(recurrent_dropout),
        )  # fmt: skip
        self.n_threads = _useful_threads(architecture, max_rows * steps, most_groups)
        slots = most_shards if training and goal is None else self.n_threads
        # Kernels are compiled for arrays that can be written.
        self._net, self._cells = copied(layout.net), copied(layout.cells)
        self._packed = aligned((layout.packed_size,), dtype)
        self._control = np.zeros(team.CONTROL_SIZE, np.int64)
        self._control[team.LEFT_AT] = -1
        self._task, self._parameters = np.zeros(team.TASK_SIZE, np.int64), np.zeros(2)
        self._task[team.GROUP], self._task[team.SEGMENT] = self._group, steps
        self._task[team.AT_A_TIME] = _shards_at_a_time(
            architecture, self._shard_rows * steps * (3 if training else 1)
        )
        self._rows = np.zeros(max_rows, np.int64)
        mask_columns = sum(map(sum, architecture.mask_sizes)) if dropout or recurrent_dropout else 0
        self._masks = np.ones((max_rows, mask_columns), dtype)
        self._bounds, self._n_bounded = np.zeros(most_shards + 1, np.int64), None
        self._raw = np.zeros((max_rows, architecture.n_outputs), dtype)
        trained_rows = max_rows if training else 0
        self._d_raw = np.zeros((trained_rows, architecture.n_outputs), dtype)
        self._values = np.zeros((trained_rows, architecture.n_outputs))
        gradients = np.zeros((0, 0), dtype)
        if training:
            self._sum = GradientSum(architecture, layout, most_groups, dtype)
            gradients = self._sum.gradients
        targets, sample_weight = self._raw[:0], np.zeros(0, dtype)
        self._has_goal = goal is not None
        if goal is not None:
            losses.link(goal.loss, dtype)
            self._task[team.LOSS], self._parameters[0] = goal.loss, goal.parameter
            # A read-only array, or one of other strides, would be compiled for once more.
            check_size("targets", goal.targets, (len(sequences.records), architecture.n_outputs))
            check_size("sample_weight", goal.sample_weight, (len(sequences.records),))
            targets, sample_weight = (
                np.require(array, dtype, ["C", "W"]) for array in (goal.targets, goal.sample_weight)
            )
        self._arguments = (
            self._net, self._cells, self._packed, sequences.records, np.array(sequences.scaling),
            self._rows, self._masks,
            self._bounds, aligned((slots, layout.work_size), dtype),
            np.zeros((slots, steps + 1), np.int64), self._raw, self._d_raw, gradients,
            self._parameters, targets, sample_weight, self._values,
        )  # fmt: skip
        # The kernels see addresses alone: this keeps the memory behind them.
        self._sequences = sequences
        # Written in C, unlike a semaphore: an interrupt cannot leave it half changed.
        self._wake: SimpleQueue = SimpleQueue()
        self._left: SimpleQueue = SimpleQueue()
        self._workers = 0
        self._process: int | None = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        team.publish(self._control, 0, True)
        # One for each, asleep or not: an interrupt may have lost count of them.
        self._release(self.n_threads)
        # A forked child has none to wait for.
        if self._process == os.getpid():
            for _ in range(self._workers):
                self._left.get()

    def predict(self, weights, rows, last=False):
        """The raw outputs (rows, n_outputs) of some sequences; the array is new.

        After the `last` round, workers leave as soon as they find no more work.
        """
        return self._forward(weights, rows, team.PREDICT, last=last)

    def forward(self, weights, rows, masks=None):
        """As `predict`, and ready for `backward`.

        `masks` (rows, columns) multiply what dropout acts on; columns as of
        `Architecture.mask_sizes`.
        """
        return self._forward(weights, rows, team.FORWARD, masks)

    def backward(self, d_raw):
        """The gradient on the flat vector of weights, given that on the last raw outputs."""
        n = len(d_raw)
        self._d_raw[:n] = d_raw if self._order is None else d_raw[self._order]
        self._round(team.BACKWARD)
        return self._sum(self._n_groups).copy()

    def learn(self, weights, rows, scale, masks=None):
        """The goal's loss of some sequences, and its gradient, which the next round overwrites.

        The loss of each raw output counts sample weight times `scale`.
        """
        if not self._has_goal:
            raise RuntimeError("A team without a goal goes `forward` and `backward`.")
        n = self._begin(weights, rows, True, masks)
        self._parameters[1] = scale
        self._round(team.LEARN)
        return float(self._values[:n].ravel().sum()), self._sum(self._n_groups)

    def _forward(self, weights, rows, task, masks=None, last=False):
        if task == team.FORWARD and self._has_goal:
            raise RuntimeError("A team with a goal has one tape a thread: it can but `learn`.")
        n = self._begin(weights, rows, task == team.FORWARD, masks)
        self._round(task, last)
        raw = np.empty_like(self._raw[:n])
        raw[slice(None) if self._order is None else self._order] = self._raw[:n]
        return raw

    def _begin(self, weights, rows, training, masks):
        """Set what a round reads; returns its number of rows."""
        n = len(rows)
        if n != self._n_bounded:
            # One by one: all at once, they would become an array first.
            for shards, bound in enumerate(cut(n, self._shard_rows)):
                self._bounds[shards] = bound
            self._task[team.SHARDS], self._n_bounded = shards, n
            self._n_groups = -(-shards // self._group)
        if self._longest_first is None:
            self._rows[:n] = rows
            if masks is not None:
                self._masks[:n] = masks
        else:
            # `take` fills no type but its own, and goes through a buffer unless told to clip.
            rows = np.asarray(rows, np.int64)
            self._order = self._longest_first(rows)
            rows.take(self._order, out=self._rows[:n], mode="clip")
            if masks is not None:
                masks.take(self._order, axis=0, out=self._masks[:n], mode="clip")
        check_size("weights", weights, (self._n_weights,), self._raw.dtype)
        shard.pack(self._net, self._cells, weights, self._packed, training)
        return n

    def _round(self, task, last=False):
        self._task[team.WHAT] = task
        self._release(team.publish(self._control, self._n_groups, last))
        if self._process is None:
            self._start_workers()
        while not team.run(self._control, self._task, 0, *self._arguments):
            time.sleep(5e-5)

    def _start_workers(self):
        self._process = os.getpid()
        # `threading` would have this thread wait until each has begun, as long as a shard takes.
        for member in range(1, self.n_threads):
            arguments = (
                weakref.ref(self), self._sequences, self._wake, self._left, self._control,
                self._task, member, *self._arguments,
            )  # fmt: skip
            try:
                _thread.start_new_thread(_work, arguments)
            except RuntimeError:
                # No more threads to be had: those that started do all the work.
                return
            self._workers += 1

    def _release(self, sleepers):
        for _ in range(sleepers):
            self._wake.put(None)


def _work(owner, sequences, wake, left, *arguments):
    """What a worker does; it keeps the memory that it reads, but not the team.

    An interrupt may come before a team can tell its workers to end: they then see that it is gone.
    """
    try:
        while not team.run(*arguments):
            try:
                wake.get(timeout=NAP)
            except Empty:
                if owner() is None:
                    break
    finally:
        left.put(None)


def _shards_at_a_time(architecture, rows_and_steps):
    work = rows_and_steps * sum(
        4 * units * (inputs + units) + GATES_WORK * units for inputs, units in architecture.cells
    )
    return max(1, BETWEEN_SIGNALS // work)


def copied(records):
    """A copy of records of int64, which as such NumPy would copy field by field."""
    return records.view(np.int64).copy().view(records.dtype)


def check_size(name, array, shape, dtype=None):
    """Refuse what is not of the size that the architecture says."""
    # A dtype of float64 equals None.
    if array.shape != shape or not (dtype is None or array.dtype == dtype):
        raise ValueError(
            f"{name} of shape {array.shape} and type {array.dtype} are not those of the net, which "
            f"has {shape}{'' if dtype is None else f' and {dtype}'}."
        )


def divide(architecture, dtype, steps, max_rows, training, equal_lengths):
    """The nominal rows of a shard, and how many shards are a group."""
    rows, group_rows = PREDICT_ROWS, PREDICT_ROWS
    if training:
        rows, group_rows = training_rows(architecture, dtype, steps), GROUP_ROWS
    if not equal_lengths:
        # Sorted by length, two groups of a minibatch would be three quarters of the work and one;
        # of four, the first and last are together as long as the two between.
        group_rows //= 2
    rows = min(rows, group_rows)
    group = group_rows // rows
    if training:
        most_shards = count_shards(max_rows, rows)
        group = max(group, most_shards // MOST_GROUPS)
    return rows, group


def training_rows(architecture, dtype, steps):
    """The nominal rows of a shard in training, if lengths are equal.

    With fewer rows, more of the tape stays in the cache, but the recurrent weights are read more
    often, and must do so too.
    """
    tape = make_layout(architecture, dtype, MANY_ROWS, steps, True).work_size * dtype.itemsize
    weights = max(4 * units**2 for _, units in architecture.cells) * dtype.itemsize
    return FEW_ROWS if tape > LARGE_TAPE and weights < LARGE_WEIGHTS else MANY_ROWS


def _useful_threads(architecture, steps, groups):
    multiply_adds = steps * sum(
        4 * units * (inputs + units) for inputs, units in architecture.cells
    )
    if multiply_adds < WORTH_A_THREAD:
        return 1
    return max(1, min(available_threads(), groups))
