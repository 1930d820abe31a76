"""Losses of some samples: the value and the derivative of each raw output.

A loss is known here by its number and its settings, so that a shard can go forward and backward at
once, while its tape is in the cache. Infinity and NaN come through.
"""

import math

import numpy as np
from numba import config

from sklstm._machine.compile import entry, kernel
from sklstm._machine.linkage import (
    EVERY_NET,
    FLOAT64,
    INDEX,
    Links,
    linked,
    matrix_type,
    vector_type,
)

# NumPy's functions of a number take ten times as long to compile; Python's own raise errors.
exp, log, log1p = (
    (np.exp, np.log, np.log1p) if config.DISABLE_JIT else (math.exp, math.log, math.log1p)
)

(
    SQUARED_ERROR, ABSOLUTE_ERROR, HUBER, QUANTILE, POISSON, GAUSSIAN, BINARY_LOG, MULTINOMIAL_LOG
) = range(8)  # fmt: skip


_GAUSSIAN, _SOFTMAX = Links.named("gaussian"), Links.named("softmax")


# Losses that few nets need.
_OWN_KERNEL = {GAUSSIAN: _GAUSSIAN, MULTINOMIAL_LOG: _SOFTMAX}


def link(loss, dtype):
    """Make a loss ready, as all that calls it must; see `Links`."""
    EVERY_NET.link(dtype)
    if loss in _OWN_KERNEL:
        _OWN_KERNEL[loss].link(dtype)


def evaluate(loss, settings, raw, y, value, slope):
    """Write the value, as float64, and the derivative of every entry of (samples, outputs)."""
    link(loss, raw.dtype)
    weight = np.ones(len(raw), raw.dtype)
    _evaluate(loss, np.array(settings, np.float64), raw, y, weight, value, slope)


@entry
def _evaluate(loss, settings, raw, y, weight, value, slope):
    lose(loss, settings, raw, y, weight, 1.0, value, slope)


@linked(
    INDEX, FLOAT64[::1], matrix_type, matrix_type, vector_type, FLOAT64, FLOAT64[:, ::1],
    matrix_type,
)  # fmt: skip
def lose(loss, settings, raw, y, weight, scale, value, slope):
    """Write `scale` times weight times the value, and the derivative, of each raw output.

    A target has as many raw outputs as there are settings, one after the other. A sample of weight
    0 is not there, whatever its loss would be.
    """
    if loss == SQUARED_ERROR:
        _squared_error(raw, y, weight, scale, value, slope)
        return
    for row in range(raw.shape[0]):
        share = raw.dtype.type(scale * weight[row])
        if share == 0:
            for j in range(raw.shape[1]):
                value[row, j] = slope[row, j] = 0
            continue
        if loss == MULTINOMIAL_LOG:
            _multinomial_log(raw, y, row, value, slope)
        elif loss == GAUSSIAN:
            _gaussian(raw, y, row, value, slope)
        else:
            j = 0
            for target in range(y.shape[1]):
                for n in range(settings.size):
                    value[row, j], slope[row, j] = _entry_loss(
                        loss, raw.dtype.type(settings[n]), raw[row, j], y[row, target]
                    )
                    j += 1
        for j in range(raw.shape[1]):
            value[row, j] *= share
            slope[row, j] *= share


@kernel
def _squared_error(raw, y, weight, scale, value, slope):
    """In a loop of its own, which takes a third of the time: of steps, that is seen."""
    for row in range(raw.shape[0]):
        share = raw.dtype.type(scale * weight[row])
        for j in range(raw.shape[1]):
            error = raw[row, j] - y[row, j] if share != 0 else raw.dtype.type(0)
            value[row, j] = np.float64(raw.dtype.type(0.5) * error * error) * share
            slope[row, j] = error * share


@kernel
def _entry_loss(loss, setting, raw, y):
    """Value and derivative of a loss that treats each output by itself."""
    real = type(raw)
    zero, half, one = real(0), real(0.5), real(1)
    error = raw - y
    # 0 and NaN are their own signs.
    sign = one if error > zero else -one if error < zero else error
    if loss == ABSOLUTE_ERROR:
        return sign * error, sign
    if loss == HUBER:
        size = sign * error
        inner = setting if size > setting else size
        return inner * (size - half * inner), sign * inner
    if loss == QUANTILE:
        weight = setting if error < zero else one - setting
        return weight * sign * error, weight * sign
    if loss == POISSON:
        mean = exp(raw)
        return mean - y * raw, mean - y
    # BINARY_LOG: the exponential of a negative number cannot overflow.
    small = exp(-abs(raw))
    positive = raw > zero
    value = (raw if positive else zero) + log1p(small) - y * raw
    return value, (one if positive else small) / (one + small) - y


@linked(matrix_type, matrix_type, INDEX, FLOAT64[:, ::1], matrix_type, links=_GAUSSIAN)
def _gaussian(raw, y, row, value, slope):
    """Of a mean and then the log of a deviation for each target; without log(2 pi) / 2."""
    half, one = raw.dtype.type(0.5), raw.dtype.type(1)
    for target in range(y.shape[1]):
        j, k = 2 * target, 2 * target + 1
        precision = exp(-raw[row, k])
        error = (raw[row, j] - y[row, target]) * precision
        value[row, j], value[row, k] = half * error * error + raw[row, k], 0
        slope[row, j], slope[row, k] = error * precision, one - error * error


@linked(matrix_type, matrix_type, INDEX, FLOAT64[:, ::1], matrix_type, links=_SOFTMAX)
def _multinomial_log(raw, y, row, value, slope):
    largest = raw[row, 0]
    for j in range(1, raw.shape[1]):
        largest = raw[row, j] if raw[row, j] > largest else largest
    total = raw.dtype.type(0)
    for j in range(raw.shape[1]):
        slope[row, j] = exp(raw[row, j] - largest)
        total += slope[row, j]
    log_total = log(total)
    for j in range(raw.shape[1]):
        value[row, j] = -y[row, j] * (raw[row, j] - largest - log_total)
        slope[row, j] = slope[row, j] / total - y[row, j]
