"""The dense head: the rows that it reads of the top layer, its outputs, and the way back.

What the pooling of a sequence says is a row; or, of a pooling that keeps nothing, each of its steps
is one. Rows of steps lie as the steps of cells do: all sequences' at one time, then at the next. A
block of them is made at a time, forward and back, so that it stays in the cache. Hidden states of
one direction are multiplied where they lie, so the bias is added by itself.
"""

from sklstm._kernels import pooling, recurrence
from sklstm._kernels.crew import part
from sklstm._kernels.products import plain_product
from sklstm._machine.compile import kernel
from sklstm._machine.memory import clear

# Rows of steps that are multiplied at once, if there are more than of one time.
BLOCK_ROWS = 64


@kernel
def reads_each_step(net):
    """Whether each step is a row."""
    return net["n_kept"] == 0


@kernel
def times(net, begin, steps):
    """Of the rows of a segment: the first time, and how many times there are.

    A sequence that is one row has it at time 0.
    """
    return (begin, steps) if reads_each_step(net) else (0, 1)


@kernel
def start(net, rows, starts, t):
    """Of the t-th of these times: where its rows start, and those of the time before end."""
    if reads_each_step(net):
        return starts[t]
    return t * rows.size


@kernel
def pool(net, cell, sequences, rows, work, starts, begin, steps):
    """Let the pooling take in a direction's states of a segment; each of a crew does some rows."""
    first, last = part(cell, starts[1])
    for r in range(first, last):
        some = min(sequences[rows[r]]["length"] - begin, steps)
        pooling.add_states(
            net["pooling"], work, _kept(net, r, _column(cell)), net["head_inputs"],
            cell["h"], cell["stride"], cell["units"], starts, r,
            sequences[rows[r]]["before"] + begin, some, 0 if cell["reverse"] else some - 1,
        )  # fmt: skip


@kernel
def forward(net, top, packed, sequences, rows, masks, work, starts, raw, places, begin, steps):
    """Write the raw outputs of all rows, given what the pooling has taken in."""
    inputs, width = net["head_inputs"], net["output_width"]
    bias = net["packed"] + inputs * width
    if not reads_each_step(net):
        _read_pooled(net, top, sequences, rows, work)
    first_time, n_times = times(net, begin, steps)
    block = _times_of_a_block(rows)
    for t0 in range(0, n_times, block):
        t1 = min(t0 + block, n_times)
        first, last = start(net, rows, starts, t0), start(net, rows, starts, t1)
        source, row = _finish_rows(net, top, rows, masks, work, starts, t0, t1)
        plain_product(
            last - first, width, inputs, work, source, row, 1,
            packed, net["packed"], True, work, net["raw"], width, False,
        )  # fmt: skip
        at, outputs = net["raw"], net["outputs"]
        for t in range(t0, t1):
            n = start(net, rows, starts, t + 1) - start(net, rows, starts, t)
            for r in range(n):
                for j in range(outputs):
                    raw[places[r] + first_time + t, j] = work[at + j] + packed[bias + j]
                at += width


@kernel
def backward(
    net, top, packed, rows, masks, work, starts, d_raw, places, begin, steps, gradient, accumulate
):  # fmt: skip
    """Write d_pooled, and write or add the gradient of the head's weights, if it has a size.

    Of steps, write dh of the top layer. If `top` is one direction of two, all is that of its half.
    """
    inputs, outputs, width = net["head_inputs"], net["outputs"], net["output_width"]
    head_width, column, columns = net["head_width"], _column(top[0]), top.size * top[0]["units"]
    first_time, n_times = times(net, begin, steps)
    block = _times_of_a_block(rows)
    for t0 in range(0, n_times, block):
        t1 = min(t0 + block, n_times)
        first, last = start(net, rows, starts, t0), start(net, rows, starts, t1)
        clear(work, net["d_raw"], (last - first) * width)
        at = net["d_raw"]
        for t in range(t0, t1):
            n = start(net, rows, starts, t + 1) - start(net, rows, starts, t)
            for r in range(n):
                for j in range(outputs):
                    work[at + j] = d_raw[places[r] + first_time + t, j]
                at += width
        if gradient.size > 0:
            source, row = net["pooled"], inputs
            if reads_each_step(net):
                # `forward` has left no more than its last block.
                source, row = _finish_rows(net, top, rows, masks, work, starts, t0, t1)
            plain_product(
                columns, width, last - first, work, source + column, 1, row, work, net["d_raw"],
                False, gradient, net["gradient"] + column * width, width, accumulate or t0 > 0,
            )  # fmt: skip
            work[net["one"]] = 1
            # One half has the bias.
            plain_product(
                1 if column == 0 else 0, width, last - first, work, net["one"], 0, 0, work,
                net["d_raw"], False, gradient, net["gradient"] + inputs * width, width,
                accumulate or t0 > 0,
            )  # fmt: skip
        target, target_row = net["d_pooled"], head_width
        if _in_place(net):
            target, target_row = top[0]["dh"] + first * top[0]["stride"], top[0]["stride"]
        plain_product(
            last - first, head_width, outputs, work, net["d_raw"], width, 1,
            packed, net["packed_transposed"], True, work, target, target_row, False,
        )  # fmt: skip
        if net["dropout"]:
            _mask(net, net["d_pooled"], head_width, rows, masks, work, starts, t0, t1)
        if reads_each_step(net) and not _in_place(net):
            _hand_back_steps(net, top, work, first, last)


@kernel
def unpool(net, top, sequences, rows, work, starts, begin, steps):
    """Hand the gradient of what the head read back to the steps of a segment."""
    for direction in range(top.size):
        cell = top[direction]
        clear(work, cell["dh"], starts[steps] * cell["stride"])
        for r in range(starts[1]):
            length = sequences[rows[r]]["length"]
            some = min(length - begin, steps)
            d_pooled = net["d_pooled"] + r * net["head_width"] + _column(cell)
            pooling.hand_back(
                net["pooling"], work, d_pooled, _kept(net, r, _column(cell)),
                net["head_inputs"], cell["dh"], cell["stride"], cell["units"], starts, r,
                begin, some, 0 if cell["reverse"] else some - 1,
                begin == 0 if cell["reverse"] else begin + some == length, length,
            )  # fmt: skip


@kernel
def _kept(net, row, unit):
    """Where a row's numbers are that the pooling keeps, from a unit on."""
    return net["kept"] + row * net["n_kept"] * net["head_inputs"] + unit


@kernel
def _in_place(net):
    """Whether rows are the hidden states themselves, and dh is what is handed back."""
    return reads_each_step(net) and net["directions"] == 1 and not net["dropout"]


@kernel
def _column(cell):
    """Where a direction's part of a row starts."""
    return cell["units"] if cell["reverse"] else 0


@kernel
def _read_pooled(net, top, sequences, rows, work):
    """Write what the pooling says of each sequence."""
    for r in range(rows.size):
        at = 0
        for direction in range(top.size):
            units = top[direction]["units"]
            pooling.read_states(
                net["pooling"], work, _kept(net, r, at), net["head_inputs"],
                net["pooled"] + r * net["head_inputs"] + at, units,
                sequences[rows[r]]["before"] + sequences[rows[r]]["length"],
            )  # fmt: skip
            at += units


@kernel
def _finish_rows(net, top, rows, masks, work, starts, t0, t1):
    """Make the rows of some times, masked; returns where they are, and how far apart."""
    inputs = net["head_inputs"]
    first, last = start(net, rows, starts, t0), start(net, rows, starts, t1)
    if _in_place(net):
        return top[0]["h"] + first * top[0]["stride"], top[0]["stride"]
    if reads_each_step(net):
        _read_steps(net, top, work, first, last)
    if net["dropout"]:
        _mask(net, net["pooled"], inputs, rows, masks, work, starts, t0, t1)
    return net["pooled"], inputs


@kernel
def _read_steps(net, top, work, first, last):
    """Write the rows of steps: hidden states, of both directions side by side."""
    for direction in range(top.size):
        cell = top[direction]
        units, source = cell["units"], cell["h"] + first * cell["stride"]
        target = net["pooled"] + _column(cell)
        _move_rows(work, source, cell["stride"], target, net["head_inputs"], last - first, units)


@kernel
def _hand_back_steps(net, top, work, first, last):
    """Write dh of steps, given the gradient of their rows."""
    for direction in range(top.size):
        cell = top[direction]
        units, target = cell["units"], cell["dh"] + first * cell["stride"]
        clear(work, target, (last - first) * cell["stride"])
        source = net["d_pooled"] + _column(cell)
        _move_rows(work, source, net["head_width"], target, cell["stride"], last - first, units)


@kernel
def _move_rows(work, source, source_row, target, target_row, rows, columns):
    """Copy rows of a few numbers, for which a call of libc each would take longer."""
    for _ in range(rows):
        for j in range(columns):
            work[target + j] = work[source + j]
        source += source_row
        target += target_row


@kernel
def _mask(net, begin, stride, rows, masks, work, starts, t0, t1):
    """Multiply the rows of some times by the masks of their sequences."""
    for t in range(t0, t1):
        n = start(net, rows, starts, t + 1) - start(net, rows, starts, t)
        recurrence.mask_rows(work, begin, stride, net["head_inputs"], n, masks, net["head_mask"])
        begin += n * stride


@kernel
def _times_of_a_block(rows):
    """How many times are multiplied at once."""
    return max(1, BLOCK_ROWS // rows.size)
