"""Attributions of whole paths: read at more points, and cut in two, where they miss something."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sklstm.inspection._blocks import most_rows
from sklstm.inspection._chebyshev import angles_of, positions, shares_of_the_whole
from sklstm.inspection._path import Parts, Reader, position, speed

# What the attributions of a part of a path may miss of what they should add up to, relative to
# their sizes; and, by rounding, relative to predictions.
_TOLERANCE, _ROUNDING = 3e-8, 1e-14
# What the last doubling of points may have changed of an attribution, relative to the sizes of all.
# Far less is still missing: in nets that were made to bend sharply, 4e-7 at most.
_CHANGE = 3e-5
# Gates are open or shut far from the baseline, and change most near it: there, points are closer by
# this power of e. Nets of 64 units, fitted with their defaults, need a sixth fewer points for it.
BEND = 1.5
# How many points are tried, before twice as many: enough for most sequences, where nets of 64 units
# were fitted to something smooth. And how many times n_points a sequence may be read.
_LEAST_POINTS, _MOST = 12, 64
# What a rule may keep for all parts that it is asked for.
_KEPT_BYTES = 200_000_000


@dataclass(frozen=True, eq=False)
class Found:
    """What a rule has found of parts of paths.

    Parameters
    ----------
    gradients : ndarray of shape (n_steps, n_inputs)
        The mean gradients on what the net reads, with all steps of all parts in a row.
    ends : ndarray of shape (2, n_parts)
        The predictions at the first and the last positions.
    n_read : ndarray of int, of shape (n_parts,)
        At how many points each part was read.
    enough : ndarray of bool, of shape (n_parts,)
        Whether more points would change nothing.
    """

    gradients: np.ndarray
    ends: np.ndarray
    n_read: np.ndarray
    enough: np.ndarray


@dataclass(frozen=True)
class Rule:
    """How the gradients on parts of paths are averaged.

    Parameters
    ----------
    find : callable
        What `_smooth` is for gradients that change smoothly.
    most_read : callable
        At how many points a part may be read, given n_points and the number of lines of a way.
    """

    find: Callable[..., Found]
    most_read: Callable[[int, int], int]


def whole_paths(way, rule, steps, lengths, n_points, stopped):
    """The mean gradients on ways of straight paths, and what they should add up to.

    Parts of which a rule has not found enough are cut in two, as long as a way has points left.

    Parameters
    ----------
    way : Way
    rule : Rule
    steps : tuple of two ndarray of shape (n_steps, n_inputs)
        The sequences where paths begin, and where they end, with all steps of all in a row: the
        first path of each way comes first.
    lengths : ndarray of int, of shape (n_paths,)
        Of these sequences.
    n_points : int
    stopped : callable
        Whether to give up.

    Returns
    -------
    gradients : ndarray of shape (n_steps, n_inputs)
    differences : ndarray of shape (n_ways,)
        Of predictions.
    """
    n, n_ways = len(lengths), len(lengths) // way.n_lines
    parts = Parts(steps, lengths, np.arange(n), np.zeros(n), np.ones(n), way.bend / way.n_lines)
    first, result = parts, np.zeros_like(steps[0])
    # Of a part and its halves.
    cost = 3 * rule.most_read(n_points, way.n_lines)
    differences, n_read, accepted, size = np.zeros((4, n_ways))
    while len(parts):
        # Cut are only those of which all can be: a rule need not go on where it is of no use.
        left = _MOST * n_points - n_read
        ways = parts.rows % n_ways
        may_cut = (left >= cost * np.bincount(ways, minlength=n_ways))[ways]
        found = _in_turns(way, rule, parts, n_points, size[ways], may_cut, stopped)
        if stopped():
            break
        if parts is first:
            differences = (found.ends[1] - found.ends[0]).reshape(-1, n_ways).sum(axis=0)
        here = found.enough | ~may_cut
        # A step is there once for each part.
        at_steps = parts.at_steps(here)[:, 0]
        of_paths = found.gradients * parts.at_steps(parts.share)
        np.add.at(result, parts.places[at_steps], of_paths[at_steps])
        sizes = parts.sums(np.abs(found.gradients * parts.span))
        n_read += np.bincount(ways, found.n_read, n_ways)
        accepted += np.bincount(ways[here], sizes[here], n_ways)
        size = accepted + np.bincount(ways[~here], sizes[~here], n_ways)
        parts = parts[~here].halves()
    return result, differences


def _in_turns(way, rule, parts, n_points, size, may_cut, stopped):
    """Ask a rule for as many parts at a time as a tape has room for."""
    longest = int(parts.lengths.max())
    most = most_rows(way.architecture, np.dtype(np.float64), longest)
    if way.bytes_of_step > 0:
        most = max(min(most, _KEPT_BYTES // (way.bytes_of_step * longest)), 1)
    found = []
    for first in range(0, len(parts), most):
        some = slice(first, first + most)
        these = parts if len(parts) <= most else parts[some]
        found.append(rule.find(way, these, n_points, size[some], may_cut[some], stopped))
        if stopped():
            break
    if len(found) == 1:
        return found[0]
    return Found(
        np.concatenate([each.gradients for each in found]),
        np.concatenate([each.ends for each in found], axis=1),
        np.concatenate([each.n_read for each in found]),
        np.concatenate([each.enough for each in found]),
    )


def _smooth(way, parts, n_points, size, may_cut, stopped):
    """Integrate gradients that change smoothly, as Clenshaw and Curtis do.

    Parameters
    ----------
    way : Way
    parts : Parts
    n_points : int
        At most; one more is read, at the end.
    size : ndarray of shape (n_parts,)
        About the sizes of attributions added up, over all parts of the same way; 0 if nobody knows.
    may_cut : ndarray of bool, of shape (n_parts,)
        Whether a part of which this is not enough will be cut in two.
    stopped : callable
        Whether to give up.

    Returns
    -------
    found : Found
    """
    counts = _counts(n_points, way.n_lines)
    # What half of the first points would give tells what to expect of all.
    half = [] if counts[0] % 2 else [counts[0] // 2]
    sums = {n: np.zeros_like(parts.span) for n in (*half, *counts)}
    ends, n_read = np.zeros((2, len(parts))), np.zeros(len(parts), np.int64)
    result, enough = np.zeros_like(parts.span), np.zeros(len(parts), bool)
    todo, places, at_steps = parts, np.arange(len(parts)), slice(None)
    reader = Reader(way, parts, stopped)
    for n in counts:
        # Of twice as many points, every other one was read before. Rules of fewer have been used.
        sums = {m: of_rule for m, of_rule in sums.items() if m >= n // 2}
        new = np.arange(n + 1) if n == counts[0] else np.arange(1, n, 2)
        times = positions(angles_of(n)[new])
        answers = reader.gradients(position(times, parts.bend))
        faster = speed(times, parts.bend)
        for point, fast, (value, slope) in zip(new, faster, answers, strict=False):
            if point in (0, n):
                ends[point // n, places] = value
            for m, of_rule in sums.items():
                if m * point % n == 0:
                    of_rule += shares_of_the_whole(m)[m * point // n] * fast * slope
        if stopped():
            break
        found = sums[n] * todo.span
        result[at_steps] = sums[n]
        n_read[places] += len(new)
        of_all = shared_sizes(size[places], way, todo.sums(np.abs(found)))
        change = todo.largest(found - sums[n // 2] * todo.span) if half else 0
        enough[places] = adds_up(todo.sums(found), ends[:, places], of_all, change)
        # Each doubling squares what is missing.
        in_vain = may_cut[places] & ((change / of_all) ** (2 * counts[-1] / n) > _TOLERANCE)
        on = ~(enough[places] | in_vain)
        if not on.any():
            break
        if not on.all():
            stay = todo.places_of(np.flatnonzero(on))
            sums = {m: of_rule[stay] for m, of_rule in sums.items()}
            todo, places = todo[on], places[on]
            at_steps = parts.places_of(places)
            reader = Reader(way, todo, stopped)
    return Found(result, ends, n_read, enough)


def shared_sizes(size, way, sizes):
    """The sizes of which parts may miss a share: of their whole ways, if known, or their own."""
    # What the lines of a way miss has either sign, and adds up by the root of their number.
    return np.where(size > 0, size, sizes * np.sqrt(way.n_lines))


def adds_up(total, ends, size, change=0):
    """Whether attributions add up, and have changed little; where there is NaN, none ever will."""
    missing = np.abs(ends[1] - ends[0] - total)
    allowed = _TOLERANCE * size + _ROUNDING * np.abs(ends).max(axis=0)
    return ~((missing > allowed) | (change > _CHANGE * size))


def _counts(n_points, n_lines):
    """How many points of each line are tried, one after the other."""
    # Few are enough for a short one.
    least = max(_LEAST_POINTS // n_lines // 2 * 2, 2)
    most = min(n_points, _MOST * n_points // (4 * n_lines))
    if most < 2 * least:
        return [most]
    return [least << k for k in range((most // least).bit_length())]


smooth = Rule(_smooth, lambda n_points, n_lines: _counts(n_points, n_lines)[-1] + 1)
