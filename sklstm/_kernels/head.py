"""The dense head: the rows that it reads of the top layer, its outputs, and the way back.

What the pooling of a sequence says is a row; or, of a pooling that keeps nothing, each of its steps
is one. Rows of steps lie as the steps of cells do: all sequences' at one time, then at the next.
"""

from sklstm._kernels import pooling, recurrence
from sklstm._kernels.products import plain_product
from sklstm._machine.compile import kernel
from sklstm._machine.memory import clear


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
def rows_at(net, rows, starts, t):
    """Of the t-th of these times: where its rows start, and how many sequences have one."""
    if reads_each_step(net):
        return starts[t], starts[t + 1] - starts[t]
    return 0, rows.size


@kernel
def pool(net, top, sequences, rows, work, starts, begin, steps):
    """Let the pooling take in the hidden states of a segment."""
    width = net["head_inputs"] + 1 if reads_each_step(net) else net["head_inputs"]
    for r in range(starts[1]):
        some = min(sequences[rows[r]]["length"] - begin, steps)
        for direction in range(top.size):
            cell = top[direction]
            pooling.add_states(
                net["pooling"], work, _kept(net, r, direction * cell["units"]), width,
                cell["h"], cell["stride"], cell["units"], starts, r,
                sequences[rows[r]]["before"] + begin, some, 0 if cell["reverse"] else some - 1,
            )  # fmt: skip


@kernel
def forward(net, top, packed, sequences, rows, masks, work, starts, raw, places, begin, steps):
    """Write the raw outputs of all rows, given what the pooling has taken in."""
    inputs, width = net["head_inputs"] + 1, net["output_width"]
    if not reads_each_step(net):
        _read_pooled(net, top, sequences, rows, work)
    n_rows = _count(net, rows, starts, steps)
    for row in range(n_rows):
        work[net["pooled"] + row * inputs + net["head_inputs"]] = 1
    if net["dropout"]:
        _mask(net, net["pooled"], inputs, rows, masks, work, starts, begin, steps)
    plain_product(
        n_rows, width, inputs, work, net["pooled"], inputs, 1, packed, net["packed"], True,
        work, net["raw"], width, False,
    )  # fmt: skip
    first_time, n_times = times(net, begin, steps)
    for t in range(n_times):
        first, n = rows_at(net, rows, starts, t)
        for r in range(n):
            for j in range(net["outputs"]):
                raw[places[r] + first_time + t, j] = work[net["raw"] + (first + r) * width + j]


@kernel
def backward(
    net, packed, rows, masks, work, starts, d_raw, places, begin, steps, gradient, accumulate
):  # fmt: skip
    """Write d_pooled, and write or add the gradient of the head's weights."""
    inputs, outputs, width = net["head_inputs"] + 1, net["outputs"], net["output_width"]
    n_rows = _count(net, rows, starts, steps)
    clear(work, net["d_raw"], n_rows * width)
    first_time, n_times = times(net, begin, steps)
    for t in range(n_times):
        first, n = rows_at(net, rows, starts, t)
        for r in range(n):
            for j in range(outputs):
                work[net["d_raw"] + (first + r) * width + j] = d_raw[places[r] + first_time + t, j]
    plain_product(
        inputs, width, n_rows, work, net["pooled"], 1, inputs, work, net["d_raw"], False,
        gradient, net["gradient"], width, accumulate,
    )  # fmt: skip
    plain_product(
        n_rows, net["head_width"], outputs, work, net["d_raw"], width, 1,
        packed, net["packed_transposed"], True,
        work, net["d_pooled"], net["head_width"], False,
    )  # fmt: skip
    if net["dropout"]:
        _mask(net, net["d_pooled"], net["head_width"], rows, masks, work, starts, begin, steps)


@kernel
def unpool(net, top, sequences, rows, work, starts, begin, steps):
    """Hand the gradient of what the head read back to the steps of a segment."""
    width, apart = net["head_inputs"], net["head_width"]
    if reads_each_step(net):
        width, apart = net["head_width"], 0
    for direction in range(top.size):
        cell = top[direction]
        clear(work, cell["dh"], starts[steps] * cell["stride"])
        for r in range(starts[1]):
            length = sequences[rows[r]]["length"]
            some = min(length - begin, steps)
            d_pooled = net["d_pooled"] + r * apart + direction * cell["units"]
            pooling.hand_back(
                net["pooling"], work, d_pooled, _kept(net, r, direction * cell["units"]),
                width, cell["dh"], cell["stride"], cell["units"], starts, r,
                begin, some, 0 if cell["reverse"] else some - 1,
                begin == 0 if cell["reverse"] else begin + some == length, length,
            )  # fmt: skip


@kernel
def _kept(net, row, unit):
    """Where a row's numbers are that the pooling keeps, from a unit on."""
    return net["kept"] + row * net["n_kept"] * net["head_inputs"] + unit


@kernel
def _count(net, rows, starts, steps):
    return starts[steps] if reads_each_step(net) else rows.size


@kernel
def _read_pooled(net, top, sequences, rows, work):
    """Write what the pooling says of each sequence."""
    for r in range(rows.size):
        at = 0
        for direction in range(top.size):
            units = top[direction]["units"]
            pooling.read_states(
                net["pooling"], work, _kept(net, r, at), net["head_inputs"],
                net["pooled"] + r * (net["head_inputs"] + 1) + at, units,
                sequences[rows[r]]["before"] + sequences[rows[r]]["length"],
            )  # fmt: skip
            at += units


@kernel
def _mask(net, start, stride, rows, masks, work, starts, begin, steps):
    """Multiply all rows by the masks of their sequences."""
    for t in range(times(net, begin, steps)[1]):
        first, n = rows_at(net, rows, starts, t)
        recurrence.mask_rows(
            work, start + first * stride, stride, net["head_inputs"], n, masks, net["head_mask"]
        )
