"""A shard (some rows of a minibatch) through the whole net: layers, directions, pooling, head.

Everything that meets weights has a trailing column of ones, so that a bias is a row of the weights.
"""

import numba
import numpy as np

from sklstm._kernels import recurrence
from sklstm._kernels.products import GATES, pack_gates, pack_plain, plain_product
from sklstm._machine.compile import entry, kernel
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
from sklstm._machine.memory import add, clear, copy, load

# Sizes of the net, and where its head's parts start, as in recurrence.CELL.
NET = np.dtype(
    [
        (name, np.int64)
        for name in (
            "layers", "directions", "features", "mean_pooling", "dropout", "head_mask",
            "head_inputs", "head_width", "outputs", "output_width",
            "weights", "packed", "packed_transposed", "gradient",
            "pooled", "raw", "d_raw", "d_pooled",
        )
    ]
)  # fmt: skip

# One row a sequence: where it starts in memory, and the bytes between its steps and features.
SEQUENCE = np.dtype(
    [(name, np.int64) for name in ("address", "step_stride", "feature_stride", "length")]
)

# What is larger saturates every gate, and its products must not overflow in float32.
MOST = 1e30

_NET_TYPE, _CELL_TYPE = numba.from_dtype(NET), numba.from_dtype(recurrence.CELL)
_SHARD_ARGUMENTS = (
    _NET_TYPE[::1], _CELL_TYPE[::1], vector_type,
    numba.from_dtype(SEQUENCE)[::1], FLOAT64[:, ::1], INDICES, matrix_type, vector_type, INDICES,
    matrix_type,
)  # fmt: skip


@linked(*_SHARD_ARGUMENTS, FLAG)
def forward(net, cells, packed, sequences, scaling, rows, masks, work, starts, raw, tape):
    """Write the raw output of the sequences `rows`, sorted by length, longest first."""
    steps = _start_steps(sequences, rows, starts)
    _gather(net[0], cells[0]["x"], sequences, scaling, rows, work, starts)
    directions, layers = net[0]["directions"], net[0]["layers"]
    for layer in range(layers):
        first = cells[layer * directions]
        if layer > 0:
            _join_directions(cells, layer * directions, directions, work, starts[steps])
        if net[0]["dropout"]:
            _mask_steps(
                work, first["x"], first["inputs"] + 1, first["inputs"], starts, steps,
                masks, first["input_mask"],
            )  # fmt: skip
        for direction in range(directions):
            recurrence.forward(
                cells[layer * directions + direction], packed, work, starts, steps, masks, tape
            )
    _pool(net[0], cells[(layers - 1) * directions :], sequences, rows, work, starts)
    if net[0]["dropout"]:
        recurrence.mask_rows(
            work, net[0]["pooled"], net[0]["head_inputs"] + 1, net[0]["head_inputs"], rows.size,
            masks, net[0]["head_mask"],
        )  # fmt: skip
    _apply_head(net[0], packed, work, rows.size, raw)


@linked(*_SHARD_ARGUMENTS, vector_type, FLAG)
def backward(
    net, cells, packed, sequences, scaling, rows, masks, work, starts, d_raw, gradient, accumulate
):  # fmt: skip
    """Write the gradient, given that of the raw output, after `forward` with a tape.

    With `accumulate`, it is added to what is there.
    """
    steps = _start_steps(sequences, rows, starts)
    directions, layers = net[0]["directions"], net[0]["layers"]
    _backward_head(net[0], packed, work, d_raw, gradient, accumulate)
    if net[0]["dropout"]:
        recurrence.mask_rows(
            work, net[0]["d_pooled"], net[0]["head_width"], net[0]["head_inputs"], rows.size,
            masks, net[0]["head_mask"],
        )  # fmt: skip
    _unpool(net[0], cells[(layers - 1) * directions :], sequences, rows, work, starts, steps)
    for layer in range(layers - 1, -1, -1):
        for direction in range(directions):
            cell = cells[layer * directions + direction]
            recurrence.backward(cell, packed, work, gradient, starts, steps, masks, accumulate)
        if layer > 0:
            _backward_layer_inputs(net[0], cells, layer, packed, work, starts, steps, masks)


@entry
def pack(net, cells, weights, packed, transposed):
    """Write the packed form of all weights; the transposes, for the way back, on request."""
    for index in range(cells.size):
        cell = cells[index]
        inputs, units, width = cell["inputs"], cell["units"], cell["width"]
        depth = inputs + 1 + units
        pack_gates(
            depth, units, cell["full"], cell["rest_width"], weights, cell["weights"],
            packed, cell["packed"],
        )  # fmt: skip
        if not transposed:
            continue
        row = GATES * units
        for q in range(GATES):
            gate = cell["weights"] + q * units
            pack_plain(
                units, units, width, weights, gate + (inputs + 1) * row, 1, row,
                packed, cell["packed_recurrent_transposed"] + q * units * width,
            )  # fmt: skip
            if index >= net[0]["directions"]:
                below = cells[index - net[0]["directions"]]
                for place in range(net[0]["directions"]):
                    part = (GATES * place + q) * below["width"] * units
                    pack_plain(
                        units, below["units"], below["width"],
                        weights, gate + place * below["units"] * row, 1, row,
                        packed, cell["packed_inputs_transposed"] + part,
                    )  # fmt: skip
    inputs, outputs = net[0]["head_inputs"], net[0]["outputs"]
    pack_plain(
        inputs + 1, outputs, net[0]["output_width"], weights, net[0]["weights"], outputs, 1,
        packed, net[0]["packed"],
    )  # fmt: skip
    if transposed:
        pack_plain(
            outputs, inputs, net[0]["head_width"], weights, net[0]["weights"], 1, outputs,
            packed, net[0]["packed_transposed"],
        )  # fmt: skip


@kernel
def _start_steps(sequences, rows, starts):
    """Write where each step's rows start; returns the number of steps."""
    steps = sequences[rows[0]]["length"]
    running = rows.size
    starts[0] = 0
    for t in range(steps):
        while sequences[rows[running - 1]]["length"] <= t:
            running -= 1
        starts[t + 1] = starts[t] + running
    return steps


@kernel
def _gather(net, x, sequences, scaling, rows, work, starts):
    """Write the standardised features of each step; differences are taken in float64."""
    features = net["features"]
    for r in range(rows.size):
        sequence = sequences[rows[r]]
        for t in range(sequence["length"]):
            address = sequence["address"] + t * sequence["step_stride"]
            at = x + (starts[t] + r) * (features + 1)
            for k in range(features):
                number = np.float64(load(address + k * sequence["feature_stride"], work))
                number = (number - scaling[0, k]) * scaling[1, k]
                work[at + k] = min(max(number, -MOST), MOST)
            work[at + features] = 1


@kernel
def _mask_steps(work, start, stride, columns, starts, steps, masks, column):
    """Multiply every step of a sequence by its mask."""
    for t in range(steps):
        recurrence.mask_rows(
            work, start + starts[t] * stride, stride, columns, starts[t + 1] - starts[t],
            masks, column,
        )  # fmt: skip


@linked(_CELL_TYPE[::1], INDEX, INDEX, vector_type, INDEX, links=UPPER_LAYERS)
def _join_directions(cells, first, directions, work, rows):
    """The hidden states of the layer below, side by side, are the next layer's inputs."""
    x, inputs = cells[first]["x"], cells[first]["inputs"]
    for direction in range(directions):
        below = cells[first - directions + direction]
        units, stride = below["units"], below["stride"]
        for r in range(rows):
            to = x + r * (inputs + 1) + direction * units
            copy(work, below["h"] + r * stride, work, to, units)
    for r in range(rows):
        work[x + r * (inputs + 1) + inputs] = 1


@linked(
    _NET_TYPE, _CELL_TYPE[::1], INDEX, vector_type, vector_type, INDICES, INDEX, matrix_type,
    links=UPPER_LAYERS,
)  # fmt: skip
def _backward_layer_inputs(net, cells, layer, packed, work, starts, steps, masks):
    """Write dh of the layer below, all directions of the layer added up."""
    directions = net["directions"]
    for place in range(directions):
        below = cells[(layer - 1) * directions + place]
        for direction in range(directions):
            recurrence.backward_inputs(
                cells[layer * directions + direction], packed, work, starts[steps],
                below, place, direction > 0,
            )  # fmt: skip
        if net["dropout"]:
            _mask_steps(
                work, below["dh"], below["stride"], below["units"], starts, steps,
                masks, cells[layer * directions]["input_mask"] + place * below["units"],
            )  # fmt: skip


@kernel
def _pool(net, top, sequences, rows, work, starts):
    """Write what the head reads: the last hidden state of each direction, or their mean."""
    head_row = net["head_inputs"] + 1
    for r in range(rows.size):
        length = sequences[rows[r]]["length"]
        for direction in range(top.size):
            units, stride = top[direction]["units"], top[direction]["stride"]
            to = net["pooled"] + r * head_row + direction * units
            if net["mean_pooling"]:
                clear(work, to, units)
                for t in range(length):
                    start = top[direction]["h"] + (starts[t] + r) * stride
                    add(work, start, work, to, units)
                share = work.dtype.type(1) / work.dtype.type(length)
                for j in range(units):
                    work[to + j] *= share
            else:
                t = 0 if top[direction]["reverse"] else length - 1
                start = top[direction]["h"] + (starts[t] + r) * stride
                copy(work, start, work, to, units)
        work[net["pooled"] + r * head_row + head_row - 1] = 1


@kernel
def _unpool(net, top, sequences, rows, work, starts, steps):
    """Hand the gradient of what the head read back to the steps that it came from."""
    for direction in range(top.size):
        units, stride, dh = top[direction]["units"], top[direction]["stride"], top[direction]["dh"]
        clear(work, dh, starts[steps] * stride)
        for r in range(rows.size):
            length = sequences[rows[r]]["length"]
            start = net["d_pooled"] + r * net["head_width"] + direction * units
            if net["mean_pooling"]:
                share = work.dtype.type(1) / work.dtype.type(length)
                for t in range(length):
                    to = dh + (starts[t] + r) * stride
                    for j in range(units):
                        work[to + j] = share * work[start + j]
            else:
                t = 0 if top[direction]["reverse"] else length - 1
                to = dh + (starts[t] + r) * stride
                copy(work, start, work, to, units)


@kernel
def _apply_head(net, packed, work, rows, raw):
    inputs, outputs, width = net["head_inputs"] + 1, net["outputs"], net["output_width"]
    plain_product(
        rows, width, inputs, work, net["pooled"], inputs, 1, packed, net["packed"], True,
        work, net["raw"], width, False,
    )  # fmt: skip
    for r in range(rows):
        for j in range(outputs):
            raw[r, j] = work[net["raw"] + r * width + j]


@kernel
def _backward_head(net, packed, work, d_raw, gradient, accumulate):
    """Write d_pooled, and write or add the gradient of the head's weights."""
    rows, inputs, outputs, width = (
        d_raw.shape[0], net["head_inputs"] + 1, net["outputs"], net["output_width"]
    )  # fmt: skip
    for r in range(rows):
        at = net["d_raw"] + r * width
        clear(work, at, width)
        for j in range(outputs):
            work[at + j] = d_raw[r, j]
    plain_product(
        inputs, width, rows, work, net["pooled"], 1, inputs, work, net["d_raw"], False,
        gradient, net["gradient"], width, accumulate,
    )  # fmt: skip
    plain_product(
        rows, net["head_width"], outputs, work, net["d_raw"], width, 1,
        packed, net["packed_transposed"], True,
        work, net["d_pooled"], net["head_width"], False,
    )  # fmt: skip
