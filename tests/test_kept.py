"""What predictions keep with a fitted net: it changes nothing but the time of the next call."""

import copy
import gc
import multiprocessing
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from problems import use_threads
from sklearn.base import clone

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._network import plan
from sklstm._network.kept import _POOLS, LEAST_KEPT, pool_of
from sklstm._network.rounds import packed_to_predict

X = np.random.default_rng(0).normal(size=(300, 12, 3))
y = X[:, -1, 0] + X[:, 0, 1]


def fitted(units=8, dtype=np.float64, **parameters):
    model = LSTMRegressor(units, max_iter=2, tol=0, random_state=0, **parameters)
    return model.fit(X.astype(dtype), y)


def kept_bytes(model):
    """What the pool says, which is no less than all its arrays take."""
    pool = pool_of(model._weights)
    arrays = [array for kept in pool._free for array in kept.team._context]
    arrays.extend(array for array in pool._packed.values() if array is not None)
    assert sum({id(array): array.nbytes for array in arrays}.values()) <= pool.nbytes
    return pool.nbytes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", None])
def test_later_calls_give_the_bits_of_a_first_one(dtype, pooling):
    target = y if pooling is not None else X[:, :, 0]
    model = LSTMRegressor((8, 5), bidirectional=True, pooling=pooling, max_iter=1, random_state=0)
    model.fit(X.astype(dtype), target)
    sizes = [1, 1, 7, 1, 300, 7, 300, 300, 1]
    for start, n in enumerate(sizes):
        some = X[start : start + n].astype(dtype)
        first = pickle.loads(pickle.dumps(model)).predict(some)
        np.testing.assert_array_equal(model.predict(some), first)


def test_x_may_go_and_another_come():
    model = fitted(dtype=np.float32)
    expected = model.predict(X.astype(np.float32))
    for i in range(200):
        row = X[i : i + 1].astype(np.float32)
        assert model.predict(row)[0] == expected[i]
        row[:] = np.inf
        del row


def test_other_lengths_strides_and_types_in_between():
    model = LSTMRegressor(8, max_iter=1, random_state=0).fit([*X[:20], *X[20:40, :5]], y[:40])
    one, longer = X[:1], model.predict(X[:1])
    for given in (X[:1, :5], [X[0], X[1, :3]], X[:1].astype(np.float32), X[:1, ::-1], X[:2]):
        first = pickle.loads(pickle.dumps(model)).predict(given)
        np.testing.assert_array_equal(model.predict(given), first)
        np.testing.assert_array_equal(model.predict(one), longer)


def test_a_new_fit_is_seen_at_once():
    model = fitted(warm_start=True)
    calls = [lambda: model.fit(X, y), lambda: model.partial_fit(X, y), lambda: model.fit(-X, y)]
    for call in calls:
        before = model.predict(X[:1])
        call()
        after = model.predict(X[:1])
        assert after != before
        np.testing.assert_array_equal(after, pickle.loads(pickle.dumps(model)).predict(X[:1]))


def test_a_refused_fit_keeps_the_predictions():
    model = fitted()
    before = model.predict(X[:3])
    with pytest.raises(ValueError, match="infinity"):
        model.fit(np.full_like(X, np.inf), y)
    np.testing.assert_array_equal(model.predict(X[:3]), before)


def test_nothing_of_it_is_in_files_copies_and_parameters():
    model = fitted()
    empty = pickle.dumps(model)
    digest = joblib.hash(model)
    model.predict(X)
    model.predict(X[:1])
    assert kept_bytes(model) > 0
    assert pickle.dumps(model) == empty
    assert joblib.hash(model) == digest
    for other in (copy.deepcopy(model), pickle.loads(empty)):
        assert kept_bytes(other) == 0
        np.testing.assert_array_equal(other.predict(X[:2]), model.predict(X[:2]))
    assert vars(clone(model)).keys() == model.get_params().keys()


def test_a_call_changes_no_attribute():
    model = fitted()
    before = dict(vars(model))
    model.predict(X[:1])
    assert vars(model) == before


@pytest.mark.parametrize("units", [8, 100, (64, 64)])
def test_memory_is_at_most_twice_the_weights(units):
    model = fitted(units, np.float32)
    most = max(2 * model._weights.nbytes, LEAST_KEPT)
    for n in (1, 2, 3, 4, 30, 300, 1, 5, 6):
        model.predict(X[:n].astype(np.float32))
        assert 0 < kept_bytes(model) <= most


def test_weights_are_packed_once_for_calls_of_all_sizes_and_forms(monkeypatch):
    model = fitted(24, np.float32)
    rows, packed = X.astype(np.float32), []

    def counted(*arguments):
        packed.append(packed_to_predict(*arguments))
        return packed[-1]

    monkeypatch.setattr("sklstm._network.kept.packed_to_predict", counted)
    expected = model.predict(rows)
    assert kept_bytes(model) > packed[0].nbytes
    for n in (1, 7, 300, 1):
        np.testing.assert_array_equal(model.predict(rows[:n]), expected[:n])
    model.predict([rows[0], rows[1, :5]])
    assert len(packed) == 1
    model.predict(X)  # in float64, of which nothing was packed
    np.testing.assert_array_equal(model.predict(rows), expected)
    assert len(packed) == 1
    model.fit(-rows, y)
    assert not np.array_equal(model.predict(rows), expected)
    assert len(packed) == 2


@pytest.mark.parametrize("units", [24, (40, 40)])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_of_large_teams_all_is_kept_but_threads_and_what_they_compute_in(
    units, n_threads, monkeypatch, workers
):
    use_threads(monkeypatch, n_threads)
    model, rows = fitted(units, np.float32), X.astype(np.float32)
    expected, teams = pickle.loads(pickle.dumps(model)).predict(rows), set()
    for turn in range(4):
        # As an array that is read like one before, and as sequences.
        given = rows if turn < 2 else list(rows)
        np.testing.assert_array_equal(model.predict(given), expected)
        (kept,) = pool_of(model._weights)._free
        assert kept.team.n_threads == n_threads
        assert kept.team._context.work.nbytes == 0 < kept.nbytes < kept.whole
        assert kept_bytes(model) <= max(2 * model._weights.nbytes, LEAST_KEPT)
        assert workers.all_ended()
        teams.add(kept.team)
    assert len(teams) == 1


@pytest.mark.parametrize("n_threads", [1, 3])
def test_another_number_of_threads_leaves_a_team_that_shrank_as_it_is(n_threads, monkeypatch):
    use_threads(monkeypatch, n_threads)
    model, rows = fitted((40, 40), np.float32), X.astype(np.float32)
    expected = [model.predict(rows) for _ in range(2)]
    (kept,) = pool_of(model._weights)._free
    assert kept.team._context.work.size == 0
    for threads in (2, n_threads, 2, n_threads):
        use_threads(monkeypatch, threads)
        monkeypatch.setattr("sklstm._network.kept.threads_for", lambda work, n=threads: n)
        expected.append(model.predict(rows))
        assert kept.team in [each.team for each in pool_of(model._weights)._free]
        assert kept_bytes(model) <= max(2 * model._weights.nbytes, LEAST_KEPT)
    for answer in expected:
        np.testing.assert_array_equal(answer, expected[0])


def test_an_interrupted_prediction_of_a_team_that_shrank_leaves_no_thread(monkeypatch, workers):
    use_threads(monkeypatch, 2)
    model, rows = fitted((40, 40), np.float32), X.astype(np.float32)
    expected = model.predict(rows)
    (kept,) = pool_of(model._weights)._free
    assert kept.team._context.work.size == 0

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("sklstm._network.workers._do_the_callers", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.predict(rows)
    assert len(pool_of(model._weights)._free) == 0
    assert workers.all_ended()
    np.testing.assert_array_equal(model.predict(rows), expected)


def test_threads_that_pack_at_once_share_what_one_has_packed(monkeypatch):
    model, together = fitted(100, np.float32), threading.Barrier(3)

    def packed_together(*arguments):
        packed = packed_to_predict(*arguments)
        together.wait(10)
        return packed

    monkeypatch.setattr("sklstm._network.kept.packed_to_predict", packed_together)
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda n: model.predict(X[:n].astype(np.float32)), (1, 2, 3)))
    for answer in answers:
        np.testing.assert_array_equal(answer, answers[-1][: len(answer)])
    assert len(pool_of(model._weights)._free) > 0
    assert kept_bytes(model) <= 2 * model._weights.nbytes


def test_packed_weights_that_are_too_large_are_not_kept():
    # A column of many inputs is padded to a vector.
    many = np.random.default_rng(0).normal(size=(5, 2, 20_000)).astype(np.float32)
    model = LSTMRegressor(1, max_iter=1, random_state=0).fit(many, many[:, 0, 0])
    expected = model.predict(many)
    for n in (1, 2, 1):
        np.testing.assert_array_equal(model.predict(many[:n]), expected[:n])
        assert kept_bytes(model) <= 2 * model._weights.nbytes


def test_packed_weights_push_out_what_was_kept_of_another_type():
    model = fitted(20, np.float32)
    for n in range(1, 40):
        model.predict(X[:n])
    assert kept_bytes(model) > 0
    model.predict([X[0].astype(np.float32), X[1, :5].astype(np.float32)])
    assert kept_bytes(model) <= max(2 * model._weights.nbytes, LEAST_KEPT)


def test_many_rows_are_not_kept_and_push_nothing_out():
    many = np.zeros((100_000, 12, 3))
    model = fitted()
    model.predict(X[:1])
    before = kept_bytes(model)
    model.predict(many)
    assert kept_bytes(model) == before > 0


def test_models_that_are_dropped_leave_nothing_behind():
    gc.collect()
    pools, threads, kept = len(_POOLS), threading.active_count(), weakref.WeakSet()
    for seed in range(100):
        model = LSTMRegressor(8, max_iter=1, tol=0, random_state=seed).fit(X[:20], y[:20])
        model.predict(X[:1])
        kept.update(each.team for each in pool_of(model._weights)._free)
        assert len(kept) > 0
        assert len(_POOLS) <= pools + 2
    del model
    gc.collect()
    assert len(kept) == 0
    assert len(_POOLS) == pools
    assert threading.active_count() == threads


@pytest.mark.parametrize("n", [1, 40, 300])
def test_threads_may_share_a_model(n):
    model = fitted(24, np.float32)
    rows = X.astype(np.float32)
    expected = model.predict(rows)

    def ask(start):
        start %= len(rows) - n + 1
        return np.array_equal(model.predict(rows[start : start + n]), expected[start : start + n])

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(1000 if n == 1 else 100)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_predicts_with_what_its_parent_kept():
    model = fitted(64, np.float32)
    rows = np.tile(X.astype(np.float32), (4, 1, 1))
    expected = [model.predict(rows), model.predict(rows[:1])]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        answers = pool.map(model.predict, [rows, rows[:1]])
    for answer, wanted in zip(answers, expected, strict=True):
        np.testing.assert_array_equal(answer, wanted)


def test_a_memory_mapped_model_keeps_too(tmp_path):
    model = LSTMClassifier(8, max_iter=1, random_state=0).fit(X, y > 0)
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    for _ in range(3):
        np.testing.assert_array_equal(mapped.predict_proba(X[:2]), model.predict_proba(X[:2]))
    assert kept_bytes(mapped) > 0


def test_threads_leave_after_a_second_without_a_call(monkeypatch, workers):
    monkeypatch.setattr(plan, "available_threads", lambda: 2)
    model = fitted(200, np.float32)
    rows = X[:4].astype(np.float32)
    n_started = len(workers.started)
    expected = model.predict(rows)
    np.testing.assert_array_equal(model.predict(rows), expected)
    assert len(workers.started) == n_started + 1
    assert workers.all_ended()  # while the model is there
    np.testing.assert_array_equal(model.predict(rows), expected)
