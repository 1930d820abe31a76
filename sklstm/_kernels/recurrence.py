"""One cell (a layer in one direction): forward, and backward through time.

Memory. The sequences of a shard are sorted by length, longest first, so that the ones that still
run at a step are a prefix of the rows. Step t owns the rows `starts[t]` to `starts[t + 1]` of every
buffer, without gaps: cost follows the real steps, and no mask is needed. `gates` is gate-major,
four times (rows, stride): each gate of each step is one contiguous block, so every elementwise pass
is a flat loop that vectorises. These loops also compute on what lies between `units` and `stride`,
which starts as zero, since leftover memory may overflow or be slow; products read it into the
padding of the gradient at most. The last units, if they are rest (see ``products``), have a buffer
of their own in which products write and read them, (rows, rest_width). Symbols are those of
docs/mathematics.md.
"""

from sklstm._kernels.cell import CELL_TYPE
from sklstm._kernels.crew import is_whole, wait
from sklstm._kernels.products import GATES, gates_product, some_columns
from sklstm._kernels.step import (
    add_of_share,
    clear_of_share,
    finish_step,
    finish_step_of_share,
    start_step_back,
    start_step_back_of_share,
)
from sklstm._machine.compile import kernel
from sklstm._machine.linkage import (
    CHUNKS,
    DROPOUT,
    FLAG,
    INDEX,
    INDICES,
    SEGMENTS,
    linked,
    matrix_type,
    vector_type,
)
from sklstm._machine.memory import add, block, clear, copy
from sklstm._machine.panels import WIDE, panel
from sklstm._machine.processor import SIMD_BYTES

# Rows of the tape, or a few more, whose input products are taken at a time: these weights are then
# read less often, and the gates are still in cache when their step comes. Without a tape, there is
# room for fewer: those of a few rows, which read them at every step.
INPUT_BLOCK, FEW_INPUTS = 64, 16
# Rows of a weight gradient's sum that are taken at a time, and bytes of a column of the gradient,
# so that operands stay in cache; and vectors of units: with AVX2, two of them are on a line.
DEPTH_BLOCK, ROW_BYTES, COLUMN_BLOCK = 96, 2064, 2


@linked(CELL_TYPE, vector_type, vector_type, INDICES, INDEX, INDEX, matrix_type, FLAG)
def forward(cell, packed, work, starts, steps, before, masks, tape):
    """Run a cell over a segment; writes h, and with `tape` all that `backward` needs.

    The first `before` of its rows have steps before the segment: `h_start` and `c_start` are the
    state that these start from. Without a tape, gates, rest and tanh_c hold a single step, or some
    if rows are few, and c two.
    """
    inputs, units, stride = cell["inputs"], cell["units"], cell["stride"]
    rest_width, h = cell["rest_width"], cell["h"]
    span = 1 + (INPUT_BLOCK if tape else FEW_INPUTS) // starts[1]
    if rest_width > 0 and cell["end"] == cell["width"]:
        # Behind any step, a vector is copied from rows that may not be there yet: of numbers.
        all_rows = starts[steps] if tape else min(starts[steps], starts[1] + FEW_INPUTS)
        clear(work, cell["rest"], all_rows * rest_width + SIMD_BYTES // work.itemsize)
    base = 0
    for i in range(steps):
        if cell["given_up"]:
            return
        t, rows, carried, earlier = _step(i, steps, starts, cell["reverse"], before)
        if i % span == 0:
            some = min(span, steps - i)
            first = t + 1 - some if cell["reverse"] else t
            if not tape:
                base = starts[first]
            gates_of(
                cell, packed, work, starts[first + some] - starts[first],
                cell["x"] + starts[first] * (inputs + 1), inputs + 1, 0, inputs + 1,
                starts[first] - base, False,
            )  # fmt: skip
        row = starts[t] - base
        at = row * stride
        h_before = cell["h_start"] if i == 0 else h + earlier * stride
        if cell["h_masked"] != h:
            masked = cell["h_masked_start"] if i == 0 else cell["h_masked"] + earlier * stride
            copy(work, h_before, work, masked, carried * stride)
            mask_rows(work, masked, stride, units, carried, masks, cell["recurrent_mask"])
            h_before = masked
        gates_of(cell, packed, work, carried, h_before, stride, inputs + 1, units, row, True)
        copy_rest(cell, work, row, rows, False)
        c_before = cell["c_start"] if i == 0 else _cell_state(cell, starts, i - 1, earlier, tape)
        c = _cell_state(cell, starts, i, starts[t], tape)
        if is_whole(cell):
            finish_step(
                work, cell["gates"] + at, cell["gate"], c_before, c, cell["tanh_c"] + at,
                h + starts[t] * stride, carried * stride, rows * stride,
            )  # fmt: skip
        else:
            finish_step_of_share(
                cell, work, cell["gates"] + at, c_before, c, cell["tanh_c"] + at,
                h + starts[t] * stride, carried, rows,
            )  # fmt: skip
        wait(cell, work)


@linked(
    CELL_TYPE, vector_type, vector_type, vector_type, INDICES, INDEX, INDEX, INDEX, INDICES,
    matrix_type, FLAG,
)  # fmt: skip
def backward(cell, packed, work, gradient, starts, steps, before, after, left, masks, accumulate):
    """Backward through a segment, from dh of every step; writes the gradient of the weights.

    Of size 0, it is not wanted. With `accumulate`, it is added to what is there. Replaces the gates
    by their gradients, and dh by its total. Of the first `after` rows, which go on, `dh_start` and
    dc hold the gradient of the state that the segment ends with; of the first `before`, that of the
    state that it started from is written there. Where the gradient is cut, `left` says how many
    steps each row has from the segment's first step on, or, if it is read in reverse, before that.
    """
    stride, dh, dc = cell["stride"], cell["dh"], cell["dc"]
    end = dh + (0 if cell["reverse"] else starts[steps - 1]) * stride
    if is_whole(cell):
        add(work, cell["dh_start"], work, end, after * stride)
        clear(work, dc + after * stride, (starts[1] - after) * stride)
    else:
        add_of_share(cell, work, cell["dh_start"], end, after)
        clear_of_share(cell, work, dc + after * stride, starts[1] - after)
    for i in range(steps - 1, -1, -1):
        if cell["given_up"]:
            return
        t, rows, carried, earlier = _step(i, steps, starts, cell["reverse"], before)
        at = starts[t] * stride
        c_before = cell["c_start"] if i == 0 else cell["c"] + earlier * stride
        if is_whole(cell):
            start_step_back(
                work, cell["gates"] + at, cell["gate"], c_before, cell["tanh_c"] + at, dh + at, dc,
                carried * stride, rows * stride,
            )  # fmt: skip
        else:
            start_step_back_of_share(
                cell, work, cell["gates"] + at, c_before, cell["tanh_c"] + at, dh + at, carried,
                rows,
            )  # fmt: skip
        wait(cell, work)
        target = cell["dh_start"] if i == 0 else dh + earlier * stride
        if i == 0 and is_whole(cell):
            clear(work, target, carried * stride)
        elif i == 0:
            clear_of_share(cell, work, target, carried)
        if cell["cut"] > 0:
            hand_back_in_chunks(cell, packed, work, starts[t], carried, target, masks, left, t)
        else:
            _hand_back(cell, packed, work, starts[t], 0, carried, target, masks)
    if gradient.size > 0:
        weight_gradient(cell, work, gradient, starts, steps, before, accumulate)


@kernel
def _hand_back(cell, packed, work, row, first, last, target, masks):
    """Add the gradient of the hidden states that some rows of a step started from."""
    stride, n, masked = cell["stride"], last - first, cell["h_masked"] != cell["h"]
    target += first * stride
    dh_before = cell["dh_masked"] if masked else target
    hidden_gradient(cell, packed, work, n, row + first, dh_before, not masked)
    if masked:
        mask_rows(
            work, dh_before, stride, cell["units"], n, block(masks, first, n),
            cell["recurrent_mask"],
        )  # fmt: skip
        add(work, dh_before, work, target, n * stride)


@linked(
    CELL_TYPE, vector_type, vector_type, INDEX, INDEX, INDEX, matrix_type, INDICES, INDEX,
    links=CHUNKS,
)  # fmt: skip
def hand_back_in_chunks(cell, packed, work, row, rows, target, masks, left, t):
    """Add that of the rows whose chunk goes on before step t; of the others, write a dc of 0."""
    last, stride = 0, cell["stride"]
    while last < rows:
        first, is_cut = last, _is_cut(cell, left, last, t)
        while last < rows and _is_cut(cell, left, last, t) == is_cut:
            last += 1
        if not is_cut:
            _hand_back(cell, packed, work, row, first, last, target, masks)
        elif is_whole(cell):
            clear(work, cell["dc"] + first * stride, (last - first) * stride)
        else:
            clear_of_share(cell, work, cell["dc"] + first * stride, last - first)


@kernel
def _is_cut(cell, left, row, t):
    """Whether the gradient ends with step t of a row.

    Chunks are counted from the step that is read last of all, so that none but the first is short.
    """
    behind = left[row] + t + 1 if cell["reverse"] else left[row] - t
    return behind % cell["cut"] == 0


@kernel
def gates_of(cell, packed, work, rows, a0, a_row, first, depth, row, accumulate):
    """Gates (+)= A[rows, depth] @ rows `first` on of the weights, from the tape's `row` on."""
    stride, rest_width = cell["stride"], cell["rest_width"]
    gates_product(
        rows, cell["full"], rest_width, cell["begin"], cell["end"], depth, work, a0, a_row, 1,
        packed, cell["packed"], first, cell["inputs"] + 1 + cell["units"],
        work, cell["gates"] + row * stride, stride, cell["gate"],
        cell["rest"] + row * rest_width, accumulate,
    )  # fmt: skip


@kernel
def hidden_gradient(cell, packed, work, rows, row, target, accumulate):
    """Write or add the gradient of the hidden states that gave gates, from the tape's `row` on."""
    units, width, stride = cell["units"], cell["width"], cell["stride"]
    for q in range(GATES):
        some_columns(
            rows, width, cell["begin"], cell["end"], units, work,
            cell["gates"] + q * cell["gate"] + row * stride, stride, 1, packed,
            cell["packed_recurrent_transposed"] + q * units * width, True,
            work, target, stride, q > 0 or accumulate,
        )  # fmt: skip


@linked(CELL_TYPE, vector_type, INDICES, INDEX, FLAG, links=SEGMENTS)
def keep_state(cell, work, starts, steps, tape):
    """Put what each row of a segment ends with where the next starts from."""
    stride = cell["stride"]
    for t in range(1 if cell["reverse"] else steps):
        rows = starts[t + 1] - starts[t]
        # In reverse, all end with the first step.
        on = starts[t + 2] - starts[t + 1] if t + 1 < steps and not cell["reverse"] else 0
        size, shift = (rows - on) * stride, on * stride
        c = _cell_state(cell, starts, steps - 1 if cell["reverse"] else t, starts[t], tape)
        copy(work, cell["h"] + starts[t] * stride + shift, work, cell["h_start"] + shift, size)
        copy(work, c + shift, work, cell["c_start"] + shift, size)


@kernel
def _cell_state(cell, starts, i, row, tape):
    """Where c of the i-th step is, which on a tape owns the rows from `row` on.

    Without a tape, two steps take turns: a loop over one that is read and written at once would not
    vectorise. A later step has no more rows, so that those of a sequence that has ended stay.
    """
    return cell["c"] + (row if tape else i % 2 * starts[1]) * cell["stride"]


@kernel
def inputs_gradient(
    cell, packed, work, rows, place, width, begin, end, target, target_row, accumulate
):  # fmt: skip
    """Write or add the gradient of some of a cell's inputs, for all steps at once.

    They are the columns from `begin` to `end` of block number `place`, which has `width` of them
    with padding.
    """
    units, stride = cell["units"], cell["stride"]
    for q in range(GATES):
        if cell["given_up"]:
            return
        some_columns(
            rows, width, begin, end, units, work, cell["gates"] + q * cell["gate"], stride, 1,
            packed, cell["packed_inputs_transposed"] + (GATES * place + q) * width * units, True,
            work, target, target_row, q > 0 or accumulate,
        )  # fmt: skip


@linked(vector_type, INDEX, INDEX, INDEX, INDEX, matrix_type, INDEX, links=DROPOUT)
def mask_rows(work, start, stride, columns, rows, masks, column):
    """Multiply a block of rows by the masks of their sequences, from `column` on."""
    for r in range(rows):
        row, mask = block(work, start + r * stride, columns), masks[r, column:]
        for j in range(columns):
            row[j] *= mask[j]


@kernel
def _step(i, steps, starts, reverse, before):
    """The i-th step in reading order: its t, its rows, how many carry on, and from which row."""
    t = steps - 1 - i if reverse else i
    rows = starts[t + 1] - starts[t]
    if i == 0:
        return t, rows, before, 0
    if reverse:
        return t, rows, starts[t + 2] - starts[t + 1], starts[t + 1]
    return t, rows, rows, starts[t - 1]


@kernel
def copy_rest(cell, work, row, rows, collect):
    """Copy the rest of some rows to the gates, or with `collect` the gates' last units to it.

    Whole vectors are copied, so that the padding of the gates, which elementwise passes read, holds
    numbers too. In the rest, what is too much is overwritten by the next copy, or lies behind it.
    """
    rest_width, full, lanes = cell["rest_width"], cell["full"], SIMD_BYTES // work.itemsize
    if rest_width == 0 or cell["end"] < cell["width"]:
        return
    for r in range(row, row + rows):
        for q in range(GATES):
            rest = cell["rest"] + r * rest_width + q * (cell["units"] - full)
            gate = cell["gates"] + q * cell["gate"] + r * cell["stride"] + full
            if collect:
                copy(work, gate, work, rest, lanes)
            else:
                copy(work, rest, work, gate, lanes)


@kernel
def weight_gradient(cell, work, gradient, starts, steps, before, accumulate):
    """Write or add the gradient of a cell's weights, from those of its gates."""
    inputs, stride = cell["inputs"], cell["stride"]
    copy_rest(cell, work, 0, starts[steps], True)
    _gradient_product(
        cell, inputs + 1, work, cell["x"], inputs + 1, 0, starts[steps], accumulate, gradient, 0
    )
    # The hidden state that each step started from lies elsewhere on the tape; steps in a row of the
    # same number of sequences lie together on both sides, and are taken as one product.
    started = accumulate
    run_h, run_at, run = cell["h_masked"], 0, 0
    for t in range(steps):
        i = steps - 1 - t if cell["reverse"] else t
        _, _, carried, earlier = _step(i, steps, starts, cell["reverse"], before)
        h = cell["h_masked_start"] if i == 0 else cell["h_masked"] + earlier * stride
        if run > 0 and (h != run_h + run * stride or starts[t] != run_at + run):
            _recurrent_gradient(cell, work, run_h, run_at, run, started, gradient)
            started, run = True, 0
        if run == 0:
            run_h, run_at = h, starts[t]
        run += carried
    if run > 0 or not started:
        _recurrent_gradient(cell, work, run_h, run_at, run, started, gradient)


@kernel
def _recurrent_gradient(cell, work, h, at, depth, accumulate, gradient):
    """Write or add that of the recurrent weights, from `depth` rows of the tape and of h."""
    _gradient_product(
        cell, cell["units"], work, h, cell["stride"], at, depth, accumulate, gradient,
        cell["inputs"] + 1,
    )  # fmt: skip


@linked(CELL_TYPE, INDEX, vector_type, INDEX, INDEX, INDEX, INDEX, FLAG, vector_type, INDEX)
def _gradient_product(cell, rows, work, a0, a_width, at, depth, accumulate, gradient, row):
    """gradient[row : row + rows] (+)= A[depth, rows]' @ dgates[at : at + depth]."""
    full, rest_width, stride = cell["full"], cell["rest_width"], cell["stride"]
    lanes = SIMD_BYTES // work.itemsize
    width = GATES * full + rest_width
    out = cell["gradient"] + row * width
    # All steps of a block of the gradient, then the next: it is in cache when more is added to it.
    n_blocks = max(-(-depth // DEPTH_BLOCK), 0 if accumulate else 1)
    end, step = min(cell["end"], full), COLUMN_BLOCK * lanes
    most = ROW_BYTES // work.itemsize
    for first in range(0, rows, most):
        for block_begin in range(cell["begin"], end, step):
            if cell["given_up"]:
                return
            for start in range(0, n_blocks * DEPTH_BLOCK, DEPTH_BLOCK):
                for j in range(block_begin, min(block_begin + step, end), lanes):
                    panel(
                        WIDE, min(most, rows - first), min(DEPTH_BLOCK, depth - start),
                        work, a0 + start * a_width + first, 1, a_width,
                        work, cell["gates"] + (at + start) * stride + j, stride, cell["gate"],
                        2 * cell["gate"],
                        gradient, out + first * width + j, width, full, accumulate or start > 0,
                    )  # fmt: skip
    rest_too = rest_width > 0 and cell["end"] > full
    for start in range(0, n_blocks * DEPTH_BLOCK if rest_too else 0, DEPTH_BLOCK):
        panel(
            rest_width // lanes, rows, min(DEPTH_BLOCK, depth - start),
            work, a0 + start * a_width, 1, a_width,
            work, cell["rest"] + (at + start) * rest_width, rest_width, lanes, 2 * lanes,
            gradient, out + GATES * full, width, lanes, accumulate or start > 0,
        )  # fmt: skip
