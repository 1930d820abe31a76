"""Matrix products of any shape, as rows of register tiles over packed panels of columns.

Two forms serve the whole net. A *gates* product has four blocks of columns, one a gate; each tile
takes the same vector of units from all four. Units that do not fill a vector are *rest*: those of
all gates side by side make a plain product, if that spares enough work. A *plain* product has one
block of columns.

Vectors of columns are packed in pairs, as tall tiles take them, the last three together if their
number is odd; a panel of four is two pairs.

`width` is a number of columns rounded up to whole vectors. Rows and depth are never padded.
"""

from sklstm._machine.compile import kernel
from sklstm._machine.linkage import INDEX, linked, vector_type
from sklstm._machine.memory import copy
from sklstm._machine.panels import panel
from sklstm._machine.processor import SIMD_BYTES
from sklstm._machine.transpose import transpose

GATES = 4


@kernel
def gates_product(
    rows, full, rest_width, begin, end, depth, a, a0, a_row, a_col, b, b0, b_first, b_depth,
    c, c0, c_row, c_gate, rest0, accumulate,
):  # fmt: skip
    """C[rows, gate, full] and the rest (+)= A[rows, depth] @ B[b_first : b_first + depth].

    Of the units, only those from `begin` to `end` are computed, whole vectors; the rest is behind
    all `full`. B is packed by `pack_gates`, of `b_depth` rows. `c_gate` separates the gates of C,
    which is written. So is the rest: in C, from `rest0` on, in rows of `rest_width`.
    """
    lanes = SIMD_BYTES // c.itemsize
    pair = b_depth * 2 * lanes
    for j in range(begin // lanes, min(end, full) // lanes):
        panel(
            4, rows, depth, a, a0, a_row, a_col, b, b0 + 2 * (j * pair + b_first * lanes),
            2 * lanes, lanes, pair, c, c0 + j * lanes, c_row, c_gate, accumulate,
        )  # fmt: skip
    if rest_width > 0 and end > full:
        start = b0 + b_depth * GATES * full + b_first * rest_width
        panel(
            rest_width // lanes, rows, depth, a, a0, a_row, a_col, b, start, rest_width, lanes,
            2 * lanes, c, rest0, rest_width, lanes, accumulate,
        )  # fmt: skip


@kernel
def plain_product(
    rows, width, depth, a, a0, a_row, a_col, b, b0, packed, c, c0, c_row, accumulate
):  # fmt: skip
    """C[rows, width] (+)= A[rows, depth] @ B[depth, width]; writes C.

    B is in the panels of `pack_plain`, or, if not `packed`, a matrix with rows of `width`.
    """
    some_columns(
        rows, width, 0, width, depth, a, a0, a_row, a_col, b, b0, packed, c, c0, c_row, accumulate
    )


@kernel
def some_columns(
    rows, width, begin, end, depth, a, a0, a_row, a_col, b, b0, packed, c, c0, c_row, accumulate
):  # fmt: skip
    """The columns of a plain product from `begin` to `end`, whole vectors.

    B is in the panels of `pack_plain`, or, if not `packed`, a matrix with rows of `width`.
    """
    lanes = SIMD_BYTES // c.itemsize
    j = begin
    while j < end:
        start, across = _packed_with(width, j, lanes)
        pair = start == j and across == 2 * lanes
        # A panel may be of two pairs, unless what follows is packed as three.
        two = pair and _packed_with(width, j + across, lanes)[1] == across
        vectors = min(end - j, 4 * lanes if two else start + across - j) // lanes
        panel(
            vectors, rows, depth, a, a0, a_row, a_col,
            b, b0 + (start * depth + j - start if packed else j), across if packed else width,
            lanes, across * depth if packed and pair else 2 * lanes,
            c, c0 + j, c_row, lanes, accumulate,
        )  # fmt: skip
        j += vectors * lanes


@kernel
def _packed_with(width, j, lanes):
    """Where the vectors start that are packed together with that of column j; and their columns."""
    if width // lanes % 2 == 1 and j >= width - 3 * lanes:
        start = max(0, width - 3 * lanes)
        return start, width - start
    return j - j % (2 * lanes), 2 * lanes


@kernel
def pack_gates(depth, units, full, rest_width, source, s0, out, o0, piece, pieces):
    """Write a (depth, 4 units) matrix as panels (pair of gates, depth, gate, lanes), then the rest.

    Of so many pieces, one is written. Padding is not: `out` is zero from the start.
    """
    lanes = SIMD_BYTES // out.itemsize
    vectors = full // lanes
    for vector in range(vectors * piece // pieces, vectors * (piece + 1) // pieces):
        j = vector * lanes
        filled, at = min(lanes, units - j), o0 + GATES * depth * j
        for pair in range(2):
            for part in range(2 * depth):
                row = part // 2 * GATES + 2 * pair + part % 2
                copy(source, s0 + row * units + j, out, at, filled)
                at += lanes
    rest = units - full
    if rest_width > 0:
        for k in range(depth * piece // pieces, depth * (piece + 1) // pieces):
            at = o0 + depth * GATES * full + k * rest_width
            for q in range(GATES):
                copy(source, s0 + (k * GATES + q) * units + full, out, at + q * rest, rest)


@linked(
    INDEX, INDEX, INDEX, vector_type, INDEX, INDEX, INDEX, vector_type, INDEX, INDEX, INDEX
)  # fmt: skip
def pack_plain(
    depth, columns, width, source, s0, s_row, s_column, out, o0, piece, pieces
):  # fmt: skip
    """Write the matrix source[s0 + k s_row + j s_column] as panels.

    Of so many pieces, one is written. Padding is not: `out` is zero from the start.
    """
    lanes = SIMD_BYTES // out.itemsize
    j, begin, end = 0, width * piece // pieces, width * (piece + 1) // pieces
    while j < end:
        _, across = _packed_with(width, j, lanes)
        column = j if j >= begin else columns
        while column < columns and column < j + across:
            start, target = s0 + column * s_column, o0 + j * depth + column - j
            filled = min(lanes, columns - column)
            k = 0
            # Most that is packed is the transpose of weights that lie in rows.
            while s_row == 1 and filled == lanes and k + lanes <= depth:
                transpose(source, start + k, s_column, out, target + k * across, across)
                k += lanes
            while k < depth:
                for lane in range(filled):
                    out[target + k * across + lane] = source[start + k * s_row + lane * s_column]
                k += 1
            column += lanes
        j += across
