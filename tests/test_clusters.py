"""Estimators on workers of dask and ray: the bits of one process, threads that share a machine.

`test_promises_of_past_one_machine.py` runs the recipes. Warnings of other libraries are their own.
"""

import os
import signal
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from clusters import available, environment_for_ray, is_warm, threads_of_a_fit
from conftest import assert_same_bits, small_net
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

import sklstm
from sklstm import LSTMClassifier, LSTMRegressor, sliding_windows

pytestmark = pytest.mark.filterwarnings("ignore")

RNG = np.random.RandomState(0)
X = RNG.normal(size=(90, 8, 2))
Y = X[:, -1, 0] + X[:, -2, 1]
LABELS = np.array(["down", "level", "up"])[np.digitize(Y, [-0.5, 0.5])]
TABLE = X.reshape(len(X), -1)
RAGGED = [rows[: 3 + place % 6] for place, rows in enumerate(X)]
WINDOWS, TARGETS = sliding_windows([X[:, 0, 0], X[:60, 1, 0]], 12)


def small_classifier():
    return LSTMClassifier(4, max_iter=3, random_state=0)


FORMS = {
    "3-D": (small_net, X, Y),
    "2-D": (lambda: small_net(n_timesteps=8), TABLE, Y),
    "a list": (small_net, RAGGED, Y),
    "windows of many series": (small_net, WINDOWS, TARGETS),
    "a classifier": (small_classifier, X, LABELS),
}


def search(form):
    """What a search and a cross-validation find."""
    make, X, y = FORMS[form]
    found = GridSearchCV(make(), {"hidden_layer_sizes": [2, 4]}, cv=3).fit(X, y)
    weights = found.best_estimator_._weights
    scores = cross_val_score(make(), X, y, cv=3)
    return found.best_params_, found.cv_results_["mean_test_score"], weights, scores


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray")
    # Functions of the tests, which are sent by name.
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with environment_for_ray():
        ray.init(
            num_cpus=2, include_dashboard=False, object_store_memory=100e6, log_to_driver=False,
            runtime_env={"env_vars": {"PYTHONPATH": paths}},
        )  # fmt: skip
        yield ray
        ray.shutdown()


# --- dask -----------------------------------------------------------------------------------


def test_workers_of_dask_warm_up_and_say_where_machine_code_is(client):
    folders = client.run(sklstm.warm_up, ["float64"])
    assert len(folders) == 2
    assert set(folders.values()) == {sklstm.warm_up(["float64"])}
    assert all(client.run(is_warm).values())


@pytest.mark.parametrize("form", FORMS)
def test_joblib_on_dask_has_the_bits_of_one_process(client, form):
    with joblib.parallel_config("dask"):
        found = search(form)
    assert_same_bits(found, search(form))


def test_workers_of_dask_have_a_thread_for_each_of_theirs(client):
    assert client.gather([client.submit(threads_of_a_fit, pure=False) for _ in range(4)]) == [1] * 4
    assert list(client.run(available).values()) == [1, 1]


def test_so_do_those_that_are_threads_of_this_process():
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 1, "threads_per_worker": 2, "processes": False}
    with (
        distributed.LocalCluster(**settings, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        assert client.gather([client.submit(available, pure=False) for _ in range(2)]) == [1, 1]


@pytest.mark.parametrize("make", [small_net, small_classifier])
def test_a_model_goes_to_a_worker_of_dask_and_comes_back(client, make):
    y = Y if make is small_net else LABELS
    here = make().fit(X, y)
    there = client.submit(make().fit, X, y).result()
    assert_same_bits(there._weights, here._weights)
    assert_same_bits(client.submit(here.predict, X).result(), here.predict(X))


def test_errors_of_a_worker_of_dask_are_ours(client):
    with pytest.raises(ValueError, match="expecting 8 timesteps of 2 features"):
        client.submit(small_net().fit(X, Y).predict, X[:, :, :1]).result()


def blocks(da, X, rows=40):
    return da.from_array(X, chunks=(rows, *(-1 for _ in X.shape[1:])))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_map_blocks_predicts_3_d_arrays(client, dtype):
    da = pytest.importorskip("dask.array")
    data = X.astype(dtype)
    data[::3, 5:] = np.nan
    model = small_net().fit(data, Y)
    answers = blocks(da, data).map_blocks(model.predict, drop_axis=(1, 2), dtype=dtype)
    assert_same_bits(answers.compute(), model.predict(data))


def test_map_blocks_predicts_several_outputs_labels_and_each_step(client):
    da = pytest.importorskip("dask.array")
    sequences = blocks(da, X)
    model = small_net().fit(X, np.column_stack([Y, -Y]))
    answers = sequences.map_blocks(
        model.predict, drop_axis=(1, 2), new_axis=1, chunks=(sequences.chunks[0], 2), dtype=float
    )
    assert answers.shape == (90, 2)
    assert_same_bits(answers.compute(), model.predict(X))
    model = small_net(pooling=None).fit(X, X[:, :, 0])
    answers = sequences.map_blocks(model.predict, drop_axis=2, dtype=float)
    assert answers.shape == (90, 8)
    assert_same_bits(answers.compute(), model.predict(X))
    model = small_classifier().fit(X, LABELS)
    answers = sequences.map_blocks(
        model.predict, drop_axis=(1, 2), dtype=model.classes_.dtype
    ).compute()
    assert_same_bits(answers, model.predict(X))


def test_dask_ml_learns_and_predicts_2_d_chunk_by_chunk(client):
    wrappers = pytest.importorskip("dask_ml.wrappers")
    da = pytest.importorskip("dask.array")
    table, targets, labels = blocks(da, TABLE), blocks(da, Y), blocks(da, LABELS)
    for make, y, chunks, classes in [
        (LSTMRegressor, Y, targets, {}),
        (LSTMClassifier, LABELS, labels, {"classes": np.unique(LABELS)}),
    ]:
        net = make(4, n_timesteps=8, random_state=0)
        incremental = wrappers.Incremental(net, shuffle_blocks=False)
        incremental.fit(table, chunks, **classes)
        alone = make(4, n_timesteps=8, random_state=0)
        for start in range(0, 90, 40):
            rows = slice(start, start + 40)
            alone.partial_fit(TABLE[rows], y[rows], **classes)
        assert_same_bits(incremental.estimator_._weights, alone._weights)
        assert_same_bits(incremental.predict(table).compute(), alone.predict(TABLE))
        wrapped = wrappers.ParallelPostFit(alone)
        assert_same_bits(wrapped.predict(table).compute(), alone.predict(TABLE))
        assert wrapped.score(table, chunks) == pytest.approx(alone.score(TABLE, y), rel=1e-12)
    probabilities = wrapped.predict_proba(table).compute()
    assert_same_bits(probabilities, alone.predict_proba(TABLE))


def test_dask_ml_does_not_take_3_d(client):
    # Once it does, the page can say so.
    wrappers = pytest.importorskip("dask_ml.wrappers")
    da = pytest.importorskip("dask.array")
    sequences = blocks(da, X)
    with pytest.raises(ValueError, match="could not convert string to float"):
        wrappers.Incremental(small_net()).fit(sequences, blocks(da, Y))
    with pytest.raises(ValueError, match="8 timesteps of 1 features"):
        wrappers.ParallelPostFit(small_net().fit(X, Y)).predict(sequences)


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition):
    patience = time.monotonic() + 60
    while not condition() and time.monotonic() < patience:
        time.sleep(0.05)
    assert condition()


def test_a_fit_whose_worker_is_killed_ends_elsewhere_with_the_same_bits(client, tmp_path):
    def fit():
        # It says who fits; the first one then waits to be killed.
        first = not list(tmp_path.iterdir())
        (tmp_path / str(os.getpid())).touch()
        net = LSTMRegressor(16, max_iter=100_000 if first else 20, tol=0, random_state=0)
        return net.set_params(n_iter_no_change=np.inf).fit(X, Y)

    future = client.submit(fit, pure=False)
    wait_until(lambda: list(tmp_path.iterdir()))
    (pid,) = (int(path.name) for path in tmp_path.iterdir())
    time.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    alone = LSTMRegressor(16, max_iter=20, tol=0, n_iter_no_change=np.inf, random_state=0)
    assert_same_bits(future.result(timeout=60)._weights, alone.fit(X, Y)._weights)
    wait_until(lambda: not exists(pid))
    folder = Path(sklstm.warm_up(["float64"]))
    assert list(folder.glob("unfinished-*")) == []
    wait_until(lambda: len(client.scheduler_info()["workers"]) == 2)


# --- ray ------------------------------------------------------------------------------------


def test_a_search_on_ray_has_the_bits_of_one_process(ray):
    pytest.importorskip("ray.util.joblib").register_ray()
    make, X, y = FORMS["a list"]
    finder = GridSearchCV(make(), {"hidden_layer_sizes": [2, 4]}, cv=3)
    with joblib.parallel_config("ray", n_jobs=2):
        found = finder.fit(X, y).cv_results_["mean_test_score"]
    assert_same_bits(found, finder.fit(X, y).cv_results_["mean_test_score"])


def test_cross_validation_on_ray_has_the_bits_of_one_process(ray):
    pytest.importorskip("ray.util.joblib").register_ray()
    scoring = {"accuracy": "accuracy", "threads": lambda net, X, y: available()}
    with joblib.parallel_config("ray", n_jobs=2):
        found = cross_validate(small_classifier(), X, LABELS, cv=3, scoring=scoring)
    alone = cross_val_score(small_classifier(), X, LABELS, cv=3)
    assert_same_bits(found["test_accuracy"], alone)
    assert found["test_threads"].tolist() == [1, 1, 1]


def test_tasks_of_ray_have_as_many_threads_as_processors(ray):
    ask = ray.remote(available)
    both = min(2, os.cpu_count())
    answers = [ask.options(num_cpus=n).remote() for n in (1, 2, 1)]
    assert ray.get(answers) == [1, both, 1]
    assert ray.get(ray.remote(threads_of_a_fit).remote()) == 1


def test_a_model_goes_to_a_worker_of_ray_and_comes_back(ray):
    model, data = small_net().fit(X, Y), ray.put(X)
    there = ray.get(ray.remote(lambda X, y: small_net().fit(X, y)).remote(data, Y))
    assert_same_bits(there._weights, model._weights)
    answers = ray.get(ray.remote(lambda X: model.predict(X)).remote(data))
    assert_same_bits(answers, model.predict(X))
