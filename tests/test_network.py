"""The net: outputs and gradients against the twin and PyTorch."""

import dataclasses
import itertools
import random

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, small_net
from problems import (
    BATCHES,
    DEPTHS,
    DIRECTIONS,
    DTYPES,
    INPUTS,
    LENGTHS,
    OUTPUTS,
    POOLINGS,
    TOLERANCE,
    UNITS,
    assert_agrees,
    assert_close,
    for_each_dtype,
    make_problem,
    reference_round,
    torch_gradient,
    torch_net,
    train_once,
    use_groups,
)

from sklstm._kernels import recurrence
from sklstm._kernels.products import GATES
from sklstm._machine.processor import SIMD_BYTES
from sklstm._network.layout import WORTH_COPYING, make_layout, round_up
from sklstm._network.rounds import TwoWay

# --- Against the twin -----------------------------------------------------------------------

FACTORS = {
    "dtype": DTYPES,
    "depth": DEPTHS,
    "bidirectional": DIRECTIONS,
    "pooling": POOLINGS,
    "batch": BATCHES,
    "units": UNITS,
    "inputs": INPUTS,
    "outputs": OUTPUTS,
    "lengths": LENGTHS,
}
# All 12960 would take the twin too long.
SAMPLE = [
    dict(zip(FACTORS, values, strict=True))
    for values in random.Random(0).sample(list(itertools.product(*FACTORS.values())), 85)
]


def test_sample_covers_every_pair_of_values():
    for one, other in itertools.combinations(FACTORS, 2):
        met = {(case[one], case[other]) for case in SAMPLE}
        assert met == set(itertools.product(FACTORS[one], FACTORS[other]))


def without_compilation(case):
    """Mark what is quick enough to run as plain Python."""
    quick = case["units"] <= 37 and case["batch"] * case["units"] <= 300
    return [pytest.mark.nojit] if quick else []


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=without_compilation(case)) for case in SAMPLE],
    ids=lambda case: "-".join(str(getattr(v, "__name__", v)) for v in case.values()),
)
def test_outputs_and_gradients_are_those_of_the_twin(case):
    case = dict(case)
    problem = make_problem(units=(case.pop("units"),) * case.pop("depth"), **case)
    assert_agrees(problem, train_once(problem), reference_round(problem))


@for_each_dtype
@pytest.mark.parametrize(
    "units", [(37, 16, 5), (1, 128), pytest.param((64, 2), marks=pytest.mark.nojit)]
)
@pytest.mark.parametrize("bidirectional", DIRECTIONS)
def test_layers_may_differ_in_size(dtype, units, bidirectional):
    problem = make_problem(dtype, units, bidirectional, batch=20, lengths="ragged")
    assert_agrees(problem, train_once(problem), reference_round(problem))


@for_each_dtype
def test_a_gradient_of_several_blocks_of_rows_and_of_steps_is_that_of_the_twin(dtype):
    inputs, batch, steps = 1050, 8, 30
    assert inputs > 2 * recurrence.ROW_BYTES // 4
    assert batch * steps > 2 * recurrence.DEPTH_BLOCK
    problem = make_problem(dtype, (24,), False, batch=batch, inputs=inputs, steps=steps)
    assert_agrees(problem, train_once(problem), reference_round(problem))


@pytest.mark.nojit
@for_each_dtype
@pytest.mark.parametrize("vectors", [0, 1, 2, 3])
def test_last_units_of_the_gates_may_share_any_number_of_vectors(dtype, vectors):
    lanes = SIMD_BYTES // np.dtype(dtype).itemsize
    units = -(-WORTH_COPYING // lanes) * lanes + vectors * lanes // GATES
    problem = make_problem(dtype, (units,), True, batch=5, inputs=1, steps=2, lengths="ragged")
    cells = make_layout(problem.architecture, np.dtype(dtype), 5, 2, True).cells
    # A vector of SSE2 has but two float64, and the rest of one unit takes two of it.
    expected = round_up(GATES * (units % lanes), dtype) // lanes
    assert list(cells["rest_width"]) == [expected * lanes] * 2
    assert expected == vectors or lanes == 2
    assert_agrees(problem, train_once(problem), reference_round(problem))


@for_each_dtype
def test_sequences_may_be_long(dtype):
    # more steps than any block of the kernels
    problem = make_problem(dtype, (5,), True, "mean", batch=3, lengths="ragged", steps=200)
    problem.lengths[:] = 200, 131, 1
    problem.X[:] = np.nan_to_num(problem.X)
    assert_agrees(problem, train_once(problem), reference_round(problem))


def some_of(problem, rows):
    return dataclasses.replace(
        problem, X=problem.X[rows], lengths=problem.lengths[rows], d_raw=problem.d_raw[rows]
    )


@for_each_dtype
@pytest.mark.parametrize(
    ("batch", "lengths"), [(60, "equal"), (100, "equal"), (100, "ragged"), (100, "single")]
)
def test_shards_of_a_group_add_up(dtype, batch, lengths, monkeypatch):
    problem = make_problem(dtype, (37, 16), True, "mean", batch, outputs=3, lengths=lengths)
    alone = train_once(problem)
    use_groups(monkeypatch)
    grouped = train_once(problem)
    assert_agrees(problem, grouped, reference_round(problem))
    # Other sums are rounded differently, or this would test what is tested already.
    assert (grouped[1] != alone[1]).any()


@for_each_dtype
@pytest.mark.parametrize("most_rows", [100, 545, 1024])
@pytest.mark.parametrize("lengths", ["equal", "ragged"])
def test_smaller_rounds_fit_into_the_buffers_of_a_larger(dtype, most_rows, lengths, monkeypatch):
    if most_rows == 100:
        use_groups(monkeypatch)
    problem = make_problem(dtype, (16, 5), True, batch=most_rows, lengths=lengths)
    expected = {}
    with TwoWay(problem.architecture, problem.sequences, most_rows) as team:
        for n in (most_rows, 99, 45, 20, 1, most_rows):
            rows = problem.rows[:n]
            raw = team.forward(problem.weights, rows)
            result = raw, team.backward(problem.d_raw[rows])
            some = some_of(problem, rows)
            if n not in expected:
                expected[n] = reference_round(some)
            assert_agrees(some, result, expected[n])


@for_each_dtype
def test_rows_of_a_round_may_be_any_in_any_order(dtype):
    problem = make_problem(dtype, batch=33, lengths="ragged")
    rows = np.random.RandomState(1).permutation(33)[:20]
    raw, gradient = train_once(problem, rows)
    assert_same_bits((raw, gradient), train_once(some_of(problem, rows)))


def columns_apart(X):
    wide = np.full((*X.shape[:2], 2 * X.shape[2]), np.nan, X.dtype)
    wide[..., ::2] = X
    return wide[..., ::2]


def unaligned(X):
    buffer = np.zeros(X.nbytes + 1, np.uint8)[1:]
    buffer[:] = np.frombuffer(X.tobytes(), np.uint8)
    return buffer.view(X.dtype).reshape(X.shape)


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


@pytest.mark.nojit
@for_each_dtype
@pytest.mark.parametrize(
    "form",
    [
        np.asfortranarray,
        columns_apart,
        unaligned,
        read_only,
        lambda X: X[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
    ],
    ids=["fortran", "columns_apart", "unaligned", "read_only", "reversed"],
)
@pytest.mark.parametrize("inputs", [3, 11, 35])
def test_memory_of_sequences_may_have_any_form(dtype, form, inputs):
    problem = make_problem(dtype, inputs=inputs)
    other = dataclasses.replace(problem, X=form(problem.X))
    assert_same_bits(train_once(other), train_once(problem))


@pytest.mark.nojit
@for_each_dtype
@pytest.mark.parametrize(("dropout", "recurrent"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("bidirectional", DIRECTIONS)
def test_masks_multiply_what_dropout_acts_on(dtype, dropout, recurrent, bidirectional):
    problem = make_problem(dtype, (5, 3), bidirectional, "mean", outputs=2, lengths="ragged")
    rng = np.random.RandomState(1)
    input_masks, recurrent_masks = (
        [rng.normal(size=(7, size)) if given else np.ones((7, size)) for size in sizes]
        for given, sizes in zip((dropout, recurrent), problem.architecture.mask_sizes, strict=True)
    )
    masks = np.concatenate(input_masks + recurrent_masks, axis=1).astype(dtype)
    with TwoWay(problem.architecture, problem.sequences, 7, dropout, recurrent) as team:
        raw = team.forward(problem.weights, problem.rows, masks)
        gradient = team.backward(problem.d_raw)
    expected = reference_round(problem, input_masks, recurrent_masks)
    assert_agrees(problem, (raw, gradient), expected)


# --- Against PyTorch ------------------------------------------------------------------------


def torch_round(problem):
    """As `train_once`, by PyTorch."""
    torch = pytest.importorskip("torch")
    raw, parameters = torch_net(problem)
    raw.backward(torch.from_numpy(problem.d_raw))
    return raw.detach().numpy(), torch_gradient(parameters)


@for_each_dtype
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("bidirectional", DIRECTIONS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("units", UNITS)
def test_outputs_and_gradients_are_those_of_torch(dtype, depth, bidirectional, pooling, units):
    for batch, inputs in itertools.product(BATCHES, INPUTS):
        problem = make_problem(
            dtype, (units,) * depth, bidirectional, pooling, batch, inputs, outputs=3
        )
        ours, theirs = train_once(problem), torch_round(problem)
        if pooling == "max" and dtype is np.float32:
            # Of two steps that are equal but for rounding, either may be the larger one.
            assert_close(ours[0], theirs[0], TOLERANCE[dtype])
        else:
            assert_agrees(problem, ours, theirs)


# --- All together ---------------------------------------------------------------------------


@pytest.mark.nojit
@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fitted_regressor_predicts_what_the_twin_makes_of_its_weights(X3, y, normalize_y):
    model = small_net(bidirectional=True, normalize_y=normalize_y).fit(X3, 5 + 3 * y)
    names = "input_weights", "recurrent_weights", "biases", "output_weights", "output_bias"
    weights = {name: getattr(model, f"{name}_") for name in names}
    raw, _ = reference.forward(X3, weights, bidirectional=True)
    np.testing.assert_allclose(model.predict(X3), raw[:, 0], rtol=1e-10)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
