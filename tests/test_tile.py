"""The register tile: a matrix product at every edge of its shapes, and nothing else is written."""

import itertools
import math

import numpy as np
import pytest
import reference
from conftest import assert_same_bits
from numba import njit
from numpy.lib.stride_tricks import as_strided

from sklstm._machine import tile
from sklstm._machine.panels import MOST_VECTORS, WIDE, panel

SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 10, 14, 17, 33)
DTYPES = (np.float32, np.float64)

pytestmark = [
    pytest.mark.parametrize("dtype", DTYPES),
    pytest.mark.parametrize("vectors", range(1, WIDE + 1)),
]


@njit
def call_panel(
    vectors, rows, depth, a, a0, a_row, a_col, b, b0, b_row, b_pair, b_vector, c, c0, c_row,
    c_vector, accumulate,
):  # fmt: skip
    panel(
        vectors, rows, depth, a, a0, a_row, a_col, b, b0, b_row, b_vector, b_pair, c, c0, c_row,
        c_vector, accumulate,
    )  # fmt: skip


class Placed:
    """An array at some place in a flat buffer, with NaN all around it.

    Parameters
    ----------
    array : ndarray
    strides : tuple of int
        Distance, in elements, between neighbours along each axis.
    flat : ndarray, default=None
        The buffer; a new one that just holds the array, if not given.
    start : int
        Where the array starts. The default is on no SIMD boundary.

    Attributes
    ----------
    flat : ndarray
        The buffer.
    view : ndarray
        The array, as a view of the buffer.
    at : tuple of int
        The start, then the strides.
    """

    def __init__(self, array, strides, flat=None, start=3):
        size = start + self.extent(array.shape, strides) + 5
        self.flat = np.full(size, np.nan, array.dtype) if flat is None else flat
        self.at = (start, *strides)
        self.view = as_strided(
            self.flat[start:], array.shape, [stride * array.itemsize for stride in strides]
        )
        self.view[...] = array

    @staticmethod
    def extent(shape, strides):
        """Elements from an array's first to its last."""
        return 1 + sum(max(n - 1, 0) * stride for n, stride in zip(shape, strides, strict=True))

    def outside(self):
        """The bytes of the buffer, with zeros in place of the array."""
        flat = self.flat.copy()
        Placed(np.zeros_like(self.view), self.at[1:], flat, self.at[0])
        return flat.tobytes()


# Strides of A (rows, depth), B (depth, pairs, 2, lanes) and C (rows, vectors, lanes).
def contiguous(rows, depth, vectors, lanes):
    b_row = -(-vectors // 2) * 2 * lanes
    return (depth, 1), (b_row, 2 * lanes, lanes, 1), (vectors * lanes, lanes, 1)


def transposed(rows, depth, vectors, lanes):
    """A is read along its rows, and B's pairs are apart: as for gradients and as packed."""
    return (1, rows), (2 * lanes, 2 * depth * lanes, lanes, 1), (vectors * lanes, lanes, 1)


def apart(rows, depth, vectors, lanes):
    """Rows longer than they are wide, and vectors that lie as far apart as gates do."""
    b_row, c_row = lanes + 1, lanes + 2
    gate = depth * b_row + 6
    return (depth + 4, 1), (b_row, 2 * gate, gate, 1), (c_row, rows * c_row + 7, 1)


LAYOUTS = (contiguous, transposed, apart)


def operands(rng, dtype, rows, depth, vectors):
    lanes, across = tile.SIMD_BYTES // np.dtype(dtype).itemsize, min(vectors, MOST_VECTORS)
    shapes = (rows, depth), (depth, across, lanes), (rows, across, lanes)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def in_pairs(b):
    """B as (depth, pairs, 2, lanes), with NaN for what an odd number of vectors lacks."""
    depth, vectors, lanes = b.shape
    filled = np.full((depth, vectors + vectors % 2, lanes), np.nan, b.dtype)
    filled[:, :vectors] = b
    return filled.reshape(depth, -(-vectors // 2), 2, lanes)


def place(arrays, layout):
    a, b, c = arrays
    strides = layout(*a.shape, *b.shape[1:])
    return [Placed(*each) for each in zip((a, in_pairs(b), c), strides, strict=True)]


def multiply(vectors, a, b, c, accumulate=False):
    """Write A @ B to C, all `Placed`; returns C as an array."""
    rows, depth = a.view.shape
    call_panel(
        vectors, rows, depth, a.flat, *a.at, b.flat, *b.at[:4], c.flat, *c.at[:3], accumulate
    )  # fmt: skip
    return c.view.copy()


def flatten(array):
    """The array as a matrix, its vectors side by side."""
    return array.reshape(len(array), math.prod(array.shape[1:]))


def assert_is_product(result, a, b, c=None):
    """Compare with the twin, computed in the widest type there is."""
    wide = [flatten(x).astype(np.longdouble) for x in (a, b, c) if x is not None]
    expected = reference.gemm(*wide)
    # Each of a chain's roundings is an eps of what has been added up so far.
    sums = reference.gemm(*(abs(x) for x in wide))
    error = abs(flatten(result) - expected)
    assert (error <= (a.shape[1] + 1) * np.finfo(result.dtype).eps * sums).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_panel_is_the_product_for_any_rows_and_depth(dtype, vectors, layout):
    rng = np.random.default_rng(0)
    for rows, depth in itertools.product(SIZES, SIZES):
        a, b, c = operands(rng, dtype, rows, depth, vectors)
        # What C held is not read: NaN would show.
        result = multiply(vectors, *place([a, b, np.full_like(c, np.nan)], layout))
        assert_is_product(result, a, b)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_panel_accumulates_for_any_rows_and_depth(dtype, vectors, layout):
    rng = np.random.default_rng(1)
    for rows, depth in itertools.product(SIZES, SIZES):
        a, b, c = operands(rng, dtype, rows, depth, vectors)
        result = multiply(vectors, *place([a, b, c], layout), accumulate=True)
        assert_is_product(result, a, b, c)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_panel_writes_its_result_alone(dtype, vectors, layout):
    rng = np.random.default_rng(2)
    for rows, depth, accumulate in itertools.product(SIZES, SIZES, (False, True)):
        placed = place(operands(rng, dtype, rows, depth, vectors), layout)
        a, b, c = placed
        before = a.flat.tobytes(), b.flat.tobytes(), c.outside()
        multiply(vectors, *placed, accumulate)
        assert (a.flat.tobytes(), b.flat.tobytes(), c.outside()) == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bits_of_a_row_do_not_depend_on_the_rows_computed_with_it(dtype, vectors, layout):
    rng = np.random.default_rng(3)
    a, b, c = operands(rng, dtype, 33, 7, vectors)
    for accumulate in (False, True):
        together = multiply(vectors, *place([a, b, c], layout), accumulate)
        for n in (1, 2, 3, 4, 5, 7, 8, 13):
            for start in range(0, 33, n):
                some = slice(start, start + n)
                alone = multiply(vectors, *place([a[some], b, c[some]], layout), accumulate)
                assert_same_bits(alone, together[some])


def test_bits_do_not_depend_on_where_the_operands_lie(dtype, vectors):
    a, b, c = operands(np.random.default_rng(4), dtype, 7, 5, vectors)
    results = [multiply(vectors, *place([a, b, c], layout), True) for layout in LAYOUTS]
    for result in results[1:]:
        assert_same_bits(result, results[0])


def test_operands_may_share_a_buffer(dtype, vectors):
    arrays = operands(np.random.default_rng(5), dtype, 7, 5, vectors)
    alone = multiply(vectors, *place(arrays, apart), True)
    a, b, c = arrays
    flat, start, placed = np.full(20_000, np.nan, dtype), 1, []
    for array, strides in zip((a, in_pairs(b), c), apart(*a.shape, *b.shape[1:]), strict=True):
        placed.append(Placed(array, strides, flat, start))
        start += Placed.extent(array.shape, strides)
    assert_same_bits(multiply(vectors, *placed, True), alone)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_nan_and_infinity_are_carried_through(dtype, vectors):
    rng = np.random.default_rng(6)
    a, b, c = operands(rng, dtype, 7, 5, vectors)
    a[1, 2], a[3, 0], a[4, 4], a[6, 1], a[6, 3] = np.nan, np.inf, -np.inf, np.inf, -np.inf
    b[0, -1, 0], b[1, 0, -1], b[3, 0, 1] = np.inf, np.nan, 0
    c[2, 0, 0], c[5, -1, -1] = np.nan, -np.inf
    for accumulate in (False, True):
        result = multiply(vectors, *place([a, b, c], apart), accumulate)
        expected = reference.gemm(a, flatten(b), flatten(c) if accumulate else None)
        for same in (np.isnan, np.isposinf, np.isneginf):
            np.testing.assert_array_equal(same(flatten(result)), same(expected))
