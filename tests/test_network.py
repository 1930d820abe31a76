"""The net: outputs and gradients against the twin and PyTorch, and the same bits come what may."""

import dataclasses
import itertools
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, small_net
from scipy import stats
from scipy.optimize import check_grad

from sklstm._kernels.losses import SQUARED_ERROR
from sklstm._kernels.shard import SEQUENCE
from sklstm._network import gradients, sharding
from sklstm._network.layout import aligned
from sklstm._network.parameters import Architecture, initial_weights, named_views, penalized
from sklstm._network.sharding import Goal, Team, cut
from sklstm._training.losses import LOSSES, BinaryLogLoss, MultinomialLogLoss
from sklstm._training.objective import Objective
from sklstm._training.state import Data

ROOT = Path(__file__).parents[1]

N_TIMESTEPS = 4
DTYPES = (np.float32, np.float64)
# What was agreed. Errors are relative to the largest number of an array: the others may be sums
# that cancel.
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-10}
DEPTHS, DIRECTIONS, POOLINGS = (1, 2, 3), (False, True), ("last", "mean")
BATCHES, UNITS, INPUTS = (1, 7, 33), (1, 5, 16, 37, 128), (1, 6)
OUTPUTS, LENGTHS = (1, 3, 17), ("equal", "ragged", "single")

for_each_dtype = pytest.mark.parametrize("dtype", DTYPES)


@dataclasses.dataclass
class Problem:
    """A net, sequences, and the gradient of some loss on its raw outputs."""

    architecture: Architecture
    weights: np.ndarray
    X: np.ndarray
    lengths: np.ndarray
    d_raw: np.ndarray

    @property
    def dtype(self):
        return self.X.dtype

    @property
    def sequences(self):
        """As `Sequences`: where each one is in memory."""
        records = np.empty(len(self.X), SEQUENCE)
        start = self.X.__array_interface__["data"][0]
        records["address"] = start + np.arange(len(self.X)) * self.X.strides[0]
        records["step_stride"], records["feature_stride"] = self.X.strides[1:]
        records["length"] = self.lengths
        return SimpleNamespace(
            records=records,
            dtype=self.dtype,
            longest=max(self.lengths),
            equal_lengths=len(set(self.lengths)) == 1,
        )

    @property
    def rows(self):
        return np.arange(len(self.X))


def make_problem(
    dtype=np.float64, units=(5,), bidirectional=False, pooling="last", batch=7, inputs=3, outputs=1,
    lengths="equal", steps=N_TIMESTEPS, seed=0,
):  # fmt: skip
    """Random numbers for everything; what lies past a sequence's end is NaN."""
    architecture = Architecture(inputs, units, bidirectional, pooling, outputs)
    rng = np.random.RandomState(seed)
    weights = initial_weights(architecture, dtype, 1.0, steps, rng)
    weights += 0.1 * rng.normal(size=weights.shape).astype(dtype)
    X = rng.normal(size=(batch, steps, inputs)).astype(dtype)
    n_steps = {
        "equal": np.full(batch, steps),
        "single": np.ones(batch, int),
        "ragged": rng.permutation(np.arange(batch) % steps + 1),
    }[lengths]
    X[np.arange(steps) >= n_steps[:, np.newaxis]] = np.nan
    d_raw = rng.normal(size=(batch, outputs)).astype(dtype)
    return Problem(architecture, weights, X, n_steps, d_raw)


def train_once(problem, rows=None):
    """The raw outputs and the gradient of one round."""
    rows = problem.rows if rows is None else rows
    with Team(problem.architecture, problem.sequences, len(rows), training=True) as team:
        raw = team.forward(problem.weights, rows)
        return raw, team.backward(problem.d_raw[rows])


def poison_scratch(monkeypatch):
    """Let all memory that is not cleared hold NaN."""

    def poisoned(shape, dtype):
        array = aligned(shape, dtype)
        array[...] = np.nan
        return array

    for module in (sharding, gradients):
        monkeypatch.setattr(module, "aligned", poisoned)


def predict(problem, rows=None):
    rows = problem.rows if rows is None else rows
    with Team(problem.architecture, problem.sequences, len(rows), training=False) as team:
        return team.predict(problem.weights, rows)


def reference_round(problem, input_masks=None, recurrent_masks=None):
    """As `train_once`, by the twin, in float64."""
    raw, trace = reference.forward(
        problem.X.astype(np.float64),
        named_views(problem.architecture, problem.weights.astype(np.float64)),
        bidirectional=problem.architecture.bidirectional,
        pooling=problem.architecture.pooling,
        lengths=problem.lengths,
        input_masks=input_masks,
        recurrent_masks=recurrent_masks,
    )
    return raw, reference.backward(trace, problem.d_raw.astype(np.float64))


def assert_close(actual, expected, tolerance):
    """Errors relative to the largest number."""
    error = np.abs(actual - expected).max()
    assert error <= tolerance * np.abs(expected).max()


def assert_agrees(problem, actual, expected):
    """The raw outputs, and every gradient."""
    (raw, gradient), (expected_raw, expected_gradient) = actual, expected
    assert (raw.dtype, gradient.dtype) == (problem.dtype, problem.dtype)
    tolerance = TOLERANCE[problem.dtype.type]
    assert_close(raw, expected_raw, tolerance)
    gradient = named_views(problem.architecture, gradient)
    assert gradient.keys() == expected_gradient.keys()
    for one, other in zip(flat_list(gradient), flat_list(expected_gradient), strict=True):
        assert_close(one, other, tolerance)


def flat_list(views):
    """All arrays of named views."""
    lists = (view if isinstance(view, list) else [view] for view in views.values())
    return list(itertools.chain(*lists))


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
# All 6480 would take the twin too long.
SAMPLE = [
    dict(zip(FACTORS, values, strict=True))
    for values in random.Random(0).sample(list(itertools.product(*FACTORS.values())), 60)
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
def test_sequences_may_be_long(dtype):
    # more steps than any block of the kernels
    problem = make_problem(dtype, (5,), True, "mean", batch=3, lengths="ragged", steps=200)
    problem.lengths[:] = 200, 131, 1
    problem.X[:] = np.nan_to_num(problem.X)
    assert_agrees(problem, train_once(problem), reference_round(problem))


@for_each_dtype
def test_rows_of_a_round_may_be_any_in_any_order(dtype):
    problem = make_problem(dtype, batch=33, lengths="ragged")
    rows = np.random.RandomState(1).permutation(33)[:20]
    raw, gradient = train_once(problem, rows)
    some = dataclasses.replace(
        problem, X=problem.X[rows], lengths=problem.lengths[rows], d_raw=problem.d_raw[rows]
    )
    assert_same_bits((raw, gradient), train_once(some))


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
def test_memory_of_sequences_may_have_any_form(dtype, form):
    problem = make_problem(dtype)
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
    with Team(problem.architecture, problem.sequences, 7, True, dropout, recurrent) as team:
        raw = team.forward(problem.weights, problem.rows, masks)
        gradient = team.backward(problem.d_raw)
    expected = reference_round(problem, input_masks, recurrent_masks)
    assert_agrees(problem, (raw, gradient), expected)


# --- Against PyTorch ------------------------------------------------------------------------


def torch_net(problem):
    """The raw outputs of torch.nn.LSTM with the same weights, and its parameters by our names."""
    torch = pytest.importorskip("torch")
    # more threads than cores would wait for each other
    torch.set_num_threads(1)
    architecture, X = problem.architecture, torch.from_numpy(problem.X)
    units, depth = architecture.units[0], len(architecture.units)
    weights = named_views(architecture, problem.weights)
    lstm = torch.nn.LSTM(
        architecture.n_features, units, depth, batch_first=True, dtype=X.dtype,
        bidirectional=architecture.bidirectional,
    )  # fmt: skip
    head = torch.nn.Linear(architecture.head_inputs, architecture.n_outputs, dtype=X.dtype)
    # PyTorch has two biases where one would do.
    names = "input_weights", "recurrent_weights", "biases"
    parameters = {
        name: [of_cell[place] for of_cell in lstm.all_weights] for place, name in enumerate(names)
    }
    parameters |= {"output_weights": head.weight, "output_bias": head.bias}
    with torch.no_grad():
        for of_cell in lstm.all_weights:
            of_cell[3].zero_()
        for name, values in weights.items():
            if isinstance(values, list):
                for parameter, value in zip(parameters[name], values, strict=True):
                    parameter.copy_(torch.from_numpy(value))
            else:
                parameters[name].copy_(torch.from_numpy(values))
    hidden, _ = lstm(X)
    if architecture.pooling == "mean":
        pooled = hidden.mean(axis=1)
    else:
        pooled = torch.cat([hidden[:, -1, :units], hidden[:, 0, units:]], axis=1)
    return head(pooled), parameters


def torch_gradient(parameters):
    """The gradients of a dictionary of parameters."""
    return {
        name: [p.grad.numpy() for p in parameter]
        if isinstance(parameter, list)
        else parameter.grad.numpy()
        for name, parameter in parameters.items()
    }


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
        assert_agrees(problem, train_once(problem), torch_round(problem))


# --- The whole loss -------------------------------------------------------------------------


class WholeLoss:
    """The penalised loss that training minimises, as a function of the flat vector of weights."""

    def __init__(self, problem, loss, y, sample_weight, alpha):
        settings = SimpleNamespace(
            loss=loss,
            alpha=alpha,
            optimizer=None,
            batch_size=len(y),
            dropout=0,
            recurrent_dropout=0,
        )
        data = Data(problem.sequences, y, sample_weight, problem.rows)
        self.objective, self.rows = Objective(problem.architecture, data, settings), problem.rows

    def __enter__(self):
        self.objective.__enter__()
        return self

    def __exit__(self, *exception):
        self.objective.__exit__(*exception)

    def value(self, weights):
        return self.objective(weights, self.rows)[1]

    def gradient(self, weights):
        return self.objective(weights, self.rows)[2]


def make_loss(name):
    return LOSSES[name](SimpleNamespace(huber_delta=0.5, quantile=0.3))


@pytest.mark.parametrize("name", list(LOSSES))
def test_gradient_of_the_whole_loss_is_its_derivative(name):
    problem = make_problem(units=(4, 3), bidirectional=True, outputs=2, lengths="ragged")
    y, sample_weight = np.random.RandomState(1).gamma(2, size=(7, 2)), np.linspace(0, 3, 7)
    with WholeLoss(problem, make_loss(name), y, sample_weight, alpha=0.7) as loss:
        error = check_grad(loss.value, loss.gradient, problem.weights)
    # some 400 forward differences of step 1.5e-8, each right to that step and eps / step
    assert error < 2e-6


@pytest.mark.parametrize("name", list(LOSSES))
def test_whole_loss_is_the_weighted_mean_and_the_penalty_on_all_but_biases(name):
    problem = make_problem(units=(4, 3), bidirectional=True, outputs=2, lengths="ragged")
    y, sample_weight = np.random.RandomState(1).gamma(2, size=(7, 2)), np.linspace(0, 3, 7)
    settings = {"huber": {"delta": 0.5}, "quantile": {"quantile": 0.3}}.get(name, {})
    raw, _ = reference_round(problem)
    mean = np.average(
        reference.LOSSES[name].value(raw, y, **settings).mean(axis=1), weights=sample_weight
    )
    views = named_views(problem.architecture, problem.weights)
    penalized_weights = [
        *views["input_weights"],
        *views["recurrent_weights"],
        views["output_weights"],
    ]
    squares = sum((weights**2).sum() for weights in penalized_weights)
    with WholeLoss(problem, make_loss(name), y, sample_weight, alpha=0.7) as loss:
        expected = mean + 0.7 / 2 * squares / sample_weight.sum()
        np.testing.assert_allclose(loss.value(problem.weights), expected, rtol=1e-12)


def labelled_problem(n_classes, **parameters):
    """A net for so many classes; its log loss, targets, labels, and weights of samples."""
    n_outputs = 1 if n_classes == 2 else n_classes
    problem = make_problem(outputs=n_outputs, batch=20, **parameters)
    labels = np.random.RandomState(1).permutation(np.arange(20) % n_classes)
    y = labels[:, np.newaxis].astype(float) if n_classes == 2 else np.eye(n_classes)[labels]
    loss = BinaryLogLoss() if n_classes == 2 else MultinomialLogLoss()
    return problem, loss, y, labels, np.linspace(0, 3, 20)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_gradient_of_the_whole_log_loss_is_its_derivative(n_classes):
    problem, log_loss, y, _, sample_weight = labelled_problem(
        n_classes, units=(4, 3), bidirectional=True, lengths="ragged"
    )
    with WholeLoss(problem, log_loss, y, sample_weight, alpha=0.7) as loss:
        error = check_grad(loss.value, loss.gradient, problem.weights)
    # as of the other losses
    assert error < 2e-6


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("bidirectional", DIRECTIONS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("units", [(5,), (16, 16)])
def test_log_loss_and_gradients_through_the_net_are_those_of_torch(
    n_classes, bidirectional, pooling, units
):
    torch = pytest.importorskip("torch")
    problem, log_loss, y, labels, sample_weight = labelled_problem(
        n_classes, units=units, bidirectional=bidirectional, pooling=pooling
    )
    raw, parameters = torch_net(problem)
    of_torch = torch.nn.functional
    if n_classes == 2:
        values = of_torch.binary_cross_entropy_with_logits(raw, torch.tensor(y), reduction="none")[
            :, 0
        ]
    else:
        values = of_torch.cross_entropy(raw, torch.tensor(labels), reduction="none")
    mean = (torch.tensor(sample_weight / sample_weight.sum()) * values).sum()
    mean.backward()
    with WholeLoss(problem, log_loss, y, sample_weight, alpha=0.0) as loss:
        np.testing.assert_allclose(loss.value(problem.weights), mean.item(), rtol=1e-10)
        gradient = named_views(problem.architecture, loss.gradient(problem.weights))
    expected = torch_gradient(parameters)
    for one, other in zip(flat_list(gradient), flat_list(expected), strict=True):
        assert_close(one, other, TOLERANCE[np.float64])


# --- Bits -----------------------------------------------------------------------------------


def use_threads(monkeypatch, n_threads):
    """Let rounds of any size run in so many threads."""
    monkeypatch.setattr(sharding, "available_threads", lambda: n_threads)
    monkeypatch.setattr(sharding, "WORTH_A_THREAD", 0)


def mixed_problem(dtype, batch=100):
    """All that a net may have, and enough rows for several shards."""
    return make_problem(dtype, (37, 16), True, "mean", batch, outputs=3, lengths="ragged", steps=6)


@for_each_dtype
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("units", [(5,), (37, 16), (128,)])
def test_a_prediction_has_the_same_bits_alone_and_in_any_batch(dtype, lengths, units):
    problem = make_problem(dtype, units, True, "mean", 70, outputs=3, lengths=lengths)
    together = predict(problem)
    orders = [problem.rows[::-1], np.random.RandomState(1).permutation(70), np.zeros(70, int)]
    parts = [
        problem.rows[start : start + n] for n in (1, 2, 3, 31, 33) for start in range(0, 70, n)
    ]
    for rows in orders + parts:
        assert_same_bits(predict(problem, rows), together[rows])


@pytest.mark.nojit
@for_each_dtype
def test_a_prediction_has_the_same_bits_alone_and_in_a_small_batch(dtype):
    problem = make_problem(dtype, (5, 3), True, lengths="ragged")
    together = predict(problem)
    for row in problem.rows:
        assert_same_bits(predict(problem, problem.rows[row : row + 1]), together[row : row + 1])


@for_each_dtype
def test_any_number_of_threads_gives_the_same_bits(dtype, monkeypatch):
    problem = mixed_problem(dtype)
    results = []
    for n_threads in (1, 2, 3):
        use_threads(monkeypatch, n_threads)
        with (
            Team(problem.architecture, problem.sequences, 100, training=True) as training,
            Team(problem.architecture, problem.sequences, 100, training=False) as predicting,
        ):
            assert (training.n_threads, predicting.n_threads) == (n_threads, n_threads)
            results += [
                (
                    training.forward(problem.weights, problem.rows),
                    training.backward(problem.d_raw),
                    predicting.predict(problem.weights, problem.rows),
                )
                for _ in range(20)
            ]
    for result in results[1:]:
        assert_same_bits(result, results[0])


@for_each_dtype
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_rounds_of_one_team_may_have_any_sizes(dtype, n_threads, monkeypatch):
    use_threads(monkeypatch, n_threads)
    problem = mixed_problem(dtype)
    with Team(problem.architecture, problem.sequences, 100, training=True) as team:
        for n in (7, 100, 1, 33, 2, 100, 16, 99):
            rows = problem.rows[100 - n :]
            result = team.forward(problem.weights, rows), team.backward(problem.d_raw[rows])
            assert_same_bits(result, train_once(problem, rows))


@for_each_dtype
@pytest.mark.parametrize("units", [(37, 16), (64,)])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_scratch_memory_may_hold_anything_before(dtype, units, pooling, monkeypatch):
    problem = make_problem(dtype, units, True, pooling, 40, outputs=3, lengths="ragged")
    expected = *train_once(problem), predict(problem)

    poison_scratch(monkeypatch)
    assert_same_bits((*train_once(problem), predict(problem)), expected)


@for_each_dtype
@pytest.mark.parametrize("dropout", [False, True])
def test_learning_in_one_go_has_the_bits_of_forward_and_backward(dtype, dropout, monkeypatch):
    problem, rng, scale = mixed_problem(dtype), np.random.RandomState(2), 0.3
    y, weight = rng.normal(size=(100, 3)).astype(dtype), rng.uniform(size=100).astype(dtype)
    columns = sum(map(sum, problem.architecture.mask_sizes))
    masks = (2 * rng.randint(2, size=(100, columns))).astype(dtype) if dropout else None
    settings = problem.architecture, problem.sequences, 100, True, dropout, dropout
    with Team(*settings) as team:
        raw = team.forward(problem.weights, problem.rows, masks)
        share = (scale * weight.astype(np.float64)).astype(dtype)[:, np.newaxis]
        expected = team.backward((raw - y) * share)
    poison_scratch(monkeypatch)
    for n_threads in (1, 2, 3):
        use_threads(monkeypatch, n_threads)
        with Team(*settings, goal=Goal(SQUARED_ERROR, 0.0, y, weight)) as team:
            assert team.n_threads == n_threads
            for _ in range(5):
                loss, gradient = team.learn(problem.weights, problem.rows, scale, masks)
                assert_same_bits(gradient, expected)
                error = (share * (raw - y) ** 2).sum(dtype=np.float64) / 2
                # sums of 300 numbers, each rounded a few times
                np.testing.assert_allclose(loss, error, rtol=1e-5 if dtype == np.float32 else 1e-13)


def test_a_team_refuses_what_it_has_no_memory_for():
    problem = make_problem(batch=40)
    goal = Goal(SQUARED_ERROR, 0.0, problem.d_raw, np.ones(40))
    with (
        Team(problem.architecture, problem.sequences, 40, True, goal=goal) as learning,
        Team(problem.architecture, problem.sequences, 40, True) as in_two_rounds,
    ):
        with pytest.raises(RuntimeError, match="it can but `learn`"):
            learning.forward(problem.weights, problem.rows)
        with pytest.raises(RuntimeError, match="without a goal"):
            in_two_rounds.learn(problem.weights, problem.rows, 1.0)


def test_results_of_a_round_are_not_changed_by_the_next():
    problem = mixed_problem(np.float64, batch=40)
    with Team(problem.architecture, problem.sequences, 20, training=True) as team:
        raw = team.forward(problem.weights, problem.rows[:20])
        gradient = team.backward(problem.d_raw[:20])
        kept = raw.copy(), gradient.copy()
        team.forward(problem.weights, problem.rows[20:])
        team.backward(problem.d_raw[20:])
    assert_same_bits((raw, gradient), kept)


# --- Threads --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [2, 3])
def test_a_team_whose_workers_fell_asleep_still_works(n_threads, monkeypatch):
    use_threads(monkeypatch, n_threads)
    problem = mixed_problem(np.float64)
    expected = train_once(problem)
    with Team(problem.architecture, problem.sequences, 100, training=True) as team:
        time.sleep(0.1)
        for pause in (0, 0.1, 0.002, 0, 0.1, 0.1):
            raw = team.forward(problem.weights, problem.rows)
            time.sleep(pause)
            assert_same_bits((raw, team.backward(problem.d_raw)), expected)
            time.sleep(pause)
        time.sleep(0.1)


@pytest.mark.parametrize("pause", [0, 0.1])
def test_workers_end_with_the_team_even_after_an_error(pause, monkeypatch):
    use_threads(monkeypatch, 3)
    problem, before = mixed_problem(np.float64), threading.active_count()

    def interrupted_round():
        with Team(problem.architecture, problem.sequences, 100, training=True) as team:
            team.forward(problem.weights, problem.rows)
            assert threading.active_count() == before + 2
            time.sleep(pause)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_round()
    assert threading.active_count() == before


def test_small_rounds_start_no_thread(monkeypatch):
    monkeypatch.setattr(sharding, "available_threads", lambda: 8)
    problem = make_problem(units=(4,), batch=33)
    with Team(problem.architecture, problem.sequences, 33, training=True) as team:
        assert team.n_threads == 1


def test_no_more_threads_than_shards(monkeypatch):
    use_threads(monkeypatch, 64)
    problem = make_problem(batch=33)
    with Team(problem.architecture, problem.sequences, 33, training=True) as team:
        assert team.n_threads == len(cut(33, sharding.SHARD_ROWS)) - 1


def test_many_teams_may_work_at_once(monkeypatch):
    use_threads(monkeypatch, 2)
    problem = mixed_problem(np.float64)
    expected = predict(problem), *train_once(problem)
    results = [None] * 4

    def work(place):
        results[place] = [(predict(problem), *train_once(problem)) for _ in range(5)]

    workers = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in itertools.chain(*results):
        assert_same_bits(result, expected)


def test_number_of_threads_is_that_of_numba():
    code = """
import numba
from sklstm._network.sharding import available_threads

print(available_threads())
numba.set_num_threads(2)
print(available_threads())
"""
    environment = {**os.environ, "NUMBA_NUM_THREADS": "3", "NUMBA_DISABLE_JIT": "0"}
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, capture_output=True
    ).stdout
    assert output.split() == [b"3", b"2"]


@pytest.mark.parametrize("shard_rows", [sharding.SHARD_ROWS, sharding.PREDICT_ROWS])
def test_shards_are_a_power_of_two_of_about_the_same_size(shard_rows):
    for n_rows in range(1, 2000):
        bounds = cut(n_rows, shard_rows)
        sizes = np.diff(bounds)
        assert (bounds[0], bounds[-1]) == (0, n_rows)
        assert len(sizes).bit_count() == 1
        assert sizes.min() > 0
        assert sizes.max() - sizes.min() < shard_rows / 2
        # what the Team's buffers are made for
        assert sizes.max() <= 3 * shard_rows // 2


# --- Parameters -----------------------------------------------------------------------------

ARCHITECTURE = Architecture(3, (6, 5), True, "last", 2)


def test_views_are_the_whole_vector_in_the_conventional_shapes():
    weights = np.zeros(ARCHITECTURE.n_weights)
    views = named_views(ARCHITECTURE, weights)
    inputs_and_units = [(3, 6), (3, 6), (12, 5), (12, 5)]
    assert ARCHITECTURE.cells == inputs_and_units
    assert [a.shape for a in views["input_weights"]] == [(4 * u, n) for n, u in inputs_and_units]
    assert [a.shape for a in views["recurrent_weights"]] == [
        (4 * u, u) for _, u in inputs_and_units
    ]
    assert [a.shape for a in views["biases"]] == [(4 * u,) for _, u in inputs_and_units]
    assert (views["output_weights"].shape, views["output_bias"].shape) == ((2, 10), (2,))
    for view in flat_list(views):
        view += 1
    # each number belongs to exactly one view
    np.testing.assert_array_equal(weights, 1)


def draw(dtype=np.float64, forget_bias=1.0, longest=50, architecture=ARCHITECTURE):
    weights = initial_weights(
        architecture, np.dtype(dtype), forget_bias, longest, np.random.RandomState(0)
    )
    return weights, named_views(architecture, weights)


# Wide enough for statistics of each gate's numbers, in every cell of stacked layers.
WIDE = Architecture(60, (50, 40), True, "last", 30)
# A right distribution gives smaller p-values once in a thousand seeds; the seed is fixed.
UNLIKELY = 1e-3


def gates(matrix):
    """Rows of the gates i, f, g, o."""
    return np.split(matrix, 4)


def assert_uniform(numbers, low, high):
    """In the limits, and as evenly spread as by chance."""
    assert low <= numbers.min()
    assert numbers.max() <= high
    assert stats.kstest(numbers.ravel(), stats.uniform(low, high - low).cdf).pvalue > UNLIKELY


@pytest.mark.parametrize(
    "architecture", [ARCHITECTURE, WIDE, Architecture(1, (200,), False, "last", 1)]
)
def test_initial_recurrent_weights_are_orthogonal_gate_by_gate(architecture):
    for matrix in draw(architecture=architecture)[1]["recurrent_weights"]:
        for gate in gates(matrix):
            np.testing.assert_allclose(gate @ gate.T, np.eye(len(gate)), atol=1e-12)
            np.testing.assert_allclose(gate.T @ gate, np.eye(len(gate)), atol=1e-12)


@pytest.fixture(name="orthogonal", scope="module")
def many_orthogonal_matrices():
    """The recurrent gates of a thousand cells of 5 units."""
    _, views = draw(architecture=Architecture(1, (5,) * 500, True, "last", 1))
    return np.concatenate([np.stack(gates(matrix)) for matrix in views["recurrent_weights"]])


def test_initial_recurrent_weights_are_of_haar_measure_in_each_entry(orthogonal):
    n, units = len(orthogonal), orthogonal.shape[1]
    # An entry of a uniform direction: (q + 1) / 2 is of a beta distribution.
    entry = stats.beta((units - 1) / 2, (units - 1) / 2, loc=-1, scale=2)
    for numbers in orthogonal.reshape(n, -1).T:
        assert stats.kstest(numbers, entry.cdf).pvalue > UNLIKELY
    # 5 standard deviations leave no room for chance.
    np.testing.assert_allclose(orthogonal.mean(axis=0), 0, atol=5 * entry.std() / np.sqrt(n))
    of_squares = np.sqrt(entry.moment(4) - entry.moment(2) ** 2)
    np.testing.assert_allclose(
        np.square(orthogonal).mean(axis=0), 1 / units, atol=5 * of_squares / np.sqrt(n)
    )


def test_initial_recurrent_weights_are_of_haar_measure_as_matrices(orthogonal):
    # What a QR decomposition without signs of its own gets wrong: its diagonals are not symmetric.
    n = len(orthogonal)
    diagonal = np.diagonal(orthogonal, axis1=1, axis2=2)
    half = {"atol": 5 * 0.5 / np.sqrt(n)}
    np.testing.assert_allclose((diagonal > 0).mean(axis=0), 0.5, **half)
    np.testing.assert_allclose((np.linalg.det(orthogonal) > 0).mean(), 0.5, **half)
    # The trace has the first moments of a standard normal number (Diaconis & Shahshahani 1994).
    trace = diagonal.sum(axis=1)
    for power, moment, of_square in ((1, 0, 1), (2, 1, 3)):
        deviation = np.sqrt(of_square - moment**2)
        np.testing.assert_allclose(np.mean(trace**power), moment, atol=5 * deviation / np.sqrt(n))
    # Gates and cells are drawn one independently of the other: their product is uniform too.
    between = (orthogonal[:-1] * orthogonal[1:]).sum(axis=(1, 2))
    np.testing.assert_allclose(between.mean(), 0, atol=5 / np.sqrt(n))
    np.testing.assert_allclose(np.square(between).mean(), 1, atol=5 * np.sqrt(2) / np.sqrt(n))


def test_initial_input_and_output_weights_are_uniform_in_the_limits_of_glorot():
    _, views = draw(architecture=WIDE)
    # Each gate is a matrix of its own.
    matrices = [gate for matrix in views["input_weights"] for gate in gates(matrix)]
    matrices.append(views["output_weights"])
    shapes = [(50, 60)] * 8 + [(40, 100)] * 8 + [(30, 80)]
    for matrix, (fan_out, fan_in) in zip(matrices, shapes, strict=True):
        assert matrix.shape == (fan_out, fan_in)
        limit = np.sqrt(6 / (fan_in + fan_out))
        assert_uniform(matrix, -limit, limit)
        assert np.abs(matrix).max() > 0.99 * limit
        # The variance of Glorot & Bengio; 2400 uniform numbers or more have it to 2 %.
        np.testing.assert_allclose(matrix.var(), 2 / (fan_in + fan_out), rtol=0.08)


@pytest.mark.parametrize("forget_bias", [1.0, -0.5, 3])
def test_initial_biases_are_zero_but_for_the_forget_gate(forget_bias):
    _, views = draw(forget_bias=forget_bias)
    for bias in views["biases"]:
        i, f, g, o = gates(bias)
        np.testing.assert_array_equal(f, forget_bias)
        np.testing.assert_array_equal([i, g, o], 0)
    np.testing.assert_array_equal(views["output_bias"], 0)


@pytest.mark.parametrize("longest", [3, 50, 1000])
def test_chrono_spreads_memory_evenly_up_to_the_longest_sequence(longest):
    architecture = Architecture(1, (500, 400), True, "last", 1)
    _, views = draw(forget_bias="chrono", longest=longest, architecture=architecture)
    assert [len(bias) for bias in views["biases"]] == [2000, 2000, 1600, 1600]
    for bias in views["biases"]:
        i, f, g, o = gates(bias)
        # exp(log(x)) is x but for rounding.
        assert_uniform(np.exp(f), 1 - 1e-12, (longest - 1) * (1 + 1e-12))
        np.testing.assert_array_equal(i, -f)
        np.testing.assert_array_equal([g, o], 0)
    np.testing.assert_array_equal(views["output_bias"], 0)


@pytest.mark.parametrize("longest", [1, 2])
def test_chrono_of_the_shortest_sequences_is_finite(longest):
    assert np.isfinite(draw(forget_bias="chrono", longest=longest)[0]).all()


def test_initial_weights_are_the_same_in_both_dtypes():
    weights, _ = draw(np.float32)
    assert_same_bits(weights, draw(np.float64)[0].astype(np.float32))


def test_penalized_are_all_weights_and_no_bias():
    mask = penalized(ARCHITECTURE, np.float32)
    assert mask.dtype == np.float32
    views = named_views(ARCHITECTURE, mask)
    for name, view in views.items():
        for array in view if isinstance(view, list) else [view]:
            np.testing.assert_array_equal(array, 0 if "bias" in name else 1)


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
