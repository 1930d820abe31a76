"""Learning rates as functions of counters.

A new schedule is one function here and one line in `SCHEDULES`.
"""

from typing import NamedTuple

import numpy as np


class Clock(NamedTuple):
    """Counters at the start of an epoch.

    Parameters
    ----------
    epochs : int
        Epochs of this fit so far.
    max_iter : int
        The most epochs of this fit.
    samples : int
        Samples seen in all fits so far.
    plateaus : int
        How often patience ran out in this fit.
    """

    epochs: int
    max_iter: int
    samples: int
    plateaus: int


def constant(rate, clock, power_t):
    """The initial rate."""
    return rate


def invscaling(rate, clock, power_t):
    """Decay with a power of the samples seen, as MLPRegressor."""
    # Of Python's numbers, a power that is too large raises an error.
    return rate / np.float64(clock.samples + 1) ** power_t


def adaptive(rate, clock, power_t):
    """A fifth of the rate each time that patience runs out, as MLPRegressor."""
    return rate / 5**clock.plateaus


def cosine(rate, clock, power_t):
    """Half a cosine from the initial rate to 0 at max_iter (Loshchilov & Hutter 2017)."""
    return rate * (1 + np.cos(np.pi * clock.epochs / clock.max_iter)) / 2


SCHEDULES = {
    "constant": constant,
    "invscaling": invscaling,
    "adaptive": adaptive,
    "cosine": cosine,
}
# Below this rate, "adaptive" stops instead of slowing down again.
LOWEST_ADAPTIVE_RATE = 1e-6
