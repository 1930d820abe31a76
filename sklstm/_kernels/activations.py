"""Sigmoid and tanh for float32 and float64, in a form that LLVM turns into SIMD code.

Both rest on exp(x) - 1 = 2^k (exp(r) - 1) + (2^k - 1) with x = k log(2) + r and |r| <= log(2) / 2:
a Taylor polynomial for exp(r) - 1, and an integer shift for 2^k. tanh(x) = e / (e + 2) with
e = exp(2x) - 1 keeps its relative accuracy around 0, where 1 - 2 / (exp(2x) + 1) would lose it.
"""

from math import factorial

import numpy as np
from numba import types
from numba.extending import overload

from sklstm._kernels.compile import OPTIONS, kernel


def _make_functions(real, integer, degree, limit, ln2_high):
    """Sigmoid and tanh over blocks of one type, correct to a few units in the last place.

    `ln2_high` is log(2) with so few bits that its product with k is exact. Beyond `limit` both
    functions are constant, and up to it 2^k is a normal number.
    """
    mantissa = np.finfo(real).nmant
    # Adding 1.5 * 2^mantissa rounds to an integer, which then stands in the lowest bits.
    rounder = real(1.5 * 2**mantissa)
    shift = integer(mantissa)
    one_bits = real(1).view(integer)
    log2_e = real(1.4426950408889634074)
    ln2_low = real(_LN2_EXACT[0] - ln2_high + _LN2_EXACT[1])
    ln2_high = real(ln2_high)
    one, two = real(1), real(2)
    low, high = real(-limit), real(limit)
    c = tuple(real(1 / factorial(n)) for n in range(14))
    long = degree == 13

    @kernel
    def exp_minus_one(x):
        rounded = x * log2_e + rounder
        k = rounded - rounder
        r = (x - k * ln2_high) - k * ln2_low
        if long:
            p = c[13]
            p = p * r + c[12]
            p = p * r + c[11]
            p = p * r + c[10]
            p = p * r + c[9]
            p = p * r + c[8]
            p = p * r + c[7]
        else:
            p = c[7]
        p = p * r + c[6]
        p = p * r + c[5]
        p = p * r + c[4]
        p = p * r + c[3]
        p = p * r + c[2]
        p = p * (r * r) + r
        bits = real(rounded).view(integer)
        scale = integer((bits << shift) + one_bits).view(real)
        return scale * p + (scale - one)

    @kernel
    def clip(x):
        # NaN fails both comparisons and stays.
        x = high if x > high else x
        return low if x < low else x

    def sigmoid(work, start, size):
        z = work[start : start + size]
        for j in range(size):
            z[j] = one / (two + exp_minus_one(clip(-z[j])))

    def tanh(work, start, size):
        z = work[start : start + size]
        for j in range(size):
            e = exp_minus_one(clip(two * z[j]))
            z[j] = e / (e + two)

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
