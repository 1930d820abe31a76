"""Where on a path another of several polynomials is chosen: the largest, or one by its rank."""

from typing import NamedTuple

import numpy as np

from sklstm.inspection._chebyshev import angles_of, on_a_finer_grid

# How many times finer than the points is the grid on which switches are looked for, of many
# candidates and of few; between two of its angles, one that is chosen for a moment may be missed.
_FINER, _FINEST, _FEW = 4, 32, 16
# Angles closer than this are one: what is read there changes by no more.
_CLOSE = 1e-11
_MOST_STEPS = 60


class Runs(NamedTuple):
    """From which angle to which a candidate is chosen in a group; in the order of both.

    Parameters
    ----------
    group, candidate : ndarray of int, of shape (n_runs,)
    first, last : ndarray of shape (n_runs,)
    """

    group: np.ndarray
    candidate: np.ndarray
    first: np.ndarray
    last: np.ndarray


def runs_of(coefficients, choose):
    """Follow what is chosen over all angles, from 0 to pi.

    Parameters
    ----------
    coefficients : ndarray of shape (n + 1, n_groups, n_candidates)
        Of polynomials, as in ``_chebyshev``.
    choose : callable
        The index of a candidate, (items,), given their values (items, n_candidates).

    Returns
    -------
    runs : Runs
    """
    n, (n_groups, n_candidates) = len(coefficients) - 1, coefficients.shape[1:]
    n *= _FINEST if n_candidates <= _FEW else _FINER
    grid = on_a_finer_grid(coefficients, n)
    chosen = choose(grid.reshape(-1, n_candidates)).reshape(-1, n_groups)
    cells, group = np.nonzero(chosen[1:] != chosen[:-1])
    angles = angles_of(n)
    switches = _switches(
        coefficients, choose, group, chosen[cells, group], chosen[cells + 1, group],
        angles[cells], angles[cells + 1],
    )  # fmt: skip
    everyone = np.arange(n_groups)
    group = np.concatenate([everyone, *(each[0] for each in switches)])
    candidate = np.concatenate([chosen[0], *(each[1] for each in switches)])
    first = np.concatenate([np.zeros(n_groups), *(each[2] for each in switches)])
    order = np.lexsort((first, group))
    group, candidate, first = group[order], candidate[order], first[order]
    last = np.append(first[1:], np.pi)
    last[np.append(group[1:] != group[:-1], True)] = np.pi
    return Runs(group, candidate, first, last)


def crossings_of(coefficients, choose, edges):
    """The angles at which another candidate is chosen, between any two edges.

    Parameters
    ----------
    coefficients : ndarray of shape (n + 1, n_edges - 1, n_candidates)
        Of polynomials of their own between each two edges.
    choose : callable
        As above.
    edges : ndarray of shape (n_edges,)
    """
    first, last = edges[:-1], edges[1:]
    before, after = (choose(_values(coefficients, at)) for at in (first, last))
    cells = np.flatnonzero(before != after)
    found = _switches(
        coefficients, choose, cells, before[cells], after[cells], first[cells], last[cells]
    )
    return np.concatenate([np.zeros(0), *(angles for _, _, angles in found)])


def _switches(coefficients, choose, group, before, after, first, last):
    """A list of groups, candidates, and the angles from which on these are chosen.

    Each time, one was chosen before the first angle, and another one after the last.
    """
    found = []
    while len(group):
        pair = coefficients[:, group, before] - coefficients[:, group, after]
        middle, crosses = _crossing(pair.T, first, last)
        between = choose(_values(coefficients[:, group], middle))
        # Where two cross, rounding says which of them is chosen.
        done = crosses & ((between == before) | (between == after)) | (last - first < _CLOSE)
        found.append((group[done], after[done], middle[done]))
        left, right = ~done & (between != before), ~done & (between != after)
        group = np.concatenate([group[left], group[right]])
        first = np.concatenate([first[left], middle[right]])
        last = np.concatenate([middle[left], last[right]])
        before = np.concatenate([before[left], between[right]])
        after = np.concatenate([between[left], after[right]])
    return found


def _crossing(polynomials, first, last):
    """Where polynomials (items, n + 1) are zero, or the middle where they may not be; and which is.

    Newton's method, which falls back on the middle of where the zero must be.
    """
    slopes = -np.arange(polynomials.shape[1]) * polynomials
    at_first, _ = _value_and_slope(polynomials, slopes, first)
    at_last, _ = _value_and_slope(polynomials, slopes, last)
    crosses = np.signbit(at_first) != np.signbit(at_last)
    first, last = first.copy(), last.copy()
    angles = (first + last) / 2
    todo = np.flatnonzero(crosses)
    for _ in range(_MOST_STEPS):
        if len(todo) == 0:
            break
        here = angles[todo]
        value, slope = _value_and_slope(polynomials[todo], slopes[todo], here)
        before = np.signbit(value) == np.signbit(at_first[todo])
        first[todo[before]], last[todo[~before]] = here[before], here[~before]
        nearer = here - value / slope
        outside = ~((nearer >= first[todo]) & (nearer <= last[todo]))
        nearer[outside] = (first[todo] + last[todo])[outside] / 2
        angles[todo] = nearer
        todo = todo[np.abs(nearer - here) > _CLOSE]
    return angles, crosses


def _value_and_slope(polynomials, slopes, angles):
    turned = angles[:, np.newaxis] * np.arange(polynomials.shape[1])
    return (polynomials * np.cos(turned)).sum(axis=1), (slopes * np.sin(turned)).sum(axis=1)


def _values(polynomials, angles):
    """Of polynomials (n + 1, items, n_candidates), each item at an angle of its own."""
    waves = np.cos(np.arange(len(polynomials))[:, np.newaxis] * angles)
    return np.einsum("kij,ki->ij", polynomials, waves)
