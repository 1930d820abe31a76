"""Gradients that jump on their way, where pooling takes another maximum, or quantiles cross.

What jumps is but which of several smooth functions is read: states of a unit at each step, or raw
outputs. On a part of the path they are polynomials that go through their values at some points. So
is the gradient of each; its integral over those positions at which it is read needs no more points
than any other, once it is known where these begin and end.
"""

from dataclasses import replace

import numpy as np
from numpy.polynomial.legendre import leggauss

from sklstm.inspection._adding_up import Found, Rule, add_up, shared_sizes
from sklstm.inspection._chebyshev import (
    angles_of,
    coefficients,
    positions,
    shares_of,
    transform,
)
from sklstm.inspection._path import Reader
from sklstm.inspection._switches import crossings_of, runs_of

# Points of a part, which are kept: parts that are cut in two need no more memory.
_MOST_POINTS = 32
# And of a short one, of which there are many on a way.
_LEAST_POINTS = 8
# Angles of Gauss and Legendre between two points, or where the gradient jumps between them: few
# are enough for what is about half a wave there.
_IN_A_CELL = 8


def opened(way):
    """A way whose net says the hidden states of each step that its head reads."""
    architecture = way.architecture
    inputs = architecture.head_inputs
    head = np.vstack([np.eye(inputs), np.zeros(inputs)])
    weights = np.concatenate([way.weights[: architecture.starts[-2]], head.ravel()])
    architecture = replace(architecture, pooling=None, n_outputs=inputs)
    # States, their coefficients and seeds.
    kept = 3 * (_MOST_POINTS + 1) * inputs * weights.itemsize
    return replace(way, architecture=architecture, weights=weights, bytes_of_step=kept)


def _of_maxima(way, parts, n_points, size, may_cut, stopped):
    """What `smooth` finds, of a way that is `opened`, whose net takes the maximum over steps."""
    at, output = _angles(n_points, way.n_lines), way.output
    _, head = way.given.architecture.blocks(way.given.net._weights.astype(np.float64))
    reader = Reader(way, parts, stopped)
    hidden = _raw(reader, at)
    if hidden is None:
        return _nothing(parts)
    # What is not there is as good as the first step, which comes first.
    hidden = np.where(np.isnan(hidden), hidden[:, :, :1], hidden)
    pooled = hidden[[0, -1]].max(axis=2).reshape(-1, len(head) - 1)
    ends, slope = output.of_raw(_weighted(pooled, head))
    seeds = np.zeros_like(hidden)
    for part in range(len(parts)):
        states = coefficients(hidden[:, part].transpose(0, 2, 1))
        runs = runs_of(states, lambda values: values.argmax(axis=1))
        if output.is_linear:
            of_unit = (head[:-1] * slope[0]).sum(axis=1)
            shares = shares_of(len(at) - 1, runs.first, runs.last)
            shares *= of_unit[runs.group, np.newaxis]
        else:
            shares = _shares_by_slope(states, runs, head, output)
        np.add.at(seeds[:, part].transpose(1, 2, 0), (runs.candidate, runs.group), shares)
    return _found(reader, way, parts, at, seeds, ends.reshape(2, -1), size)


def _of_ranks(way, parts, n_points, size, may_cut, stopped):
    """What `smooth` finds, of a net that sorts its raw outputs."""
    at, output = _angles(n_points, way.n_lines), way.output
    reader = Reader(way, parts, stopped)
    raw = _raw(reader, at)
    if raw is None:
        return _nothing(parts)
    ends = np.zeros((2, len(parts)))
    for end in (0, -1):
        ends[end], slope = output.value_and_slope(raw[end], parts.lengths)
    # Those of steps that nobody asks for have no slope.
    asked = np.flatnonzero((slope != 0).any(axis=-1))
    outputs = raw.reshape(len(at), -1, raw.shape[-1])[:, asked]
    runs = runs_of(coefficients(outputs), _chosen_by(output))
    shares = shares_of(len(at) - 1, runs.first, runs.last)
    seeds = np.zeros_like(raw)
    by_group = seeds.reshape(len(at), -1, raw.shape[-1]).transpose(1, 2, 0)
    np.add.at(by_group, (asked[runs.group], runs.candidate), shares)
    return _found(reader, way, parts, at, seeds, ends, size)


def _angles(n_points, n_lines):
    return angles_of(min(n_points, max(_MOST_POINTS // n_lines, _LEAST_POINTS)))


def _raw(reader, at):
    """Raw outputs at all angles (n_angles, n_parts, ...), or None if it was stopped."""
    raw = list(reader.raw(positions(at)))
    return np.stack(raw) if len(raw) == len(at) else None


def _chosen_by(output):
    """Which raw output has the slope, given all (items, n_outputs)."""
    return lambda raw: output.of_raw(raw)[1].argmax(axis=1)


def _found(reader, way, parts, at, seeds, ends, size):
    """Go back from seeds at all angles, which know their shares."""
    gradient = np.zeros_like(parts.span)
    for _, slope in reader.gradients(positions(at), seeds):
        gradient += slope
    result = gradient * parts.span
    sizes = shared_sizes(size, way, parts.sums(np.abs(result)))
    enough = add_up(parts, parts.sums(result), ends, sizes)
    n_read, middles = np.full(len(parts), 2 * len(at)), np.full((2, len(parts)), 0.5)
    return Found(gradient, ends, n_read, enough, middles)


def _nothing(parts):
    n = len(parts)
    nothing, enough = np.zeros((2, n)), np.ones(n, bool)
    return Found(np.zeros_like(parts.span), nothing, np.zeros(n, int), enough, nothing)


def _weighted(pooled, head):
    """Raw outputs (items, n_outputs) of what the head reads."""
    # Without a product of matrices, whose bits depend on their sizes and on threads.
    return np.einsum("iu,uo->io", pooled, head[:-1]) + head[-1]


def _shares_by_slope(states, runs, head, output):
    """As `shares_of` of runs, times what changes of the prediction with the state that is read.

    Parameters
    ----------
    states : ndarray of shape (n + 1, n_units, n_timesteps)
        Coefficients.
    runs : Runs
        Of which step is read, a group a unit.
    head : ndarray of shape (n_units + 1, n_outputs)
    output : Output

    Returns
    -------
    shares : ndarray of shape (n_runs, n + 1)
    """
    n = len(states) - 1
    edges = np.unique(np.concatenate([angles_of(n), runs.first]))
    raw = _raw_of_cells(states, runs, head, edges)
    if output.is_sorted:
        crossings = crossings_of(raw, _chosen_by(output), edges)
        edges = np.unique(np.concatenate([edges, crossings]))
        raw = _raw_of_cells(states, runs, head, edges)
    within, weights = leggauss(_IN_A_CELL)
    half = np.diff(edges)[:, np.newaxis] / 2
    angles = edges[:-1, np.newaxis] + half * (within + 1)
    waves = np.cos(angles[..., np.newaxis] * np.arange(n + 1))
    values = np.einsum("cqk,kco->cqo", waves, raw)
    slope = output.of_raw(values.reshape(-1, values.shape[-1]))[1].reshape(values.shape)
    # Of positions, of which the angles are but another measure.
    slope *= (half * weights * np.sin(angles) / 2)[..., np.newaxis]
    parts = np.einsum("cqo,cqk->cok", slope, waves)
    so_far = np.concatenate([np.zeros_like(parts[:1]), parts.cumsum(axis=0)])
    first, last = (np.searchsorted(edges, at) for at in (runs.first, runs.last))
    of_runs = np.einsum("rok,ro->rk", so_far[last] - so_far[first], head[runs.group])
    return np.einsum("rk,kj->rj", of_runs, transform(n))


def _raw_of_cells(states, runs, head, edges):
    """Raw outputs between edges, as coefficients (n + 1, n_cells, n_outputs)."""
    middles = (edges[1:] + edges[:-1]) / 2
    raw = np.zeros((len(states), len(middles), head.shape[1]))
    raw[0] = head[-1]
    for unit, of_outputs in enumerate(head[:-1]):
        of_unit = runs.group == unit
        place = np.searchsorted(runs.first[of_unit], middles) - 1
        step = runs.candidate[of_unit][place]
        raw += states[:, unit, step][..., np.newaxis] * of_outputs
    return raw


def _most_read(n_points, n_lines):
    # There and back.
    return 2 * len(_angles(n_points, n_lines))


of_maxima, of_ranks = Rule(_of_maxima, _most_read), Rule(_of_ranks, _most_read)
