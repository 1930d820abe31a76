"""Threads that end whatever happens, and leave no trace in the result."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
from conftest import assert_same_bits
from problems import (
    for_each_dtype,
    make_problem,
    mixed_problem,
    predict,
    train_once,
    use_groups,
    use_threads,
)
from threadpoolctl import threadpool_limits

from sklstm import LSTMRegressor
from sklstm._kernels import tickets
from sklstm._network import plan, spare_threads
from sklstm._network.rounds import Predictor, TwoWay


@pytest.fixture
def two_threads(monkeypatch):
    """Nets of any size use two threads."""
    monkeypatch.setattr(plan, "WORTH_A_THREAD", 0)
    monkeypatch.setattr(plan, "available_threads", lambda: 2)


def waves(n_samples=64):
    X = np.random.RandomState(0).normal(size=(n_samples, 10))
    return X, X.sum(axis=1)


def fit_quietly(model, X, y, **rest):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y, **rest)


@pytest.mark.usefixtures("two_threads")
def test_an_interrupt_that_loses_count_of_sleeping_workers_does_not_hang(
    monkeypatch, workers
):  # fmt: skip
    X, y = waves()
    publish, calls = tickets.publish, []

    def interrupted_publish(control, groups, last):
        calls.append(groups)
        if len(calls) == 5:
            time.sleep(0.3)  # the worker falls asleep
            publish(control, groups, last)
            raise KeyboardInterrupt
        return publish(control, groups, last)

    monkeypatch.setattr(tickets, "publish", interrupted_publish)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = LSTMRegressor(4, max_iter=50, random_state=0).fit(X, y)
    assert calls[4] > 0  # not that of the end
    assert len(workers.started) == 1
    assert workers.all_ended()
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.usefixtures("two_threads")
def test_a_machine_that_has_no_more_threads_fits_with_fewer(monkeypatch):
    X, y = waves()
    expected = fit_quietly(LSTMRegressor(4, max_iter=2, random_state=0), X, y)

    def refuse(function, arguments):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(spare_threads, "start", refuse)
    model = fit_quietly(LSTMRegressor(4, max_iter=2, random_state=0), X, y)
    assert_same_bits(model._weights, expected._weights)


@pytest.mark.usefixtures("two_threads")
def test_an_interrupt_while_threads_start_leaves_none_behind(monkeypatch, workers):
    X, y = waves()
    monkeypatch.setattr(plan, "available_threads", lambda: 4)
    start = spare_threads.start

    def interrupted_start(function, arguments):
        if workers.started:
            raise KeyboardInterrupt
        start(function, arguments)

    model = fit_quietly(LSTMRegressor(4, max_iter=1, random_state=0), X, y)
    assert workers.all_ended()
    workers.started.clear()
    workers.ended.clear()
    monkeypatch.setattr(spare_threads, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        model.predict(np.tile(X, (10, 1)))
    assert len(workers.started) == 1
    assert workers.all_ended()


def test_two_threads_give_the_bits_of_one_with_dropout_and_lengths_that_differ(request):
    X, y = waves(100)
    X = [row[: 1 + i % 10, np.newaxis] for i, row in enumerate(X)]
    model = LSTMRegressor(4, dropout=0.2, recurrent_dropout=0.3, max_iter=2, random_state=0)
    expected = fit_quietly(model, X, y)._weights.copy()
    request.getfixturevalue("two_threads")
    assert_same_bits(fit_quietly(model, X, y)._weights, expected)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_number_of_blas_threads_does_not_change_a_bit(solver):
    # Long enough for BLAS to share sums out among its threads.
    X, y = waves(12_000)
    weight = np.random.RandomState(1).uniform(size=len(y))
    model = LSTMRegressor(60, solver=solver, max_iter=1, batch_size=4000, random_state=0)
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            fits.append(fit_quietly(model, X[:, :3], y, sample_weight=weight)._weights.copy())
    assert_same_bits(*fits)


def test_the_data_outlives_the_kernels_that_know_its_address():
    X, _ = waves()
    from sklstm._forms import Expected
    from sklstm._network.parameters import Architecture
    from sklstm._scaling import as_they_are
    from sklstm._sequences import read_sequences

    sequences = read_sequences(X[:, :, np.newaxis].copy(), Expected(LSTMRegressor()))
    sequences = as_they_are(sequences)
    source = sequences.source
    held = Predictor(Architecture(1, (4,), False, "last", 1), sequences, 8)
    del sequences
    assert held._workers._sequences[0].source is source


# --- Interrupts -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("training", [False, True])
def test_a_round_that_returns_to_see_signals_has_the_same_bits(monkeypatch, n_threads, training):
    problem = mixed_problem(np.float64)
    use_threads(monkeypatch, n_threads)
    round_ = train_once if training else predict
    whole = round_(problem)
    returns, run = [], tickets.run

    def counting_run(*arguments):
        returns.append(run(*arguments))
        return returns[-1]

    monkeypatch.setattr(plan, "segments_at_a_time", lambda *sizes: 1)
    monkeypatch.setattr(tickets, "run", counting_run)
    use_groups(monkeypatch)
    in_parts = round_(problem)
    monkeypatch.setattr(plan, "segments_at_a_time", lambda *sizes: 10**6)
    assert_same_bits(in_parts, round_(problem))
    if n_threads == 1:
        # Groups of several shards are left in their midst, and gone on with. Of two threads, the
        # caller's may come too late for any.
        assert returns.count(False) >= 4
    if not training:
        assert_same_bits(in_parts, whole)


def test_between_two_looks_for_signals_there_is_work_for_a_tenth_of_a_second_at_most():
    for units, steps, rows in (((64,), 100, 400_000), ((512, 512), 1000, 64), ((4,), 20, 10**6)):
        problem = make_problem(units=units, batch=1, steps=2)
        sequences = problem.sequences
        sequences.longest = steps
        sequences.records = np.zeros(rows, sequences.records.dtype)
        at_a_time = plan.segments_at_a_time(problem.architecture, 32 * steps)
        work = sum(4 * u * (i + u) for i, u in problem.architecture.cells)
        assert at_a_time * 32 * steps * work <= max(2e9, 32 * steps * work)


def let_the_caller_wait(monkeypatch):
    """As where a segment takes long: what is the caller's, another thread does."""
    monkeypatch.setattr(plan, "LONG_SEGMENT", 0)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("round_", [predict, train_once])
def test_a_caller_that_waits_has_the_same_bits_and_leaves_no_thread(
    monkeypatch, workers, n_threads, round_
):
    problem = mixed_problem(np.float64)
    use_threads(monkeypatch, n_threads)
    expected = round_(problem)
    n_started = len(workers.started)
    let_the_caller_wait(monkeypatch)
    assert_same_bits(round_(problem), expected)
    assert len(workers.started) > 2 * n_started
    assert workers.all_ended()


def test_a_caller_that_finds_no_thread_to_wait_for_works_itself(monkeypatch):
    problem = mixed_problem(np.float64)
    expected = predict(problem)

    def refuse(function, arguments, **options):
        raise RuntimeError("can't start new thread")

    let_the_caller_wait(monkeypatch)
    monkeypatch.setattr(spare_threads, "start", refuse)
    assert_same_bits(predict(problem), expected)


def test_an_error_of_who_stands_in_is_the_callers(monkeypatch, workers):
    def fail(member, context):
        raise MemoryError("no room")

    let_the_caller_wait(monkeypatch)
    use_threads(monkeypatch, 1)
    monkeypatch.setattr(tickets, "run", fail)
    with pytest.raises(MemoryError, match="no room"):
        predict(mixed_problem(np.float64))
    assert workers.all_ended()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")
def test_who_stands_in_for_an_interrupted_caller_leaves_what_is_undone(monkeypatch, workers):
    problem, run, done = mixed_problem(np.float64), tickets.run, []

    def slow_run(member, context):
        done.append(run(member, context))
        time.sleep(0.05)
        return done[-1]

    let_the_caller_wait(monkeypatch)
    use_threads(monkeypatch, 1)
    predict(problem)
    monkeypatch.setattr(tickets, "run", slow_run)
    to_this = threading.main_thread().ident, signal.SIGINT
    timer = threading.Timer(0.02, signal.pthread_kill, to_this)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            predict(problem)
    finally:
        timer.join()
    assert workers.all_ended()
    # A hundred rows are more shards.
    assert len(done) < 4


@pytest.mark.nojit
@for_each_dtype
def test_a_cell_that_is_given_up_is_left_at_its_next_step(dtype):
    problem = make_problem(dtype, (8, 5), True)
    team = TwoWay(problem.architecture, problem.sequences, len(problem.rows))
    with team:
        team.forward(problem.weights, problem.rows)
        context = team._context
        context.work[:] = 0
        context.gradients[:] = 0
        context.cells["given_up"] = 1
        team.forward(problem.weights, problem.rows)
        for cell in context.cells[:4]:
            for name in ("h", "c", "gates"):
                assert not context.work[:, cell[name] : cell[name] + cell["stride"]].any()
        team.backward(problem.d_raw)
        for cell in context.cells[:4]:
            size = cell["units"] * (cell["inputs"] + 1 + cell["units"])
            assert not context.gradients[:, cell["gradient"] : cell["gradient"] + size].any()


def test_workers_leave_a_team_that_was_dropped_without_a_word(monkeypatch, workers):
    # As an interrupt may drop it, which comes between two lines of Python.
    problem = mixed_problem(np.float64)
    use_threads(monkeypatch, 3)
    dropped = Predictor(problem.architecture, problem.sequences, len(problem.rows))
    dropped.predict(problem.weights, problem.rows)
    assert len(workers.started) == 2
    del dropped
    assert workers.all_ended()


def test_an_interrupt_that_replaces_a_worker_leaves_nobody_to_wait_for(monkeypatch, workers):
    problem = mixed_problem(np.float64)
    use_threads(monkeypatch, 2)
    with Predictor(problem.architecture, problem.sequences, len(problem.rows)) as team:
        team.predict(problem.weights, problem.rows)
        # It leaves by itself, and Ctrl-C comes when the caller has just read so.
        monkeypatch.setattr("sklstm._network.workers.NAP", 1e-3)
        assert workers.all_ended()

        class Interrupted:
            queue = team._workers._left
            put, get, empty = queue.put, queue.get, queue.empty

            def get_nowait(self):
                self.queue.get_nowait()
                raise KeyboardInterrupt

        team._workers._left = Interrupted()
        with pytest.raises(KeyboardInterrupt):
            team.predict(problem.weights, problem.rows)
        left = threading.Thread(target=team.leave, daemon=True)
        left.start()
        left.join(10)
        waits = left.is_alive()
        Interrupted.put(None)  # so that this test ends
        assert not waits


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_replace_those_that_left_its_parent(monkeypatch):
    problem = mixed_problem(np.float64)
    use_threads(monkeypatch, 3)
    with Predictor(problem.architecture, problem.sequences, len(problem.rows)) as team:
        team.predict(problem.weights, problem.rows)
        for member in (1, 2):
            team._workers._left.put(member)  # as they would say that they have left
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            monkeypatch.setattr(spare_threads, "start", lambda *given: started.append(given))
            started = []
            for _ in range(3):
                team.predict(problem.weights, problem.rows)
            os.write(write, repr([arguments[4] for _, arguments in started]).encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as said:
            assert said.read() == "[1, 2]"
        os.waitpid(child, 0)
        for _ in range(2):
            team._workers._left.get()


def test_workers_keep_the_sequences_that_they_read(monkeypatch):
    problem = mixed_problem(np.float64)
    use_threads(monkeypatch, 2)
    started = []
    monkeypatch.setattr(spare_threads, "start", lambda f, arguments: started.append(arguments))
    with Predictor(problem.architecture, problem.sequences, len(problem.rows)) as held:
        held.predict(problem.weights, problem.rows)
        held._workers._left.put(1)  # as it would say that it has left
    assert any(argument is held._workers._sequences for argument in started[0])
    assert not any(argument is held._workers for argument in started[0])
