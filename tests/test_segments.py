"""Long sequences in segments: the bits of the whole, in little memory, with signals in between."""

import signal
import threading
import tracemalloc

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from problems import (
    POOLINGS,
    assert_close,
    for_each_dtype,
    make_problem,
    poison_scratch,
    predict,
    use_short_segments,
    use_threads,
)

from sklstm import LSTMRegressor
from sklstm._kernels.losses import SQUARED_ERROR
from sklstm._network import plan
from sklstm._network.kept import LEAST_KEPT
from sklstm._network.rounds import Goal, Learner, Predictor

STEPS = 23


@pytest.fixture(name="short_segments")
def segments_of_three_steps(monkeypatch):
    use_short_segments(monkeypatch)


def long_problem(dtype, units=(11, 6), lengths="ragged", pooling="mean"):
    return make_problem(
        dtype, units, False, pooling, batch=70, outputs=2, lengths=lengths, steps=STEPS
    )


def learn(problem, rounds=1, dropout=False):
    """Loss and gradient of a squared error whose targets are those of the problem."""
    rng = np.random.RandomState(1)
    targets = problem.in_a_row(problem.d_raw, problem.rows)
    weight = rng.uniform(size=len(targets)).astype(problem.dtype)
    weight[::5] = 0
    columns = sum(map(sum, problem.architecture.mask_sizes))
    masks = 2 * rng.randint(2, size=(len(problem.rows), columns)).astype(problem.dtype)
    masks = masks if dropout else None
    goal = Goal(SQUARED_ERROR, (0.0,), targets, weight)
    data = problem.architecture, problem.sequences, len(problem.rows)
    with Learner(*data, goal, dropout, dropout) as learner:
        for _ in range(rounds):
            loss, gradient = learner.learn(problem.weights, problem.rows, 0.1, masks)
    return loss, gradient.copy()


@pytest.mark.nojit
@for_each_dtype
@pytest.mark.parametrize("lengths", ["equal", "ragged"])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("units", [(5,), (11, 6), (4, 9, 3)])
def test_a_prediction_has_the_bits_of_the_whole(request, dtype, lengths, pooling, units):
    problem = long_problem(dtype, units, lengths, pooling)
    whole = predict(problem)
    request.getfixturevalue("short_segments")
    assert_same_bits(predict(problem), whole)


@for_each_dtype
@pytest.mark.parametrize("lengths", ["equal", "ragged"])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("units", [(5,), (11, 6), (4, 9, 3)])
def test_learning_has_the_loss_and_the_exact_gradient(
    request, dtype, lengths, pooling, dropout, units
):
    problem = long_problem(dtype, units, lengths, pooling)
    loss, gradient = learn(problem, dropout=dropout)
    request.getfixturevalue("short_segments")
    loss_in_segments, in_segments = learn(problem, rounds=2, dropout=dropout)
    assert loss_in_segments == loss
    # The same products, added up in another order.
    assert_close(in_segments, gradient, {np.float32: 1e-5, np.float64: 1e-12}[dtype])
    assert (in_segments != gradient).any()


@for_each_dtype
@pytest.mark.parametrize("at_a_time", [1, 10**12])
def test_the_bits_do_not_depend_on_threads_or_signals(
    monkeypatch, short_segments, dtype, at_a_time
):
    problem = long_problem(dtype)
    use_threads(monkeypatch, 1)
    expected = learn(problem), predict(problem)
    monkeypatch.setattr(plan, "BETWEEN_SIGNALS", at_a_time)
    for n_threads in (1, 2, 3):
        use_threads(monkeypatch, n_threads)
        assert_same_bits(learn(problem), expected[0])
        assert_same_bits(predict(problem), expected[1])


@pytest.mark.usefixtures("short_segments")
@for_each_dtype
@pytest.mark.parametrize("pooling", POOLINGS)
def test_what_memory_held_before_does_not_matter(monkeypatch, dtype, pooling):
    problem = long_problem(dtype, pooling=pooling)
    expected = *learn(problem, dropout=True), predict(problem)
    poison_scratch(monkeypatch)
    assert_same_bits((*learn(problem, dropout=True), predict(problem)), expected)


def test_sequences_that_fit_are_one_segment():
    architecture, dtype = make_problem(np.float32, (64,)).architecture, np.dtype(np.float32)
    for training, steps in ((False, 1), (False, 50), (True, 1), (True, 1000)):
        chosen = plan.make_plan(architecture, dtype, steps, 128, training, True)
        assert (chosen.segments, chosen.steps) == (1, steps)


def test_a_prediction_of_few_rows_takes_no_more_memory_than_the_weights():
    for units in ((64,), (200,), (400, 300)):
        problem = make_problem(np.float32, units, batch=16, steps=100)
        with Predictor(problem.architecture, problem.sequences, 16) as team:
            assert team.nbytes < 2 * problem.weights.nbytes + LEAST_KEPT


def test_two_directions_are_one_segment():
    problem = make_problem(np.float32, (64,), bidirectional=True)
    dtype = np.dtype(np.float32)
    chosen = plan.make_plan(problem.architecture, dtype, 100_000, 8, True, True)
    assert (chosen.segments, chosen.steps) == (1, 100_000)


# --- On the defaults ------------------------------------------------------------------------


def recordings(n_steps, n=8):
    return np.random.RandomState(0).normal(size=(n, n_steps, 1)).astype(np.float32)


def peak_memory(X):
    """Of a fit and a prediction, beside X itself."""
    tracemalloc.start()
    try:
        LSTMRegressor(max_iter=1, random_state=0).fit(X, X[:, -1, 0]).predict(X)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@ignores_convergence
def test_memory_hardly_grows_with_the_steps():
    short, long, whole = recordings(20_000), recordings(80_000), recordings(3_000)
    peak_memory(short[:, :10])
    peaks = [peak_memory(X) for X in (whole, short, long)]
    # Each looks for NaN in its own X, a number of 4 bytes and a flag of 1, and copies neither.
    peaks = [peak - 5 * X.size for peak, X in zip(peaks, (whole, short, long), strict=True)]
    assert peaks[0] > 25e6  # a tape of a seventh of the steps, which is whole
    assert max(peaks[1:]) < peaks[0] / 5
    assert peaks[2] < 2.5 * max(peaks[1], 1e6)


@ignores_convergence
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")
@pytest.mark.parametrize("method", ["fit", "predict"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_signal_is_seen_within_one_very_long_sequence(method, bidirectional):
    # Two directions have a tape of all steps.
    X = recordings(30_000 if bidirectional else 200_000, 2)
    y = X[:, -1, 0]
    net = {"bidirectional": bidirectional, "max_iter": 1, "random_state": 0}
    model = LSTMRegressor(**net).fit(X[:, :10], y)
    model.n_timesteps_ = None
    seen, done = [], threading.Event()
    previous = signal.signal(signal.SIGUSR1, lambda *_: seen.append(done.is_set()))

    def send():
        while not done.wait(0.01):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        if method == "fit":
            LSTMRegressor(**net).fit(X, y)
        else:
            model.predict(X)
    finally:
        done.set()
        sender.join()
        signal.signal(signal.SIGUSR1, previous)
    # Those that come while none is answered count as one.
    assert seen.count(False) >= 3
