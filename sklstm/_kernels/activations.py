"""Sigmoid and tanh for float32 and float64, in a form that LLVM turns into SIMD code."""

import numpy as np
from numba import types
from numba.extending import overload

from sklstm._machine.compile import PART_OPTIONS, kernel
from sklstm._machine.memory import block


def _make_functions(real, integer, limit, ln2_high, coefficients):
    """Sigmoid and tanh over blocks of one type, correct to a few units in the last place.

    With x = k log(2) + r, exp(x) is 2^k (1 + p(r)), and p(r) = r + r^2 (c_0 + c_1 r + ...).
    `ln2_high` is log(2) with so few bits that its product with k is exact. Up to `limit`, 2^k is a
    normal number. A number has one bound at a time: with a lower and an upper one, LLVM takes
    comparisons and blends for what is two instructions.
    """
    mantissa = np.finfo(real).nmant
    # Adding 1.5 * 2^mantissa rounds to an integer, which then stands in the lowest bits.
    rounder = real(1.5 * 2**mantissa)
    # With the greatest k, r may be large: all terms are then positive, up to infinity.
    most = rounder + real(np.finfo(real).maxexp - 1)
    shift = integer(mantissa)
    one_bits = real(1).view(integer)
    log2_e = real(1.4426950408889634074)
    ln2_low = real(_LN2_EXACT[0] - ln2_high + _LN2_EXACT[1])
    ln2_high = real(ln2_high)
    one, two = real(1), real(2)
    limit, half_limit = real(limit), real(limit / 2)
    c = tuple(map(real, coefficients))
    long = len(c) == 10

    @kernel
    def exponential(x, rounded):
        """2^k and p(r) for rounded = rounder + k."""
        k = rounded - rounder
        r = (x - k * ln2_high) - k * ln2_low
        r2 = r * r
        if long:
            p = (c[6] + c[7] * r) + (c[8] + c[9] * r) * r2
            p = (c[4] + c[5] * r) + p * r2
        else:
            p = c[4]
        p = (c[2] + c[3] * r) + p * r2
        p = (c[0] + c[1] * r) + p * r2
        p = r + p * r2
        bits = real(rounded).view(integer)
        return integer((bits << shift) + one_bits).view(real), p

    # Below, NaN fails the comparisons and stays.

    def sigmoid(work, start, size):
        z = block(work, start, size)
        for j in range(size):
            x = limit if z[j] > limit else z[j]
            rounded = rounder - x * log2_e
            scale, p = exponential(-x, most if rounded > most else rounded)
            z[j] = one / ((scale + one) + scale * p)

    @kernel
    def tanh_of(z):
        x = abs(z)
        x = half_limit if x > half_limit else x
        scale, p = exponential(-two * x, rounder - x * (two * log2_e))
        e = (scale - one) + scale * p
        return np.copysign(e / (e + two), z)

    def tanh(work, start, size):
        z = block(work, start, size)
        for j in range(size):
            z[j] = tanh_of(z[j])

    def tanh_times(work, source, factor, target, product, size):
        x, u = block(work, source, size), block(work, factor, size)
        y, v = block(work, target, size), block(work, product, size)
        for j in range(size):
            value = tanh_of(x[j])
            y[j] = value
            v[j] = u[j] * value

    return sigmoid, tanh, tanh_times


# log(2) as an unevaluated sum of two float64.
_LN2_EXACT = (0.6931471805599453, 2.3190468138462996e-17)
# Of minimax polynomials of degrees 6 and 11. For |r| up to log(2) / 2, the relative error of p is
# at most 0.14 eps of float32, and 0.13 of float64. Taylor's need one and two degrees more.
_COEFFICIENTS_32 = (0.5, 0.16666542, 0.041666284, 0.0083666397, 0.0013946389)
_COEFFICIENTS_64 = (
    0.500000000000000581, 0.166666666666666671, 0.0416666666665705830, 0.00833333333333131975,
    0.00138888889333786662, 1.98412698568163055e-4, 2.48015032239540057e-5,
    2.75572780842350581e-6, 2.76268222328269957e-7, 2.50958390854101742e-8,
)  # fmt: skip
_sigmoid_32, _tanh_32, _tanh_times_32 = _make_functions(
    np.float32, np.int32, 87.0, 0.693359375, _COEFFICIENTS_32
)
_sigmoid_64, _tanh_64, _tanh_times_64 = _make_functions(
    np.float64, np.int64, 708.0, float.fromhex("0x1.62e42feep-1"), _COEFFICIENTS_64
)


def apply_sigmoid(work, start, size):
    """Replace a contiguous block of `work` by 1 / (1 + exp(-x)); NaN stays NaN."""
    (_sigmoid_32 if work.dtype == np.float32 else _sigmoid_64)(work, start, size)


def apply_tanh(work, start, size):
    """Replace a contiguous block of `work` by its tanh; NaN stays NaN."""
    (_tanh_32 if work.dtype == np.float32 else _tanh_64)(work, start, size)


def multiply_tanh(work, source, factor, target, product, size):
    """Write the tanh of a block of `work`, and its product with another block.

    None of the four blocks overlap.
    """
    function = _tanh_times_32 if work.dtype == np.float32 else _tanh_times_64
    function(work, source, factor, target, product, size)


@overload(apply_sigmoid, jit_options=PART_OPTIONS)
def _compiled_sigmoid(work, start, size):
    return _sigmoid_32 if work.dtype == types.float32 else _sigmoid_64


@overload(apply_tanh, jit_options=PART_OPTIONS)
def _compiled_tanh(work, start, size):
    return _tanh_32 if work.dtype == types.float32 else _tanh_64


@overload(multiply_tanh, jit_options=PART_OPTIONS)
def _compiled_multiply_tanh(work, source, factor, target, product, size):
    return _tanh_times_32 if work.dtype == types.float32 else _tanh_times_64
