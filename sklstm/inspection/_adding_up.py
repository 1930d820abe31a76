"""Attributions of whole paths: read at more points, and cut, where they miss something."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sklstm.inspection._blocks import most_rows
from sklstm.inspection._path import Parts

# What the attributions of a path may miss of what they should add up to, relative to their sizes;
# those of a part that was cut, as what many of these miss adds up; and, by rounding, relative to
# predictions.
TOLERANCE, _OF_A_PART, _ROUNDING = 3e-8, 4e-9, 1e-14
# Where attributions cancel out, a whole path may miss this share of its difference of predictions,
# so that a sequence alone adds up as one of many does; but no less than this of their sizes. A part
# that was cut knows no difference but its own.
_OF_DIFFERENCE, _LEAST = 5e-7, 1e-11
# How many times n_points a sequence may be read.
MOST = 128
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
    cuts : ndarray of shape (2, n_parts)
        Between which two positions of a part most is missing; both in the middle if nobody knows.
    """

    gradients: np.ndarray
    ends: np.ndarray
    n_read: np.ndarray
    enough: np.ndarray
    cuts: np.ndarray


@dataclass(frozen=True)
class Rule:
    """How the gradients on parts of paths are averaged.

    Parameters
    ----------
    find : callable
        Given a way, parts, n_points, their sizes, which of them may be cut, and whether to give
        up: see `smooth`.
    most_read : callable
        At how many points a part may be read, given n_points and the number of lines of a way.
    """

    find: Callable[..., Found]
    most_read: Callable[[int, int], int]


def whole_paths(way, rule, steps, lengths, n_points, stopped):
    """The mean gradients on ways of straight paths, and what they should add up to.

    Parts of which a rule has not found enough are cut, as long as a way has points left: those
    first that miss most.

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
    rounding : ndarray of shape (n_ways,)
        What these may be off by.
    """
    n, n_ways = len(lengths), len(lengths) // way.n_lines
    parts = Parts(steps, lengths, np.arange(n), np.zeros(n), np.ones(n), way.bend / way.n_lines)
    first, result = parts, np.zeros_like(steps[0])
    differences, rounding, n_read, accepted, size = np.zeros((5, n_ways))
    most_read = rule.most_read(n_points, way.n_lines)
    while len(parts):
        ways = parts.rows % n_ways
        # How many more may be read after these; a part that is cut has three pieces.
        left = (MOST * n_points - n_read) // most_read - np.bincount(ways, minlength=n_ways)
        found = _in_turns(way, rule, parts, n_points, size[ways], (left >= 3)[ways], stopped)
        if stopped():
            break
        if parts is first:
            differences = (found.ends[1] - found.ends[0]).reshape(-1, n_ways).sum(axis=0)
            rounding = _rounding(found.ends).reshape(-1, n_ways).max(axis=0)
        n_read += np.bincount(ways, found.n_read, n_ways)
        n_cut = (MOST * n_points - n_read) // (3 * most_read)
        contributions = found.gradients * parts.span
        total, differs = parts.sums(contributions), found.ends[1] - found.ends[0]
        missing = np.abs(differs - total)
        ranks = _ranks(ways, np.where(found.enough, 0, -missing))
        here = found.enough | (ranks >= n_cut[ways])
        # A step is there once for each part.
        at_steps = parts.at_steps(here)[:, 0]
        of_paths = found.gradients * parts.at_steps(parts.share)
        np.add.at(result, parts.places[at_steps], of_paths[at_steps])
        sizes = _true_sizes(parts.sums(np.abs(contributions)), np.abs(total), np.abs(differs))
        accepted += np.bincount(ways[here], sizes[here], n_ways)
        all_sizes = accepted + np.bincount(ways[~here], sizes[~here], n_ways)
        size = all_sizes if parts is first else np.minimum(size, all_sizes)
        parts = parts[~here].cut(found.cuts[:, ~here])
    return result, differences, rounding


def _true_sizes(sizes, total, difference):
    """About the sizes of attributions that add up, where these have a total that does not."""
    # A point that happens to be where predictions jump has them far too large.
    too_large = (total > difference) & (total - difference > sizes / 100)
    return sizes * np.where(too_large, difference / total, 1)


def _ranks(groups, numbers):
    """At what place each number would be, if those of its group were sorted."""
    order = np.lexsort((numbers, groups))
    begins = np.searchsorted(groups[order], groups)
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks - begins


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
        np.concatenate([each.cuts for each in found], axis=1),
    )


def shared_sizes(size, way, sizes):
    """The sizes of which parts may miss a share: of their whole ways, if known, or their own."""
    # What the lines of a way miss has either sign, and adds up by the root of their number.
    return np.where(size > 0, size, sizes * np.sqrt(way.n_lines))


def add_up(parts, total, ends, size):
    """Whether the attributions of parts do; where there is NaN, none ever will."""
    difference = ends[1] - ends[0]
    missing = np.abs(difference - total)
    allowed = _OF_A_PART * size
    if parts.are_whole:
        allowed = _OF_DIFFERENCE * np.abs(difference)
        allowed = np.minimum(np.maximum(allowed, _LEAST * size), TOLERANCE * size)
    return ~(missing > allowed + _rounding(ends))


def _rounding(ends):
    """What a difference of predictions (2, n_parts), and what adds up to it, may be off by."""
    return _ROUNDING * np.abs(ends).max(axis=0)
