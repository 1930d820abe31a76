"""One shard with its tape open: segments from state to state, gates by name, the gradient on X."""

import dataclasses
import itertools

import numpy as np
import pytest
import reference
from conftest import assert_same_bits
from problems import (
    DEPTHS,
    DIRECTIONS,
    POOLINGS,
    TOLERANCE,
    assert_agrees,
    assert_close,
    for_each_dtype,
    make_problem,
    reference_round,
    torch_net,
    train_once,
)

from sklstm._network.parameters import named_views
from sklstm._network.trace import Trace

# Errors relative to the largest number. Rounding of sums in another order stays below 1e-12 in
# float64; the parts of a gradient that cancel leave more of it in float32. Central differences err
# by the square of their step, 1e-5, and by rounding divided by it.
for_each_depth = pytest.mark.parametrize("depth", DEPTHS)
for_each_direction = pytest.mark.parametrize("bidirectional", DIRECTIONS)
for_each_pooling = pytest.mark.parametrize("pooling", POOLINGS)
STEPS = 7


def problem_of(dtype, depth, bidirectional=False, pooling="last", units=11, batch=9, inputs=3):
    return make_problem(
        dtype, (units, 6, 9)[:depth], bidirectional, pooling, batch, inputs, outputs=2,
        lengths="ragged", steps=STEPS,
    )  # fmt: skip


def trace_of(problem, steps=None):
    return Trace(problem.architecture, problem.sequences, problem.weights, steps)


def twin_of(problem):
    """The twin's trace, in float64."""
    weights = named_views(problem.architecture, problem.weights.astype(np.float64))
    _, trace = reference.forward(
        problem.X.astype(np.float64),
        weights,
        bidirectional=problem.architecture.bidirectional,
        pooling=problem.architecture.pooling,
        lengths=problem.lengths,
    )
    return trace


# --- The whole ------------------------------------------------------------------------------


@pytest.mark.nojit
@for_each_dtype
@for_each_depth
@for_each_direction
@for_each_pooling
def test_a_shard_by_itself_gives_what_a_round_gives(dtype, depth, bidirectional, pooling):
    problem = problem_of(dtype, depth, bidirectional, pooling)
    trace = trace_of(problem)
    raw, _ = trace.forward()
    gradient, _, _ = trace.backward(problem.d_raw)
    assert_same_bits(raw, train_once(problem)[0])
    assert_agrees(problem, (raw, gradient), reference_round(problem))


@for_each_dtype
@for_each_direction
@for_each_pooling
def test_without_states_a_trace_has_the_same_bits(dtype, bidirectional, pooling):
    problem = problem_of(dtype, 2, bidirectional, pooling)
    traces = [
        Trace(problem.architecture, problem.sequences, problem.weights, states=states)
        for states in (True, False)
    ]
    found = [(each.forward()[0], each.steps(), each.backward(problem.d_raw)) for each in traces]
    assert_same_bits(*found)
    assert traces[1].forward()[1] is None


@pytest.mark.nojit
@for_each_dtype
@for_each_depth
@for_each_direction
@pytest.mark.parametrize("units", [1, 11, 37])
def test_a_tape_has_the_gates_of_the_twin_at_every_step(dtype, depth, bidirectional, units):
    problem = problem_of(dtype, depth, bidirectional, units=units)
    trace = trace_of(problem)
    trace.forward()
    names = dict(zip("ifgoch", trace.steps()[0]._fields, strict=True))
    assert list(names.values()) == ["input", "forget", "candidate", "output", "cell", "hidden"]
    cells = twin_of(problem)["cells"]
    for ours, twin in zip(trace.steps(), cells, strict=True):
        for symbol, name in names.items():
            found, expected = getattr(ours, name), twin[symbol]
            np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
            error = np.nanmax(abs(found - expected))
            assert error <= {np.float32: 2e-6, np.float64: 1e-12}[dtype]


@pytest.mark.nojit
@for_each_dtype
@for_each_depth
@for_each_direction
@for_each_pooling
@pytest.mark.parametrize("inputs", [1, 6])
def test_the_way_back_ends_at_x(dtype, depth, bidirectional, pooling, inputs):
    problem = problem_of(dtype, depth, bidirectional, pooling, inputs=inputs)
    trace = trace_of(problem)
    trace.forward()
    _, d_X, _ = trace.backward(problem.d_raw)
    expected = reference.input_gradient(twin_of(problem), problem.d_raw.astype(np.float64))
    np.testing.assert_array_equal(np.isnan(d_X), np.isnan(problem.X))
    assert_close(np.nan_to_num(d_X), expected, TOLERANCE[dtype])
    trace.forward()
    without, d_X_alone, _ = trace.backward(problem.d_raw, weights=False)
    assert without is None
    assert_same_bits(d_X_alone, d_X)


@for_each_direction
@for_each_pooling
def test_the_gradient_on_x_is_the_numerical_one(bidirectional, pooling):
    problem = problem_of(np.float64, 2, bidirectional, pooling, units=4, batch=STEPS)
    trace = trace_of(problem)
    trace.forward()
    _, d_X, _ = trace.backward(problem.d_raw)
    for place in np.argwhere(~np.isnan(problem.X)):
        values = []
        for step in (-1e-5, 1e-5):
            X = problem.X.copy()
            X[tuple(place)] += step
            moved = dataclasses.replace(problem, X=X)
            values.append(np.nansum(trace_of(moved).forward()[0] * problem.d_raw))
        slope = (values[1] - values[0]) / 2e-5
        assert d_X[tuple(place)] == pytest.approx(slope, rel=1e-6, abs=1e-9)


@for_each_dtype
@for_each_depth
@for_each_direction
@for_each_pooling
def test_the_gradient_on_x_is_that_of_torch(dtype, depth, bidirectional, pooling):
    torch = pytest.importorskip("torch")
    problem = make_problem(dtype, (13,) * depth, bidirectional, pooling, outputs=3)
    X = torch.from_numpy(problem.X).requires_grad_()
    raw, _ = torch_net(problem, X)
    raw.backward(torch.from_numpy(problem.d_raw))
    trace = trace_of(problem)
    trace.forward()
    assert_close(trace.backward(problem.d_raw)[1], X.grad.numpy(), TOLERANCE[dtype])


@pytest.mark.nojit
def test_the_gradient_on_x_is_in_its_units():
    problem = problem_of(np.float64, 1)
    plain, deviation = trace_of(problem), np.array([2.0, 0.25, 8.0])
    stretched = dataclasses.replace(problem, X=problem.X * deviation + 5)
    scaled = stretched.sequences
    scaled.scaling = np.stack([np.full(3, 5.0), 1 / deviation])
    other = Trace(problem.architecture, scaled, problem.weights)
    plain.forward()
    other.forward()
    expected = plain.backward(problem.d_raw)[1] / deviation
    np.testing.assert_allclose(other.backward(problem.d_raw)[1], expected, rtol=1e-10)


# --- Segments -------------------------------------------------------------------------------


@pytest.mark.nojit
@for_each_dtype
@for_each_depth
@for_each_pooling
@pytest.mark.parametrize("cut", range(1, STEPS))
def test_a_sequence_cut_in_two_at_any_step_gives_the_bits_of_the_whole(dtype, depth, pooling, cut):
    problem = problem_of(dtype, depth, pooling=pooling)
    whole, first, second = (trace_of(problem) for _ in range(3))
    raw, end = whole.forward()
    hidden = [cell.hidden for cell in whole.steps()]
    raw_of_one, between = first.forward(0, cut)
    raw_of_two, end_of_two = second.forward(cut, None, between)
    if pooling is None:
        raw_of_two[:, :cut] = raw_of_one[:, :cut]
    assert_same_bits(raw_of_two, raw)
    parts = [first.steps(), second.steps()]
    joined = [np.concatenate([a.hidden, b.hidden], axis=1) for a, b in zip(*parts, strict=True)]
    assert_same_bits(joined, hidden)
    # What sequences that had ended before began the second with, they end it with.
    assert_same_bits(flat(end_of_two), flat(end))
    gradient, d_X, _ = whole.backward(problem.d_raw)
    gradient_2, d_X_2, d_between = second.backward(problem.d_raw)
    gradient_1, d_X_1, _ = first.backward(problem.d_raw, d_between, end_of_two.kept)
    tolerance = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
    assert_close(gradient_1 + gradient_2, gradient, tolerance)
    assert_close(*map(np.nan_to_num, (np.concatenate([d_X_1, d_X_2], axis=1), d_X)), tolerance)
    twin = twin_of(problem)
    expected = reference.input_gradient(twin, problem.d_raw.astype(np.float64))
    both = np.nan_to_num(np.concatenate([d_X_1, d_X_2], axis=1))
    assert_close(both, expected, TOLERANCE[dtype])
    names = reference.backward(twin, problem.d_raw.astype(np.float64))
    assert_agrees(problem, (raw_of_two, gradient_1 + gradient_2), (raw, names))


def flat(state):
    return [array for cell in state.cells for array in cell]


@for_each_dtype
def test_segments_of_one_step_give_the_bits_of_the_whole(dtype):
    problem = problem_of(dtype, 2, pooling="mean")
    raw, end = trace_of(problem).forward()
    steps = trace_of(problem, steps=1)
    state = None
    for t in range(STEPS):
        last, state = steps.forward(t, t + 1, state)
    assert_same_bits(last, raw)
    assert_same_bits(flat(state), flat(end))


@for_each_depth
@pytest.mark.parametrize("of_hidden", [False, True])
def test_the_gradient_of_the_start_is_the_numerical_one(depth, of_hidden):
    problem = problem_of(np.float64, depth, units=4, batch=3)
    problem.lengths[:] = STEPS
    problem.X[:] = np.nan_to_num(problem.X)
    first, second = trace_of(problem), trace_of(problem)
    _, between = first.forward(0, 3)
    second.forward(3, None, between)
    _, _, d_between = second.backward(problem.d_raw)
    for layer, (row, unit) in itertools.product(range(depth), [(0, 1), (2, 3)]):
        slopes = []
        for step in (-1e-5, 1e-5):
            moved = [tuple(array.copy() for array in cell) for cell in between.cells]
            moved[layer][0 if of_hidden else 1][row, unit] += step
            raw, _ = second.forward(3, None, between._replace(cells=moved))
            slopes.append((raw * problem.d_raw).sum())
        found = d_between.cells[layer][0 if of_hidden else 1][row, unit]
        assert found == pytest.approx((slopes[1] - slopes[0]) / 2e-5, rel=1e-6, abs=1e-9)


# --- What is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("segment", "steps", "bidirectional"),
    [
        ((0, STEPS + 1), None, False),
        ((-1, 2), None, False),
        ((4, 4), None, False),
        ((0, 3), 2, False),
        ((3, None), None, False),  # without a state
        ((0, 3), None, True),
    ],
)
def test_a_segment_that_there_is_no_memory_for_is_refused(segment, steps, bidirectional):
    trace = trace_of(problem_of(np.float64, 2, bidirectional), steps)
    with pytest.raises(ValueError, match=r"segment|state must be"):
        trace.forward(*segment)


def test_arrays_of_other_sizes_are_refused():
    problem = problem_of(np.float64, 2)
    with pytest.raises(ValueError, match="weights of shape"):
        Trace(problem.architecture, problem.sequences, problem.weights[:-1])
    trace = trace_of(problem)
    trace.forward()
    with pytest.raises(ValueError, match="d_raw of shape"):
        trace.backward(problem.d_raw[:, :1])
