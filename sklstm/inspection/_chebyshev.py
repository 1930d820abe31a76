"""Functions of one number from 0 to 1, known at Chebyshev's points: sums of cosines.

With a position p = (1 - cos(angle)) / 2, a polynomial of degree n is the sum of c_k cos(k angle)
for k from 0 to n, and given by its values at the angles pi k / n. Those of n / 2 are among them.
"""

from functools import lru_cache

import numpy as np
from scipy.fft import dct


def positions(angles):
    """Where on the way from 0 to 1 these angles, from 0 to pi, are."""
    # As a square, which is exact near 0.
    return np.sin(np.asarray(angles) / 2) ** 2


def angles_of(n):
    """The n + 1 angles at which values are known."""
    return np.pi * np.arange(n + 1) / n


def coefficients(values):
    """Those of the polynomials with some values, (n + 1, ...)."""
    n = len(values) - 1
    result = dct(values, type=1, axis=0) / n
    result[[0, n]] /= 2
    return result


def on_a_finer_grid(coefficients, n):
    """Values of polynomials at the angles of a higher n, (n + 1, ...)."""
    padded = np.zeros((n + 1, *coefficients.shape[1:]))
    padded[: len(coefficients)] = coefficients / 2
    padded[0] *= 2
    return dct(padded, type=1, axis=0, overwrite_x=True)


def shares_of(n, first, last):
    """What values at the points add to the integral from one angle to another.

    Parameters
    ----------
    n : int
    first, last : ndarray of shape (items,)
        Angles.

    Returns
    -------
    shares : ndarray of shape (items, n + 1)
    """
    # Without a product of matrices, whose bits depend on their sizes and on threads.
    parts = _integrals(n, last) - _integrals(n, first)
    return np.einsum("ik,kj->ij", parts, transform(n))


@lru_cache(maxsize=8)
def shares_of_the_whole(n):
    """What values at the n + 1 points add to the integral: the rule of Clenshaw and Curtis."""
    return shares_of(n, np.zeros(1), np.full(1, np.pi))[0]


@lru_cache(maxsize=8)
def transform(n):
    """The coefficients of each point's polynomial, (n + 1, n + 1), which is 1 there alone."""
    return coefficients(np.eye(n + 1))


def _integrals(n, angles):
    """Those of cos(k angle), as functions of the position, from 0 to some positions."""
    k = np.arange(-1, n + 2)
    k[0] = 1  # 1 - cos is even
    waves = (1 - np.cos(angles[:, np.newaxis] * k)) / np.where(k == 0, 1, k)
    result = (waves[:, 2:] - waves[:, :-2]) / 4
    result[:, 0] = positions(angles)
    return result
