"""A shard (some rows of a minibatch) through the whole net: layers, directions, pooling, head.

Its sequences are read in segments of steps, one after the other; what a segment ends with stays in
the shard's workspace, for the next to start from. Two directions of one layer read them apart, each
from its own end. With two directions of more layers there is but one segment, the whole: an upper
layer would start where the other direction below ends.

A crew of threads may go through a shard together, each with a share of every cell (see ``crew``).
What is no cell's is then done in parts, or by the first of them.

Everything that meets weights has a trailing column of ones, so that a bias is a row of the weights.
"""

import numba
import numpy as np

from sklstm._kernels import head, recurrence
from sklstm._kernels.cell import CELL_TYPE
from sklstm._kernels.crew import part, wait, wait_for_longer
from sklstm._kernels.packing import input_block, input_blocks
from sklstm._kernels.spans import (
    AFTER,
    BEFORE,
    FIRST,
    STARTS,
    STEPS,
    count_left,
    span_of,
    ways,
    write_spans,
)
from sklstm._kernels.tasks import ALONE, ANSWERS, TAPE
from sklstm._machine.compile import kernel
from sklstm._machine.linkage import (
    FLAG,
    FLOAT64,
    INDEX,
    INDICES,
    UPPER_LAYERS,
    linked,
    matrix_type,
    vector_type,
)
from sklstm._machine.memory import at_address, block, copy, load
from sklstm._machine.processor import SIMD_BYTES
from sklstm._machine.subnormals import flush_subnormals, restore

# Sizes of the net, and where its head's parts start, as in cell.CELL.
NET = np.dtype(
    [
        (name, np.int64)
        for name in (
            "layers", "directions", "features", "pooling", "dropout", "head_mask",
            "head_inputs", "head_width", "outputs", "output_width",
            "weights", "packed", "packed_transposed", "gradient",
            "kept", "n_kept",  # what the pooling knows so far, (rows, n_kept, head_inputs)
            "pooled", "raw", "d_raw", "d_pooled",
            "one",  # the number 1
            "state", "state_size",  # what a segment starts from; a size of 0 if it is always zero
            "aside",  # the states that were put aside, (segments, state_size)
            "stream",  # whether the first segment starts from a state too
            "x_width", "d_x",  # the gradient on X, (rows, x_width); 0 wide if nobody asks for it
        )
    ]
)  # fmt: skip

# One row a sequence: where it starts in memory, the bytes between its steps and features, and how
# many steps it has; of a stream, also how many were read before.
SEQUENCE = np.dtype(
    [(name, np.int64) for name in ("address", "step_stride", "feature_stride", "length", "before")]
)

# What is larger saturates every gate, and its products must not overflow in float32.
MOST = 1e30

_NET_TYPE = numba.from_dtype(NET)
_SHARD_ARGUMENTS = (
    _NET_TYPE[::1], CELL_TYPE[::1], vector_type,
    numba.from_dtype(SEQUENCE)[::1], FLOAT64[:, ::1], INDICES, matrix_type, vector_type, INDICES,
    matrix_type, INDICES,
)  # fmt: skip


@linked(*_SHARD_ARGUMENTS, INDICES)
def forward(
    net, cells, packed, sequences, scaling, rows, masks, work, spans, raw, places, turn
):  # fmt: skip
    """Read the steps of a turn of the sequences `rows`, sorted by length, longest first.

    Where two directions read apart, each has a span of its own, and one of them may have no steps.
    If the turn answers, it writes the raw outputs of these steps, or, where each sequence has one,
    when all steps are read; those of a sequence are in `raw` from its place on.
    """
    directions, layers, tape = net[0]["directions"], net[0]["layers"], turn[TAPE] > 0
    write_spans(net[0], cells, sequences, rows, spans, turn)
    begin, steps, most = spans[FIRST], spans[STEPS], 0
    for way in range(ways(net[0])):
        # X may be in any units, and standardising makes numbers of usual size of it.
        at = span_of(net[0], spans, way)
        most = max(most, spans[at + STEPS])
        _gather(net[0], cells[way], sequences, scaling, rows, work, spans, at)
    mode = flush_subnormals()
    for layer in range(layers):
        if cells[0]["given_up"]:
            restore(mode)
            return
        below = layer * directions
        if layer > 0:
            _join_directions(cells, below, directions, work, spans[STARTS + steps])
        wait(cells[0], work)
        if net[0]["dropout"]:
            for way in range(ways(net[0]) if cells[0]["member"] == 0 else 0):
                at, cell = span_of(net[0], spans, way), cells[below + way]
                _mask_steps(
                    work, cell["x"], cell["inputs"] + 1, cell["inputs"], spans, at, masks,
                    cell["input_mask"],
                )  # fmt: skip
            wait(cells[0], work)
        own = 0
        for direction in range(directions):
            at, cell = span_of(net[0], spans, direction), cells[below + direction]
            n = spans[at + STEPS]
            if cell["mine"] and n > 0:
                own += n
                starts = block(spans, at + STARTS, n + 1)
                recurrence.forward(cell, packed, work, starts, n, spans[at + BEFORE], masks, tape)
        wait_for_longer(cells[0], work, most - own)
    top, starts = cells[(layers - 1) * directions :], block(spans, STARTS, steps + 1)
    answers, each = turn[ANSWERS] > 0, head.reads_each_step(net[0])
    for direction in range(directions if answers and not each else 0):
        at = span_of(net[0], spans, direction)
        n = spans[at + STEPS]
        head.pool(
            net[0], top[direction], sequences, rows, work, block(spans, at + STARTS, n + 1),
            spans[at + FIRST], n,
        )  # fmt: skip
    wait(cells[0], work)
    if cells[0]["member"] == 0:
        # The way back needs what a segment started from; whoever goes back looks at the tape for
        # more.
        for index in range(cells.size if net[0]["state_size"] > 0 and not tape else 0):
            at = span_of(net[0], spans, index % directions)
            n = spans[at + STEPS]
            recurrence.keep_state(cells[index], work, block(spans, at + STARTS, n + 1), n, False)
        if answers and (spans[AFTER] == 0 or each):
            head.forward(
                net[0], top, packed, sequences, rows, masks, work, starts, raw, places, begin, steps
            )
    wait(cells[0], work)
    restore(mode)


@linked(*_SHARD_ARGUMENTS, INDICES, vector_type, FLAG)
def backward(
    net, cells, packed, sequences, scaling, rows, masks, work, spans, d_raw, places, turn,
    gradient, accumulate,
):  # fmt: skip
    """Write the gradient, given that of the raw output, after `forward` with a tape.

    With `accumulate`, it is added to what is there; of size 0, that of the weights is not wanted.
    Segments come in the reverse of their order; or, if no gradient passes from one to another, in
    their order, and the state that a segment ends with is then put where the next starts.
    """
    if cells[0]["given_up"]:
        return
    mode = flush_subnormals()
    directions, layers, n_spans = net[0]["directions"], net[0]["layers"], ways(net[0])
    write_spans(net[0], cells, sequences, rows, spans, turn)
    alone, most = turn[ALONE] > 0, 0
    if alone:
        accumulate = accumulate or spans[FIRST] > 0
        spans[AFTER] = 0
    top = cells[(layers - 1) * directions :]
    each = head.reads_each_step(net[0])
    for way in range(n_spans):
        at = span_of(net[0], spans, way)
        begin, steps, after = spans[at + FIRST], spans[at + STEPS], spans[at + AFTER]
        most = max(most, steps)
        if cells[0]["member"] > 0:
            continue
        starts, some = block(spans, at + STARTS, steps + 1), block(top, way, top.size // n_spans)
        # Rows of sequences go back at once, when the last segment does.
        if each or (way == 0 and after == 0):
            head.backward(
                net[0], some if each else top, packed, rows, masks, work, starts, d_raw, places,
                begin, steps, gradient, accumulate or after > 0,
            )  # fmt: skip
        if not each:
            head.unpool(net[0], some, sequences, rows, work, starts, begin, steps)
    wait(cells[0], work)
    for layer in range(layers - 1, -1, -1):
        own = 0
        for direction in range(directions):
            at, cell = span_of(net[0], spans, direction), cells[layer * directions + direction]
            steps, after = spans[at + STEPS], spans[at + AFTER]
            left = block(spans, at + STARTS + steps + 1, rows.size if cell["cut"] > 0 else 0)
            count_left(left, cell, sequences, rows, spans[at + FIRST])
            if cell["mine"]:
                own += steps
                recurrence.backward(
                    cell, packed, work, gradient, block(spans, at + STARTS, steps + 1), steps,
                    spans[at + BEFORE], after, left, masks, accumulate or after > 0,
                )  # fmt: skip
        wait_for_longer(cells[0], work, most - own)
        wait(cells[0], work)
        if layer > 0 or net[0]["x_width"] > 0:
            _backward_layer_inputs(net[0], cells, layer, packed, work, spans, masks)
    if alone and net[0]["state_size"] > 0:
        wait(cells[0], work)
        if cells[0]["member"] == 0:
            starts = block(spans, STARTS, most + 1)
            for index in range(cells.size):
                recurrence.keep_state(cells[index], work, starts, most, True)
        wait(cells[0], work)
    restore(mode)


@kernel
def _gather(net, cell, sequences, scaling, rows, work, spans, at):
    """Write the standardised features of each step; differences are taken in float64."""
    x, features = cell["x"], net["features"]
    starts, begin = at + STARTS, spans[at + FIRST]
    first, last = part(cell, spans[at + STEPS])
    many = features >= SIMD_BYTES // scaling.itemsize
    for r in range(spans[starts + 1]):
        sequence = sequences[rows[r]]
        # Neighbours are taken a vector at a time, if they fill one.
        beside = many and sequence["feature_stride"] == work.itemsize
        for t in range(first, min(sequence["length"] - begin, last)):
            address = sequence["address"] + (begin + t) * sequence["step_stride"]
            to = x + (spans[starts + t] + r) * (features + 1)
            if beside and address % work.itemsize == 0:
                step, out = at_address(address, features, work), block(work, to, features)
                for k in range(features):
                    out[k] = _standardised(step[k], scaling, k)
            else:
                for k in range(features):
                    number = load(address + k * sequence["feature_stride"], work)
                    work[to + k] = _standardised(number, scaling, k)
            work[to + features] = 1


@kernel
def _standardised(number, scaling, feature):
    number = (np.float64(number) - scaling[0, feature]) * scaling[1, feature]
    return min(max(number, -MOST), MOST)


@kernel
def _mask_steps(work, start, stride, columns, spans, at, masks, column):
    """Multiply every step of a sequence by its mask."""
    for t in range(spans[at + STEPS]):
        row, beyond = spans[at + STARTS + t], spans[at + STARTS + t + 1]
        recurrence.mask_rows(
            work, start + row * stride, stride, columns, beyond - row, masks, column
        )


@linked(CELL_TYPE[::1], INDEX, INDEX, vector_type, INDEX, links=UPPER_LAYERS)
def _join_directions(cells, first, directions, work, rows):
    """The hidden states of the layer below, side by side, are the next layer's inputs."""
    x, inputs = cells[first]["x"], cells[first]["inputs"]
    begin, end = part(cells[first], rows)
    for direction in range(directions):
        below = cells[first - directions + direction]
        units, stride = below["units"], below["stride"]
        for r in range(begin, end):
            to = x + r * (inputs + 1) + direction * units
            copy(work, below["h"] + r * stride, work, to, units)
    for r in range(begin, end):
        work[x + r * (inputs + 1) + inputs] = 1


@linked(
    _NET_TYPE, CELL_TYPE[::1], INDEX, vector_type, vector_type, INDICES, matrix_type,
    links=UPPER_LAYERS,
)  # fmt: skip
def _backward_layer_inputs(net, cells, layer, packed, work, spans, masks):
    """Write dh of the layer below, or d_x, all directions of the layer added up."""
    directions = net["directions"]
    first = layer * directions
    columns, width = input_block(net, cells, first)
    # Directions that read apart have no layer below.
    rows = spans[STARTS + spans[STEPS]]
    for place in range(input_blocks(net, first)):
        target, stride, begin, end = net["d_x"], width, 0, width
        if layer > 0:
            below = cells[first - directions + place]
            target, stride = below["dh"], below["stride"]
            # Who computes a gradient reads it on the way back through the layer below.
            begin, end = below["begin"], below["end"]
        for direction in range(directions):
            recurrence.inputs_gradient(
                cells[first + direction], packed, work, rows, place, width, begin, end,
                target, stride, direction > 0,
            )  # fmt: skip
        if net["dropout"]:
            wait(cells[0], work)
            if cells[0]["member"] == 0:
                _mask_steps(
                    work, target, stride, columns, spans, 0, masks,
                    cells[first]["input_mask"] + place * columns,
                )  # fmt: skip
            wait(cells[0], work)
