"""LSTMRegressor inside other libraries' forecasters; `docs/user_guide/integration.md` as tests.

Their warnings are their own.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMRegressor

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
    model = make_pipeline(StandardScaler(), LSTMRegressor(**SETTINGS))
    steps = {} if kind == "ForecasterRecursive" else {"steps": AHEAD}
    forecaster = getattr(module, kind)(model, lags=24, **steps)
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


def test_mapie():
    regression = pytest.importorskip("mapie.regression")
    rng = np.random.RandomState(0)
    series = np.sin(0.5 * np.arange(700)) + 0.2 * rng.normal(size=700)
    windows = np.lib.stride_tricks.sliding_window_view(series, 25)
    X, y = windows[:, :24], windows[:, 24]
    conformal = regression.SplitConformalRegressor(
        LSTMRegressor(**SETTINGS), confidence_level=0.8, prefit=False
    )
    conformal.fit(X[:300], y[:300]).conformalize(X[300:500], y[300:500])
    _, intervals = conformal.predict_interval(X[500:])
    inside = (intervals[:, 0, 0] < y[500:]) & (y[500:] < intervals[:, 1, 0])
    assert 0.7 < inside.mean() < 0.9
