"""The code of docs/user_guide/past_one_machine.md, word by word, and what the page says beside it.

`test_clusters.py` has further forms. Warnings of other libraries are their own.
"""

import os
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from clusters import available, environment_for_ray
from conftest import assert_same_bits
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

import sklstm
from sklstm import LSTMRegressor, sliding_windows

pytestmark = pytest.mark.filterwarnings("ignore")

PAGE = (Path(__file__).parents[1] / "docs" / "user_guide" / "past_one_machine.md").read_text(
    "utf-8"
)
RNG = np.random.RandomState(0)
X = RNG.normal(size=(120, 8, 2))
Y = X[:, -1, 0] + X[:, -2, 1]
SERIES = np.sin(0.5 * np.arange(200)) + 0.1 * RNG.normal(size=200)
THREADS_HERE = available()
GIVEN = {
    "X": X, "y": Y, "labels": np.digitize(Y, [-0.5, 0.5]), "series": SERIES,
    "many_series": [SERIES[:60], SERIES[60:150]], "n_samples": len(X), "np": np,
    # Functions are then sent as those of a script, or of a notebook.
    "__name__": "__main__",
}  # fmt: skip


def blocks_of(section):
    """The code of a section."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(code, names):
    exec(code, names)
    return names


def test_every_section_with_code_is_here():
    sections = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    counts = {name: len(blocks_of(name)) for name in sections}
    assert {name: count for name, count in counts.items() if count} == {
        "A cluster to try things on": 1, "A search on dask": 2, "A search on ray": 1,
        "A model for each of many series": 2, "Predictions, chunk by chunk": 3,
        "Files that every machine sees": 1, "Training, chunk by chunk": 2, "Threads": 1,
    }  # fmt: skip


def test_every_link_within_the_page_leads_to_a_section():
    anchors = {
        re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")
        for name in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    }
    assert {*re.findall(r"\]\(#([^)]+)\)", PAGE)} <= anchors


@pytest.fixture(scope="module")
def on_dask():
    """The names of a session that has run what the page begins with."""
    pytest.importorskip("distributed")
    (code,) = blocks_of("A cluster to try things on")
    names = run(code, dict(GIVEN))
    yield names
    names["client"].close()
    names["cluster"].close()


@pytest.fixture(scope="module")
def on_ray():
    ray = pytest.importorskip("ray")
    (code,) = blocks_of("A search on ray")
    with environment_for_ray():
        yield run(code, dict(GIVEN))
        ray.shutdown()


# --- dask -----------------------------------------------------------------------------------


def test_each_worker_says_in_which_folder_machine_code_is(on_dask):
    assert len(on_dask["folders"]) == 2
    assert set(on_dask["folders"].values()) == {sklstm.warm_up(["float64"])}


def test_a_search_on_dask_has_the_bits_of_one_process(on_dask):
    names = run(blocks_of("A search on dask")[0], on_dask)
    found = names["search"]
    alone = clone(found).fit(X, Y)
    for name in ("mean_test_score", "rank_test_score"):
        assert_same_bits(found.cv_results_[name], alone.cv_results_[name])
    assert_same_bits(found.predict(X), alone.predict(X))
    assert_same_bits(names["scores"], cross_val_score(names["net"], X, Y, cv=3))


def test_windows_travel_as_a_recipe(on_dask):
    first, second = blocks_of("A search on dask")
    names = run(second, run(first, on_dask))
    view, targets = sliding_windows(SERIES, n_timesteps=100)
    assert len(pickle.dumps(view)) > 30 * SERIES.nbytes
    assert len(pickle.dumps(names["windows"])) < 5 * SERIES.nbytes
    alone = cross_val_score(names["net"], view, targets, cv=3)
    assert_same_bits(names["scores_of_windows"], alone)


def assert_one_for_each(models):
    assert len(models) == 2
    for model, series in zip(models, GIVEN["many_series"], strict=True):
        windows, targets = sliding_windows(series, n_timesteps=12)
        alone = LSTMRegressor(8, max_iter=20, random_state=0).fit(windows, targets)
        assert_same_bits(model.predict(windows), alone.predict(windows))


def test_a_model_for_each_of_many_series_on_dask(on_dask):
    assert_one_for_each(run(blocks_of("A model for each of many series")[0], on_dask)["models"])


def test_predictions_chunk_by_chunk(on_dask):
    first, second, _ = blocks_of("Predictions, chunk by chunk")
    names = run(first, on_dask)
    model, classifier = names["model"], names["classifier"]
    assert names["sequences"].numblocks == (3, 1, 1)
    assert_same_bits(names["predictions"].compute(), model.predict(X))
    assert names["probabilities"].shape == (120, 3)
    assert_same_bits(names["probabilities"].compute(), classifier.predict_proba(X))
    # Without a cluster, in threads of this process.
    answers = names["predictions"].compute(scheduler="threads")
    assert_same_bits(answers, model.predict(X))
    pytest.importorskip("dask_ml.wrappers")
    names = run(second, names)
    assert_same_bits(names["predictions"].compute(), model.predict(X))


def test_files_that_every_machine_sees(on_dask, tmp_path):
    np.save(tmp_path / "X.npy", X)
    model = LSTMRegressor(random_state=0).fit(X, Y)
    (code,) = blocks_of("Files that every machine sees")
    names = run(code, on_dask | {"path": tmp_path / "X.npy", "model": model})
    assert len(names["parts"]) == 3
    assert_same_bits(names["predictions"], model.predict(X))


def test_training_chunk_by_chunk(on_dask):
    names = run(blocks_of("Predictions, chunk by chunk")[0], on_dask)
    loop, incremental = blocks_of("Training, chunk by chunk")
    names = run(loop, names)
    rows = [slice(start, start + 50) for start in (0, 50, 100)]
    alone = LSTMRegressor(random_state=0)
    for _ in range(5):
        for part in rows:
            alone.partial_fit(X[part], Y[part])
    assert_same_bits(names["model"]._weights, alone._weights)
    # What the page says for those who have 3-D arrays and want Incremental.
    table = names["sequences"].reshape(len(X), -1)
    assert table.numblocks == (3, 1)
    pytest.importorskip("dask_ml.wrappers")
    names = run(incremental, names | {"table": table})
    assert_same_bits(names["incremental"].estimator_._weights, twice(rows)._weights)


def twice(rows):
    net = LSTMRegressor(n_timesteps=8, random_state=0)
    for part in rows * 2:
        net.partial_fit(X.reshape(len(X), -1)[part], Y[part])
    return net


def test_large_workers_have_the_threads_that_are_said(on_dask):
    assert list(on_dask["client"].run(available).values()) == [1, 1]
    (code,) = blocks_of("Threads")
    with run(code, dict(on_dask))["large"] as cluster, cluster.get_client() as client:
        assert list(client.run(available).values()) == [min(2, THREADS_HERE)]


def test_a_process_that_imported_sklstm_before_its_cluster_keeps_its_threads(on_dask, monkeypatch):
    # Ray says it anew for each task, so that where it is loaded, what is said now counts.
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    assert "OMP_NUM_THREADS" in os.environ
    assert available() == THREADS_HERE


# --- ray ------------------------------------------------------------------------------------


def test_a_search_on_ray_has_the_bits_of_one_process(on_ray):
    found = on_ray["search"]
    alone = clone(found).set_params(n_jobs=1).fit(X, Y)
    assert_same_bits(found.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert_same_bits(found.predict(X), alone.predict(X))


def test_the_hook_warms_workers_of_ray(on_ray):
    def has_kernels():
        import sys

        updates = sys.modules.get("sklstm._kernels.updates")
        return updates is not None and len(updates.adam.signatures)

    # Of float32 and of float64.
    assert on_ray["ray"].get(on_ray["ray"].remote(has_kernels).remote()) == 2


def test_a_model_for_each_of_many_series_on_ray(on_ray):
    first, second = blocks_of("A model for each of many series")
    without_dask = first.rpartition("\n\n")[0]
    assert_one_for_each(run(second, run(without_dask, on_ray))["models"])


def test_datasets_of_ray(on_ray):
    *_, code = blocks_of("Predictions, chunk by chunk")
    model = LSTMRegressor(random_state=0).fit(X, Y)
    names = run(code, on_ray | {"model": model})
    assert_same_bits(names["predictions"], model.predict(X))
