"""Where everything lies in the flat buffers that kernels share, for one architecture and dtype."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sklstm._kernels.cell import CELL
from sklstm._kernels.head import BLOCK_ROWS
from sklstm._kernels.pooling import PLACES, POOLINGS
from sklstm._kernels.products import GATES
from sklstm._kernels.recurrence import FEW_INPUTS
from sklstm._kernels.shard import NET
from sklstm._machine.processor import LINE_BYTES, SIMD_BYTES

PAGE_BYTES = 4096
# Parts of a page where large arrays start that an optimizer's step goes through side by side:
# weights, their gradient, and from there on what is remembered of them.
OF_WEIGHTS, OF_GRADIENT, OF_MEMORY, PAGE_PARTS = 0, 1, 2, 8
# Multiply-adds of vectors that a row must be spared for its rest to be worth copying.
WORTH_COPYING = 48


class Layout(NamedTuple):
    """The kernels' records, and the sizes of the buffers that they point into."""

    net: np.ndarray
    cells: np.ndarray
    packed_size: int
    gradient_size: int
    work_size: int


class Steps(NamedTuple):
    """What a cell made of steps: its gates and what came of them, each (n_steps, units)."""

    input: np.ndarray
    forget: np.ndarray
    candidate: np.ndarray
    output: np.ndarray
    cell: np.ndarray
    hidden: np.ndarray


class State(NamedTuple):
    """What a segment starts from, or ends with; or the gradient of that.

    Parameters
    ----------
    cells : list of (ndarray, ndarray), of shape (rows, units)
        The hidden and the cell state of each layer and direction.
    kept : ndarray of shape (rows, n_kept * head_inputs)
        What the pooling has kept; of a gradient, that of what the head reads, (rows, head_inputs),
        unless it reads each step.
    """

    cells: list
    kept: np.ndarray


class _Buffer:
    """Hands out places one after the other, each on a SIMD boundary."""

    def __init__(self, dtype):
        self.dtype, self.size = dtype, 0

    def take(self, size):
        start = self.size
        self.size += round_up(size, self.dtype)
        return start


class _Buffers(NamedTuple):
    packed: _Buffer
    gradient: _Buffer
    work: _Buffer


@lru_cache(maxsize=64)
def make_layout(
    architecture, dtype, rows, steps, tape, dropout=False, recurrent_dropout=False, segments=1,
    x_gradient=False, aside=None,
):  # fmt: skip
    """Lay out the buffers for shards of up to `rows` sequences, in segments of up to `steps` steps.

    Parameters
    ----------
    architecture : Architecture
    dtype : dtype
    rows, steps : int
    tape : bool
        Whether the forward pass keeps what the backward pass needs.
    dropout, recurrent_dropout : bool
        Whether masks are applied to the inputs of layers and head, and to recurrent states.
    segments : int
        How many may follow one another; with more than one, each starts from where another ended.
    x_gradient : bool
        Whether the backward pass ends at X, and not at the weights.
    aside : int or None
        Of how many the states are put aside; None: on the way to a tape, of all.
    """
    if aside is None:
        aside = segments if tape else 0
    buffers = _Buffers(*(_Buffer(dtype) for _ in range(3)))
    net, cells = np.zeros(1, NET), np.zeros(len(architecture.cells), CELL)
    net["x_width"] = round_up(architecture.n_features, dtype) if x_gradient else 0
    for index in range(len(cells)):
        _lay_out_cell(
            architecture, dtype, rows, steps, tape, segments > 1, net[0], cells, index, buffers
        )
    _lay_out_states(
        rows, steps, tape, recurrent_dropout, segments > 1, aside, net[0], cells, buffers.work
    )
    _lay_out_head(architecture, dtype, rows, tape, net[0], buffers)
    net["layers"], net["directions"] = len(architecture.units), architecture.n_directions
    net["features"] = architecture.n_features
    net["pooling"] = PLACES[architecture.pooling]
    net["d_x"] = buffers.work.take(rows * steps * net["x_width"][0])
    _place_masks(architecture, net[0], cells)
    net["dropout"] = dropout
    # Many nets share them.
    net.flags.writeable = cells.flags.writeable = False
    return Layout(net, cells, buffers.packed.size, buffers.gradient.size, buffers.work.size)


def _lay_out_cell(architecture, dtype, rows, steps, tape, several, net, cells, index, buffers):
    """Set the sizes of a cell, and its places, but for those of states that come with options."""
    n_directions = architecture.n_directions
    cell, (inputs, units) = cells[index], architecture.cells[index]
    upper, first = index >= n_directions, index % n_directions == 0
    all_rows, line = rows * steps, LINE_BYTES // np.dtype(dtype).itemsize
    tape_rows = all_rows if tape else rows + FEW_INPUTS
    width, depth = round_up(units, dtype), inputs + 1 + units
    full, rest_width = split_units(units, depth, dtype)
    stride, columns = _tape_stride(width, dtype) if tape else width, GATES * full + rest_width
    cell["inputs"], cell["units"], cell["width"] = inputs, units, width
    cell["full"], cell["rest_width"], cell["stride"] = full, rest_width, stride
    cell["mine"], cell["end"] = True, width
    cell["reverse"], cell["weights"] = not first, architecture.starts[index]
    packed, work = buffers.packed, buffers.work
    cell["packed"] = packed.take(depth * columns)
    cell["packed_recurrent_transposed"] = packed.take(GATES * units * width if tape else 0)
    # Of the layer below, if there is one.
    below = cells[index - n_directions] if upper else np.zeros(1, CELL)[0]
    inputs_width = n_directions * below["width"] if upper else net["x_width"]
    cell["packed_inputs_transposed"] = packed.take(GATES * units * inputs_width if tape else 0)
    cell["gradient"] = buffers.gradient.take(depth * columns)
    # Both directions read the same inputs, unless they are at different segments.
    own = first or several
    cell["x"] = work.take(all_rows * (inputs + 1)) if own else cells[index - 1]["x"]
    # An odd number of lines: else the gates of a step share sets of the cache, as below.
    cell["gate"] = (-(-tape_rows * stride // line) | 1) * line
    cell["gates"] = work.take(GATES * cell["gate"])
    # Whole vectors are copied to and from it, also at its end.
    cell["rest"] = work.take(tape_rows * rest_width + (line if rest_width else 0))
    cell["c"] = work.take((all_rows if tape else 2 * rows) * stride)
    cell["tanh_c"] = work.take(tape_rows * stride)
    cell["h"] = work.take(all_rows * stride)
    if tape:
        widest = max(_tape_stride(round_up(units, dtype), dtype) for _, units in architecture.cells)
        # A layer is done with its own when it writes that of the layer below.
        cell["dh"] = below["dh"] if upper else work.take(all_rows * widest)
        cell["dc"] = work.take(rows * stride)


def _lay_out_states(rows, steps, tape, recurrent_dropout, several, aside, net, cells, work):
    """Set the places of masked hidden states, and of those that segments start from."""
    for cell in cells:
        masked = cell["stride"] if recurrent_dropout else 0
        cell["h_masked"] = work.take(rows * steps * masked) if recurrent_dropout else cell["h"]
        cell["dh_masked"] = work.take(rows * masked)
    of_state = rows if several else 0
    net["state"] = work.size
    for cell in cells:
        cell["h_start"] = work.take(of_state * cell["stride"])
        cell["c_start"] = work.take(of_state * cell["stride"])
    net["state_size"] = work.size - net["state"]
    net["aside"] = work.take(net["state_size"] * aside)
    for cell in cells:
        cell["dh_start"] = work.take(of_state * cell["stride"] if tape else 0)
        cell["h_masked_start"] = cell["h_start"]
        if recurrent_dropout:
            cell["h_masked_start"] = work.take(of_state * cell["stride"])


def _lay_out_head(architecture, dtype, rows, tape, net, buffers):
    """Set the sizes of the head, and its places."""
    inputs, outputs = architecture.head_inputs, architecture.n_outputs
    head_width, output_width = round_up(inputs, dtype), round_up(outputs, dtype)
    net["head_inputs"], net["head_width"] = inputs, head_width
    net["outputs"], net["output_width"] = outputs, output_width
    net["weights"] = architecture.starts[-2]
    net["packed"] = buffers.packed.take((inputs + 1) * output_width)
    net["packed_transposed"] = buffers.packed.take(outputs * head_width)
    net["gradient"] = buffers.gradient.take((inputs + 1) * output_width)
    work = buffers.work
    net["n_kept"] = POOLINGS[architecture.pooling].n_kept
    net["kept"] = work.take(rows * net["n_kept"] * inputs)
    if architecture.reads_each_step:
        rows = max(rows, BLOCK_ROWS)
    net["pooled"] = work.take(rows * inputs)
    net["raw"] = work.take(rows * output_width)
    net["d_raw"] = work.take(rows * output_width if tape else 0)
    net["d_pooled"] = work.take(rows * head_width if tape else 0)
    net["one"] = work.take(1 if tape else 0)


def _place_masks(architecture, net, cells):
    """Set the columns of the dropout masks."""
    input_sizes, recurrent_sizes = architecture.mask_sizes
    input_masks = np.cumsum([0, *input_sizes])
    recurrent_masks = input_masks[-1] + np.cumsum([0, *recurrent_sizes])
    net["head_mask"] = input_masks[-2]
    for index, cell in enumerate(cells):
        cell["input_mask"] = input_masks[index // architecture.n_directions]
        cell["recurrent_mask"] = recurrent_masks[index]


def read_tape(layout, work, n_steps):
    """The steps of each cell on a tape, as views; going back overwrites the gates.

    Steps lie in the order of the kernels: those of all sequences at one time, then at the next.

    Parameters
    ----------
    layout : Layout
        Of a tape.
    work : ndarray of shape (work_size,)
        A shard's workspace.
    n_steps : int
        Of all sequences together.

    Returns
    -------
    tape : list of Steps
        One a layer and direction.
    """
    tape = []
    for cell in layout.cells:
        gates = (cell["gates"] + gate * cell["gate"] for gate in range(GATES))
        starts = *gates, cell["c"], cell["h"]
        tape.append(Steps(*(_rows(work, cell, start, n_steps) for start in starts)))
    return tape


def state_of(layout, work, rows, gradient=False):
    """Where a segment finds the state of its first rows; as views.

    Parameters
    ----------
    layout : Layout
        Of several segments.
    work : ndarray of shape (work_size,)
    rows : int
    gradient : bool
        Whether that of the state is meant, which it finds of its end and leaves of its start.

    Returns
    -------
    state : State
    """
    net = layout.net[0]
    hidden, cell_state, kept = "h_start", "c_start", net["kept"]
    columns = width = net["n_kept"] * net["head_inputs"]
    if gradient:
        hidden, cell_state, kept = "dh_start", "dc", net["d_pooled"]
        columns, width = net["head_inputs"], net["head_width"]
        if net["n_kept"] == 0:
            columns = width = 0
    cells = [
        (_rows(work, cell, cell[hidden], rows), _rows(work, cell, cell[cell_state], rows))
        for cell in layout.cells
    ]
    return State(cells, work[kept : kept + rows * width].reshape(rows, width)[:, :columns])


def _rows(work, cell, start, n):
    """Rows of a cell's units, without what lies between."""
    stride = cell["stride"]
    return work[start : start + n * stride].reshape(n, stride)[:, : cell["units"]]


def round_up(columns, dtype):
    """The number of columns, rounded up to whole SIMD vectors of `dtype`."""
    lanes = SIMD_BYTES // np.dtype(dtype).itemsize
    return -(-columns // lanes) * lanes


def split_units(units, depth, dtype):
    """The units that a gates product takes gate by gate, padded, and the width of the rest."""
    width, lanes = round_up(units, dtype), round_up(1, dtype)
    rest_width = round_up(GATES * (units % lanes), dtype)
    saved = GATES - rest_width // lanes
    if units == width or saved * depth < WORTH_COPYING:
        return width, 0
    return width - lanes, rest_width


def _tape_stride(width, dtype):
    """The distance between rows that the weight gradient reads fast.

    It reads a column of many rows at a time. At a distance of a multiple of four cache lines these
    share a quarter of the cache's sets or fewer; one line more, and they use all.
    """
    line = LINE_BYTES // np.dtype(dtype).itemsize
    lines = -(-width // line)
    return width + (line if lines >= 8 and lines % 4 == 0 else 0)


def aligned(shape, dtype, part=None):
    """An array of zeros that starts on a cache line, for loads that do not straddle two.

    Large ones may be told at which of `PAGE_PARTS` of a page to start. A loop that goes through
    several side by side is slowed down where they start at the same: processors look at no more of
    an address to see whether a load has to wait for a store.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    bytes_, begin = LINE_BYTES, 0
    if part is not None and size >= PAGE_BYTES:
        bytes_, begin = PAGE_BYTES, part % PAGE_PARTS * PAGE_BYTES // PAGE_PARTS
    raw = np.zeros(size + bytes_, np.uint8)
    start = (begin - raw.__array_interface__["data"][0]) % bytes_
    return np.ndarray(shape, dtype, raw, start)


def lined_up(array, part):
    """A copy that starts where an `aligned` array does."""
    result = aligned(array.shape, array.dtype, part)
    result[:] = array
    return result


def check_size(name, array, shape, dtype=None):
    """Refuse what is not of the size that the architecture says."""
    # A dtype of float64 equals None.
    if array.shape != shape or not (dtype is None or array.dtype == dtype):
        raise ValueError(
            f"{name} of shape {array.shape} and type {array.dtype} are not those of the net, which "
            f"has {shape}{'' if dtype is None else f' and {dtype}'}."
        )


def compiled_for(scaling):
    """A copy of a scaling, of the type that kernels are compiled for: they look at it but once."""
    return np.array(scaling, np.float64, order="C")
