"""Sigmoid and tanh: their accuracy over the whole range, and the same bits at every place."""

import numpy as np
import pytest
import reference
from conftest import assert_same_bits
from numba import njit

from sklstm._kernels.activations import apply_sigmoid, apply_tanh, multiply_tanh
from sklstm._machine.processor import SIMD_BYTES

# Up to here both functions are correct to a few roundings; beyond, they are constant.
LIMITS = {np.float32: 87, np.float64: 708}
# The roundings of an exponential, of a sum and of a quotient, in units of eps; 1.8 were measured.
ROUNDINGS = 3

for_each_function = pytest.mark.parametrize("name", ["sigmoid", "tanh"])
pytestmark = pytest.mark.parametrize("dtype", list(LIMITS))


@njit
def call(is_sigmoid, work, start, size):
    if is_sigmoid:
        apply_sigmoid(work, start, size)
    else:
        apply_tanh(work, start, size)


def apply(name, x, start=0, size=None):
    """Apply the function to a block of a copy of x."""
    work = x.copy()
    # without compilation, NumPy warns of the shifts of bits that NaN and infinity go through
    with np.errstate(all="ignore"):
        call(name == "sigmoid", work, start, len(x) if size is None else size)
    return work


def exact(name, x):
    """The twin, computed in the widest type there is."""
    wide = x.astype(np.longdouble)
    return reference.sigmoid(wide) if name == "sigmoid" else np.tanh(wide)


def special_numbers(dtype):
    """Zeros, subnormal, huge and infinite numbers, and the limits, of both signs."""
    info, limit = np.finfo(dtype), dtype(LIMITS[dtype])
    beyond = np.nextafter(limit, dtype(np.inf))
    x = [0, info.smallest_subnormal, info.tiny / 2, info.tiny, info.eps, limit, beyond, info.max]
    return np.array([*x, np.inf], dtype)[:, np.newaxis] * dtype([1, -1])


def whole_range(dtype):
    """Numbers of every magnitude, evenly spread ones, and those where the exponent changes."""
    rng, limit = np.random.default_rng(0), LIMITS[dtype]
    bits = rng.integers(0, 256, 100_000 * np.dtype(dtype).itemsize, np.uint8).view(dtype)
    even = rng.uniform(-1, 1, (3, 100_000)) * [[1], [20], [1.1 * limit]]
    # sigmoid rounds x / log(2) to an integer, tanh 2x / log(2)
    turns = dtype(np.log(2) / 4 * np.arange(-8 * limit, 8 * limit))
    x = [bits[np.isfinite(bits)], even.ravel(), turns, special_numbers(dtype).ravel()]
    x.extend(np.nextafter(turns, dtype(end)) for end in (-np.inf, np.inf))
    return np.sort(np.concatenate(x).astype(dtype))


def assert_accurate(y, name, x):
    """Within some roundings up to the limit; beyond it, sigmoid may stay above 0, but barely."""
    info = np.finfo(x.dtype)
    inside = abs(x) <= LIMITS[x.dtype.type]
    expected = exact(name, x)
    error = abs(y - expected)
    # a result that is subnormal has fewer digits
    bound = ROUNDINGS * info.eps * abs(expected) + info.smallest_subnormal
    assert (error[inside] <= bound[inside]).all()
    assert (error[~inside] <= 2 * info.tiny).all()


@for_each_function
def test_is_accurate_over_the_whole_range(dtype, name):
    x = whole_range(dtype)
    assert_accurate(apply(name, x), name, x)


@pytest.mark.nojit
@for_each_function
def test_is_accurate_at_special_and_some_ordinary_numbers(dtype, name):
    x = np.concatenate([special_numbers(dtype).ravel(), np.linspace(-20, 20, 999, dtype=dtype)])
    assert_accurate(apply(name, x), name, x)


@pytest.mark.nojit
def test_ends_of_the_range(dtype):
    x = np.array([-np.inf, -0.0, 0.0, np.inf], dtype)
    assert_same_bits(apply("tanh", x), np.array([-1, -0.0, 0, 1], dtype))
    assert_same_bits(apply("sigmoid", x), np.array([0, 0.5, 0.5, 1], dtype))


@pytest.mark.nojit
@for_each_function
def test_nan_stays_nan_and_changes_no_other_number(dtype, name):
    x = np.linspace(-3, 3, 99, dtype=dtype)
    places = [0, 1, 17, 50, 98]
    with_nan = x.copy()
    with_nan[places] = np.nan
    expected = apply(name, x)
    expected[places] = np.nan
    np.testing.assert_array_equal(apply(name, with_nan), expected)


@for_each_function
def test_stays_between_its_ends(dtype, name):
    y = apply(name, whole_range(dtype))
    assert y.min() >= (0 if name == "sigmoid" else -1)
    assert y.max() <= 1


@for_each_function
def test_rises_with_its_argument_but_for_roundings(dtype, name):
    y = apply(name, whole_range(dtype))
    assert (np.diff(y) >= -ROUNDINGS * np.finfo(dtype).eps * abs(y[1:])).all()
    assert (np.diff(apply(name, np.linspace(-5, 5, 1001, dtype=dtype))) > 0).all()


def test_tanh_is_odd_and_sigmoid_adds_up_to_one(dtype):
    x = whole_range(dtype)
    x = x[x >= 0]
    assert_same_bits(apply("tanh", -x), -apply("tanh", x))
    # both sides may be off, in opposite directions
    bound = 2 * ROUNDINGS * np.finfo(dtype).eps
    assert (abs(apply("sigmoid", x) + apply("sigmoid", -x) - 1) <= bound).all()


@pytest.mark.nojit
@for_each_function
def test_bits_do_not_depend_on_the_place_in_the_block_and_nothing_else_is_written(dtype, name):
    lanes = SIMD_BYTES // np.dtype(dtype).itemsize
    x = np.random.default_rng(1).normal(size=4 * lanes + 3).astype(dtype) * 5
    alone = np.concatenate([apply(name, x[j : j + 1]) for j in range(len(x))])
    for start in range(lanes + 1):
        for size in range(len(x) - start + 1):
            block = slice(start, start + size)
            expected = x.copy()
            expected[block] = alone[block]
            assert_same_bits(apply(name, x, start, size), expected)


@njit
def call_multiply(work, source, factor, target, product, size):
    multiply_tanh(work, source, factor, target, product, size)


@pytest.mark.nojit
def test_a_product_with_tanh_has_the_bits_of_both_steps(dtype):
    size = 3 * SIMD_BYTES // np.dtype(dtype).itemsize + 1
    work = np.random.default_rng(2).normal(size=4 * size + 3).astype(dtype)
    work[1] = np.nan
    expected = work.copy()
    expected[2 * size + 2 : 3 * size + 2] = apply("tanh", work[:size])
    expected[3 * size + 3 :] = work[size + 1 : 2 * size + 1] * apply("tanh", work[:size])
    call_multiply(work, 0, size + 1, 2 * size + 2, 3 * size + 3, size)
    assert_same_bits(work, expected)
