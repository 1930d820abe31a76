"""Tables as users have them: times, words, gaps, polars, and what is refused in a sentence."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, small_net
from counting import Counts
from sklearn.preprocessing import OneHotEncoder

from sklstm.forecasting import WindowForecaster

N, T, H = 40, 5, 3
COUNT = np.arange(float(N))


def counting(**parameters):
    parameters = {"n_timesteps": T, "horizon": H, "target": "load"} | parameters
    return WindowForecaster(Counts(horizon=parameters["horizon"]), **parameters)


def table(index=None, n=N):
    return pd.DataFrame({"load": COUNT[:n], "sun": 1000 + COUNT[:n]}, index=index)


# --- Times ----------------------------------------------------------------------------------

INDICES = {
    "hours": pd.date_range("2024-01-01", periods=N + H, freq="h", name="hour"),
    "7 minutes": pd.date_range("2024-01-01 00:03", periods=N + H, freq="7min"),
    "days": pd.date_range("2024-02-01", periods=N + H),
    "working days": pd.bdate_range("2024-02-01", periods=N + H),
    "months": pd.date_range("1999-01-01", periods=N + H, freq="MS"),
    "ends of months": pd.date_range("1999-01-31", periods=N + H, freq=pd.offsets.MonthEnd()),
    "quarters": pd.date_range("1999-01-01", periods=N + H, freq="QS"),
    "weeks": pd.date_range("1999-01-03", periods=N + H, freq="W"),
    "hours of a zone, over the change of clocks": pd.date_range(
        "2024-03-30 12:00", periods=N + H, freq="h", tz="Europe/Oslo"
    ),
    "days of a zone, over the change of clocks": pd.date_range(
        "2024-03-20", periods=N + H, freq="D", tz="Europe/Oslo"
    ),
    "periods": pd.period_range("1999-01", periods=N + H, freq="M", name="month"),
    "positions": pd.RangeIndex(N + H),
    "later positions": pd.RangeIndex(100, 100 + N + H, name="row"),
    "numbers": pd.Index(0.5 * np.arange(N + H)),
    "hours since the start": pd.timedelta_range("0h", periods=N + H, freq="h"),
}


@pytest.mark.parametrize("freq_is_known", [True, False])
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_forecasts_go_on_in_the_steps_of_the_index(index, freq_is_known):
    if not freq_is_known:
        # As it is after reading a file.
        if isinstance(index, pd.DatetimeIndex):
            index = pd.DatetimeIndex(list(index), name=index.name)
        elif isinstance(index, pd.RangeIndex):
            index = pd.Index(list(index), name=index.name)
    model = counting().fit(table(index[:N]))
    forecast = model.predict(table(index[:N]))
    np.testing.assert_array_equal(forecast["load"], N + np.arange(H))
    assert (forecast.index == index[N:]).all()
    assert (forecast.index.name, forecast.index.dtype) == (index.name, index.dtype)
    # A table of a few rows is too short to say how far apart they are; those of fit have said so.
    assert (model.predict(table(index[:N]).iloc[-T:]).index == index[N:]).all()
    assert (model.backtest(table(index[:N]), start=9).index == index[9:39]).all()


def test_a_window_of_two_months_knows_how_long_months_are():
    index = INDICES["months"]
    model = counting(n_timesteps=2).fit(table(index[:N]))
    assert (model.predict(table(index[:N])[-2:]).index == index[N:]).all()


HOURS = INDICES["hours"][:N]
NOT_IN_ORDER = {
    "a missing hour": (
        table(HOURS).drop(HOURS[20]),
        "X must have its rows at equal distances, got 2024-01-01 21:00:00 after 2024-01-01 "
        "19:00:00 (row 20), where most are 1h apart: add the missing rows, for example with "
        "asfreq('h')",
    ),
    "an hour twice": (
        table(HOURS).iloc[[*range(9), *range(8, 30)]],
        "X must have one row a time, got 2024-01-01 08:00:00 twice (row 9): if there are many "
        "series in it, pass a dict or list",
    ),
    "the latest first": (
        table(HOURS)[::-1],
        "X must have its rows in the order of time, got 2024-01-02 14:00:00 after 2024-01-02 "
        "15:00:00 (row 1): sort them, for example with sort_index()",
    ),
    "rows that were chosen": (
        table().iloc[[*range(9), *range(12, 30)]],
        "X must have its rows at equal distances, got 12 after 8 (row 9), where most are 1 apart: "
        "reset_index(drop=True), if rows are what counts",
    ),
    "a time missing": (
        table(pd.DatetimeIndex([*HOURS[:-1], pd.NaT])),
        "X must have a time for each row, got 1 NaT",
    ),
    "words": (
        table([f"row {i}" for i in range(N)]),
        "X must have an index of times or numbers, got dtype",
    ),
    "two levels": (
        table(pd.MultiIndex.from_product([["a", "b"], HOURS[:20]])),
        "X must have an index of times alone, got levels [None, 'hour']: if one of them says which "
        "series a row is of, pass a dict",
    ),
    "times in a column": (
        table().assign(when=HOURS),
        "X must have its times in the index, got them in column 'when': call set_index('when')",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("X", "message"), NOT_IN_ORDER.values(), ids=NOT_IN_ORDER)
def test_times_that_are_not_in_order_and_equally_far_apart_are_refused(X, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        counting().fit(X)
    with pytest.raises(ValueError, match=re.escape(message.replace("X", "X['b']", 1))):
        counting().fit({"a": table(HOURS), "b": X})


def test_other_times_than_in_fit_are_refused():
    model = counting().fit(table(HOURS))
    days = table(INDICES["days"][:N])
    for call in (model.predict, model.backtest, model.score):
        with pytest.raises(
            ValueError, match=r"X must have times as far apart as in fit, [hH], got D"
        ):
            call(days)


def test_a_missing_hour_that_is_put_in_is_left_out_and_counted():
    gap = table(HOURS).drop(HOURS[20]).asfreq("h")
    model = counting().fit(gap)
    # Windows that hold row 20, or are followed by it.
    assert model.n_windows_left_out_ == T + H
    assert model.n_windows_ == N - T - H + 1 - (T + H)
    assert 20 not in np.concatenate(
        [model.estimator_.X_[:, :, 0].ravel(), model.estimator_.y_.ravel()]
    )
    assert np.isfinite(model.score(gap))
    # Where a window holds a gap, there is no forecast.
    forecasts = model.backtest(gap, every=1)
    missing = forecasts["load"].isna().to_numpy().reshape(-1, H)
    origins = T + np.arange(len(missing))
    np.testing.assert_array_equal(missing.all(axis=1), (origins > 20) & (origins <= 20 + T))
    assert (missing.all(axis=1) == missing.any(axis=1)).all()
    with pytest.raises(ValueError, match=re.escape(
        "X must have no gaps in its last n_timesteps=5 rows, got NaN for 2024-01-01 20:00:00, "
        "input 'sun': fill them"
    )):  # fmt: skip
        model.predict(gap[:23])


def test_gaps_in_targets_and_in_covariates_are_left_out_too():
    gap = table(HOURS)
    gap.loc[HOURS[[7, 30]], "load"] = np.nan
    known = pd.DataFrame({"price": COUNT}, index=HOURS)
    known.iloc[20] = np.nan
    model = counting(step=2).fit(gap, exog=known)
    rows = np.concatenate([model.estimator_.X_[:, :, 0].ravel(), model.estimator_.y_.ravel()])
    assert np.isfinite(model.estimator_.X_).all()
    assert not {7, 30} & set(rows)
    assert model.n_windows_ + model.n_windows_left_out_ == len(range(0, N - T - H + 1, 2))
    with pytest.raises(ValueError, match="X must have rows without gaps, got NaN in each of 33"):
        counting().fit(gap.assign(sun=np.nan))


# --- Words ----------------------------------------------------------------------------------

DAYS = ["Mo", "Tu", "We"] * 13 + ["Mo"]
COLUMNS = {
    "strings": pd.Series(DAYS),
    "objects": pd.Series(DAYS, dtype=object),
    "pandas strings": pd.Series(DAYS, dtype="string"),
    "categories": pd.Series(pd.Categorical(DAYS, ["Mo", "Tu", "We"])),
}


@pytest.mark.parametrize("days", COLUMNS.values(), ids=COLUMNS)
def test_words_are_read_one_hot(days):
    X = table().assign(day=days)[["day", "load", "sun"]]
    model = counting().fit(X)
    expected = OneHotEncoder(sparse_output=False).fit_transform(X[["day"]].astype(object))
    assert model.input_names_ == ["day_Mo", "day_Tu", "day_We", "load", "sun"]
    assert {name: list(words) for name, words in model.categories_.items()} == {
        "day": ["Mo", "Tu", "We"]
    }
    np.testing.assert_array_equal(model.estimator_.X_[4, :, :3], expected[4 : 4 + T])
    np.testing.assert_array_equal(
        model.estimator_.y_[:, 0], T + np.arange(len(model.estimator_.y_))
    )
    # Columns are found by their names, in any order.
    model.predict(X[["sun", "day", "load"]])
    np.testing.assert_array_equal(model.estimator_.calls_[-1][0, :, :3], expected[-T:])


def test_unknown_words_are_refused_or_read_as_none():
    X = table().assign(day=DAYS)
    later = X.assign(day=[*DAYS[:-1], "Su"])
    message = (
        "X has ['Su'] in column 'day', which fit has not seen: leave such rows out, or set "
        "handle_unknown='ignore', which reads them as none of ['Mo', 'Tu', 'We']"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        counting().fit(X).predict(later)
    model = counting(handle_unknown="ignore").fit(X)
    model.predict(later)
    np.testing.assert_array_equal(model.estimator_.calls_[-1][0, -1, 2:], [0, 0, 0])


def test_a_missing_word_is_a_gap():
    model = counting().fit(table().assign(day=[*DAYS[:20], None, *DAYS[21:]]))
    # A word is no target: windows that row 20 follows are whole.
    assert model.n_windows_left_out_ == T
    assert model.categories_ == {"day": ["Mo", "Tu", "We"]}


def test_categories_of_a_type_are_inputs_even_where_none_occurs():
    X = table().assign(day=pd.Categorical(DAYS, ["We", "Tu", "Mo", "Su"]))
    assert counting().fit(X).categories_ == {"day": ["We", "Tu", "Mo", "Su"]}


def test_covariates_may_be_words():
    known = pd.DataFrame({"holiday": ["no", "yes"] * 22})
    model = counting().fit(table(), exog=known)
    assert model.input_names_[2:] == ["holiday_no(+3)", "holiday_yes(+3)"]
    model.predict(table(), exog=known)
    np.testing.assert_array_equal(model.estimator_.calls_[-1][0, :, 3], [0, 1, 0, 1, 0])


def test_numbers_of_any_kind_are_numbers():
    X = table().assign(
        flag=COUNT > 9, whole=pd.array([*range(N - 1), None], "Int64"), small=COUNT.astype("i1"),
        maybe=pd.array([True, False] * 20, "boolean"),
    )  # fmt: skip
    model = counting().fit(X)
    assert model.input_names_ == list(X.columns)
    np.testing.assert_array_equal(model.estimator_.X_[0, -1], [4, 1004, 0, 4, 4, 1])
    # The last row, where a number is missing, is in no window.
    assert model.n_windows_left_out_ == 0


# --- polars ---------------------------------------------------------------------------------


def test_polars_is_read_as_pandas_is():
    pl = pytest.importorskip("polars")
    of_pandas = table(HOURS).assign(day=DAYS)
    frame = pl.DataFrame(
        {"when": HOURS.to_numpy(), "load": COUNT, "sun": 1000 + COUNT, "day": DAYS}
    )
    model, expected = counting().fit(frame), counting().fit(of_pandas)
    assert_same_bits(model.estimator_.X_, expected.estimator_.X_)
    forecast = model.predict(frame)
    assert forecast.columns == ["when", "load"]
    assert forecast["load"].to_list() == [40, 41, 42]
    assert forecast["when"].dtype == frame["when"].dtype
    assert forecast["when"].to_list() == list(INDICES["hours"][N:].to_pydatetime())
    tests = model.backtest(frame, start=HOURS[20].to_pydatetime(), every=9)
    assert tests.columns == ["when", "origin", "step", "load"]
    assert tests["load"].to_list() == [20, 21, 22, 29, 30, 31]
    assert tests["origin"].to_list() == [HOURS[19]] * 3 + [HOURS[28]] * 3
    assert tests["step"].to_list() == [1, 2, 3] * 2
    for category in (pl.Categorical, pl.Enum(["Mo", "Tu", "We"])):
        typed = counting().fit(frame.with_columns(pl.col("day").cast(category)))
        assert_same_bits(typed.estimator_.X_, expected.estimator_.X_)


def test_polars_without_times_and_with_other_times():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"load": COUNT, "sun": COUNT})
    model = counting().fit(frame)
    assert model.predict(frame)["load"].to_list() == [40, 41, 42]
    assert model.backtest(frame, start=30).columns == ["origin", "step", "load"]
    model = WindowForecaster(Counts(1, H), n_timesteps=T, horizon=H).fit(frame["load"])
    assert model.predict(frame["load"])["load"].to_list() == [40, 41, 42]
    for name in ("months", "hours of a zone, over the change of clocks", "days"):
        index = INDICES[name]
        when = pl.Series("when", index.tz_convert("UTC").tz_localize(None) if index.tz else index)
        if index.tz is not None:
            when = when.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Oslo")
        frame = pl.DataFrame({"when": when[:N], "load": COUNT})
        future = counting().fit(frame).predict(frame)["when"]
        assert future.to_list() == when[N:].to_list()
    dated = pl.DataFrame({"day": list(INDICES["days"][:N].date), "load": COUNT})
    assert counting().fit(dated).predict(dated)["day"].dtype == pl.Date


def test_covariates_of_polars_are_found_by_their_times():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"when": HOURS.to_numpy(), "load": COUNT})
    known = pl.DataFrame({"at": INDICES["hours"].to_numpy(), "price": 500 + np.arange(N + H)})
    model = counting().fit(frame, exog=known[::-1])
    np.testing.assert_array_equal(model.estimator_.X_[:, -H:, 1] - 500, model.estimator_.y_)
    with pytest.raises(ValueError, match="exog must have a row for each of X and for 3 rows after"):
        model.predict(frame, exog=known[:-1])


def test_polars_refuses_what_pandas_does():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"when": HOURS.to_numpy(), "load": COUNT})
    wrong = {
        "rows at equal distances, got 2024-01-01 21:00:00 after .* where most are 1h apart": frame[
            [*range(20), *range(21, N)]
        ],
        r"rows in the order of time, got .* sort\(\)": frame[::-1],
        "one row a time, got 2024-01-01 08:00:00 twice": frame[[*range(9), *range(8, 30)]],
        r"one column of times, got \['when', 'again'\]": frame.with_columns(again=frame["when"]),
        "a LazyFrame: call": frame.lazy(),
    }
    for message, X in wrong.items():
        with pytest.raises(ValueError, match=message):
            counting().fit(X)


# --- What is known in advance ---------------------------------------------------------------


def test_covariates_are_found_by_their_times_and_else_by_their_places():
    index = INDICES["hours"]
    known = pd.DataFrame({"price": 500 + np.arange(N + H)}, index=index)
    more = pd.date_range(index[0] - pd.Timedelta("9h"), periods=N + 39, freq="h")
    longer = pd.DataFrame({"price": 500 + np.arange(-9, N + 30)}, more)
    for exog in (known, longer, longer[::-1], known["price"], known.to_numpy()):
        model = counting().fit(table(HOURS), exog=exog)
        np.testing.assert_array_equal(model.estimator_.X_[:, -H:, 2] - 500, model.estimator_.y_)
        model.predict(table(HOURS), exog=exog)
        np.testing.assert_array_equal(model.estimator_.calls_[-1][0, -H:, 2], 540 + np.arange(H))
    # The end of a table is enough, as long as the covariates are of the same times.
    model.fit(table(HOURS), exog=known).predict(table(HOURS)[-T:], exog=known[-T:])
    np.testing.assert_array_equal(model.estimator_.calls_[-1][0, -H:, 2], 540 + np.arange(H))


KNOWN = pd.DataFrame({"price": 500 + np.arange(N + H)}, index=INDICES["hours"])
WRONG_EXOG = {
    "not of the future": (
        {"exog": KNOWN[:N]},
        "exog must have a row for each of X and for 3 rows after it, got none for 2024-01-02 16:00",
    ),
    "not one row more": (
        {"exog": KNOWN[:-1].to_numpy()},
        "exog must have 43 rows, 40 of X and 3 after it, as they have no times in common to be "
        "found by, got 42",
    ),
    "more rows than there can be": (
        {"X": table(HOURS)[-T:], "exog": KNOWN.to_numpy()},
        "exog must have 8 rows, 5 of X and 3 after it",
    ),
    "none": ({"exog": None}, "exog must be given as in fit, got None: the values that are known"),
    "other columns": (
        {"exog": KNOWN.rename(columns={"price": "cost"})[["cost"]].assign(price=1)},
        "exog must have the columns of fit, ['price'], but it has ['cost']",
    ),
    "a time twice": (
        {"exog": KNOWN.iloc[[0, *range(N + H)]]},
        "exog must have one row a time, got 2024-01-01 00:00:00 twice",
    ),
    "times of its own": ({"exog": KNOWN.reset_index(drop=True)}, "got none for 2024-01-02 1"),
    "many": ({"exog": {"a": KNOWN}}, "exog must be one table, got ['a']"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), WRONG_EXOG.values(), ids=WRONG_EXOG)
def test_covariates_that_are_not_there_are_missed(arguments, message):
    model = counting().fit(table(HOURS), exog=KNOWN)
    with pytest.raises(ValueError, match=re.escape(message)):
        model.predict(**{"X": table(HOURS), **arguments})


# --- Refused --------------------------------------------------------------------------------

REFUSED = {
    "a typo": (
        {"target": "laod"},
        {},
        "target must name columns of X, which has ['load', 'sun'], got 'laod': did you mean 'load'",
    ),
    "no target": ({"target": []}, {}, "target must name at least one column of X, got none"),
    "words to forecast": (
        {"target": "day"},
        {"X": table().assign(day=DAYS)},
        "target must name columns of numbers, but 'day' of X holds words",
    ),
    "too short": (
        {}, {"X": table(n=7)},
        "X has 7 rows, but a window of n_timesteps=5 and its targets of horizon=3 need 8",
    ),
    "too short, by key": ({}, {"X": {"Oslo": table(), "Rome": table(n=7)}}, "X['Rome'] has 7 rows"),
    "too short, by position": ({}, {"X": [table(), table(n=7)]}, "X[1] has 7 rows"),
    "no rows": ({}, {"X": table()[:0]}, "X has no rows"),
    "no tables": ({}, {"X": {}}, "X must hold at least one table, got none"),
    "infinity": (
        {}, {"X": table(HOURS).replace(1009.0, np.inf)},
        "X contains infinity, first in 2024-01-01 09:00:00, column 'sun': replace it",
    ),
    "a column twice": (
        {}, {"X": table().set_axis(["load", "load"], axis=1)},
        "X must have columns of different names, got 'load' twice",
    ),
    "other columns": (
        {}, {"X": [table(), table().rename(columns={"sun": "snu"})]},
        "X[1] must have the columns of X[0], ['load', 'sun'], but it lacks ['sun'] and has ['snu']",
    ),
    "y": ({}, {"y": COUNT}, "y must be None: the columns to forecast are columns of X"),
    "exog in the place of y": ({}, {"y": KNOWN}, "known in advance are passed as exog="),
    "times as words": (
        {}, {"X": table(HOURS).reset_index().astype({"hour": str})},
        "X must have words that come again, got 40 different ones in 40 rows of column 'hour': if "
        "they are times, make an index of them",
    ),
    "sequences": ({}, {"X": np.zeros((3, 4, 5))}, "X must be a table, one row a time step: a"),
    "nothing": ({}, {"X": None}, "or a list or dict of these; got None"),
    "a short window for exog": (
        {"n_timesteps": 2}, {"exog": KNOWN.reset_index(drop=True)},
        "n_timesteps must be at least horizon=3 with exog",
    ),
    "n_timesteps": ({"n_timesteps": 0}, {}, "The 'n_timesteps' parameter of WindowForecaster"),
    "handle_unknown": ({"handle_unknown": "skip"}, {}, "The 'handle_unknown' parameter of"),
    "objects": (
        {}, {"X": table().assign(day=[1, "two"] * 20)},
        "X must be numbers, got dtype object in column 'day': encode them",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("parameters", "arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused_in_a_sentence(parameters, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        counting(**parameters).fit(**{"X": table(), **arguments})


def test_a_refused_call_leaves_the_forecaster_as_it_was():
    model = WindowForecaster(small_net(), n_timesteps=T, target="load").fit(table())
    before = dict(vars(model))
    for wrong in (table(n=3), table()[::-1]):
        with pytest.raises(ValueError, match="X"):
            model.fit(wrong)
        assert vars(model) == before


REFUSED_LATER = {
    "a column missing": ({"X": table()[["load"]]}, "X must have the columns of fit, .* lacks"),
    "one more": ({"X": table().assign(more=1)}, r"columns of fit, .* but it has \['more'\]"),
    "another column": ({"X": table()[["sun"]].set_axis(["snu"], axis=1)}, "columns of fit"),
    "an array": ({"X": table().to_numpy()}, "X must be a table with names, as fit had, got an arr"),
    "words for numbers": ({"X": table().assign(sun="high")}, "must have numbers in column 'sun'"),
    "exog": ({"X": table(), "exog": KNOWN}, "exog must be given to fit too"),
    "too short": ({"X": table(n=4)}, "X has 4 rows, but a window has n_timesteps=5"),
}


@pytest.mark.parametrize(("arguments", "match"), REFUSED_LATER.values(), ids=REFUSED_LATER)
def test_tables_that_are_not_like_those_of_fit_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        counting().fit(table()).predict(**arguments)


WRONG_ORIGINS = {
    "too early": ({"start": 3}, "start=3 must leave n_timesteps=5 rows of X before it, got 3"),
    "too late": (
        {"start": 38},
        "start=38 must leave horizon=3 rows of X to forecast, which has 40",
    ),
    "no time": ({"start": "someday"}, "start must be a time of X or the position of a row"),
    "every": ({"every": 0}, "every must be an int of at least 1 or None, got 0"),
    "half": ({"every": 1.5}, "every must be an int of at least 1 or None, got 1.5"),
}


@pytest.mark.parametrize(("arguments", "match"), WRONG_ORIGINS.values(), ids=WRONG_ORIGINS)
def test_origins_that_are_not_there_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        counting().fit(table(HOURS)).backtest(table(HOURS), **arguments)
