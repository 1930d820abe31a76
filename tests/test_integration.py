"""LSTMRegressor inside other libraries' forecasters; `docs/user_guide/integration.md` as tests.

Their warnings are their own.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sklstm import LSTMRegressor, sliding_windows

pytestmark = pytest.mark.filterwarnings("ignore")

SETTINGS = {"hidden_layer_sizes": 16, "learning_rate_init": 0.01, "max_iter": 30, "random_state": 0}
AHEAD = 12


@pytest.fixture
def series():
    """A wave that is easy to continue, with dates."""
    dates = pd.date_range("2020-01-01", periods=240, freq="D")
    return pd.Series(10 + np.sin(0.5 * np.arange(240)), index=dates, name="y")


def assert_continues(forecast, series):
    """The forecast follows the wave better than its mean does."""
    truth = series.iloc[-AHEAD:].to_numpy()
    assert len(forecast) == AHEAD
    error = np.mean((np.asarray(forecast).ravel() - truth) ** 2)
    assert error < 0.2 * truth.var()


@pytest.mark.parametrize("kind", ["ForecasterRecursive", "ForecasterDirect"])
def test_skforecast(series, kind):
    module = pytest.importorskip(
        "skforecast.recursive" if kind == "ForecasterRecursive" else "skforecast.direct"
    )
    steps = {} if kind == "ForecasterRecursive" else {"steps": AHEAD}
    forecaster = getattr(module, kind)(LSTMRegressor(**SETTINGS), lags=24, **steps)
    forecaster.fit(series.iloc[:-AHEAD])
    assert_continues(forecaster.predict(steps=AHEAD), series)


@pytest.mark.parametrize("strategy", ["recursive", "direct", "multioutput"])
def test_sktime(series, strategy):
    compose = pytest.importorskip("sktime.forecasting.compose")
    forecaster = compose.make_reduction(
        LSTMRegressor(**SETTINGS), strategy=strategy, window_length=24
    )
    horizon = np.arange(1, AHEAD + 1)
    forecaster.fit(series.iloc[:-AHEAD], fh=horizon)
    assert_continues(forecaster.predict(horizon), series)


@pytest.fixture
def windows():
    """Windows of a noisy wave and of another series, and 3 steps of the wave to forecast."""
    rng = np.random.RandomState(0)
    series = np.sin(0.5 * np.arange(700)) + 0.2 * rng.normal(size=700)
    other = np.cos(0.5 * np.arange(700))
    return sliding_windows(np.column_stack([series, other]), 24, horizon=3, target=0)


TRAINING, LATER, NEW = slice(300), slice(300, 500), slice(500, None)


def assert_holds(low, high, truth):
    inside = (low < truth) & (truth < high)
    assert 0.7 < inside.mean() < 0.9


def lags(X):
    return X[:, :, 0], LSTMRegressor(**SETTINGS)


def table(X):
    return X.reshape(len(X), -1), LSTMRegressor(n_timesteps=24, **SETTINGS)


@pytest.mark.parametrize("form", [lags, table])
def test_mapie(windows, form):
    regression = pytest.importorskip("mapie.regression")
    X, y = windows
    (X, model), y = form(X), y[:, 0]
    conformal = regression.SplitConformalRegressor(model, confidence_level=0.8, prefit=False)
    conformal.fit(X[TRAINING], y[TRAINING]).conformalize(X[LATER], y[LATER])
    _, intervals = conformal.predict_interval(X[NEW])
    assert_holds(intervals[:, 0, 0], intervals[:, 1, 0], y[NEW])


def test_mapie_takes_three_quantiles(windows):
    regression = pytest.importorskip("mapie.regression")
    X, y = windows
    (X, model), y = table(X), y[:, 0]
    nets = [
        clone(model).set_params(loss="quantile", quantile=q).fit(X[TRAINING], y[TRAINING])
        for q in (0.1, 0.9, 0.5)
    ]
    conformal = regression.ConformalizedQuantileRegressor(nets, confidence_level=0.8, prefit=True)
    conformal.conformalize(X[LATER], y[LATER])
    _, intervals = conformal.predict_interval(X[NEW])
    assert_holds(intervals[:, 0, 0], intervals[:, 1, 0], y[NEW])


@pytest.mark.parametrize("what", ["a 3-D array", "a list", "several outputs"])
def test_mapie_refuses_what_the_page_says(windows, what):
    regression = pytest.importorskip("mapie.regression")
    X, y = windows
    if what == "several outputs":
        X, model = table(X)
    else:
        X, y, model = X if what == "a 3-D array" else list(X), y[:, 0], LSTMRegressor(**SETTINGS)
    conformal = regression.SplitConformalRegressor(model, confidence_level=0.8, prefit=False)
    with pytest.raises((ValueError, UserWarning)):
        conformal.fit(X[TRAINING], y[TRAINING]).conformalize(X[LATER], y[LATER])


def test_a_band_of_several_outputs_is_made_to_hold_by_hand(windows):
    X, y = windows
    # Far too narrow.
    model = LSTMRegressor(loss="quantile", quantile=[0.3, 0.7], **SETTINGS)
    model.fit(X[TRAINING], y[TRAINING])
    low, high = np.moveaxis(model.predict(X[LATER]), -1, 0)
    outside = np.maximum(low - y[LATER], y[LATER] - high)
    share = min(1, 0.8 * (1 + 1 / len(y[LATER])))
    wider = np.quantile(outside, share, axis=0, method="higher")
    assert wider.shape == (3,)
    low, high = np.moveaxis(model.predict(X[NEW]), -1, 0)
    assert_holds(low - wider, high + wider, y[NEW])
