"""One step of a cell, element by element, given the products: forward, and the way back.

All rows of a step are a flat loop. Of a share, which is some units of every row, each row is one.
Symbols are those of docs/mathematics.md.
"""

from sklstm._kernels.activations import apply_sigmoid, apply_tanh, multiply_tanh
from sklstm._kernels.cell import CELL_TYPE
from sklstm._kernels.products import GATES
from sklstm._machine.compile import kernel
from sklstm._machine.linkage import INDEX, SHARED, linked, vector_type
from sklstm._machine.memory import add, block, clear

INPUT, FORGET, CANDIDATE, OUTPUT = range(GATES)


@linked(vector_type, *[INDEX] * 8)
def finish_step(work, gates0, gate, before0, c0, tanh_c0, h0, old, size):
    """Write the gates, the cell state, its tanh and h; `old` numbers carry on from `before`."""
    # Not in a loop: its constants are more than registers, and LLVM would then fetch most of them
    # anew for every vector, where it now multiplies by them in memory.
    apply_sigmoid(work, gates0 + INPUT * gate, size)
    apply_sigmoid(work, gates0 + FORGET * gate, size)
    apply_tanh(work, gates0 + CANDIDATE * gate, size)
    apply_sigmoid(work, gates0 + OUTPUT * gate, size)
    i, f, g, _ = _gates(work, gates0, gate, size)
    before, c = block(work, before0, old), block(work, c0, size)
    for j in range(old):
        c[j] = f[j] * before[j] + i[j] * g[j]
    for j in range(old, size):
        c[j] = i[j] * g[j]
    multiply_tanh(work, c0, gates0 + OUTPUT * gate, tanh_c0, h0, size)


@linked(vector_type, *[INDEX] * 8)
def start_step_back(work, gates0, gate, before0, tanh_c0, dh0, dc0, old, size):
    """The gates become their gradients, and dc moves one step back.

    Loops of a few arrays each, since LLVM does not vectorise one of them all.
    """
    i, f, g, o = _gates(work, gates0, gate, size)
    before, tanh_c = block(work, before0, old), block(work, tanh_c0, size)
    dh, dc = block(work, dh0, size), block(work, dc0, size)
    one = work.dtype.type(1)
    for j in range(size):
        o_j, tanh_c_j, dh_j = o[j], tanh_c[j], dh[j]
        dc[j] += dh_j * o_j * (one - tanh_c_j * tanh_c_j)
        o[j] = dh_j * tanh_c_j * o_j * (one - o_j)
    for j in range(size):
        i_j, g_j, dc_j = i[j], g[j], dc[j]
        i[j] = dc_j * g_j * i_j * (one - i_j)
        g[j] = dc_j * i_j * (one - g_j * g_j)
    for j in range(old):
        f_j, dc_j = f[j], dc[j]
        f[j] = dc_j * before[j] * f_j * (one - f_j)
        dc[j] = dc_j * f_j
    clear(work, gates0 + gate + old, size - old)


@kernel
def _gates(work, gates0, gate, size):
    """A step's input gate, forget gate, candidate and output gate."""
    return (
        block(work, gates0 + INPUT * gate, size), block(work, gates0 + FORGET * gate, size),
        block(work, gates0 + CANDIDATE * gate, size), block(work, gates0 + OUTPUT * gate, size),
    )  # fmt: skip


# --- The same of a share, row by row --------------------------------------------------------


@linked(CELL_TYPE, vector_type, *[INDEX] * 7, links=SHARED)
def finish_step_of_share(cell, work, gates0, before0, c0, tanh_c0, h0, carried, rows):
    size = cell["end"] - cell["begin"]
    for r in range(rows):
        at = r * cell["stride"] + cell["begin"]
        finish_step(
            work, gates0 + at, cell["gate"], before0 + at, c0 + at, tanh_c0 + at, h0 + at,
            size if r < carried else 0, size,
        )  # fmt: skip


@linked(CELL_TYPE, vector_type, *[INDEX] * 6, links=SHARED)
def start_step_back_of_share(cell, work, gates0, before0, tanh_c0, dh0, carried, rows):
    size = cell["end"] - cell["begin"]
    for r in range(rows):
        at = r * cell["stride"] + cell["begin"]
        start_step_back(
            work, gates0 + at, cell["gate"], before0 + at, tanh_c0 + at, dh0 + at, cell["dc"] + at,
            size if r < carried else 0, size,
        )  # fmt: skip


@linked(CELL_TYPE, vector_type, INDEX, INDEX, INDEX, links=SHARED)
def add_of_share(cell, work, source, target, rows):
    for r in range(rows):
        at = r * cell["stride"] + cell["begin"]
        add(work, source + at, work, target + at, cell["end"] - cell["begin"])


@linked(CELL_TYPE, vector_type, INDEX, INDEX, links=SHARED)
def clear_of_share(cell, work, start, rows):
    for r in range(rows):
        clear(work, start + r * cell["stride"] + cell["begin"], cell["end"] - cell["begin"])
