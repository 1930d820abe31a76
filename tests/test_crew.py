"""Threads that share a shard: the same bits as of one alone, and nobody waits for ever."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from conftest import assert_same_bits
from numba import njit
from problems import (
    DIRECTIONS,
    POOLINGS,
    for_each_dtype,
    make_problem,
    predict,
    train_once,
    use_crews,
    use_groups,
    use_short_segments,
    use_threads,
)
from processes import run_warm

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._kernels import counters, crew, tasks
from sklstm._kernels.losses import SQUARED_ERROR
from sklstm._kernels.products import GATES
from sklstm._machine.processor import LINE_BYTES
from sklstm._network import plan
from sklstm._network.layout import make_layout
from sklstm._network.parameters import Architecture
from sklstm._network.rounds import Goal, Learner, Predictor, TwoWay
from sklstm._network.workers import Workers

CREWS = 2, 3, 5, 8


@pytest.fixture
def joined(monkeypatch):
    """How many threads each crew had, in order."""
    sizes, start = [], Workers.run

    def counted(self, groups, last=False):
        start(self, groups, last)
        if self._context.task[tasks.WHAT] >= tasks.PACK:
            return  # a pass over all weights has no crews
        control = self._context.control
        places = range(counters.CREWS, control.size, counters.CREW_SIZE)
        sizes.extend(int(control[place + counters.MEMBERS]) for place in places)

    monkeypatch.setattr(Workers, "run", counted)
    return sizes


def learn_once(problem, dropout=False):
    """The loss and the gradient of one round of a `Learner`."""
    shape = problem.in_a_row(problem.d_raw, problem.rows).shape
    goal = Goal(
        SQUARED_ERROR, (1.0,), np.ones(shape, problem.dtype), np.ones(shape[0], problem.dtype)
    )
    masks = None
    if dropout:
        columns = sum(map(sum, problem.architecture.mask_sizes))
        masks = 2 * np.random.RandomState(0).randint(2, size=(len(problem.rows), columns))
        masks = masks.astype(problem.dtype)
    with Learner(
        problem.architecture, problem.sequences, len(problem.rows), goal, dropout=dropout
    ) as team:
        loss, gradient = team.learn(problem.weights, problem.rows, 0.5, masks)
        return np.array([loss]), gradient.copy()


@for_each_dtype
@pytest.mark.parametrize("bidirectional", DIRECTIONS)
@pytest.mark.parametrize("units", [(37,), (128, 16), (67, 130, 40)])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_crew_of_any_size_has_the_bits_of_one_thread(
    monkeypatch, joined, dtype, bidirectional, units, pooling
):
    problem = make_problem(dtype, units, bidirectional, pooling, 7, outputs=3, lengths="ragged")
    rounds = predict, train_once, learn_once
    use_threads(monkeypatch, 1)
    expected = [round_(problem) for round_ in rounds]
    assert joined == []
    for n_threads in CREWS:
        use_crews(monkeypatch, n_threads)
        for round_, wanted in zip(rounds, expected, strict=True):
            assert_same_bits(round_(problem), wanted)
    # A round each, and two to go forward and back.
    assert joined == [n for n in CREWS for _ in range(4)]


@for_each_dtype
@pytest.mark.parametrize("n_rows", [1, 13, 21, 100])
def test_any_number_of_rows_and_groups(monkeypatch, dtype, n_rows):
    problem = make_problem(dtype, (100,), False, "mean", n_rows, outputs=2, steps=6)
    use_threads(monkeypatch, 1)
    expected = predict(problem), *train_once(problem), *learn_once(problem)
    for n_threads in (2, 8):
        use_crews(monkeypatch, n_threads)
        assert_same_bits((predict(problem), *train_once(problem), *learn_once(problem)), expected)


@for_each_dtype
def test_several_shards_of_a_group(monkeypatch, joined, dtype):
    use_groups(monkeypatch)
    problem = make_problem(dtype, (67, 40), True, "max", 60, lengths="ragged", steps=6)
    use_threads(monkeypatch, 1)
    expected = [train_once(problem), learn_once(problem)]
    use_crews(monkeypatch, 16)
    assert_same_bits([train_once(problem), learn_once(problem)], expected)
    assert set(joined) == {4}


@for_each_dtype
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(("units", "bidirectional"), [((67, 40), False), ((67,), True)])
@pytest.mark.parametrize("dropout", [False, True])
def test_segments_of_steps(monkeypatch, joined, dtype, pooling, units, bidirectional, dropout):
    use_short_segments(monkeypatch)
    problem = make_problem(dtype, units, bidirectional, pooling, 9, lengths="ragged", steps=11)
    use_threads(monkeypatch, 1)
    expected = [predict(problem), learn_once(problem, dropout)]
    for n_threads in CREWS:
        use_crews(monkeypatch, n_threads)
        assert_same_bits([predict(problem), learn_once(problem, dropout)], expected)
    assert joined == [n for n in CREWS for _ in range(2)]


@for_each_dtype
@pytest.mark.parametrize("bidirectional", DIRECTIONS)
def test_dropout_between_layers(monkeypatch, joined, dtype, bidirectional):
    problem = make_problem(dtype, (67, 40), bidirectional, "mean", 9, lengths="ragged", steps=6)
    use_threads(monkeypatch, 1)
    expected = learn_once(problem, dropout=True)
    for n_threads in CREWS:
        use_crews(monkeypatch, n_threads)
        assert_same_bits(learn_once(problem, dropout=True), expected)
    assert joined == list(CREWS)


def test_recurrent_dropout_has_no_crews(monkeypatch, joined):
    X = np.random.default_rng(0).normal(size=(12, 9, 3))
    use_threads(monkeypatch, 1)
    parameters = {"recurrent_dropout": 0.3, "max_iter": 2, "random_state": 0, "tol": 0}
    alone = LSTMRegressor(64, **parameters).fit(X, X[:, 0, 0])
    use_crews(monkeypatch, 4)
    crew = LSTMRegressor(64, **parameters).fit(X, X[:, 0, 0])
    assert_same_bits(crew._weights, alone._weights)
    assert joined == []


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("Estimator", [LSTMRegressor, LSTMClassifier])
def test_whole_fits_have_the_same_bits_on_any_number_of_threads(
    monkeypatch, joined, Estimator, solver
):
    X = np.random.default_rng(0).normal(size=(11, 12, 3)).astype(np.float32)
    y = X[:, -1, 0] + X[:, 0, 1]
    y = np.digitize(y, [-0.5, 0.5]) if Estimator is LSTMClassifier else y
    parameters = {"max_iter": 4, "random_state": 0, "solver": solver, "tol": 0}

    def fitted():
        model = Estimator((137, 40), **parameters).fit(X, y, X_val=X[::2], y_val=y[::2])
        return model._weights, model.predict(X), np.array(model.validation_scores_)

    use_threads(monkeypatch, 1)
    expected = fitted()
    for n_threads in CREWS:
        use_crews(monkeypatch, n_threads)
        assert_same_bits(fitted(), expected)
    assert set(joined) == set(CREWS)


def test_who_comes_late_finds_the_crew_closed(monkeypatch, joined):
    problem = make_problem(np.float64, (100,), batch=5)
    use_threads(monkeypatch, 1)
    expected = predict(problem)
    use_crews(monkeypatch, 4)
    monkeypatch.setattr(plan, "MOST_PATIENCE", 0)  # nobody is waited for
    with Predictor(problem.architecture, problem.sequences, 5) as team:
        for _ in range(300):
            assert_same_bits(team.predict(problem.weights, problem.rows), expected)
    assert len(joined) == 300
    assert 1 in joined


def test_a_machine_that_has_no_more_threads_does_it_alone(monkeypatch, joined):
    problem = make_problem(np.float64, (100,), batch=5)
    expected = predict(problem)
    use_crews(monkeypatch, 4)
    monkeypatch.setattr(plan, "MOST_PATIENCE", 1000)

    def refuse(function, arguments):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("sklstm._network.spare_threads.start", refuse)
    assert_same_bits(predict(problem), expected)
    assert joined == [1]


def test_those_that_are_not_woken_are_not_waited_for(monkeypatch):
    problem = make_problem(np.float64, (200,), batch=1, steps=30)
    monkeypatch.setattr(plan, "available_threads", lambda: 2)
    with Predictor(problem.architecture, problem.sequences, 1) as team:
        task = team._context.task
        assert task[tasks.CREW] == 2
        team.predict(problem.weights, problem.rows)
        assert task[tasks.PATIENT] == 0  # it was yet to start
        deadline = time.monotonic() + 10
        while team._context.control[counters.ASLEEP] == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        team.predict(problem.weights, problem.rows)
        assert task[tasks.PATIENT] == 0


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("round_", [predict, learn_once])
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")
@pytest.mark.parametrize(
    ("units", "bidirectional", "n_threads"), [((256, 256), False, 3), ((256,), True, 4)]
)
def test_an_interrupt_ends_a_crew_in_the_midst_of_a_round(
    monkeypatch, workers, round_, units, bidirectional, n_threads
):
    # Steps for many seconds.
    problem = make_problem(np.float64, units, bidirectional, "mean", batch=4, steps=40_000)
    use_crews(monkeypatch, n_threads)
    timer = threading.Timer(0.5, signal.pthread_kill, (threading.main_thread().ident, 2))
    try:
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            round_(problem)
        assert time.monotonic() - start < 30
    finally:
        timer.join()
    assert workers.all_ended()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_crews_of_its_own(monkeypatch):
    import multiprocessing

    use_crews(monkeypatch, 2)
    monkeypatch.setattr(plan, "MOST_PATIENCE", 10**6)
    X = np.random.default_rng(0).normal(size=(6, 12, 3))
    model = LSTMRegressor(100, max_iter=2, random_state=0).fit(X, X[:, 0, 0])
    expected = model.predict(X)
    assert_same_bits(model.predict(X), expected)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        for answer in pool.map(model.predict, [X, X]):
            assert_same_bits(answer, expected)


@njit
def call_share(cells, line, member, members):
    crew.share(cells, line, member, members, 0)


@for_each_dtype
def test_the_shares_of_a_crew_are_all_units_once_and_nearly_equal(dtype):
    line = LINE_BYTES // np.dtype(dtype).itemsize
    for units, directions in (((5,), 1), ((64, 200), 1), ((67, 33), 2), ((353, 512), 2)):
        architecture = Architecture(3, units, directions == 2, "last", 1)
        layout = make_layout(architecture, np.dtype(dtype), 4, 3, True)
        for members in range(1, 10):
            owners = [np.zeros(cell["width"], int) for cell in layout.cells]
            columns = [[] for _ in layout.cells]
            for member in range(members):
                cells = layout.cells.copy()
                call_share(cells, line, member, members)
                for cell, owned, n in zip(cells, owners, columns, strict=True):
                    begin, end = cell["begin"], cell["end"]
                    owned[begin:end] += 1
                    rest = cell["rest_width"] if end == cell["width"] else 0
                    if cell["mine"]:
                        n.append(GATES * (min(end, cell["full"]) - begin) + rest)
            assert all((owned == 1).all() for owned in owners)
            # Of a line of each gate, or, for the rest, of two: more would wait for the others.
            assert all(max(n) - min(n) <= 2 * GATES * line for n in columns)


def test_rows_are_cut_where_there_are_enough(monkeypatch):
    monkeypatch.setattr(plan, "available_threads", lambda: 2)

    def made(units, rows, training=True, bidirectional=False, steps=50):
        architecture = Architecture(8, units, bidirectional, "last", 1)
        return plan.make_plan(architecture, np.dtype("f4"), steps, rows, training, True)

    assert (made((512,), 32).n_threads, made((512,), 32).crew) == (2, 1)
    assert (made((512,), 16).n_threads, made((512,), 16).crew) == (2, 2)
    assert (made((512,), 1, training=False).n_threads, made((512,), 1).crew) == (2, 2)
    # Of small nets, waiting would take longer than the work that it shares: each has some rows,
    # from some work on.
    assert (made((64,), 11).n_threads, made((64,), 11).crew) == (2, 1)
    assert (made((64,), 5).n_threads, made((64,), 5).crew) == (1, 1)
    assert (made((16,), 11).n_threads, made((16,), 11).crew) == (1, 1)
    # No bit of a prediction depends on how rows are cut: all threads have some, if it is worth it.
    assert made((128,), 40, training=False).most_groups == 2
    assert made((64,), 40, training=False, steps=10).most_groups == 1
    assert made((128,), 40, training=False, bidirectional=True).most_groups == 2
    both = made((128, 128), 40, training=False, bidirectional=True)
    assert (both.most_groups, both.crew) == (1, 2)
    # A direction each is too little for small ones.
    both = made((8, 8), 40, training=False, bidirectional=True, steps=1000)
    assert (both.most_groups, both.n_threads) == (2, 2)
    # The directions of a layer need nothing of each other.
    assert made((64,), 11, bidirectional=True).crew == 2
    # A row takes as long as two, for the weights come no faster.
    assert made((200,), 1, training=False, steps=7).n_threads == 2
    assert made((200,), 2, training=False, steps=5).n_threads == 1
    assert made((200,), 1, steps=7).n_threads == 1
    assert made((100,), 1, training=False).crew == 2
    assert made((100,), 2, training=False).crew == 1
    assert made((80,), 1, training=False).crew == 1
    # A row of 512 units is not much for a round, however many steps it has.
    assert made((512,), 1, training=False, steps=100).at_a_time > 0
    monkeypatch.setattr(plan, "available_threads", lambda: 8)
    assert (made((512,), 32).n_threads, made((512,), 32).crew) == (8, 4)
    assert made((64,), 11, bidirectional=True).crew == 2


def test_two_ways_keep_their_tapes_between_forward_and_back(monkeypatch):
    problem = make_problem(np.float64, (64,), batch=40)
    use_threads(monkeypatch, 1)
    expected = train_once(problem)
    use_crews(monkeypatch, 6)
    with TwoWay(problem.architecture, problem.sequences, 40) as team:
        team.forward(problem.weights, problem.rows[:10])
        raw = team.forward(problem.weights, problem.rows)
        gradient = team.backward(problem.d_raw)
    assert_same_bits((raw, gradient), expected)


@for_each_dtype
def test_a_process_that_knows_one_type_alone_has_crews(dtype):
    # No other test of this process may have made the other type's kernels ready.
    done = run_warm(
        f"""
import numpy as np
from sklstm import LSTMRegressor
from sklstm._network import plan

plan.available_threads = lambda: 2
X = np.random.default_rng(0).normal(size=(16, 30, 3)).astype("{np.dtype(dtype).name}")
model = LSTMRegressor(200, max_iter=2, n_iter_no_change=np.inf).fit(X, X[:, -1, 0])
print(np.isfinite(model.predict(X)).all() and np.isfinite(model.predict(X[:1])).all())
"""
    )
    assert done == "True\n"
