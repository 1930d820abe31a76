"""Windows of a series that counts upwards, so that a leak or an off-by-one shows as a number."""

import copy
import re

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, small_net
from sklearn.model_selection import TimeSeriesSplit

from sklstm.windows import sliding_windows

COUNT = np.arange(30.0)
# Column k counts from 100 k.
COLUMNS = COUNT[:, np.newaxis] + 100 * np.arange(3)

for_each_shape = pytest.mark.parametrize(
    ("n_timesteps", "horizon", "step"), [(1, 1, 1), (4, 1, 1), (4, 3, 1), (3, 5, 2), (2, 2, 7)]
)


# --- What lies where ------------------------------------------------------------------------


@for_each_shape
def test_a_window_is_followed_by_its_targets(n_timesteps, horizon, step):
    X, y = sliding_windows(COUNT, n_timesteps, horizon, step=step)
    y = y.reshape(len(y), -1)
    assert X.shape == (len(X), n_timesteps, 1)
    assert y.shape == (len(X), horizon)
    for i in range(len(X)):
        rows = np.concatenate([X[i, :, 0], y[i]])
        np.testing.assert_array_equal(rows, i * step + np.arange(n_timesteps + horizon))


@for_each_shape
def test_there_are_as_many_windows_as_the_series_has_room_for(n_timesteps, horizon, step):
    X, _ = sliding_windows(COUNT, n_timesteps, horizon, step=step)
    last = (len(X) - 1) * step + n_timesteps + horizon
    assert last <= len(COUNT) < last + step


def test_a_series_that_just_suffices_gives_one_window():
    X, y = sliding_windows(COUNT[:7], n_timesteps=4, horizon=3)
    assert_same_bits(X, COUNT[np.newaxis, :4, np.newaxis])
    assert_same_bits(y, COUNT[np.newaxis, 4:7])


def test_targets_of_several_columns_are_row_after_row():
    X, y = sliding_windows(COLUMNS, n_timesteps=4, horizon=2)
    np.testing.assert_array_equal(X[1, :, 0], [1, 2, 3, 4])
    np.testing.assert_array_equal(X[1, 0], [1, 101, 201])
    np.testing.assert_array_equal(y[1], [5, 105, 205, 6, 106, 206])


@pytest.mark.parametrize(
    ("target", "first"),
    [
        (None, [4, 104, 204, 5, 105, 205]),
        (1, [104, 105]),
        (-1, [204, 205]),
        (np.int64(2), [204, 205]),
        ([0], [4, 5]),
        ([2, 0], [204, 4, 205, 5]),
        (np.array([1, 2]), [104, 204, 105, 205]),
    ],
)
def test_target_chooses_columns_in_the_order_given(target, first):
    X, y = sliding_windows(COLUMNS, 4, horizon=2, target=target)
    assert X.shape == (25, 4, 3)
    np.testing.assert_array_equal(y, np.array(first) + COUNT[:25, np.newaxis])


def test_y_is_one_dimensional_where_a_window_has_one_target():
    assert sliding_windows(COUNT, 4)[1].shape == (26,)
    assert sliding_windows(COLUMNS, 4, target=1)[1].shape == (26,)
    assert sliding_windows(COLUMNS, 4, target=[1])[1].shape == (26,)
    assert sliding_windows(COLUMNS, 4)[1].shape == (26, 3)
    assert sliding_windows(COUNT, 4, horizon=2)[1].shape == (25, 2)


# --- Data frames ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [None, pd.date_range("2024-01-01", periods=30, freq="h"), list("abcdefghij" * 3), -COUNT],
    ids=["default", "dates", "repeated letters", "falling numbers"],
)
def test_a_data_frame_of_any_index_is_read_in_the_order_of_its_rows(index):
    frame = pd.DataFrame(COLUMNS, columns=["load", "sun", "wind"], index=index)
    expected = sliding_windows(COLUMNS, 4, 2, target=[2, 0], exog=COUNT)
    exog = pd.Series(COUNT, index=index)
    for target in (["wind", "load"], [2, 0]):
        actual = sliding_windows(frame, 4, 2, target=target, exog=exog)
        assert_same_bits(actual, expected)
    assert_same_bits(sliding_windows(frame["sun"], 4, 2), sliding_windows(COLUMNS[:, 1], 4, 2))


def test_columns_of_different_types_become_float64():
    frame = pd.DataFrame({"a": COUNT.astype(np.float32), "b": COUNT.astype(int)})
    X, y = sliding_windows(frame, 4, target="b")
    assert (X.dtype, y.dtype) == (np.float64, np.float64)
    np.testing.assert_array_equal(y, COUNT[4:])


def test_a_frame_of_polars_is_read_like_one_of_pandas():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(COLUMNS, schema=["load", "sun", "wind"])
    expected = sliding_windows(COLUMNS, 4, 2, target=[2, 0], exog=COUNT)
    exog = pl.Series("hour", COUNT)
    assert_same_bits(sliding_windows(frame, 4, 2, target=["wind", "load"], exog=exog), expected)
    with pytest.raises(ValueError, match="got dtype String in column 'city': encode them"):
        sliding_windows(frame.with_columns(city=pl.lit("Oslo")), 4)


# --- Memory ---------------------------------------------------------------------------------


def column_of_a_table(series):
    table = np.zeros((len(series), 5), series.dtype)
    table[:, 1:4] = COLUMNS
    return table[:, 1:4]


LAYOUTS = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "columns of a table": column_of_a_table,
    "backwards": lambda series: np.ascontiguousarray(series[::-1])[::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("step", [1, 3])
def test_windows_are_views_of_the_series(layout, step):
    series = layout(COLUMNS.copy())
    X, y = sliding_windows(series, 4, horizon=2, step=step, target=1)
    assert np.shares_memory(X, series)
    assert np.shares_memory(y, series)
    series += 0.5
    assert X[0, 0, 0] == 0.5
    assert y[0, 0] == 104.5


@pytest.mark.parametrize("horizon", [1, 2])
@pytest.mark.parametrize("target", [None, [0, 2]])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_targets_overlap_in_memory_whatever_the_layout(layout, target, horizon):
    _, y = sliding_windows(layout(COLUMNS), 4, horizon=horizon, target=target)
    assert y.base is not None
    # Two windows' common rows are the same memory.
    assert horizon == 1 or np.shares_memory(y[0], y[1])
    n_targets = 3 if target is None else 2
    np.testing.assert_array_equal(y[:, 0], COUNT[4 : 4 + len(y)])
    np.testing.assert_array_equal(y[:, -n_targets], COUNT[3 + horizon : 3 + horizon + len(y)])


def test_all_columns_of_a_contiguous_series_are_targets_without_a_copy():
    series = COLUMNS.copy()
    assert np.shares_memory(sliding_windows(series, 4, horizon=3)[1], series)


def test_windows_with_covariates_are_views_of_one_array():
    X, _ = sliding_windows(COLUMNS, 4, horizon=2, exog=COUNT)
    assert np.shares_memory(X[0], X[1])
    assert X.strides[0] == X.strides[1]


def test_a_memory_mapped_series_is_not_read_into_memory(tmp_path):
    np.save(tmp_path / "series.npy", COLUMNS)
    series = np.load(tmp_path / "series.npy", mmap_mode="r")
    X, y = sliding_windows(series, 4, horizon=2)
    assert np.shares_memory(X, series)
    assert np.shares_memory(y, series)


def test_windows_and_targets_are_read_only():
    series = COLUMNS.copy()
    for exog in (None, COUNT):
        for array in sliding_windows(series, 4, horizon=2, exog=exog):
            assert not array.flags.writeable
    assert series.flags.writeable


@pytest.mark.parametrize(
    ("series", "exog", "expected"),
    [
        (np.float32, None, np.float32),
        (np.float64, None, np.float64),
        (np.float16, None, np.float64),
        (np.int32, None, np.float64),
        (bool, None, np.float64),
        (np.float32, np.float32, np.float32),
        (np.float32, np.float64, np.float64),
        (np.float32, int, np.float64),
    ],
)
def test_floats_keep_their_type_and_others_become_float64(series, exog, expected):
    exog = None if exog is None else COUNT.astype(exog)
    X, y = sliding_windows(COUNT.astype(series), 4, exog=exog)
    assert X.dtype == expected
    assert y.dtype == (np.float32 if series is np.float32 else np.float64)


# --- Covariates that are known in advance ---------------------------------------------------


@pytest.mark.parametrize(("n_timesteps", "horizon"), [(4, 1), (4, 3), (4, 4), (2, 5)])
def test_the_last_steps_of_a_window_carry_the_covariates_of_the_forecast(n_timesteps, horizon):
    # The covariate of a row is the row's own number: what it tells is which row it belongs to.
    X, y = sliding_windows(COUNT, n_timesteps, horizon, exog=COUNT)
    y = y.reshape(len(X), -1)
    assert X.shape == (len(X), n_timesteps, 2)
    np.testing.assert_array_equal(X[:, :, 1], X[:, :, 0] + horizon)
    seen = min(n_timesteps, horizon)
    np.testing.assert_array_equal(X[:, -seen:, 1], y[:, -seen:])


def test_covariates_do_not_change_which_windows_there_are():
    X, y = sliding_windows(COLUMNS, 4, horizon=3, step=2)
    with_covariates, same = sliding_windows(COLUMNS, 4, horizon=3, step=2, exog=-COLUMNS[:, :2])
    assert_same_bits(same, y)
    assert_same_bits(np.array(with_covariates[:, :, :3]), np.array(X))


def test_the_series_may_be_forecast_beyond_its_end_as_the_docstring_says():
    n_timesteps, horizon = 4, 3
    future = np.arange(30.0 + horizon)
    X, _ = sliding_windows(COUNT, n_timesteps, horizon, exog=future[:30])
    row = np.column_stack([COUNT[-n_timesteps:], future[-n_timesteps:]])[np.newaxis]
    np.testing.assert_array_equal(row[0, :, 0], [26, 27, 28, 29])
    # The rows to forecast are 30, 31, 32.
    np.testing.assert_array_equal(row[0, -horizon:, 1], [30, 31, 32])
    # It continues the windows of the past: one that ends `horizon` rows later than the last.
    np.testing.assert_array_equal(row[0], X[-1] + horizon)


# --- No leaks -------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_timesteps", "horizon"), [(1, 1), (4, 1), (4, 3), (3, 5)])
def test_split_before_windowing_uses_each_target_once(n_timesteps, horizon):
    n = 18
    _, y_train = sliding_windows(COUNT[:n], n_timesteps, horizon)
    X_test, y_test = sliding_windows(COUNT[n - n_timesteps :], n_timesteps, horizon)
    assert y_train.max() == n - 1
    assert y_test.min() == n
    # The first forecast is made from the last rows of the training part.
    np.testing.assert_array_equal(X_test[0, :, 0], COUNT[n - n_timesteps : n])


def leaks(y, train, test):
    """Whether a row is a target in both parts."""
    return bool(set(y[train].ravel()) & set(y[test].ravel()))


@for_each_shape
def test_the_gap_keeps_targets_apart_and_no_smaller_one_does(n_timesteps, horizon, step):
    X, y = sliding_windows(np.arange(100.0), n_timesteps, horizon, step=step)
    gap = -(-horizon // step) - 1
    assert step != 1 or gap == horizon - 1
    for train, test in TimeSeriesSplit(n_splits=3, gap=gap).split(X):
        assert not leaks(y, train, test)
        # When the first forecast of the test part is made, all training targets have passed ...
        last_seen = X[test[0], -1, 0]
        assert y[train].max() <= last_seen
        # ... and with step=1 the last of them has only just.
        assert step != 1 or y[train].max() == last_seen
    if gap > 0:
        for train, test in TimeSeriesSplit(n_splits=3, gap=gap - 1).split(X):
            assert leaks(y, train, test)


def test_with_covariates_too_training_windows_know_nothing_of_test_targets():
    X, y = sliding_windows(COUNT, 4, 3, exog=COUNT)
    for train, test in TimeSeriesSplit(n_splits=3, gap=2).split(X):
        # Neither values nor covariates of a training window reach the first row of a test target.
        assert X[train].max() < y[test].min()


# --- With the estimator ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_and_predict_on_views_give_the_bits_of_copies(dtype):
    series = np.sin(COLUMNS).astype(dtype)
    X, y = sliding_windows(series, 5, horizon=2, target=0, exog=np.cos(COUNT).astype(dtype))
    model, on_copies = small_net().fit(X, y), small_net().fit(np.array(X), np.array(y))
    assert_same_bits(vars(model), vars(on_copies))
    assert_same_bits(model.predict(X), on_copies.predict(np.array(X)))
    assert model.predict(X).shape == y.shape


# --- Refused --------------------------------------------------------------------------------


def with_entry(array, value):
    array = np.array(array)
    array[3] = value
    return array


MEND = "fill gaps before cutting, .* interpolate.* sklearn.impute; afterwards it is too late"
REFUSED = {
    "NaN": (
        {"series": with_entry(COUNT, np.nan)},
        f"Input series contains NaN, first in row 3: {MEND}",
    ),
    "inf": (
        {"series": with_entry(COUNT, -np.inf)},
        "Input series contains infinity, first in row 3: replace it before cutting",
    ),
    "NaN in exog": ({"exog": with_entry(COUNT, np.nan)}, f"exog contains NaN, .* row 3: {MEND}"),
    "inf in exog": ({"exog": with_entry(COUNT, np.inf)}, "Input exog contains infinity, .* row 3:"),
    "too short": (
        {"series": COUNT[:5]},
        "series has 5 rows, but a window of n_timesteps=4 and its targets of horizon=2 need 6",
    ),
    "exog too short": (
        {"exog": COUNT[:-1]}, "exog must have as many rows as series, which has 30, got 29",
    ),
    "exog too long": ({"exog": np.arange(32.0)}, "which has 30, got 32"),
    "empty": ({"series": []}, r"Found array with 0 sample\(s\)"),
    "no columns": ({"series": COLUMNS[:, :0]}, r"Found array with 0 feature\(s\)"),
    "3-D": ({"series": COLUMNS[np.newaxis]}, "Found array with dim 3"),
    "a number": ({"series": 3.0}, "'series' parameter of sliding_windows must be an array-like"),
    "strings": ({"series": ["a"] * 30}, "could not convert string to float: 'a'"),
    "a column of strings": (
        {"series": pd.DataFrame({"load": COUNT, "city": "Oslo"})},
        "series must be numbers, got dtype .* in column 'city': encode them, .* OneHotEncoder",
    ),
    "a column of categories": (
        {"exog": pd.DataFrame({"day": pd.Categorical(["Mo", "Tu"] * 15)})},
        "exog must be numbers, got dtype category in column 'day': encode them",
    ),
    "dates": (
        {"exog": pd.DataFrame({"when": pd.date_range("2024", periods=30)})},
        "exog must be numbers, got dtype datetime64.* in column 'when': take numbers",
    ),
    "an array of dates": (
        {"series": np.arange(30).astype("datetime64[D]")},
        "series must be numbers, got dtype datetime64.*: take numbers from the times",
    ),
    "complex": ({"series": COUNT + 1j}, "Complex data not supported"),
    "n_timesteps": ({"n_timesteps": 0}, "'n_timesteps' parameter .* Got 0 instead"),
    "no n_timesteps": ({"n_timesteps": None}, "'n_timesteps' parameter .* Got None instead"),
    "horizon": ({"horizon": 0}, "'horizon' parameter .* Got 0 instead"),
    "step": ({"step": 1.5}, "'step' parameter .* Got 1.5 instead"),
    "a column too far": ({"target": 1}, r"target must name columns of series, .* \[0\], got 1"),
    "a column too far back": ({"target": -2}, "target must name columns of series, .* got -2"),
    "a name for an array": ({"target": "load"}, "target must name columns .* got 'load'"),
    "one wrong of two": ({"target": [0, 1.5]}, "target must name columns .* got 1.5"),
    "no target": ({"target": []}, "target must name at least one column of series, got none"),
    "other name": (
        {"series": pd.DataFrame({"load": COUNT}), "target": "sun"},
        r"target must name columns of series, which has \['load'\], got 'sun'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "match"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_cut_is_refused(arguments, match):
    arguments = {"series": COUNT, "n_timesteps": 4, "horizon": 2} | arguments
    with pytest.raises(ValueError, match=match):
        sliding_windows(**arguments)


FRAME = pd.DataFrame(COLUMNS, columns=["load", "sun", "wind"])
HOURS = pd.date_range("2024-01-01", periods=30, freq="h")


@pytest.mark.parametrize(
    ("series", "where"),
    [
        (COUNT.tolist(), "row 7"),
        (COLUMNS, "row 7, column 1"),
        (FRAME, "row 7, column 'sun'"),
        (FRAME.set_index(HOURS), "row 7 (index 2024-01-01 07:00:00), column 'sun'"),
        (FRAME.set_index(FRAME.index + 1), "row 7 (index 8), column 'sun'"),
        (FRAME.set_index(FRAME.index.astype(str)), "row 7 (index '7'), column 'sun'"),
        (FRAME.set_index(["wind"], append=True), "row 7 (index (7, 207.0)), column 'sun'"),
        (pd.Series(COUNT, HOURS), "row 7 (index 2024-01-01 07:00:00)"),
        (pd.Series(COUNT, name="load"), "row 7, column 'load'"),
        (pd.Series(COUNT), "row 7"),
    ],
)
@pytest.mark.parametrize("name", ["series", "exog"])
@pytest.mark.parametrize("entry", [np.nan, np.inf])
def test_the_first_entry_that_is_not_finite_is_named_as_the_user_would(series, where, name, entry):
    series = copy.deepcopy(series)
    for row in (7, 9):
        if hasattr(series, "iloc"):
            series.iloc[(row, 1) if series.ndim == 2 else row] = entry
        else:
            series[row if np.ndim(series) == 1 else (row, 1)] = entry
    what = "NaN" if np.isnan(entry) else "infinity"
    with pytest.raises(ValueError, match=re.escape(f"{name} contains {what}, first in {where}: ")):
        sliding_windows(**{"series": COUNT, "n_timesteps": 4} | {name: series})


def test_missing_values_of_nullable_and_polars_columns_are_named_too():
    frame = pd.DataFrame({"load": COUNT, "sun": pd.array([1, None] * 15, dtype="Int64")})
    with pytest.raises(ValueError, match="series contains NaN, first in row 1, column 'sun'"):
        sliding_windows(frame, 4)
    pl = pytest.importorskip("polars")
    for X in (
        pl.DataFrame({"load": COUNT, "sun": [1, None] * 15}),
        pl.Series("sun", [1, None] * 15),
    ):
        with pytest.raises(ValueError, match="series contains NaN, first in row 1, column 'sun'"):
            sliding_windows(X, 4)
