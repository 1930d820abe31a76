"""WindowForecaster on series that count, so that a leak or an off-by-one shows as a number."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import assert_same_bits, small_net
from counting import Counts
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMRegressor, TimestepTransformer, sliding_windows
from sklstm.forecasting import WindowForecaster

N, T, H = 40, 5, 3
COUNT = np.arange(float(N))
HOURS = pd.date_range("2024-01-01", periods=N + H, freq="h", name="hour")
TABLE = pd.DataFrame({"load": COUNT, "sun": 1000 + COUNT}, index=HOURS[:N])
KNOWN = pd.DataFrame({"price": 500 + np.arange(float(N + H))}, index=HOURS)


def counting(**parameters):
    parameters = {"n_timesteps": T, "horizon": H, "target": "load"} | parameters
    return WindowForecaster(Counts(horizon=parameters["horizon"]), **parameters)


def net(**parameters):
    return small_net(**{"max_iter": 2, **parameters})


# --- What the net sees ----------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 4])
def test_the_net_is_fitted_on_the_windows_of_sliding_windows(step):
    model = counting(step=step).fit(TABLE)
    X, y = sliding_windows(TABLE, T, H, step=step, target="load")
    assert_same_bits(model.estimator_.X_, np.array(X))
    assert_same_bits(model.estimator_.y_, np.array(y))
    assert model.n_windows_ == len(X)
    assert model.n_windows_left_out_ == 0
    assert model.input_names_ == ["load", "sun"]
    assert model.forecast_names_ == ["load"]
    assert (model.n_features_in_, list(model.feature_names_in_)) == (2, ["load", "sun"])


def test_covariates_of_the_rows_to_forecast_are_in_the_last_steps():
    model = counting().fit(TABLE, exog=KNOWN)
    X, _ = sliding_windows(TABLE, T, H, exog=KNOWN[:N])
    assert_same_bits(model.estimator_.X_, np.array(X))
    # A price says which row it belongs to: those of the rows to forecast, in their order.
    np.testing.assert_array_equal(model.estimator_.X_[:, -H:, 2] - 500, model.estimator_.y_)
    assert model.input_names_ == ["load", "sun", "price(+3)"]
    model.predict(TABLE, exog=KNOWN)
    np.testing.assert_array_equal(model.estimator_.calls_[-1][0, -H:, 2], 500 + N + np.arange(H))


def test_targets_of_several_columns_are_row_after_row():
    for target in (["sun", "load"], None):
        model = WindowForecaster(Counts(), n_timesteps=T, horizon=H, target=target).fit(TABLE)
        _, y = sliding_windows(TABLE, T, H, target=target)
        assert_same_bits(model.estimator_.y_, np.array(y))


# --- Forecasts ------------------------------------------------------------------------------


def test_a_forecast_is_the_rows_that_follow_by_their_times():
    model = counting().fit(TABLE)
    expected = pd.DataFrame({"load": N + np.arange(3.0)}, index=HOURS[N:])
    pd.testing.assert_frame_equal(model.predict(TABLE), expected, check_freq=False)
    # Of any part of the table that holds a window.
    part = model.predict(TABLE[10:15])
    pd.testing.assert_frame_equal(part, TABLE[["load"]][15:18], check_freq=False)
    assert model.estimator_.calls_[-1].shape == (1, T, 2)


def test_one_row_ahead_and_several_targets():
    model = WindowForecaster(Counts(2), n_timesteps=T).fit(TABLE)
    expected = pd.DataFrame({"load": [40.0], "sun": [1040.0]}, index=HOURS[N : N + 1])
    pd.testing.assert_frame_equal(model.predict(TABLE), expected, check_freq=False)


def test_an_array_gets_an_array():
    for X, shape in ((COUNT, (H,)), (COUNT[:, np.newaxis], (H,)), (COUNT.tolist(), (H,))):
        model = WindowForecaster(Counts(1, H), n_timesteps=T, horizon=H).fit(X)
        np.testing.assert_array_equal(model.predict(X), N + np.arange(H))
        assert model.predict(X).shape == shape
        assert not hasattr(model, "feature_names_in_")
    model = WindowForecaster(Counts(2, H), n_timesteps=T, horizon=H).fit(TABLE.to_numpy())
    assert model.predict(TABLE.to_numpy()).shape == (H, 2)
    assert model.backtest(TABLE.to_numpy(), start=10, every=10).shape == (3, H, 2)
    known = KNOWN.to_numpy()
    model = WindowForecaster(Counts(1, H), n_timesteps=T, horizon=H, target=0)
    model.fit(TABLE.to_numpy(), exog=known[:N]).predict(TABLE.to_numpy(), exog=known)
    np.testing.assert_array_equal(model.estimator_.calls_[-1][0, -H:, 2], 500 + N + np.arange(H))


def test_a_series_gets_a_data_frame_under_its_name():
    model = WindowForecaster(Counts(1, H), n_timesteps=T, horizon=H).fit(TABLE["load"])
    assert model.predict(TABLE["load"]).columns.tolist() == ["load"]
    # The name is not what counts.
    assert model.predict(TABLE["load"].rename(None)).columns.tolist() == ["load"]
    unnamed = WindowForecaster(Counts(), n_timesteps=T).fit(TABLE["load"].rename(None))
    assert unnamed.predict(TABLE["load"]).columns.tolist() == ["forecast"]


def test_an_array_is_not_copied_in_fit():
    class Keeps(Counts):
        def fit(self, X, y):
            self.window_ = X[0]
            return self

    table = TABLE.to_numpy()
    assert np.shares_memory(WindowForecaster(Keeps(), n_timesteps=T).fit(table).estimator_.window_,
                            table)  # fmt: skip


# --- Many series ----------------------------------------------------------------------------


def test_one_net_for_many_series_of_different_lengths():
    tables = {"b": TABLE, "a": 100 + TABLE[7:30], "c": 200 + TABLE[:9]}
    model = counting().fit(tables)
    X, y = sliding_windows(tables, T, H, target="load")
    assert_same_bits(model.estimator_.X_, np.asarray(X))
    assert_same_bits(model.estimator_.y_, y)
    forecasts = model.predict(tables)
    assert list(forecasts) == ["b", "a", "c"]
    # All in one call of the net.
    assert len(model.estimator_.calls_) == 1
    pd.testing.assert_frame_equal(forecasts["a"], 100 + TABLE[["load"]][30:33], check_freq=False)
    assert isinstance(model.predict(list(tables.values())), list)
    assert len(model.estimator_.calls_) == 2
    # One that begins later is forecast from its own first window on, one that has ended is not.
    tests = model.backtest(tables, start=HOURS[8])
    assert len(model.estimator_.calls_) == 3
    assert (tests["b"].index[0], tests["a"].index[0], len(tests["c"])) == (HOURS[8], HOURS[12], 0)
    np.testing.assert_array_equal(tests["a"]["load"], 100 + np.arange(12, 30))
    arrays = [COUNT, COUNT[:20] + 50]
    model = WindowForecaster(Counts(1, H), n_timesteps=T, horizon=H).fit(arrays)
    np.testing.assert_array_equal(model.predict(arrays)[1], [70, 71, 72])


def test_covariates_of_many_series_are_one_for_each_or_one_for_all():
    tables = {"a": TABLE, "b": TABLE[9:30]}
    one_for_each = {"b": KNOWN[9:33], "a": KNOWN}
    for exog in (KNOWN, one_for_each):
        model = counting().fit(tables, exog=exog)
        np.testing.assert_array_equal(model.estimator_.X_[:, -H:, 2] - 500, model.estimator_.y_)
        model.predict(tables, exog=exog)
        last = model.estimator_.calls_[-1][:, -H:, 2] - 500
        np.testing.assert_array_equal(last, [N + np.arange(H), 30 + np.arange(H)])


# --- Backtests ------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [None, 1, 2, 7])
@pytest.mark.parametrize("start", [None, 11, -10, "2024-01-01 11:00", HOURS[11]])
def test_a_backtest_knows_the_rows_before_its_origin_and_no_more(start, every):
    model = counting().fit(TABLE[:10])
    forecasts = model.backtest(TABLE, start=start, every=every)
    first = {None: T, -10: N - 10}.get(start, 11)
    origins = np.arange(first, N - H + 1, every or H)
    # What is forecast is what came, so no row is forecast from another place than it should be.
    at = (origins[:, np.newaxis] + np.arange(H)).ravel()
    np.testing.assert_array_equal(forecasts["load"], at)
    assert (forecasts.index == HOURS[at]).all()
    assert (forecasts["origin"] == HOURS[np.repeat(origins - 1, H)]).all()
    assert forecasts["step"].tolist() == [1, 2, 3] * len(origins)
    # Each window, in one call, ends just before the first row that is forecast from it.
    (windows,) = model.estimator_.calls_
    np.testing.assert_array_equal(windows[:, :, 0], origins[:, np.newaxis] - T + np.arange(T))


def test_what_comes_after_an_origin_does_not_change_a_forecast():
    rng = np.random.RandomState(0)
    table = pd.DataFrame(rng.normal(size=(N, 2)), index=HOURS[:N], columns=["load", "sun"])
    model = WindowForecaster(net(), n_timesteps=T, horizon=H, target="load").fit(table[:20])
    before = model.backtest(table, start=20, every=1)
    changed = table.copy()
    changed.iloc[25:] = 1e3
    after = model.backtest(changed, start=20, every=1)
    known = before["origin"] < HOURS[25]
    assert_same_bits(before[known].to_numpy(), after[known].to_numpy())
    assert not np.array_equal(before["load"][~known], after["load"][~known])
    # And it is what predict says of the rows so far.
    for origin in (20, 27, N - H):
        its = before[before["origin"] == HOURS[origin - 1]]
        assert_same_bits(its[["load"]].to_numpy(), model.predict(table[:origin]).to_numpy())


def test_a_net_fitted_before_start_has_seen_no_row_that_is_forecast():
    start = 25
    model = counting().fit(TABLE[:start])
    forecasts = model.backtest(TABLE, start=start)
    assert model.estimator_.y_.max() == start - 1
    assert forecasts["load"].min() == start


# --- Scores and searches --------------------------------------------------------------------


def test_score_is_that_of_the_net_on_every_origin_of_the_table():
    table = pd.DataFrame(np.sin(TABLE.to_numpy()), columns=["load", "sun"], index=HOURS[:N])
    model = WindowForecaster(net(), n_timesteps=T, horizon=H, target="load").fit(table)
    X, y = sliding_windows(table[9:], T, H, target="load")
    assert model.score(table[9:]) == model.estimator_.score(np.array(X), y)


class NoLeak(Counts):
    """Its score is how many rows before the first test target the last training target is."""

    def score(self, X, y):
        return float(np.asarray(X)[0, 0, 0] - self.y_.max())


def test_a_search_in_the_order_of_time_needs_no_gap():
    model = WindowForecaster(NoLeak(1, H), n_timesteps=T, horizon=H, target="load")
    # Windows of the test part begin with the row after the last that was trained on.
    assert (cross_val_score(model, TABLE, cv=TimeSeriesSplit(3)) == 1).all()
    assert (cross_val_score(model, TABLE, cv=TimeSeriesSplit(3, gap=2)) == 3).all()


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search_chooses_nested_parameters(n_jobs):
    table = pd.DataFrame(np.sin(TABLE.to_numpy()), columns=["load", "sun"], index=HOURS[:N])
    model = WindowForecaster(net(), n_timesteps=3, horizon=2, target="load")
    grid = {"estimator__hidden_layer_sizes": [2, 3], "n_timesteps": [3, 4]}
    search = GridSearchCV(model, grid, cv=TimeSeriesSplit(2), n_jobs=n_jobs).fit(table)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(table).shape == (2, 1)
    for train, test in TimeSeriesSplit(2).split(table):
        by_hand = clone(model).set_params(estimator__hidden_layer_sizes=2)
        by_hand = by_hand.fit(table.iloc[train]).score(table.iloc[test])
    assert search.cv_results_["split1_test_score"][0] == by_hand


def test_covariates_go_through_a_search_by_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        model = WindowForecaster(net(), n_timesteps=4, horizon=2, target="load")
        model.set_fit_request(exog=True).set_score_request(exog=True)
        search = GridSearchCV(model, {"estimator__alpha": [0, 1]}, cv=TimeSeriesSplit(2))
        search.fit(TABLE, exog=KNOWN[:N])
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert search.best_estimator_.input_names_[-1] == "price(+2)"


def test_it_is_a_meta_estimator_of_scikit_learn():
    model = WindowForecaster(net(), n_timesteps=T, target="load")
    assert model.get_params()["estimator__hidden_layer_sizes"] == net().hidden_layer_sizes
    model.set_params(estimator__max_iter=1, horizon=2)
    assert (model.estimator.max_iter, model.horizon) == (1, 2)
    fitted = model.fit(TABLE)
    assert fitted is model
    assert not hasattr(clone(model), "estimator_")
    copied = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(copied.predict(TABLE), model.predict(TABLE))
    with pytest.raises(sklearn.exceptions.NotFittedError):
        clone(model).predict(TABLE)


# --- Estimators -----------------------------------------------------------------------------


def test_several_quantiles_have_columns_that_do_not_cross():
    band = net(loss="quantile", quantile=[0.1, 0.5, 0.9])
    model = WindowForecaster(band, n_timesteps=T, horizon=H, target=["sun", "load"]).fit(TABLE)
    names = [f"{name}_{q}" for name in ("sun", "load") for q in (0.1, 0.5, 0.9)]
    forecast = model.predict(TABLE)
    assert forecast.columns.tolist() == names
    # The oracle: the net, asked by hand.
    X = TABLE.to_numpy()[np.newaxis, -T:]
    expected = model.estimator_.predict(X)[0].reshape(H, 2, 3)
    assert_same_bits(forecast.to_numpy(), expected.reshape(H, 6))
    assert (np.diff(expected, axis=2) >= 0).all()
    one = WindowForecaster(net(loss="quantile", quantile=[0.9]), n_timesteps=T, target="load")
    assert one.fit(TABLE).predict(TABLE).columns.tolist() == ["load_0.9"]
    one = WindowForecaster(net(loss="quantile", quantile=0.9), n_timesteps=T, target="load")
    assert one.fit(TABLE).predict(TABLE).columns.tolist() == ["load"]


PARTS = {
    "alone": lambda gaussian: gaussian,
    "pipeline": lambda gaussian: make_pipeline(TimestepTransformer(StandardScaler()), gaussian),
    "search": lambda gaussian: GridSearchCV(gaussian, {"alpha": [0.1]}, cv=2),
}


@pytest.mark.parametrize("around", PARTS.values(), ids=PARTS)
def test_a_gaussian_net_has_columns_of_deviations_whatever_is_around_it(around):
    gaussian = around(net(loss="gaussian"))
    model = WindowForecaster(gaussian, n_timesteps=T, horizon=H, target="load").fit(TABLE)
    forecast = model.predict(TABLE)
    assert forecast.columns.tolist() == ["load", "load_std"]
    X, estimator = TABLE.to_numpy()[np.newaxis, -T:], model.estimator_
    if hasattr(estimator, "steps"):
        X, estimator = estimator[:-1].transform(X), estimator[-1]
    estimator = getattr(estimator, "best_estimator_", estimator)
    mean, std = estimator.predict(X, return_std=True)
    assert_same_bits(forecast.to_numpy(), np.stack([mean[0], std[0]], axis=1))
    assert np.isfinite(model.score(TABLE))


def test_a_pipeline_forecasts_as_its_parts_do():
    pipeline = make_pipeline(TimestepTransformer(StandardScaler()), net())
    model = WindowForecaster(pipeline, n_timesteps=T, horizon=H, target="load").fit(TABLE)
    X, y = sliding_windows(TABLE, T, H, target="load")
    expected = clone(pipeline).fit(np.array(X), y).predict(TABLE.to_numpy()[np.newaxis, -T:])
    assert_same_bits(model.predict(TABLE)["load"].to_numpy(), expected[0])
    model.set_params(estimator__lstmregressor__max_iter=1).fit(TABLE)


def test_single_precision_stays_single():
    single = TABLE.astype(np.float32)
    model = WindowForecaster(net(), n_timesteps=T, target="load").fit(single)
    assert (model.predict(single).dtypes == np.float32).all()
    assert model.estimator_.output_weights_.dtype == np.float32


def test_a_net_that_answers_each_step_says_the_rows_at_the_last_steps():
    for target, names in (("load", ["load"]), (["sun", "load"], ["sun", "load"])):
        each = net(pooling=None, bidirectional=True)
        model = WindowForecaster(each, n_timesteps=T, horizon=H, target=target).fit(TABLE)
        X, targets = sliding_windows(TABLE, T, H, target=target)
        targets = targets.reshape(len(X), H, len(names))
        # The oracle: a target for each of the last steps, and none for the others.
        y = np.full((len(X), T, len(names)), np.nan)
        y[:, T - H :] = targets
        y = y[..., 0] if len(names) == 1 else y
        expected = clone(each).fit(np.array(X), y)
        assert_same_bits(model.estimator_.output_weights_, expected.output_weights_)
        answers = expected.predict(TABLE.to_numpy()[np.newaxis, -T:])[0, T - H :]
        forecast = model.predict(TABLE)
        assert forecast.columns.tolist() == names
        assert_same_bits(forecast.to_numpy(), answers.reshape(H, -1))
        assert model.score(TABLE) == expected.score(np.array(X), y)
    band = net(pooling=None, loss="quantile", quantile=[0.1, 0.9])
    model = WindowForecaster(band, n_timesteps=T, horizon=H, target="load").fit(TABLE)
    assert model.backtest(TABLE).columns.tolist()[2:] == ["load_0.1", "load_0.9"]
    gaussian = net(pooling=None, loss="gaussian")
    model = WindowForecaster(gaussian, n_timesteps=T, horizon=H).fit(TABLE)
    assert model.predict(TABLE).columns.tolist() == ["load", "load_std", "sun", "sun_std"]
    with pytest.raises(ValueError, match="n_timesteps must be at least horizon=6 with a net that"):
        model.set_params(horizon=6).fit(TABLE)


ANSWERS = {
    "all rows at once": {"max_iter": 60},
    "one at each step": {"max_iter": 15, "pooling": None, "bidirectional": True},
}


@pytest.mark.parametrize("settings", ANSWERS.values(), ids=ANSWERS)
def test_what_is_known_in_advance_reaches_the_forecast(settings):
    # The target is the price of the same hour, which nothing in the past tells.
    price = np.random.RandomState(0).normal(size=600)
    table, known = price[:500], price[:, np.newaxis]
    estimator = LSTMRegressor(
        24, learning_rate="cosine", learning_rate_init=0.01, random_state=0, **settings
    )
    model = WindowForecaster(estimator, n_timesteps=4, horizon=3)
    model.fit(table, exog=known[:500])
    tests = model.backtest(price, exog=known, start=500).ravel()
    truth = price[500 : 500 + len(tests)]
    errors = tests - truth
    # A linear model that sees the past alone explains nothing of it.
    X, y = sliding_windows(price, 4, 3)
    X, y = X.reshape(len(X), -1), y
    assert LinearRegression().fit(X[:490], y[:490]).score(X[490:], y[490:]) < 0.05
    assert 1 - errors.var() / truth.var() > 0.9
    # And the price that is given as known is what it follows.
    up = model.predict(price[:500], exog=known[:503] + 0.5 * (np.arange(503) >= 500)[:, np.newaxis])
    assert (up > model.predict(price[:500], exog=known[:503])).all()
