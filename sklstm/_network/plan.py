"""How a round is cut: rows to shards, groups of shards to threads, steps to segments.

It depends on the data and the model alone, and gradients are added in the order of the shards: any
number of threads gives the same bits. Where there are fewer groups than threads, several share a
group, each with some units of every cell (see `_kernels.crew`); this changes no bit, and so may
depend on the number of threads.
"""

import math
from typing import NamedTuple

from sklstm._machine.processor import LINE_BYTES, MANY_REGISTERS, available_threads
from sklstm._network.layout import round_up

# Every group of a minibatch has a gradient of its own: larger minibatches have larger groups.
MOST_GROUPS = 32
# Nominal rows of a shard: in training, a few, so that a minibatch of 32 is shared by four threads;
# many, if the weights do not stay in the cache and are read less often so; in prediction, enough to
# fill the register tiles. The rounding in `count_shards` makes them up to half as many more.
FEW_ROWS, MANY_ROWS, PREDICT_ROWS = 8, 16, 32
# Rows of a minibatch, and its multiply-adds, from which on it is two shards and not one, in nets
# that no crew is worth: two threads are then nearly twice as fast as one, though tiles are smaller.
# Where a tile has six rows, these alone take hardly longer than the four of a shard would.
LEAST_OF_TWO, WORTH_TWO = 6 if MANY_REGISTERS else 8, 2_000_000
# Bytes of recurrent weights that do not stay in the cache.
LARGE_WEIGHTS = 1_500_000
# Multiply-adds of a prediction that is cut for all threads to have some: a millisecond, some times
# as long as threads take to start.
WORTH_CUTTING = 64_000_000
# Bytes of a tape that is not kept whole: it would pass through memory, which takes longer than to
# read steps twice, and memory counts too. Twice as many if weights do not stay in the cache: they
# would be read twice as well. And of what a segment of it, or of a prediction, takes: about what
# the cache of a core holds.
HUGE_TAPE, SEGMENT_BYTES = 64_000_000, 1_000_000
# Bytes of a segment of a prediction, if the weights are no larger. To hand a state over costs
# little, and what is kept of a small net (`kept.LEAST_KEPT`) holds its packed weights as well.
LEAST_SEGMENT = 8_000
# Steps that a segment has at least, so that it is worth its start.
LEAST_STEPS = 8
# Multiply-adds that a caller does before it returns to see signals: hundredths of a second. In a
# segment of more than the second number, the start of a thread that does it instead is lost.
BETWEEN_SIGNALS, LONG_SEGMENT = 500_000_000, 2_000_000_000
# What the gates of a unit cost at a step, in multiply-adds.
GATES_WORK = 128
# Multiply-adds of a round below which waking a second thread costs more than it saves; and how many
# times as long it takes to start one and to wait for its end, as most predictions do.
WORTH_A_THREAD, START_AND_END = 2_000_000, 5
# Multiply-adds of a cell's step that a thread of a crew has at least: it waits for the others then.
WORTH_A_SHARE = 16_384
# Multiply-adds of a unit at a step, so that a crew gains a tenth: what the others have computed
# comes from the caches of their cores, which takes as long as some hundred of them; and of a row
# alone, whose own products take twice as long.
WORTH_A_CREW, WORTH_A_CREW_ALONE = 580, 400
# Multiply-adds of a group for each look at whether the others of its crew have come: a quarter of
# the time that it takes alone is then the longest to be lost.
WORTH_A_LOOK = 64
# Weights of a net from which on threads share the passes over all of them in training: they take
# more than some tenths of a millisecond then. And pieces for each thread, so that none waits long.
WORTH_SHARING, PIECES = 200_000, 4
# Looks for which a thread of a crew that sleeps is waited for: 50 microseconds.
WORTH_WAKING = 150_000
# Who has not come by then sleeps soundly: three milliseconds.
MOST_PATIENCE = 10_000_000


class Plan(NamedTuple):
    """How rounds of up to `max_rows` rows are cut.

    Parameters
    ----------
    shard_rows : int
        Nominal rows of a shard.
    group : int
        How many shards are a group.
    most_shards, most_groups : int
    steps : int
        Of a segment, at most.
    segments : int
        Of a sequence, at most.
    aside : int
        Segments whose state may have to be put aside, to read them again.
    reach : int
        How many of a sequence's last steps a gradient comes to; 0: to all.
    chunks : bool
        Whether no gradient leaves a segment, so that each goes back at once.
    at_a_time : int
        How many segments a caller does before it returns to see signals; 0 if one takes too long.
    n_threads : int
    crew : int
        How many threads may share a group.
    patience : int
        How often the first of a crew looks whether others have come.
    pieces : int
        Of a pass over all weights; 1: the caller does them alone.
    """

    shard_rows: int
    group: int
    most_shards: int
    most_groups: int
    steps: int
    segments: int
    aside: int
    reach: int
    chunks: bool
    at_a_time: int
    n_threads: int
    crew: int
    patience: int
    pieces: int

    @property
    def most_rows(self):
        """The most rows of a shard."""
        return 3 * self.shard_rows // 2


def make_plan(
    architecture, dtype, longest, max_rows, training, equal_lengths, whole=False, shared=True,
    bptt_steps=None,
):  # fmt: skip
    """The plan for sequences of up to `longest` steps.

    Parameters
    ----------
    architecture : Architecture
    dtype : dtype
    longest, max_rows : int
    training : bool
        Whether there is a tape.
    equal_lengths : bool
        Whether all sequences have the same number of steps.
    whole : bool
        Whether a sequence must be one segment.
    shared : bool
        Whether threads may share a group.
    bptt_steps : int or None
        Steps of the chunks that no gradient leaves; None: there are none.
    """
    # With two directions, an upper layer needs of each step what both have below.
    two = architecture.bidirectional
    can_be_cut = not (whole or (two and len(architecture.units) > 1))
    reach, chunk = 0, 0
    if bptt_steps is not None and can_be_cut and not two:
        reach, chunk = _way_back(architecture, bptt_steps, equal_lengths)
    # No more is on a tape than a gradient goes back through.
    taped = min(longest, max(reach, chunk, LEAST_STEPS) if reach or chunk else longest)
    shard_rows, group = divide(
        architecture, dtype, taped, max_rows, training, equal_lengths, shared
    )
    most_shards = count_shards(max_rows, shard_rows)
    most_groups = -(-most_shards // group)
    steps = longest
    if can_be_cut:
        rows = min(max_rows, 3 * shard_rows // 2)
        few = most_groups if max_rows < 2 * PREDICT_ROWS else None
        steps = segment_steps(architecture, dtype, taped, rows, training, few)
    aside = segments = -(-longest // steps)
    if not (training or _reads_twice_to_predict(architecture)):
        aside = 0
    # A chunk that is too large for a tape is read again, as what is not cut.
    chunks = segments > 1 and steps == chunk
    if reach and equal_lengths:
        aside = min(segments, -(-reach // steps))
    elif chunks:
        aside = 0
    rows_and_steps = min(max_rows, shard_rows) * steps * (3 if training else 1)
    at_a_time = segments_at_a_time(architecture, rows_and_steps)
    work = max_rows * longest * architecture.multiply_adds
    threads = threads_for(work if training else work_to_predict(architecture, max_rows, longest))
    crew = 1
    if threads > 1 and shared:
        crew = _crew(architecture, dtype, max_rows // most_groups, threads // most_groups)
    if crew == 1 and not training:
        # A thread has to save more than it costs.
        widths = sum(round_up(units, dtype) for _, units in architecture.cells)
        all_work = work + max_rows * longest * GATES_WORK * widths
        if all_work * (threads - 1) < threads * START_AND_END * WORTH_A_THREAD:
            threads = 1
    threads = min(threads, most_groups * crew)
    shares_passes = training and threads > 1 and architecture.n_weights >= WORTH_SHARING
    return Plan(
        shard_rows, group, most_shards, most_groups, steps, segments, aside, reach, chunks,
        at_a_time, threads, crew, min(work // (most_groups * WORTH_A_LOOK), MOST_PATIENCE),
        PIECES * threads if shares_passes else 1,
    )  # fmt: skip


def work_to_predict(architecture, n_rows, n_steps):
    """In multiply-adds; a row alone takes as long as two, since the weights come no faster."""
    return max(n_rows, 2) * n_steps * architecture.multiply_adds


def threads_for(work):
    """How many threads a round of so many multiply-adds may have."""
    # To ask may take a microsecond, of the twenty of a prediction of one row.
    return available_threads() if work >= WORTH_A_THREAD else 1


def _way_back(architecture, bptt_steps, equal_lengths):
    """To how many last steps a gradient comes, or the steps of a segment that none leaves; or 0."""
    if architecture.pooling == "last":
        return bptt_steps, 0
    if architecture.reads_each_step and equal_lengths:
        return 0, -(-LEAST_STEPS // bptt_steps) * bptt_steps
    # A gradient starts when all is read, or from where each sequence has its own chunks.
    return 0, 0


def count_shards(n_rows, shard_rows):
    """The number of shards of about `shard_rows`: a power of two.

    A power of two shares out evenly among 2, 4 or 8 threads.
    """
    return 2 ** max(0, round(math.log2(max(1, n_rows / shard_rows))))


def cut(n_rows, shard_rows):
    """Yield the boundaries of shards of about `shard_rows`, nearly equal."""
    count = count_shards(n_rows, shard_rows)
    pairs = -(-n_rows // 2)  # a tile of one row, which has least to do at a time, is in the last
    for place in range(count):
        yield min(2 * (place * pairs // count), n_rows)
    yield n_rows


def divide(architecture, dtype, longest, max_rows, training, equal_lengths, shared=True):
    """The nominal rows of a shard, and how many shards are a group."""
    in_the_cache = _stays_in_the_cache(architecture, dtype)
    work = max_rows * longest * architecture.multiply_adds
    # Two threads may have a direction each, and then need nothing of each other but between layers.
    # (Of a single layer, a tape of more rows would be cut to segments after fewer steps.)
    two_at_once = shared and architecture.bidirectional and len(architecture.units) > 1
    if training:
        # Sorted by length, two groups of a minibatch would be three quarters of the work and one;
        # of four, the first and last are together as long as the two between.
        rows = FEW_ROWS if in_the_cache or not equal_lengths else MANY_ROWS
        if rows == MANY_ROWS and two_at_once and count_shards(max_rows, 2 * MANY_ROWS) == 1:
            rows = 2 * MANY_ROWS
        one = max_rows >= LEAST_OF_TWO and count_shards(max_rows, rows) == 1
        # Two directions are two threads' work as they are.
        crews = architecture.bidirectional or _is_worth_a_crew(architecture, max_rows)
        if one and work >= WORTH_TWO and not crews:
            rows = -(-max_rows // 2)
        return rows, max(1, count_shards(max_rows, rows) // MOST_GROUPS)
    rows = PREDICT_ROWS if equal_lengths else PREDICT_ROWS // 2
    if in_the_cache and work >= WORTH_CUTTING:
        # No bit of a prediction depends on this.
        threads = available_threads()
        shares = min(2, _crew(architecture, dtype, max_rows, threads)) if two_at_once else 1
        while rows > FEW_ROWS and count_shards(max_rows, rows) * shares < threads:
            rows //= 2
    return rows, 1


def _stays_in_the_cache(architecture, dtype):
    """Whether the recurrent weights of each cell do."""
    largest = max(units for _, units in architecture.cells)
    return 4 * largest**2 * dtype.itemsize < LARGE_WEIGHTS


def segment_steps(architecture, dtype, longest, rows, training, few=None):
    """The steps of a segment of a shard of `rows`: all of them if they fit.

    A tape is kept whole as long as memory does not matter: to run it in segments, steps are read
    twice; so it is with predictions for which one of two directions is. Others lose nothing; if one
    is known to be of `few` shards, they take less memory than the weights, so that it can be kept
    with them.
    """
    if longest <= LEAST_STEPS:
        return longest
    # Numbers of a row at a step: the inputs of each layer and its hidden states, or all of a tape.
    numbers = sum(
        inputs + 1 + (9 if training else 1) * round_up(units, dtype)
        for inputs, units in architecture.cells
    )
    step = numbers * rows * dtype.itemsize
    segment = SEGMENT_BYTES
    if few is not None and not training:
        weights = architecture.n_weights * dtype.itemsize
        segment = min(segment, max(weights // (4 * few), LEAST_SEGMENT))
    reads_twice = training or _reads_twice_to_predict(architecture)
    whole = segment
    if reads_twice:
        whole = HUGE_TAPE if _stays_in_the_cache(architecture, dtype) else 2 * HUGE_TAPE
    if longest * step <= whole:
        return longest
    steps = max(LEAST_STEPS, segment // step)
    if reads_twice:
        # A state is put aside for each segment: tape and states together are least where they
        # are as large as each other, so that memory grows with the root of the length.
        states = sum(2 * units for _, units in architecture.cells)
        steps = max(steps, math.isqrt(longest * states // numbers))
    return min(longest, steps)


def _reads_twice_to_predict(architecture):
    """Whether a direction is read once more in segments: see ``_kernels.turns``."""
    return architecture.bidirectional and architecture.pooling != "last"


def segments_at_a_time(architecture, rows_and_steps):
    """How many segments of so many rows times steps a caller does before it looks for signals.

    0 if one takes too long: another thread then does them.
    """
    gates = architecture.n_directions * GATES_WORK * sum(architecture.units)
    work = rows_and_steps * (architecture.multiply_adds + gates)
    return 0 if work > LONG_SEGMENT else max(1, BETWEEN_SIGNALS // work)


def _crew(architecture, dtype, rows, threads):
    """How many threads are to share a group of so many rows."""
    step = rows * architecture.multiply_adds // len(architecture.cells)
    crew = min(threads, step // WORTH_A_SHARE, most_shares(architecture, dtype))
    if crew > 1 and not _is_worth_a_crew(architecture, rows):
        # Two that have a direction each need nothing of each other.
        crew = architecture.n_directions
    return max(1, crew)


def _is_worth_a_crew(architecture, rows):
    """Whether a crew gains more than it loses by reading what others have computed."""
    units = architecture.n_directions * sum(architecture.units)
    least = WORTH_A_CREW if rows > 1 else WORTH_A_CREW_ALONE
    return architecture.multiply_adds >= least * units


def most_shares(architecture, dtype):
    """How many threads may share the widest layer.

    Each has a pair of vectors, or a line of the cache if that is more, in a direction.
    """
    least = max(2 * round_up(1, dtype), LINE_BYTES // dtype.itemsize)
    return architecture.n_directions * (max(architecture.units) // least)
