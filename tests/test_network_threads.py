"""The net's threads: how many there are, how they share the rows, and that they end."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_same_bits
from problems import make_problem, mixed_problem, predict, train_once, use_threads

from sklstm._kernels import tickets as kernels
from sklstm._network import plan, spare_threads
from sklstm._network.plan import count_shards, cut
from sklstm._network.rounds import Predictor, TwoWay

ROOT = Path(__file__).parents[1]
# Nominal sizes.
SHARD_ROWS = (plan.FEW_ROWS, plan.MANY_ROWS, plan.PREDICT_ROWS)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_a_team_whose_workers_fell_asleep_still_works(n_threads, monkeypatch):
    use_threads(monkeypatch, n_threads)
    problem = mixed_problem(np.float64)
    expected = train_once(problem)
    with TwoWay(problem.architecture, problem.sequences, 100) as team:
        for pause in (0, 0.1, 0.002, 0, 0.1, 0.1):
            raw = team.forward(problem.weights, problem.rows)
            time.sleep(pause)
            assert_same_bits((raw, team.backward(problem.d_raw)), expected)
            time.sleep(pause)
        time.sleep(0.1)


@pytest.mark.parametrize("pause", [0, 0.1])
def test_workers_end_with_the_team_even_after_an_error(pause, monkeypatch, workers):
    use_threads(monkeypatch, 3)
    problem = mixed_problem(np.float64)

    def interrupted_round():
        with TwoWay(problem.architecture, problem.sequences, 100) as team:
            team.forward(problem.weights, problem.rows)
            assert (len(workers.started), len(workers.ended)) == (2, 0)
            time.sleep(pause)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_round()
    assert workers.all_ended()


@pytest.mark.parametrize("before", [0, 1])
def test_a_last_round_sends_the_workers_away_and_gives_the_same_bits(before, monkeypatch, workers):
    problem = mixed_problem(np.float64)
    use_threads(monkeypatch, 1)
    expected = predict(problem)
    use_threads(monkeypatch, 3)
    with Predictor(problem.architecture, problem.sequences, 100) as team:
        for _ in range(before):
            assert_same_bits(team.predict(problem.weights, problem.rows), expected)
            assert (len(workers.started), len(workers.ended)) == (2, 0)
        assert_same_bits(team.predict(problem.weights, problem.rows, last=True), expected)
        assert workers.all_ended()
    assert len(workers.started) == 2


def test_a_team_does_not_end_before_its_workers(monkeypatch):
    use_threads(monkeypatch, 3)
    problem, run, ended = mixed_problem(np.float64), kernels.run, []

    def slow_run(member, context):
        finished = run(member, context)
        if member > 0 and finished:
            time.sleep(0.1)
            ended.append(member)
        return finished

    monkeypatch.setattr(kernels, "run", slow_run)
    with TwoWay(problem.architecture, problem.sequences, 100) as team:
        team.forward(problem.weights, problem.rows)
        assert not ended
    assert sorted(ended) == [1, 2]


def test_a_worker_that_an_interrupt_did_not_count_ends_too(monkeypatch, workers):
    use_threads(monkeypatch, 2)
    problem, start = mixed_problem(np.float64), spare_threads.start

    def interrupted_start(function, arguments):
        start(function, arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(spare_threads, "start", interrupted_start)

    def round_with_a_pause():
        with TwoWay(problem.architecture, problem.sequences, 100) as team:
            try:
                team.forward(problem.weights, problem.rows)
            finally:
                time.sleep(0.2)  # the worker falls asleep

    with pytest.raises(KeyboardInterrupt):
        round_with_a_pause()
    assert len(workers.started) == 1
    assert workers.all_ended()


def test_no_work_tells_workers_to_leave_and_nothing_else():
    control = np.zeros(kernels.CREWS, np.int64)
    control[[kernels.GROUPS, kernels.TICKETS, kernels.UNFINISHED, kernels.ASLEEP]] = 5, 3, 4, 1
    assert kernels.publish(control, 0, True) == 1
    # A worker of a round that was given up still reads how many groups there were.
    assert (control[kernels.GROUPS], control[kernels.UNFINISHED]) == (5, 4)
    assert (control[kernels.TICKETS], control[kernels.ASLEEP], control[kernels.STOP]) == (0, 0, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_wait_for_threads_that_it_has_not(monkeypatch):
    use_threads(monkeypatch, 2)
    problem = mixed_problem(np.float64)
    with TwoWay(problem.architecture, problem.sequences, 100) as team:
        team.forward(problem.weights, problem.rows)
        with warnings.catch_warnings():
            # Python 3.12 and later warn of what is tested here.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.alarm(20)
                team.__exit__()
                code = 7
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7


def test_small_rounds_start_no_thread(monkeypatch):
    monkeypatch.setattr(plan, "available_threads", lambda: 8)
    problem = make_problem(units=(4,), batch=33)
    with TwoWay(problem.architecture, problem.sequences, 33) as team:
        assert team.n_threads == 1


def test_no_more_threads_than_groups(monkeypatch):
    use_threads(monkeypatch, 64)
    problem = make_problem(batch=33)
    with TwoWay(problem.architecture, problem.sequences, 33) as team:
        assert team.n_threads == 4


@pytest.mark.parametrize(
    ("dtype", "units", "expected"),
    [
        (np.float32, (64,), plan.FEW_ROWS),
        (np.float32, (128, 300), plan.FEW_ROWS),
        (np.float32, (310,), plan.MANY_ROWS),
        (np.float64, (210, 64), plan.FEW_ROWS),
        (np.float64, (220,), plan.MANY_ROWS),
    ],
)
def test_rows_of_a_shard_are_many_where_weights_leave_the_cache(dtype, units, expected):
    architecture = make_problem(dtype, units).architecture
    assert plan.divide(architecture, np.dtype(dtype), 50, 32, True, True) == (expected, 1)
    assert plan.divide(architecture, np.dtype(dtype), 50, 32, True, False) == (plan.FEW_ROWS, 1)


@pytest.mark.parametrize(
    ("units", "rows", "shared", "expected"),
    [
        ((310, 310), 26, True, 2 * plan.MANY_ROWS),
        # More than one of these; of one layer; if threads may not share; in the cache.
        ((310, 310), 46, True, plan.MANY_ROWS),
        ((310,), 26, True, plan.MANY_ROWS),
        ((310, 310), 26, False, plan.MANY_ROWS),
        ((64, 64), 26, True, plan.FEW_ROWS),
    ],
)
def test_two_directions_of_large_layers_are_one_shard_for_two_threads(
    units, rows, shared, expected
):
    architecture = make_problem(np.float32, units, True).architecture
    divided = plan.divide(architecture, np.dtype(np.float32), 50, rows, True, True, shared)
    assert divided == (expected, 1)


@pytest.mark.parametrize("units", [(8,), (64,), (300,)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("equal_lengths", [True, False])
def test_shards_have_sizes_that_buffers_are_made_for_and_groups_are_few(
    units, training, equal_lengths
):
    architecture = make_problem(np.float32, units).architecture
    for n_rows in range(1, 3000):
        rows, group = plan.divide(
            architecture, np.dtype(np.float32), 200, n_rows, training, equal_lengths
        )
        if rows not in SHARD_ROWS:
            assert training
            assert units == (64,)
            assert 6 <= n_rows <= 11
            # The last minibatch may have fewer.
            sizes = [np.diff([*cut(fewer, rows)]) for fewer in range(1, n_rows + 1)]
            assert min(map(min, sizes)) > 0
            assert max(map(max, sizes)) <= 3 * rows // 2
            assert len(sizes[-1]) == 2
        assert group >= 1
        if training:
            assert count_shards(n_rows, rows) / group <= plan.MOST_GROUPS


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
from sklstm._machine.processor import available_threads

print(available_threads())
numba.set_num_threads(2)
print(available_threads())
"""
    environment = {**os.environ, "NUMBA_NUM_THREADS": "3", "NUMBA_DISABLE_JIT": "0"}
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, capture_output=True
    ).stdout
    assert output.split() == [b"3", b"2"]


@pytest.mark.parametrize("shard_rows", SHARD_ROWS)
def test_shards_are_a_power_of_two_of_about_the_same_size(shard_rows):
    for n_rows in range(1, 2000):
        bounds = list(cut(n_rows, shard_rows))
        sizes = np.diff(bounds)
        assert (bounds[0], bounds[-1]) == (0, n_rows)
        assert len(sizes).bit_count() == 1
        assert sizes.min() > 0
        assert sizes.max() - sizes.min() <= 2
        # what a team's buffers are made for
        assert sizes.max() <= 3 * shard_rows // 2
