"""Products of any shape: packed or not, for four gates or one block of columns."""

import itertools

import numpy as np
import pytest
import reference
from conftest import assert_same_bits
from numba import njit
from test_tile import Placed

from sklstm._kernels.products import (
    GATES,
    gates_product,
    pack_gates,
    pack_plain,
    plain_product,
    some_columns,
)
from sklstm._machine.processor import SIMD_BYTES
from sklstm._network.layout import WORTH_COPYING, round_up, split_units

SIZES = (0, 1, 2, 3, 4, 5, 7, 33)
DTYPES = (np.float32, np.float64)
# Forms of the right operand of a plain product.
ROWS, PACKED, PACKED_TRANSPOSED = range(3)
# In which it is packed, as by threads.
PIECES = 3

pytestmark = [pytest.mark.nojit, pytest.mark.parametrize("dtype", DTYPES)]


def lanes_of(dtype):
    return SIMD_BYTES // np.dtype(dtype).itemsize


def column_counts(dtype):
    """Around one vector, then each number of whole vectors that is cut into other panels."""
    lanes = lanes_of(dtype)
    return 1, lanes - 1, lanes, lanes + 1, *(lanes * n for n in range(2, 10)), 5 * lanes - 1


@njit
def call_gates(
    rows, units, full, rest_width, depth, a, a0, a_row, a_col, source, s0, packed, p0,
    c, c0, c_row, c_gate, rest0, accumulate,
):  # fmt: skip
    # The first two rows of what is packed are of no use to the product.
    for piece in range(PIECES):
        pack_gates(2 + depth, units, full, rest_width, source, s0, packed, p0, piece, PIECES)
    gates_product(
        rows, full, rest_width, 0, full + rest_width, depth, a, a0, a_row, a_col, packed, p0, 2,
        2 + depth, c, c0, c_row, c_gate, rest0, accumulate,
    )  # fmt: skip


@njit
def call_pack_gates(depth, units, full, rest_width, source, s0, packed, p0):
    pack_gates(depth, units, full, rest_width, source, s0, packed, p0, 0, 1)


@njit
def call_plain(
    form, rows, columns, width, depth, a, a0, a_row, a_col, source, s0, s_row, packed, p0,
    c, c0, c_row, accumulate,
):  # fmt: skip
    for piece in range(PIECES):
        if form == PACKED:
            pack_plain(depth, columns, width, source, s0, s_row, 1, packed, p0, piece, PIECES)
        if form == PACKED_TRANSPOSED:
            pack_plain(depth, columns, width, source, s0, 1, s_row, packed, p0, piece, PIECES)
    plain_product(
        rows, width, depth, a, a0, a_row, a_col, packed, p0, form != ROWS,
        c, c0, c_row, accumulate,
    )  # fmt: skip


def place_rows(a, transpose):
    """A, with its rows apart, or stored as its transpose."""
    rows, depth = a.shape
    return Placed(a, (1, rows + 2) if transpose else (depth + 4, 1))


def multiply_gates(a, b, c, accumulate=False, transpose=False):
    """Add A[rows, depth] @ B[depth, gate, units] to C[rows, gate, width], or replace it."""
    rows, depth = a.shape
    units, width = b.shape[2], c.shape[2]
    a = place_rows(a, transpose)
    # Gates lie as far apart as the steps of a tape, rows a little further than they are wide.
    c = Placed(c, (width + 3, rows * (width + 3) + 2, 1))
    unused = np.full((2, GATES, units), np.nan, b.dtype)
    source = Placed(np.concatenate([unused, b]).ravel(), (1,))
    packed = np.zeros(6 + (2 + depth) * GATES * width + 6, b.dtype)
    inputs, outside = (a.flat.tobytes(), source.flat.tobytes()), c.outside()
    call_gates(
        rows, units, width, 0, depth, a.flat, *a.at, source.flat, source.at[0], packed, 6,
        c.flat, *c.at[:3], 0, accumulate,
    )  # fmt: skip
    assert (a.flat.tobytes(), source.flat.tobytes()) == inputs
    assert c.outside() == outside
    assert not packed[:6].any()
    assert not packed[-6:].any()
    return c.view.copy()


def multiply_plain(a, b, c, accumulate=False, transpose=False, form=PACKED):
    """Add A[rows, depth] @ B[depth, columns] to C[rows, width], or replace it."""
    rows, depth = a.shape
    columns, width = b.shape[1], c.shape[1]
    a, c = place_rows(a, transpose), Placed(c, (width + 3, 1))
    packed = np.zeros(6 + depth * width + 6, b.dtype)
    source = Placed(b, (1, depth + 5) if form == PACKED_TRANSPOSED else (columns + 5, 1))
    if form == ROWS:
        packed[6:-6].reshape(depth, width)[:, :columns] = b
    inputs, outside = (a.flat.tobytes(), source.flat.tobytes()), c.outside()
    call_plain(
        form, rows, columns, width, depth, a.flat, *a.at, source.flat, source.at[0],
        max(source.at[1:]), packed, 6, c.flat, *c.at[:2], accumulate,
    )  # fmt: skip
    assert (a.flat.tobytes(), source.flat.tobytes()) == inputs
    assert c.outside() == outside
    assert not packed[:6].any()
    assert not packed[-6:].any()
    return c.view.copy()


def multiply(product, *args, **options):
    """Call either product: for "gates", the columns of B and C are cut into four blocks."""
    if product != "gates":
        return multiply_plain(*args, **options, form=product)
    a, b, c = args
    split = [x.reshape(len(x), GATES, x.shape[1] // GATES) for x in (b, c)]
    return multiply_gates(a, *split, **options).reshape(c.shape)


for_each_product = pytest.mark.parametrize(
    "product", ["gates", ROWS, PACKED, PACKED_TRANSPOSED],
    ids=["gates", "rows", "packed", "packed_transposed"],
)  # fmt: skip


def operands(rng, dtype, product, rows, depth, columns):
    """A, B and C, with C as wide as whole vectors, and B's columns that are added to get there."""
    gates = GATES if product == "gates" else 1
    shapes = (rows, depth), (depth, gates * columns), (rows, gates * round_up(columns, dtype))
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def pad(product, b, c):
    """B with columns of zeros in place of the padding."""
    gates = GATES if product == "gates" else 1
    depth, columns, width = len(b), b.shape[1] // gates, c.shape[1] // gates
    padded = np.zeros((depth, gates, width), b.dtype)
    padded[:, :, :columns] = b.reshape(depth, gates, columns)
    return padded.reshape(depth, gates * width)


def assert_is_product(result, a, b, c=None):
    """Compare with the twin, computed in the widest type there is."""
    wide = [x.astype(np.longdouble) for x in (a, b, c) if x is not None]
    # Each of a chain's roundings is an eps of what has been added up so far.
    sums = reference.gemm(*(abs(x) for x in wide))
    error = abs(result - reference.gemm(*wide))
    assert (error <= (a.shape[1] + 1) * np.finfo(result.dtype).eps * sums).all()


@for_each_product
@pytest.mark.parametrize("transpose", [False, True])
def test_product_for_any_shape(dtype, product, transpose):
    rng = np.random.default_rng(0)
    for rows, depth, columns in itertools.product(SIZES, SIZES, column_counts(dtype)):
        a, b, c = operands(rng, dtype, product, rows, depth, columns)
        padded = pad(product, b, c)
        # What C held is not read unless accumulating: NaN would show.
        result = multiply(product, a, b, np.full_like(c, np.nan), transpose=transpose)
        assert_is_product(result, a, padded)
        result = multiply(product, a, b, c, accumulate=True, transpose=transpose)
        assert_is_product(result, a, padded, c)


@for_each_product
def test_bits_of_a_row_do_not_depend_on_the_rows_computed_with_it(dtype, product):
    rng = np.random.default_rng(1)
    a, b, c = operands(rng, dtype, product, 33, 7, 3 * lanes_of(dtype) + 1)
    for accumulate, transpose in itertools.product((False, True), (False, True)):
        options = {"accumulate": accumulate, "transpose": transpose}
        together = multiply(product, a, b, c, **options)
        for n in (1, 2, 3, 4, 5, 7):
            for start in (0, 9, 33 - n):
                some = slice(start, start + n)
                alone = multiply(product, a[some], b, c[some], **options)
                assert_same_bits(alone, together[some])


@for_each_product
def test_bits_of_a_column_do_not_depend_on_the_columns_computed_with_it(dtype, product):
    rng, lanes = np.random.default_rng(2), lanes_of(dtype)
    gates = GATES if product == "gates" else 1
    a, b, c = operands(rng, dtype, product, 5, 7, 9 * lanes)
    together = multiply(product, a, b, c).reshape(5, gates, -1)
    for columns in column_counts(dtype):
        fewer = b.reshape(7, gates, -1)[:, :, :columns].reshape(7, -1)
        width = round_up(columns, dtype)
        alone = multiply(product, a, fewer, np.zeros((5, gates * width), dtype))
        assert_same_bits(alone.reshape(5, gates, width)[:, :, :columns], together[:, :, :columns])


@njit
def call_columns(rows, columns, width, bounds, depth, a, source, packed, c, accumulate):
    pack_plain(depth, columns, width, source, 0, columns, 1, packed, 0, 0, 1)
    for n in range(bounds.size - 1):
        some_columns(
            rows, width, bounds[n], bounds[n + 1], depth, a, 0, depth, 1, packed, 0, True,
            c, 0, width, accumulate,
        )  # fmt: skip


@pytest.mark.parametrize("n_vectors", range(1, 12))
def test_columns_have_the_same_bits_wherever_they_are_cut(dtype, n_vectors):
    lanes, rng = lanes_of(dtype), np.random.default_rng(5)
    width, columns, rows, depth = n_vectors * lanes, n_vectors * lanes - 1, 9, 7
    a, b, start = (
        rng.normal(size=shape).astype(dtype)
        for shape in ((rows, depth), (depth, columns), (rows, width))
    )

    def cut_at(*vectors):
        c, packed = start.copy().ravel(), np.zeros(depth * width, dtype)
        bounds = np.array([0, *(lanes * n for n in vectors), width])
        call_columns(rows, columns, width, bounds, depth, a.ravel(), b.ravel(), packed, c, True)
        return c

    whole = cut_at()
    for first, last in itertools.combinations(range(n_vectors + 1), 2):
        assert_same_bits(cut_at(first, last), whole)


def test_plain_product_has_the_same_bits_for_all_forms_of_its_operands(dtype):
    rng = np.random.default_rng(3)
    a, b, c = operands(rng, dtype, PACKED, 7, 5, 7 * lanes_of(dtype) - 1)
    results = [
        multiply_plain(a, b, c, transpose=transpose, form=form, accumulate=True)
        for form in (ROWS, PACKED, PACKED_TRANSPOSED)
        for transpose in (False, True)
    ]
    for result in results[1:]:
        assert_same_bits(result, results[0])


@for_each_product
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_nan_and_infinity_are_carried_through(dtype, product, accumulate):
    rng = np.random.default_rng(4)
    a, b, c = operands(rng, dtype, product, 7, 5, 3 * lanes_of(dtype) - 1)
    a[1, 2], a[3, 0], a[4, 4], a[6, 1], a[6, 3] = np.nan, np.inf, -np.inf, np.inf, -np.inf
    b[0, -1], b[1, 0], b[3, 1] = np.inf, np.nan, 0
    c[2, 0], c[5, -1] = np.nan, -np.inf
    result = multiply(product, a, b, c, accumulate=accumulate)
    expected = reference.gemm(a, pad(product, b, c), c if accumulate else None)
    for same in (np.isnan, np.isposinf, np.isneginf):
        np.testing.assert_array_equal(same(result), same(expected))


def test_round_up_gives_the_next_whole_vector(dtype):
    lanes = lanes_of(dtype)
    given = (0, 1, lanes - 1, lanes, lanes + 1, 9 * lanes)
    expected = [0, lanes, lanes, lanes, 2 * lanes, 9 * lanes]
    assert [round_up(columns, dtype) for columns in given] == expected


def test_units_are_split_where_the_rest_of_all_gates_takes_fewer_vectors(dtype):
    lanes = lanes_of(dtype)
    for units in range(1, 4 * lanes + 1):
        full, rest_width = split_units(units, 1000, dtype)
        rest = units % lanes
        saved = GATES * lanes - round_up(GATES * rest, dtype)
        if rest and saved:
            assert (full, rest_width) == (units - rest, GATES * lanes - saved)
        else:
            assert (full, rest_width) == (round_up(units, dtype), 0)


def test_units_are_not_split_where_copying_takes_longer(dtype):
    units = lanes_of(dtype) + 1
    saved = GATES - round_up(GATES, dtype) // lanes_of(dtype)
    enough = -(-WORTH_COPYING // saved)
    assert split_units(units, enough, dtype) == (units - 1, round_up(GATES, dtype))
    assert split_units(units, enough - 1, dtype) == (round_up(units, dtype), 0)


def test_the_rest_is_packed_behind_the_panels_gate_by_gate(dtype):
    lanes, depth = lanes_of(dtype), 5
    rng = np.random.default_rng(5)
    for n_full, rest in itertools.product((0, 1, 2), range(1, 3 * lanes // 4 + 1)):
        full, units = n_full * lanes, n_full * lanes + rest
        rest_width = round_up(GATES * rest, dtype)
        b = rng.normal(size=(depth, GATES, units)).astype(dtype)
        source, packed = (
            Placed(b.ravel(), (1,)),
            np.zeros(6 + depth * (GATES * full + rest_width) + 6, dtype),
        )
        call_pack_gates(depth, units, full, rest_width, source.flat, source.at[0], packed, 6)
        expected = np.zeros((depth, rest_width), dtype)
        expected[:, : GATES * rest] = b[:, :, full:].reshape(depth, -1)
        start = 6 + depth * GATES * full
        assert_same_bits(packed[start:-6].reshape(depth, rest_width), expected)
        assert not packed[:6].any()
        assert not packed[-6:].any()
        # What comes before are the panels of the other units, as if these were all.
        alone = np.zeros_like(packed)
        fewer = Placed(b[:, :, :full].ravel(), (1,))
        call_pack_gates(depth, full, full, 0, fewer.flat, fewer.at[0], alone, 6)
        assert_same_bits(packed[:start], alone[:start])


@pytest.mark.parametrize("accumulate", [False, True])
def test_the_rest_of_a_gates_product_has_the_bits_of_one_that_is_not_split(dtype, accumulate):
    lanes, rows, depth = lanes_of(dtype), 9, 5
    rng = np.random.default_rng(6)
    for n_full, rest in itertools.product((0, 1, 2), range(1, 3 * lanes // 4 + 1)):
        full, units = n_full * lanes, n_full * lanes + rest
        rest_width = round_up(GATES * rest, dtype)
        a, b = rng.normal(size=(rows, depth)).astype(dtype), rng.normal(size=(7, GATES, units))
        b, c = b.astype(dtype), np.zeros((rows, GATES, full + lanes), dtype)
        c[:, :, :units] = rng.normal(size=(rows, GATES, units))
        expected = multiply_gates(a, b[2:], c, accumulate=accumulate)[:, :, :units]
        # The gates, the rest behind them, and nothing else.
        out = np.full(rows * (GATES * full + rest_width) + 3, np.nan, dtype)
        gates = out[: rows * GATES * full].reshape(GATES, rows, full)
        shared = out[rows * GATES * full : -3].reshape(rows, rest_width)
        gates[:], shared[:] = c[:, :, :full].transpose(1, 0, 2), 0
        shared[:, : GATES * rest] = c[:, :, full:units].reshape(rows, -1)
        packed = np.zeros(7 * (GATES * full + rest_width), dtype)
        call_gates(
            rows, units, full, rest_width, depth, a.ravel(), 0, depth, 1, b.ravel(), 0, packed, 0,
            out, 0, full, rows * full, rows * GATES * full, accumulate,
        )  # fmt: skip
        assert_same_bits(gates.transpose(1, 0, 2).copy(), expected[:, :, :full].copy())
        last = shared[:, : GATES * rest].reshape(rows, GATES, rest)
        assert_same_bits(last.copy(), expected[:, :, full:].copy())
        assert not shared[:, GATES * rest :].any()
        assert np.isnan(out[-3:]).all()
