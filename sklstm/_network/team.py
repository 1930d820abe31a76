"""Buffers and threads that many rounds over one set of sequences share, and how each begins."""

from typing import Any

import numpy as np

from sklstm._kernels import counters, packing, pooling, tasks, tickets
from sklstm._kernels.spans import STARTS
from sklstm._machine.linkage import (
    CHUNKS,
    DROPOUT,
    EVERY_NET,
    PASSES,
    SEGMENTS,
    SHARED,
    UPPER_LAYERS,
)
from sklstm._network.gradients import GradientSum
from sklstm._network.layout import aligned, check_size, compiled_for, make_layout
from sklstm._network.order import LongestFirst, Outputs
from sklstm._network.plan import WORTH_WAKING, cut, make_plan
from sklstm._network.workers import Workers

# The most windows of many series whose records, of 40 bytes each, are all made at once.
_MOST_RECORDS = 2**19
# Of a round that does not train.
_NO_PLACES, _NO_NUMBERS, _NO_VALUES = np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 0))
_NO_BLOCKS = np.zeros((0, 7), np.int64)


class Team:
    """Buffers and threads for many rounds over one set of sequences; a context manager.

    When a round is interrupted, the team must be left: workers may still be in it.

    Parameters
    ----------
    architecture : Architecture
    sequences : Sequences
        The data; the rows of a round are indices into it.
    max_rows : int
        The most rows that a round may have; all of them different.
    dropout, recurrent_dropout : bool, default=False
        Whether masks are applied to the inputs of layers and head, and to recurrent states.
    goal : Goal or None
        Of a round that learns.
    bptt_steps : int or None
        Steps of the chunks that no gradient leaves; None: there are none.
    packed : ndarray or None
        The weights, if they are packed: see `packed_to_predict`.
    """

    # Whether there is a tape, and whether every shard keeps its own until the next round.
    _training, _keeps_tapes = False, False

    def __init__(
        self, architecture, sequences, max_rows, dropout=False, recurrent_dropout=False, goal=None,
        bptt_steps=None, packed=None,
    ):  # fmt: skip
        dtype, training = sequences.dtype, self._training
        # Kernels trust sizes: what they read at an address is checked where it is handed to them.
        check_size("scaling", sequences.scaling, (2, architecture.n_features))
        self._is_packed = packed is not None
        masked = dropout or recurrent_dropout
        _link(architecture, dtype, training, masked)
        self._n_weights, self._n_cells = architecture.n_weights, len(architecture.cells)
        self._longest_first = self._order = self._n_bounded = None
        records, lengths = sequences.records, sequences.records["length"]
        # Of more windows than these, what kernels know of them is gathered for each round.
        self._gathers = not (
            isinstance(records, np.ndarray)
            or len(records) <= max(max_rows, _MOST_RECORDS)
            or architecture.reads_each_step
        )
        # Else there would be two to hold the memory of the sequences.
        self._all_records: Any = records if self._gathers else None
        some = slice(max_rows if self._gathers else None)
        self._outputs = Outputs(lengths if architecture.reads_each_step else None)
        if not sequences.equal_lengths:
            self._longest_first = LongestFirst(lengths, max_rows)
        # Within one chunk, nothing is cut.
        bptt_steps = bptt_steps if (bptt_steps or 0) < sequences.longest else None
        self._plan = plan = make_plan(
            architecture, dtype, sequences.longest, max_rows, training, sequences.equal_lengths,
            whole=self._keeps_tapes, shared=not recurrent_dropout,
            bptt_steps=bptt_steps,
        )  # fmt: skip
        self.n_threads = plan.n_threads
        if plan.segments > 1:
            SEGMENTS.link(dtype)
        if bptt_steps is not None:
            CHUNKS.link(dtype)
        if plan.crew > 1:
            SHARED.link(dtype)
        if plan.pieces > 1:
            PASSES.link(dtype)
        layout = make_layout(
            architecture, dtype, min(max_rows, plan.most_rows), plan.steps, training,
            bool(dropout), bool(recurrent_dropout), plan.segments, aside=plan.aside,
        )  # fmt: skip
        most_raw = max_rows
        if architecture.reads_each_step:
            most_raw = self._outputs.count(np.argsort(lengths)[-max_rows:])
        raw = np.zeros((most_raw, architecture.n_outputs), dtype)
        mask_columns = sum(map(sum, architecture.mask_sizes)) if masked else 0
        # A crew works where its group has a place.
        slots = plan.most_shards if self._keeps_tapes else plan.n_threads // plan.crew
        self._work_shape = slots, layout.work_size
        self._context = tickets.RoundContext(
            control=_new_control(plan), task=_new_task(plan, goal),
            # Kernels are compiled for arrays that can be written.
            net=copies(layout.net, 1), cells=_new_cells(layout.cells, plan.n_threads, bptt_steps),
            packed=aligned((layout.packed_size,), dtype) if packed is None else packed,
            sequences=records[some], scaling=compiled_for(sequences.scaling),
            rows=np.zeros(max_rows, np.int64), masks=np.zeros((max_rows, mask_columns), dtype),
            bounds=np.zeros(plan.most_shards + 1, np.int64),
            work=aligned(self._work_shape, dtype),
            spans=_new_spans(plan, slots, bptt_steps, architecture.n_directions),
            turns=np.zeros((plan.n_threads, tasks.TURN_SIZE), np.int64),
            raw=raw, places=np.arange(max_rows),
            **self._for_gradients(architecture, layout, raw),
            **self._for_losses(goal, architecture.n_outputs, len(lengths), raw),
        )  # fmt: skip
        self._numbers_of_records = self._context.sequences.view(np.int64)
        self._held = [sequences]
        self._shape = max_rows, sequences.longest, architecture.n_features
        self._workers = self._new_workers()

    def _new_workers(self):
        return Workers(
            self.n_threads, self._context, self._held, caller_waits=self._plan.at_a_time == 0
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.leave()

    def leave(self):
        """Send the workers away, and wait until they have gone: there are no more rounds."""
        self._workers.leave()

    def shrink(self):
        """Leave, and give back the memory that a round computes in, until `renew`; its bytes."""
        self.leave()
        work = self._context.work
        self._context = self._context._replace(work=np.zeros((0, 0), work.dtype))
        return work.nbytes

    def renew(self):
        """Make ready for more rounds, if it has shrunk."""
        context = self._context
        if context.work.size == 0:
            context.cells["given_up"] = 0
            self._context = context._replace(
                work=aligned(self._work_shape, context.work.dtype),
                control=_new_control(self._plan),
            )
            self._workers = self._new_workers()

    @property
    def nbytes(self):
        """The memory that its arrays take, but weights that were packed before."""
        shared = self._context.packed.nbytes if self._is_packed else 0
        return sum(array.nbytes for array in self._context) - shared

    def _begin(self, weights, rows, masks=None):
        """Set what a round reads; returns its number of rows."""
        context, n = self._context, len(rows)
        if n != self._n_bounded:
            # One by one: all at once, they would become an array first.
            for shards, bound in enumerate(cut(n, self._plan.shard_rows)):
                context.bounds[shards] = bound
            context.task[tasks.SHARDS], self._n_bounded = shards, n
            self._n_groups = -(-shards // self._plan.group)
        if masks is None and context.masks.size:
            context.masks[:n] = 1
        if self._gathers:
            rows = self._gather(rows)
        if self._longest_first is None:
            context.rows[:n] = rows
            if masks is not None:
                context.masks[:n] = masks
        else:
            # `take` fills no type but its own, and goes through a buffer unless told to clip.
            rows = np.asarray(rows, np.int64)
            self._order = self._longest_first(rows)
            rows.take(self._order, out=context.rows[:n], mode="clip")
            if masks is not None:
                masks.take(self._order, axis=0, out=context.masks[:n], mode="clip")
        if self._outputs.lengths is not None:
            context.places[:n] = self._outputs.starts(context.rows[:n])
        if not self._is_packed:
            check_size("weights", weights, (self._n_weights,), context.raw.dtype)
            self._pack(weights)
        return n

    def _pack(self, weights):
        context = self._context
        if self._plan.pieces > 1:
            # What is read at an address has to lie there in a row.
            weights = np.ascontiguousarray(weights)
            self._held[1:] = [weights]
            context.task[tasks.WHAT] = tasks.PACK
            context.task[tasks.WEIGHTS] = weights.ctypes.data
            self._workers.run(self._plan.pieces)
        else:
            packing.pack(
                context.net, context.cells[: self._n_cells], weights, context.packed, self._training
            )

    def _gradient(self):
        """The sum of the groups' gradients; the vector is overwritten by the next."""
        if self._plan.pieces == 1:
            return self._sum(self._n_groups)
        self._context.task[tasks.WHAT] = tasks.ADD_UP
        self._workers.run(self._plan.pieces)
        return self._context.total

    def _gather(self, rows):
        """Bring what kernels have to know of these rows to the front; where it is now."""
        context, n = self._context, len(rows)
        context.sequences[:n] = self._all_records[rows]
        if len(context.targets):
            self._all_targets.take(rows, axis=0, out=context.targets[:n], mode="clip")
            self._all_weights.take(rows, out=context.sample_weight[:n], mode="clip")
        return np.arange(n)

    def _for_gradients(self, architecture, layout, raw):
        """What training writes; what a round has not, it does not look at."""
        if not self._training:
            return {
                "d_raw": raw[:0], "gradients": raw[:0], "values": _NO_VALUES,
                "blocks": _NO_BLOCKS, "total": raw[:0, 0],
            }  # fmt: skip
        self._sum = GradientSum(architecture, layout, self._plan.most_groups, raw.dtype)
        return {
            "d_raw": np.zeros_like(raw),
            "gradients": self._sum.gradients, "blocks": self._sum.blocks, "total": self._sum.total,
            "values": np.zeros(raw.shape),
        }  # fmt: skip

    def _for_losses(self, goal, n_outputs, n_samples, raw):
        """What a loss reads: targets and weights of the right sizes, as kernels are compiled for.

        And where those of each sequence start.
        """
        if goal is None:
            return {
                "targets": raw[:0], "sample_weight": raw[:0, 0], "target_places": _NO_PLACES,
                "parameters": _NO_NUMBERS,
            }  # fmt: skip
        samples = np.arange(0 if self._gathers else n_samples)
        n = n_samples if self._gathers else self._outputs.count(samples)
        check_size("targets", goal.targets, (n, n_outputs // len(goal.settings)))
        check_size("sample_weight", goal.sample_weight, (n,))
        # A read-only array, or one of other strides, would be compiled for once more.
        targets = np.require(goal.targets, raw.dtype, ["C", "W"])
        sample_weight = np.require(goal.sample_weight, raw.dtype, ["C", "W"])
        places = self._outputs.starts(samples)
        if self._gathers:
            # Those of a round are brought here.
            self._all_targets, self._all_weights = targets, sample_weight
            places = np.arange(len(raw))
            targets, sample_weight = targets[: len(raw)].copy(), sample_weight[: len(raw)].copy()
        return {
            "targets": targets, "sample_weight": sample_weight, "target_places": places,
            "parameters": np.array([0.0, *goal.settings]),
        }  # fmt: skip

    def _run(self, what, last=False):
        plan, task = self._plan, self._context.task
        task[tasks.WHAT] = what
        if plan.crew > 1:
            # It takes longer to wake them than a short round takes alone.
            in_time = plan.patience >= WORTH_WAKING or not self._workers.asleep
            task[tasks.PATIENT] = plan.patience if in_time else 0
        self._workers.run(self._n_groups * self._plan.crew, last)

    def _raw(self, n):
        """The raw outputs of the last round, in the order of its rows; the array is new."""
        computed = self._context.raw[: self._count(n)]
        if self._order is None:
            return computed.copy()
        raw = np.empty_like(computed)
        raw[self._computed(n)] = computed
        return raw

    def _count(self, n):
        """How many raw outputs a round of n rows has."""
        if self._outputs.lengths is None:
            return n
        return self._outputs.count(self._context.rows[:n])

    def _computed(self, n):
        """The place of each raw output of the last round, if rows were in their own order."""
        if self._order is None:
            return slice(None)
        rows = np.empty(n, np.int64)
        rows[self._order] = self._context.rows[:n]
        return self._outputs.reordered(rows, self._order)


def _link(architecture, dtype, training, masked):
    """Make all kernels ready that the rounds may call, but for those of losses and segments."""
    EVERY_NET.link(dtype)
    pooling.link(architecture.pooling, dtype, training)
    if len(architecture.units) > 1:
        UPPER_LAYERS.link(dtype)
    if masked:
        DROPOUT.link(dtype)


def _new_control(plan):
    crews = plan.most_groups if plan.crew > 1 else 0
    control = np.zeros(counters.CREWS + crews * counters.CREW_SIZE, np.int64)
    control[counters.LEFT_AT] = -1
    return control


def _new_task(plan, goal):
    task = np.zeros(tasks.TASK_SIZE, np.int64)
    task[tasks.GROUP], task[tasks.SEGMENT] = plan.group, plan.steps
    task[tasks.AT_A_TIME] = max(1, plan.at_a_time)
    task[tasks.CREW] = plan.crew
    task[tasks.REACH], task[tasks.CHUNKS] = plan.reach, plan.chunks
    if goal is not None:
        task[tasks.LOSS] = goal.loss
    return task


def _new_cells(cells, n_threads, bptt_steps):
    cells = copies(cells, n_threads)
    cells["cut"] = bptt_steps or 0
    return cells


def _new_spans(plan, slots, bptt_steps, n_directions):
    rows = 0 if bptt_steps is None else plan.most_rows
    # In segments, each direction is at its own.
    ways = n_directions if plan.segments > 1 else 1
    return np.zeros((max(slots, plan.n_threads), ways * (STARTS + plan.steps + 1 + rows)), np.int64)


def copies(records, n):
    """Copies of records of int64, one after the other; NumPy would copy field by field."""
    return np.tile(records.view(np.int64), n).view(records.dtype)
