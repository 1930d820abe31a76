"""Paths on which gradients change smoothly: the rule of Clenshaw and Curtis."""

import numpy as np

from sklstm.inspection._adding_up import TOLERANCE, Found, Rule, add_up, shared_sizes
from sklstm.inspection._chebyshev import angles_of, positions, shares_of_the_whole
from sklstm.inspection._path import Reader, position, speed

# What the last doubling of points may have changed of an attribution, relative to the sizes of all.
# Far less is still missing: in nets that were made to bend sharply, 4e-7 at most.
_CHANGE = 3e-5
# Gates are open or shut far from the baseline, and change most near it: there, points are closer by
# this power of e. Nets of 64 units, fitted with their defaults, need a sixth fewer points for it.
BEND = 1.5
# How many points are tried, before twice as many: enough for most sequences, where nets of 64 units
# were fitted to something smooth. And of a part that was cut.
_LEAST_POINTS, _LEAST_OF_PARTS = 12, 4
# How many times n_points all lines of a way are read together.
_OF_LINES = 16
# How many times as steep as the rest of its way, on the average, a cliff is at least.
_STEEP = 100


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
        Whether a part of which this is not enough may be cut.
    stopped : callable
        Whether to give up.

    Returns
    -------
    found : Found
    """
    counts = _counts(n_points, way.n_lines, parts.are_whole)
    # What half of the first points would give tells what to expect of all.
    half = [] if counts[0] % 2 else [counts[0] // 2]
    sums = {n: np.zeros_like(parts.span) for n in (*half, *counts)}
    # Predictions, and how they change along each part, at all points.
    known = np.zeros((2, counts[-1] + 1, len(parts)))
    n_read, enough = np.zeros(len(parts), np.int64), np.zeros(len(parts), bool)
    result, changed = np.zeros_like(parts.span), np.full(len(parts), np.inf)
    todo, places, at_steps = parts, np.arange(len(parts)), slice(None)
    reader = Reader(way, parts, stopped)
    for n in counts:
        # Of twice as many points, every other one was read before. Rules of fewer have been used.
        sums = {m: of_rule for m, of_rule in sums.items() if m >= n // 2}
        new = np.arange(n + 1) if n == counts[0] else np.arange(1, n, 2)
        for point, along in zip(new, _read(reader, todo, new, n, sums), strict=False):
            known[:, point * counts[-1] // n, places] = along
        if stopped():
            break
        n_read[places] += len(new)
        fine, coarse = sums[n] * todo.span, sums[n // 2] * todo.span if half else None
        of_all = shared_sizes(size[places], way, todo.sums(np.abs(fine)))
        ends = known[0][[0, -1]][:, places]
        enough[places], change, factor = _judged(todo, fine, coarse, ends, of_all)
        result[at_steps] = sums[n] * todo.at_steps(factor)
        # Each doubling squares what is missing; soon, if at all, where a part was cut.
        in_vain = (change / of_all) ** (2 * counts[-1] / n) > TOLERANCE
        if not parts.are_whole:
            in_vain |= change > changed[places] / 4
        changed[places] = change
        on = ~(enough[places] | may_cut[places] & in_vain)
        if not on.any():
            break
        if not on.all():
            stay = todo.places_of(np.flatnonzero(on))
            sums = {m: of_rule[stay] for m, of_rule in sums.items()}
            todo, places = todo[on], places[on]
            at_steps = parts.places_of(places)
            reader = Reader(way, todo, stopped)
    return Found(result, known[0, [0, -1]], n_read, enough, _cuts(known, n_read - 1, parts.bend))


def _read(reader, parts, new, n, sums):
    """Read new ones of n points, and add their gradients to the sums of each rule.

    Yields
    ------
    value, slope : ndarray of shape (n_parts,)
        The prediction for each part at a point, and how it changes along the part there.
    """
    times = positions(angles_of(n)[new])
    answers = reader.gradients(position(times, parts.bend))
    for point, fast, (value, gradient) in zip(new, speed(times, parts.bend), answers, strict=False):
        for m, of_rule in sums.items():
            if m * point % n == 0:
                of_rule += shares_of_the_whole(m)[m * point // n] * fast * gradient
        yield value, parts.sums(gradient * parts.span)


def _judged(parts, fine, coarse, ends, size):
    """Whether attributions are good enough, compared with those by half of the points.

    Returns
    -------
    enough : ndarray of bool, of shape (n_parts,)
    change : ndarray of shape (n_parts,)
        The most that one of them has changed.
    factor : ndarray of shape (n_parts,)
        What to multiply them by.
    """
    total, ones = parts.sums(fine), np.ones(len(parts))
    adding_up = add_up(parts, total, ends, size)
    if coarse is None:
        return adding_up, 0 * ones, ones
    change = parts.largest(fine - coarse)
    smooth = adding_up & ~(change > _CHANGE * size)
    if parts.are_whole:
        return smooth, change, ones
    # Where predictions fall off a cliff, points see too little of it, or too much. But there,
    # gradients have one direction, in which the net is pushed over; and how far it falls is known.
    fall = ends[1] - ends[0]
    factor, before = fall / total, fall / parts.sums(coarse)
    turned = parts.largest(fine * parts.at_steps(factor) - coarse * parts.at_steps(before))
    steep = np.abs(fall) > _STEEP * parts.share * size
    # Where they see too much of it, what is beside it would be lost: nothing, in a short part.
    seen = (factor < 2) & ((factor > 0.5) | (factor > 0) & (parts.share < TOLERANCE))
    cliff = ~smooth & steep & seen & (turned <= TOLERANCE * size)
    return smooth | cliff, change, np.where(cliff, factor, 1)


def _cuts(known, counts, bend):
    """Between which two points of each part most is missing, if more than half is there."""
    cuts = np.full((2, len(counts)), 0.5)
    for n in set(counts[counts > 0].tolist()):
        parts = np.flatnonzero(counts == n)
        values, slopes = known[:, :: (known.shape[1] - 1) // n, parts]
        at = position(positions(angles_of(n)), bend)
        trapezia = np.diff(at)[:, np.newaxis] * (slopes[1:] + slopes[:-1]) / 2
        missing = np.abs(np.diff(values, axis=0) - trapezia)
        worst = missing.argmax(axis=0)
        there = (2 * missing.max(axis=0) > missing.sum(axis=0)) & (n > 1)
        cuts[:, parts[there]] = at[worst[there]], at[worst[there] + 1]
    return cuts


def _counts(n_points, n_lines, are_whole):
    """How many points of each line, or of parts of lines, are tried one after the other."""
    # Few are enough for what is short.
    least = max(_LEAST_POINTS // n_lines // 2 * 2, 2) if are_whole else _LEAST_OF_PARTS
    most = min(n_points, _OF_LINES * n_points // n_lines)
    if most < 2 * least:
        return [most]
    return [least << k for k in range((most // least).bit_length())]


def _most_read(n_points, n_lines):
    return max(_counts(n_points, n_lines, are_whole)[-1] for are_whole in (True, False)) + 1


smooth = Rule(_smooth, _most_read)
