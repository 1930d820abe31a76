"""
A real forecast: a chaotic laser, two pulses ahead
==================================================

The Santa Fe laser pulses every 7 or 8 steps. Its pulses grow until they collapse, at moments that
no linear rule foresees. From the last 32 intensities we forecast the one 15 steps ahead: two pulses
away, where repeating the last value works comparatively well.

To run it yourself::

    pip install ".[examples]"
    python examples/quickstart.py
"""

# %%
# The data
# --------
#
# One row a moment: the last 32 values, the oldest first, and as target the value 15 steps on. The
# columns are lags of one feature, so that an LSTM reads them as time steps. The last 1000 moments
# are held out.

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from reservoirpy.datasets import santafe_laser
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMRegressor

LAGS, HORIZON = 32, 15
TRAINING, HELD_OUT = 4000, 1000
SEEDS = range(5)

parser = argparse.ArgumentParser()
parser.add_argument("--picture", type=Path, help="where to save the picture too")
options = parser.parse_args()

series = santafe_laser().ravel()[: LAGS + TRAINING + HELD_OUT + 2 * (HORIZON - 1)]
windows = np.lib.stride_tricks.sliding_window_view(series, LAGS + HORIZON)
names = [f"lag {lag}" for lag in reversed(range(LAGS))]
X = pd.DataFrame(windows[:, :LAGS].astype(np.float32), columns=names)
y = windows[:, -1].astype(np.float32)

# Between the two lie HORIZON - 1 rows whose targets are not known yet when the first forecast is
# made.
X_train, y_train = X[:TRAINING], y[:TRAINING]
X_test, y_test = X[-HELD_OUT:], y[-HELD_OUT:]

# %%
# Choose, within the training part
# --------------------------------
#
# `GridSearchCV` takes the LSTM as it takes any regressor. Folds are in the order of time, with a
# gap as long as the horizon.

lstm = LSTMRegressor(learning_rate="cosine", max_iter=40, n_iter_no_change=np.inf, random_state=0)
search = GridSearchCV(
    lstm,
    {"hidden_layer_sizes": [16, 32], "learning_rate_init": [0.003, 0.01]},
    cv=TimeSeriesSplit(n_splits=3, gap=HORIZON - 1),
    n_jobs=-1,
    refit=False,
).fit(X_train, y_train)
lstm.set_params(**search.best_params_)
print("Best of the search:", search.best_params_)

# %%
# Forecast what was held out
# --------------------------
#
# How well a net does depends a little on the weights it starts with, so the choice is fitted from
# five seeds. Beside it are repeating the last value, and Ridge on the same lags.

ridge = make_pipeline(StandardScaler(), Ridge()).fit(X_train, y_train)
forecasts = {
    "persistence": [X_test["lag 0"]],
    "Ridge": [ridge.predict(X_test)],
    "LSTM": [
        lstm.set_params(random_state=seed).fit(X_train, y_train).predict(X_test) for seed in SEEDS
    ],
}
errors, medians = {}, {}
for name, of_seeds in forecasts.items():
    errors[name] = [root_mean_squared_error(y_test, forecast) for forecast in of_seeds]
    medians[name] = of_seeds[np.argsort(errors[name])[len(of_seeds) // 2]]

lines = [f"{'':12} {'RMSE':>6} {'R2':>6}"]
for name, forecast in medians.items():
    r2 = r2_score(y_test, forecast)
    lines.append(f"{name:12} {np.median(errors[name]):6.2f} {r2:6.3f}")
lowest, highest = min(errors["LSTM"]), max(errors["LSTM"])
lines[-1] += f"   median of {len(SEEDS)} seeds; RMSE from {lowest:.2f} to {highest:.2f}"
table = "\n".join(lines)
print(table)

# %%
# A stretch of the held-out end, in which pulses grow, collapse, and grow again; and the errors of
# all 1000 steps.

steps = range(460, 660)
colors = {"persistence": "0.75", "Ridge": "tab:orange", "LSTM": "tab:blue"}
styles = {"Ridge": "--", "LSTM": "-"}
figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 3.6), width_ratios=[3.4, 1], layout="constrained"
)
left.plot(steps, y_test[steps], color="black", linewidth=3, alpha=0.3, label="truth")
for name in ("Ridge", "LSTM"):
    left.plot(
        steps,
        np.asarray(medians[name])[steps],
        styles[name],
        color=colors[name],
        linewidth=1.3,
        label=name,
    )
left.set(
    title=f"Santa Fe laser: forecast {HORIZON} steps ahead",
    xlabel="held-out step",
    ylabel="intensity",
)
left.legend(ncols=3, loc="upper right", frameon=False)
left.margins(x=0)
right.margins(y=0.1)
heights = [np.median(each) for each in errors.values()]
bars = right.bar(errors.keys(), heights, color=[colors[name] for name in errors])
right.bar_label(bars, fmt="%.1f", padding=4)
right.vlines("LSTM", lowest, highest, color="black")
right.set(
    title=f"RMSE, all {HELD_OUT} steps", xlabel=f"LSTM: median of {len(SEEDS)} seeds", yticks=[]
)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
right.spines["left"].set_visible(False)
if options.picture:
    # The picture carries its numbers, so that a test can compare them with the README's.
    figure.savefig(options.picture, dpi=120, metadata={"Description": table})
plt.show()
