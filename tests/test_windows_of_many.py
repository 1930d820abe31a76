"""Windows of many series: the answers of an array of all windows, without that array."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, ignores_convergence, small_net
from sklearn.base import BaseEstimator
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier, TimestepTransformer, sliding_windows
from sklstm._network import team
from sklstm.inspection import gate_activations, input_gradients, permutation_importance
from sklstm.windows import Windows

LENGTHS = 12, 9, 30, 15


def counting(lengths=LENGTHS, n_columns=2, dtype=np.float64):
    """Series that count: row t of series i has t + 1000 i, and 100 more in each column."""
    return [
        (np.arange(n)[:, np.newaxis] + 100 * np.arange(n_columns) + 1000 * i).astype(dtype)
        for i, n in enumerate(lengths)
    ]


def waves(dtype=np.float64):
    return [np.sin(0.3 * series).astype(dtype) for series in counting()]


def one_by_one(series, *arguments, exog=None, **options):
    """The oracle: each series cut by itself, and all put together."""
    exog = [None] * len(series) if exog is None else exog
    cut = [
        sliding_windows(rows, *arguments, exog=known, **options)
        for rows, known in zip(series, exog, strict=True)
    ]
    return np.concatenate([X for X, _ in cut]), np.concatenate([y for _, y in cut])


# --- What they hold -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_timesteps", "horizon", "step"), [(1, 1, 1), (4, 1, 1), (4, 3, 1), (3, 5, 2), (2, 2, 7)]
)
@pytest.mark.parametrize("target", [None, 1, [1, 0]])
@pytest.mark.parametrize("exog", [None, counting(n_columns=1)])
def test_they_are_the_windows_of_each_series_one_below_the_other(
    n_timesteps, horizon, step, target, exog
):
    options = {"step": step, "target": target, "exog": exog}
    X, y = sliding_windows(counting(), n_timesteps, horizon, **options)
    expected, expected_y = one_by_one(counting(), n_timesteps, horizon, **options)
    assert isinstance(X, Windows)
    assert (len(X), X.shape, X.ndim) == (len(expected), expected.shape, 3)
    assert (X.dtype, X.size) == (expected.dtype, expected.size)
    assert_same_bits(np.asarray(X), expected)
    assert_same_bits(y, expected_y)


def test_a_dict_is_read_in_its_order_and_groups_are_its_keys():
    series = dict(zip("qxba", counting(), strict=True))
    X, y = sliding_windows(series, 4, target=0, exog=dict(reversed(series.items())))
    expected, expected_y = one_by_one(counting(), 4, target=0, exog=counting())
    assert_same_bits(np.asarray(X), expected)
    assert_same_bits(y, expected_y)
    assert X.groups.tolist() == [
        key for key, n in zip("qxba", LENGTHS, strict=True) for _ in range(n - 4)
    ]
    keys = {("a", 1): counting()[0], "b": counting()[1]}
    assert set(sliding_windows(keys, 4)[0].groups.tolist()) == set(keys)


def test_series_and_frames_may_be_of_pandas_and_polars():
    frames = [pd.DataFrame(rows, columns=["load", "sun"]) for rows in counting()]
    expected, expected_y = one_by_one(counting(), 4, target=1)
    X, y = sliding_windows(frames, 4, target="sun")
    assert_same_bits(np.asarray(X), expected)
    assert_same_bits(y, expected_y)
    columns = [frame["load"] for frame in frames]
    assert_same_bits(
        np.asarray(sliding_windows(columns, 4)[0]), one_by_one(counting(n_columns=1), 4)[0]
    )
    pl = pytest.importorskip("polars")
    frames = [pl.DataFrame(rows, schema=["load", "sun"]) for rows in counting()]
    assert_same_bits(np.asarray(sliding_windows(frames, 4, target="sun")[0]), expected)


def test_a_list_of_numbers_or_of_rows_is_one_series_as_before():
    for series in (list(range(9)), [[1.0, 2.0]] * 9, [np.float64(3)] * 9):
        X, _ = sliding_windows(series, 4)
        assert type(X) is np.ndarray
        assert X.shape[:2] == (5, 4)


# --- Indexing: NumPy is the oracle ----------------------------------------------------------

X, Y = sliding_windows(counting(), 4, horizon=2)
ARRAY = np.array(X)
INDICES = {
    "an int": 3, "the last": -1, "NumPy's int": np.int64(7), "a slice": slice(5, 20, 3),
    "backwards": slice(None, None, -1), "all": slice(None), "nothing": slice(0, 0),
    "a list": [4, 1, 1, -2], "an array": np.array([7, 0, 12]), "int32": np.array([2, 3], np.int32),
    "no rows": [], "bools": np.arange(len(X)) % 3 == 0, "bools in a list": [True] * len(X),
    "a row and more": (3, -1), "a column": (slice(None), slice(None), 1),
    "the last steps": (slice(2, 9), slice(-2, None)), "a step of rows": ([1, 5], 0),
    "scikit-learn's": (np.array([3, 1]), Ellipsis), "pairs": ([1, 5], [0, 2]),
    "pairs behind a slice": (slice(None), [0, 2]), "all of all": Ellipsis, "a new axis": None,
    "triples": ([1, 5], [0, 2], [1, 1]),
}  # fmt: skip


@pytest.mark.parametrize("key", INDICES.values(), ids=INDICES)
def test_an_index_gives_what_it_gives_of_an_array(key):
    assert_same_bits(np.asarray(X[key]), ARRAY[key])
    # And so it does of a choice of windows.
    some = np.array([20, 3, 3, 0, 11, *range(len(X))])
    if not (isinstance(key, np.ndarray | list) and np.asarray(key).dtype == bool):
        assert_same_bits(np.asarray(X[some][key]), ARRAY[some][key])


@pytest.mark.parametrize("key", [len(X), -len(X) - 1, [0, len(X)], 1.0, [True], "a", [[0]]])
def test_what_is_no_index_of_an_array_is_none_of_windows(key):
    for windows in (X, X[:]):
        with pytest.raises((IndexError, TypeError)):
            np.asarray(windows[key]) if key != [[0]] else X[key]


def test_choices_of_choices_and_their_groups():
    some = X[::2][np.arange(len(X[::2])) % 2 == 0]
    assert_same_bits(np.asarray(some), ARRAY[::4])
    np.testing.assert_array_equal(some.groups, ARRAY[::4, 0, 0] // 1000)
    assert_same_bits(np.array(list(some)), ARRAY[::4])
    assert_same_bits(np.asarray(X.astype(np.float32)), ARRAY.astype(np.float32))
    assert_same_bits(np.asarray(X, np.float32), ARRAY.astype(np.float32))
    with pytest.raises(ValueError, match="become an array only by a copy"):
        X.__array__(copy=False)
    assert repr(X) == f"<{len(X)} windows of 4 series, shape {ARRAY.shape}>"


def test_a_pickle_holds_the_series_once():
    series = [np.random.RandomState(0).normal(size=(4000, 2))] * 2
    windows, _ = sliding_windows(series, 400)
    data = pickle.dumps(windows)
    assert len(data) < 3 * series[0].nbytes
    assert_same_bits(np.asarray(pickle.loads(data)[::50]), np.asarray(windows[::50]))


# --- Memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_windows_are_the_memory_of_the_series(dtype):
    series = counting(dtype=dtype)
    windows, _ = sliding_windows(series, 4)
    assert windows.dtype == dtype
    for i in (0, len(windows) - 1):
        assert np.shares_memory(windows[i], series[windows.groups[i]])
        assert not windows[i].flags.writeable
    series[0][0, 0] = 0.5
    assert windows[0, 0, 0] == 0.5


def test_one_type_is_that_of_all_series():
    series = counting(dtype=np.float32)
    series[1] = series[1].astype(np.float64)
    windows, y = sliding_windows(series, 4)
    assert (windows.dtype, windows[0].dtype, y.dtype) == (np.float64,) * 3


FIVE_MILLION = """
import resource, sys
import numpy as np
from sklstm import LSTMRegressor, sliding_windows

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

settings = dict(hidden_layer_sizes=2, batch_size=4096, max_iter=1, n_iter_no_change=np.inf)
small = np.random.RandomState(0).normal(size=(50, 6, 4)).astype(np.float32)
LSTMRegressor(**settings).fit(small, small[:, 0, 0])  # kernels are compiled
before = peak()
series = np.load(sys.argv[1], mmap_mode="r")
X, y = sliding_windows(list(series), n_timesteps=6, target=0)
assert X.shape == (5_000_000, 6, 4)
model = LSTMRegressor(**settings).fit(X, y)
assert np.isfinite(model.loss_)
print(peak() - before - series.nbytes / 2**20)
"""


@pytest.mark.slow
def test_five_million_windows_of_500_mapped_series_train_within_300_mb_above_the_data(tmp_path):
    file = tmp_path / "series.npy"
    shape = 500, 10_000 + 6, 4
    series = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
    for i, one in enumerate(series):
        one[:] = np.random.RandomState(i).normal(size=shape[1:])
    series.flush()
    command = [sys.executable, "-c", FIVE_MILLION, str(file)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    above = float(done.stdout)
    print(f"{above:.0f} MB above {series.nbytes / 2**20:.0f} MB of data")
    assert above < 300


def test_no_row_of_windows_is_copied_in_a_fit(monkeypatch):
    def refuse(self, *arguments, **options):
        raise AssertionError("all windows were written out")

    monkeypatch.setattr(Windows, "__array__", refuse)
    monkeypatch.setattr(Windows, "_written_out", refuse)
    windows, y = sliding_windows(waves(), 4, target=0)
    model = small_net().fit(windows, y, X_val=windows[::2], y_val=y[::2])
    assert model.predict(windows).shape == y.shape


# --- Estimators: bits of the array ----------------------------------------------------------


@pytest.fixture(name="gathered", params=[False, True], ids=["all at once", "round by round"])
def places_of_windows(request, monkeypatch):
    """Whether there are so many windows that where they are is said round by round."""
    if request.param:
        monkeypatch.setattr(team, "_MOST_RECORDS", 0)


SETTINGS = {
    "defaults": {}, "dropout": {"dropout": 0.2, "recurrent_dropout": 0.2},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.2},
    "mean": {"pooling": "mean"}, "lbfgs": {"solver": "lbfgs"},
    "two layers": {"hidden_layer_sizes": (3, 2), "bidirectional": True},
    "quantiles": {"loss": "quantile", "quantile": [0.1, 0.9]}, "not scaled": {"normalize_X": False},
}  # fmt: skip


@ignores_convergence
@pytest.mark.usefixtures("gathered")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fit_has_the_bits_of_a_fit_on_the_array(settings, dtype):
    windows, y = sliding_windows(waves(dtype), 5, horizon=2, target=0)
    weight = np.random.RandomState(0).uniform(size=len(y))
    settings = {"max_iter": 3, "batch_size": 7} | settings
    net, expected = small_net(**settings), small_net(**settings)
    expected.fit(np.asarray(windows), y, weight)
    assert_same_bits(vars(net.fit(windows, y, weight)), vars(expected))
    assert_same_bits(net.predict(windows), expected.predict(np.asarray(windows)))
    assert_same_bits(net.predict(windows[3:5]), expected.predict(np.asarray(windows)[3:5]))
    assert net.score(windows, y) == expected.score(np.asarray(windows), y)


@pytest.mark.usefixtures("gathered")
def test_so_have_partial_fit_validation_classes_and_steps():
    windows, y = sliding_windows(waves(), 5, target=0)
    array = np.asarray(windows)
    model, expected = small_net(batch_size=7), small_net(batch_size=7)
    for some in (slice(0, 20), slice(20, None)):
        model.partial_fit(windows[some], y[some])
        expected.partial_fit(array[some], y[some])
    assert_same_bits(vars(model), vars(expected))
    val = {"X_val": windows[::3], "y_val": y[::3]}
    model, expected = small_net().fit(windows, y, **val), small_net()
    expected.fit(array, y, X_val=array[::3], y_val=y[::3])
    assert_same_bits(vars(model), vars(expected))
    labels = np.where(y > 0, "up", "down")
    model = LSTMClassifier(3, max_iter=3, random_state=0)
    np.testing.assert_array_equal(
        model.fit(windows, labels).predict_proba(windows),
        LSTMClassifier(3, max_iter=3, random_state=0).fit(array, labels).predict_proba(array),
    )
    of_steps = np.cumsum(array[:, :, 0], axis=1)
    model = small_net(pooling=None).fit(windows, of_steps)
    assert_same_bits(
        model.predict(windows), small_net(pooling=None).fit(array, of_steps).predict(array)
    )


def test_a_pipeline_and_inspection_read_them_too():
    windows, y = sliding_windows(waves(), 5, target=0)
    array = np.asarray(windows)
    pipeline = make_pipeline(TimestepTransformer(StandardScaler()), small_net())
    assert_same_bits(
        pipeline.fit(windows, y).predict(windows), pipeline.fit(array, y).predict(array)
    )
    model = small_net().fit(windows, y)
    assert_same_bits(
        gate_activations(model, windows)[0].cell, gate_activations(model, array)[0].cell
    )
    assert_same_bits(input_gradients(model, windows), input_gradients(model, array))
    options = {"n_repeats": 2, "random_state": 0}
    actual = permutation_importance(model, windows, y, **options)
    expected = permutation_importance(model, array, y, **options)
    assert_same_bits(actual.importances, expected.importances)


# --- scikit-learn ---------------------------------------------------------------------------


class Told(BaseEstimator):
    """Says what it was given."""

    def fit(self, X, y):
        self.groups_ = set(X.groups.tolist())
        return self

    def predict(self, X):
        assert isinstance(X, Windows)
        return np.asarray(X)[:, -1, 0]

    def score(self, X, y):
        return len(self.groups_ & set(X.groups.tolist()))


def test_scikit_learn_splits_them():
    windows, y = sliding_windows(counting(), 4, target=0)
    X_train, X_test, y_train, y_test = train_test_split(windows, y, random_state=0)
    for part, its_y in ((X_train, y_train), (X_test, y_test)):
        assert isinstance(part, Windows)
        # What follows a window of a series that counts.
        np.testing.assert_array_equal(np.asarray(part)[:, -1, 0] + 1, its_y)
    for train, test in KFold(3).split(windows, y):
        assert len(windows[train]) + len(windows[test]) == len(windows)
    groups = windows.groups
    shared = cross_val_score(Told(), windows, y, cv=GroupKFold(4), groups=groups)
    assert (shared == 0).all()
    assert (cross_val_score(Told(), windows, y, cv=KFold(3, shuffle=True)) > 0).all()
    np.testing.assert_array_equal(cross_val_predict(Told(), windows, y, cv=3), y - 1)


def test_cross_val_score_has_the_scores_of_the_array_in_parallel_too():
    windows, y = sliding_windows(waves(), 5, target=0)
    expected = cross_val_score(small_net(), np.asarray(windows), y, cv=3)
    assert_same_bits(cross_val_score(small_net(), windows, y, cv=3), expected)
    assert_same_bits(cross_val_score(small_net(), windows, y, cv=3, n_jobs=2), expected)


# --- Refused --------------------------------------------------------------------------------


def with_nan(series, i, row):
    series[i] = series[i].copy()
    series[i][row, 1] = np.nan
    return series


REFUSED = {
    "too short": (
        {"series": counting((12, 5))},
        "series[1] has 5 rows, but a window of n_timesteps=4 and its targets of horizon=2 need 6",
    ),
    "too short, by key": ({"series": {"Oslo": np.ones(5)}}, "series['Oslo'] has 5 rows, but"),
    "NaN": (
        {"series": with_nan(counting(), 2, 7)},
        "Input series[2] contains NaN, first in row 7, column 1: fill gaps before cutting",
    ),
    "other columns": (
        {"series": [*counting(), np.ones((9, 3))]},
        "series[4] has 3 columns, those of exog included, but the first has 2",
    ),
    "a column that is not there": (
        {"target": 2}, "target must name columns of series[0], which has [0, 1], got 2",
    ),
    "no series": ({"series": {}}, "series must hold at least one series, got none"),
    "a number among series": ({"series": [np.ones(9), 3.0]}, "series[1] must be an array"),
    "exog for one": (
        {"exog": np.ones(12)},
        "exog must be a list with an entry for each of 4 series, got ndarray",
    ),
    "exog for some": ({"exog": counting()[:2]}, "an entry for each of 4 series, got 2"),
    "exog under other keys": (
        {"series": {"a": np.ones(9)}, "exog": {"b": np.ones(9)}},
        "exog must be a dict with the keys of series, ['a'], got ['b']",
    ),
    "exog too short": (
        {"exog": [*counting()[:3], np.ones(9)]},
        "exog[3] must have as many rows as series, which has 15, got 9",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_cut_is_refused_by_name(arguments, message):
    arguments = {"series": counting(), "n_timesteps": 4, "horizon": 2} | arguments
    with pytest.raises(ValueError, match=re.escape(message)):
        sliding_windows(**arguments)


def test_numbers_that_became_nan_are_found_in_the_windows_that_have_them():
    series = counting()
    windows, y = sliding_windows(series, 4, target=0)
    series[2][20, 1] = np.nan
    at = int(np.flatnonzero(np.isnan(np.asarray(windows)).any(axis=(1, 2)))[0])
    with pytest.raises(ValueError, match=rf"Input X contains NaN: X\[{at}\], at timestep 3"):
        small_net().fit(windows, y)
    whole = ~np.isnan(np.asarray(windows)).any(axis=(1, 2))
    small_net().fit(windows[whole], y[whole])
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        small_net().fit(windows[:0], y[:0])
    with pytest.raises(ValueError, match="X has 4 timesteps of 2 features, but"):
        small_net().fit(sliding_windows(waves(), 5)[0][:9], np.arange(9)).predict(windows[:3])
    with pytest.raises(ValueError, match=r"X\[0\] has 4 timesteps, but .* given n_timesteps=3"):
        small_net(n_timesteps=3).fit(windows[whole], y[whole])
