"""The net: the same bits in any batch, on any number of threads, whatever memory held before."""

import numpy as np
import pytest
from conftest import assert_same_bits
from problems import (
    LENGTHS,
    POOLINGS,
    for_each_dtype,
    make_problem,
    mixed_problem,
    poison_scratch,
    predict,
    train_once,
    use_groups,
    use_threads,
)

from sklstm._kernels.losses import SQUARED_ERROR
from sklstm._network import plan
from sklstm._network.rounds import Goal, Learner, Predictor, TwoWay


@pytest.fixture(params=[False, True], ids=["groups of a shard", "groups of several"])
def groups(request, monkeypatch):
    """Both ways of a minibatch through the kernels."""
    if request.param:
        use_groups(monkeypatch)


@for_each_dtype
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("units", [(5,), (37, 16), (50,), (128,)])
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


@pytest.mark.usefixtures("groups")
@for_each_dtype
def test_any_number_of_threads_gives_the_same_bits(dtype, monkeypatch):
    problem = mixed_problem(dtype)
    results = []
    for n_threads in (1, 2, 3):
        use_threads(monkeypatch, n_threads)
        with (
            TwoWay(problem.architecture, problem.sequences, 100) as training,
            Predictor(problem.architecture, problem.sequences, 100) as predicting,
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


@pytest.mark.usefixtures("groups")
@for_each_dtype
@pytest.mark.parametrize("units", [(5,), (37, 16), (64,)])
@pytest.mark.parametrize("pieces", [1, 2, 7, 40])
def test_passes_over_all_weights_give_the_same_bits_in_any_pieces(
    dtype, units, pieces, monkeypatch
):
    problem = make_problem(dtype, units, True, "mean", 40, outputs=3, lengths="ragged")
    weights = np.repeat(problem.weights, 2)[::2]  # in no row
    use_threads(monkeypatch, 1)
    expected = train_once(problem)
    use_threads(monkeypatch, 2)
    monkeypatch.setattr(plan, "PIECES", pieces)
    with TwoWay(problem.architecture, problem.sequences, 40) as team:
        assert (team._plan.pieces, team.n_threads) == (2 * pieces, 2)
        for _ in range(3):
            result = team.forward(weights, problem.rows), team.backward(problem.d_raw)
            assert_same_bits(result, expected)


@for_each_dtype
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_rounds_of_one_team_may_have_any_sizes(dtype, n_threads, monkeypatch):
    use_threads(monkeypatch, n_threads)
    problem = mixed_problem(dtype)
    with TwoWay(problem.architecture, problem.sequences, 100) as team:
        for n in (7, 100, 1, 33, 2, 100, 16, 99):
            rows = problem.rows[100 - n :]
            result = team.forward(problem.weights, rows), team.backward(problem.d_raw[rows])
            assert_same_bits(result, train_once(problem, rows))


@pytest.mark.usefixtures("groups")
@for_each_dtype
@pytest.mark.parametrize("units", [(37, 16), (50,), (64,)])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_scratch_memory_may_hold_anything_before(dtype, units, pooling, monkeypatch):
    problem = make_problem(dtype, units, True, pooling, 40, outputs=3, lengths="ragged")
    expected = *train_once(problem), predict(problem)

    poison_scratch(monkeypatch)
    assert_same_bits((*train_once(problem), predict(problem)), expected)


@pytest.mark.usefixtures("groups")
@for_each_dtype
@pytest.mark.parametrize("dropout", [False, True])
def test_learning_in_one_go_has_the_bits_of_forward_and_backward(dtype, dropout, monkeypatch):
    problem, rng, scale = mixed_problem(dtype), np.random.RandomState(2), 0.3
    y, weight = rng.normal(size=(100, 3)).astype(dtype), rng.uniform(size=100).astype(dtype)
    columns = sum(map(sum, problem.architecture.mask_sizes))
    masks = (2 * rng.randint(2, size=(100, columns))).astype(dtype) if dropout else None
    settings = problem.architecture, problem.sequences, 100
    with TwoWay(*settings, dropout, dropout) as team:
        raw = team.forward(problem.weights, problem.rows, masks)
        share = (scale * weight.astype(np.float64)).astype(dtype)[:, np.newaxis]
        expected = team.backward((raw - y) * share)
    poison_scratch(monkeypatch)
    goal = Goal(SQUARED_ERROR, (0.0,), y, weight)
    for n_threads in (1, 2, 3):
        use_threads(monkeypatch, n_threads)
        with Learner(*settings, goal, dropout, dropout) as team:
            assert team.n_threads == n_threads
            for _ in range(5):
                loss, gradient = team.learn(problem.weights, problem.rows, scale, masks)
                assert_same_bits(gradient, expected)
                error = (share * (raw - y) ** 2).sum(dtype=np.float64) / 2
                # sums of 300 numbers, each rounded a few times
                np.testing.assert_allclose(loss, error, rtol=1e-5 if dtype == np.float32 else 1e-13)


def test_a_team_has_the_rounds_alone_that_it_has_memory_for():
    rounds = {"predict", "learn", "forward", "backward"}
    for team, its_own in ((Predictor, "predict"), (Learner, "learn"), (TwoWay, "forward backward")):
        assert rounds & set(dir(team)) == set(its_own.split())


def test_results_of_a_round_are_not_changed_by_the_next():
    problem = mixed_problem(np.float64, batch=40)
    with TwoWay(problem.architecture, problem.sequences, 20) as team:
        raw = team.forward(problem.weights, problem.rows[:20])
        gradient = team.backward(problem.d_raw[:20])
        kept = raw.copy(), gradient.copy()
        team.forward(problem.weights, problem.rows[20:])
        team.backward(problem.d_raw[20:])
    assert_same_bits((raw, gradient), kept)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_nan_in_the_weights_is_seen(pooling):
    problem = make_problem(pooling=pooling)
    problem.weights[-30:-10] = np.nan
    raw = predict(problem)
    # The first step does not read recurrent weights.
    assert np.isnan(raw[:, 1:] if pooling is None else raw).all()
