"""Long sequences in segments: the bits of the whole, in little memory, with signals in between."""

import signal
import threading
import tracemalloc

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, ignores_convergence
from problems import (
    POOLINGS,
    assert_agrees,
    assert_close,
    for_each_dtype,
    forward_by_twin,
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
from sklstm._network.layout import round_up
from sklstm._network.rounds import Goal, Learner, Predictor

STEPS = 23


@pytest.fixture(name="short_segments")
def segments_of_three_steps(monkeypatch):
    use_short_segments(monkeypatch)


# One and more layers; and one in both directions.
NETS = [((5,), False), ((11, 6), False), ((4, 9, 3), False), ((11,), True), ((37,), True)]
for_each_net = pytest.mark.parametrize(("units", "bidirectional"), NETS)


def long_problem(
    dtype, units=(11, 6), lengths="ragged", pooling="mean", bidirectional=False, steps=STEPS
):
    return make_problem(
        dtype, units, bidirectional, pooling, batch=70, outputs=2, lengths=lengths, steps=steps
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
@for_each_net
def test_a_prediction_has_the_bits_of_the_whole(
    request, dtype, lengths, pooling, units, bidirectional
):
    problem = long_problem(dtype, units, lengths, pooling, bidirectional)
    whole = predict(problem)
    request.getfixturevalue("short_segments")
    assert_same_bits(predict(problem), whole)


@for_each_dtype
@pytest.mark.parametrize("lengths", ["equal", "ragged"])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dropout", [False, True])
@for_each_net
def test_learning_has_the_loss_and_the_exact_gradient(
    request, dtype, lengths, pooling, dropout, units, bidirectional
):
    problem = long_problem(dtype, units, lengths, pooling, bidirectional)
    loss, gradient = learn(problem, dropout=dropout)
    request.getfixturevalue("short_segments")
    loss_in_segments, in_segments = learn(problem, rounds=2, dropout=dropout)
    assert loss_in_segments == loss
    # The same products, added up in another order.
    assert_close(in_segments, gradient, {np.float32: 1e-5, np.float64: 1e-12}[dtype])
    assert (in_segments != gradient).any()


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize(
    "steps", [*range(1, 8), pytest.param(8, marks=pytest.mark.nojit), *range(9, 14)]
)
@pytest.mark.parametrize("lengths", ["equal", "ragged"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_two_directions_agree_with_the_twin_whatever_the_length(steps, lengths, pooling):
    problem = make_problem(
        np.float64, (5,), True, pooling, 13, outputs=2, lengths=lengths, steps=steps
    )
    raw, trace = forward_by_twin(problem)
    expected = reference.backward(trace, problem.d_raw)
    # The gradient of this loss at this net is `d_raw`, where there is an output.
    targets = problem.in_a_row(raw - problem.d_raw, problem.rows)
    goal = Goal(SQUARED_ERROR, (0.0,), targets, np.ones(len(targets)))
    with Learner(problem.architecture, problem.sequences, len(problem.rows), goal) as learner:
        _, gradient = learner.learn(problem.weights, problem.rows, 1.0)
    assert_agrees(problem, (predict(problem), gradient), (raw, expected))


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_gradient_of_two_directions_is_the_derivative_of_the_loss(pooling):
    problem = long_problem(np.float64, (3,), pooling=pooling, bidirectional=True, steps=8)
    _, gradient = learn(problem)
    step = 1e-6
    for place in range(0, len(problem.weights), 7):
        losses, weight = [], problem.weights[place]
        for sign in (1, -1):
            problem.weights[place] = weight + sign * step
            losses.append(learn(problem)[0])
        problem.weights[place] = weight
        # The error of central differences: step**2, and rounding divided by the step.
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(
            gradient[place], rel=1e-6, abs=1e-7
        )


@for_each_dtype
@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_row_alone_has_the_bits_that_it_has_among_others(dtype, pooling):
    problem = long_problem(dtype, (37,), "ragged", pooling, True)
    whole = predict(problem)
    for row in range(0, 70, 9):
        alone = predict(problem, problem.rows[row : row + 1])
        assert_same_bits(alone, whole[row : row + 1, : alone.shape[1]])


@for_each_dtype
@pytest.mark.parametrize("at_a_time", [1, 10**12])
@pytest.mark.parametrize(("units", "bidirectional"), [((11, 6), False), ((11,), True)])
@pytest.mark.parametrize("pooling", ["last", "mean", None])
def test_the_bits_do_not_depend_on_threads_or_signals(
    monkeypatch, short_segments, dtype, at_a_time, units, bidirectional, pooling
):
    problem = long_problem(dtype, units, "ragged", pooling, bidirectional)
    use_threads(monkeypatch, 1)
    expected = learn(problem), predict(problem)
    monkeypatch.setattr(plan, "BETWEEN_SIGNALS", at_a_time)
    for n_threads in (1, 2, 3, 5, 8):
        use_threads(monkeypatch, n_threads)
        assert_same_bits(learn(problem), expected[0])
        assert_same_bits(predict(problem), expected[1])


@pytest.mark.usefixtures("short_segments")
@for_each_dtype
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(("units", "bidirectional"), [((11, 6), False), ((37,), True)])
def test_what_memory_held_before_does_not_matter(monkeypatch, dtype, pooling, units, bidirectional):
    problem = long_problem(dtype, units, "ragged", pooling, bidirectional)
    expected = *learn(problem, dropout=True), predict(problem)
    poison_scratch(monkeypatch)
    assert_same_bits((*learn(problem, dropout=True), predict(problem)), expected)


def test_sequences_that_fit_are_one_segment():
    architecture, dtype = make_problem(np.float32, (64,)).architecture, np.dtype(np.float32)
    for training, steps in ((False, 1), (False, 50), (True, 1), (True, 1000)):
        chosen = plan.make_plan(architecture, dtype, steps, 128, training, True)
        assert (chosen.segments, chosen.steps) == (1, steps)


def test_a_prediction_has_more_threads_where_they_save_more_than_they_cost(monkeypatch):
    # Of 32 units, which fill vectors of any processor.
    architecture, dtype = make_problem(np.float32, (32,)).architecture, np.dtype(np.float32)

    def count_threads(available, rows, training=False):
        monkeypatch.setattr(plan, "available_threads", lambda: available)
        return plan.make_plan(architecture, dtype, 14, rows, training, True).n_threads

    assert [count_threads(2, rows) for rows in (64, 128, 256)] == [1, 1, 2]
    # More of them share the work, while each starts as the first does; some have no rows.
    assert [count_threads(8, rows) for rows in (64, 128, 256)] == [1, 4, 8]
    # Threads that train start once.
    assert count_threads(2, 128, training=True) == 2


def test_a_prediction_of_few_rows_takes_no_more_memory_than_the_weights():
    for units in ((64,), (200,), (400, 300)):
        problem = make_problem(np.float32, units, batch=16, steps=100)
        with Predictor(problem.architecture, problem.sequences, 16) as team:
            assert team.nbytes < 2 * problem.weights.nbytes + LEAST_KEPT


@pytest.mark.parametrize("training", [False, True])
def test_two_directions_of_one_layer_are_cut_and_of_two_are_not(training):
    dtype = np.dtype(np.float32)
    for units, cut in (((64,), True), ((64, 64), False)):
        architecture = make_problem(dtype, units, bidirectional=True).architecture
        chosen = plan.make_plan(architecture, dtype, 100_000, 8, training, True)
        assert (chosen.segments > 1) == cut
    # What takes less than 64 MB is whole, where it would be read twice.
    architecture = make_problem(dtype, (64,), bidirectional=True, pooling="mean").architecture
    assert plan.make_plan(architecture, dtype, 1000, 8, training, True).segments == 1


@pytest.mark.parametrize(("units", "megabytes"), [(306, 64), (307, 128)])
def test_a_tape_may_take_twice_as_much_if_weights_do_not_stay_in_the_cache(units, megabytes):
    architecture = make_problem(np.dtype(np.float32), (units,)).architecture
    padded = round_up(units, np.dtype(np.float32))
    rows = plan.make_plan(architecture, np.dtype(np.float32), 10, 64, True, True).most_rows
    step = (architecture.cells[0][0] + 1 + 9 * padded) * rows * 4
    steps = megabytes * 1_000_000 // step
    for longest, is_whole in ((steps, True), (steps + 1, False)):
        cut = plan.make_plan(architecture, np.dtype(np.float32), longest, 64, True, True)
        assert (cut.segments == 1) == is_whole


# --- On the defaults ------------------------------------------------------------------------


def recordings(n_steps, n=8):
    return np.random.RandomState(0).normal(size=(n, n_steps, 1)).astype(np.float32)


def peak_memory(X, **parameters):
    """Of a fit and a prediction, beside X itself."""
    model = LSTMRegressor(max_iter=1, random_state=0, **parameters)
    y = X[:, :, 0] if model.pooling is None else X[:, -1, 0]
    tracemalloc.start()
    try:
        model.fit(X, y).predict(X)
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
def test_nor_that_of_two_directions():
    net = {"bidirectional": True, "hidden_layer_sizes": 32, "pooling": "mean"}
    short, long = recordings(10_000), recordings(40_000)
    peak_memory(short[:, :10], **net)
    peaks = [peak_memory(X, **net) - 5 * X.size for X in (short, long)]
    # A tape is of 9 numbers for each unit.
    assert peaks[1] < 2 * 9 * 32 * long.nbytes / 20
    assert peaks[1] < 2.5 * max(peaks[0], 1e6)


@ignores_convergence
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")
@pytest.mark.parametrize("method", ["fit", "predict"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_signal_is_seen_within_one_very_long_sequence(method, bidirectional):
    X = recordings(100_000 if bidirectional else 200_000, 2)
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
