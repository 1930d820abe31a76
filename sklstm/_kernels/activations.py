"""Sigmoid and tanh for float32 and float64, in a form that LLVM turns into SIMD code."""

from math import factorial

import numpy as np
from numba import types
from numba.extending import overload

from sklstm._kernels.compile import OPTIONS, kernel


def _make_functions(real, integer, degree, limit, ln2_high):
    """Sigmoid and tanh over blocks of one type, correct to a few units in the last place.

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
    c = tuple(real(1 / factorial(n)) for n in range(14))
    long = degree == 13

    @kernel
    def exponential(x, rounded):
        """2^k and p(r) for rounded = rounder + k."""
        k = rounded - rounder
        r = (x - k * ln2_high) - k * ln2_low
        r2 = r * r
        if long:
            p = (c[10] + c[11] * r) + (c[12] + c[13] * r) * r2
            p = (c[8] + c[9] * r) + p * r2
            p = (c[6] + c[7] * r) + p * r2
        else:
            p = c[6] + c[7] * r
        p = (c[4] + c[5] * r) + p * r2
        p = (c[2] + c[3] * r) + p * r2
        p = r + p * r2
        bits = real(rounded).view(integer)
        return integer((bits << shift) + one_bits).view(real), p

    # Below, NaN fails the comparisons and stays.

    def sigmoid(work, start, size):
        z = work[start : start + size]
        for j in range(size):
            x = limit if z[j] > limit else z[j]
            rounded = rounder - x * log2_e
            scale, p = exponential(-x, most if rounded > most else rounded)
            z[j] = one / ((scale + one) + scale * p)

    def tanh(work, start, size):
        z = work[start : start + size]
        for j in range(size):
            x = abs(z[j])
            x = half_limit if x > half_limit else x
            scale, p = exponential(-two * x, rounder - x * (two * log2_e))
            e = (scale - one) + scale * p
            z[j] = np.copysign(e / (e + two), z[j])

    return sigmoid, tanh


# log(2) as an unevaluated sum of two float64.
_LN2_EXACT = (0.6931471805599453, 2.3190468138462996e-17)
_sigmoid_32, _tanh_32 = _make_functions(np.float32, np.int32, 7, 87.0, 0.693359375)
_sigmoid_64, _tanh_64 = _make_functions(
    np.float64, np.int64, 13, 708.0, float.fromhex("0x1.62e42feep-1")
)


def apply_sigmoid(work, start, size):
    """Replace a contiguous block of `work` by 1 / (1 + exp(-x)); NaN stays NaN."""
    (_sigmoid_32 if work.dtype == np.float32 else _sigmoid_64)(work, start, size)


def apply_tanh(work, start, size):
    """Replace a contiguous block of `work` by its tanh; NaN stays NaN."""
    (_tanh_32 if work.dtype == np.float32 else _tanh_64)(work, start, size)


@overload(apply_sigmoid, jit_options=OPTIONS)
def _compiled_sigmoid(work, start, size):
    return _sigmoid_32 if work.dtype == types.float32 else _sigmoid_64


@overload(apply_tanh, jit_options=OPTIONS)
def _compiled_tanh(work, start, size):
    return _tanh_32 if work.dtype == types.float32 else _tanh_64
