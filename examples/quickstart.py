"""Forecast the intensity of a chaotic laser, two pulses ahead.

The Santa Fe laser pulses every 7 or 8 steps. Its pulses grow until they collapse, at moments that
no linear rule foresees. From the last 32 intensities we forecast the one 15 steps ahead: two pulses
away, where repeating the last value works comparatively well.

Units and learning rate are searched within the training part. How well a net does depends a little
on the weights it starts with, so the choice is fitted from five seeds.

    pip install ".[examples]"
    python examples/quickstart.py
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from reservoirpy.datasets import santafe_laser
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMRegressor

LAGS = 32
HORIZON = 15
TRAINING = 4000
HELD_OUT = 1000
SEEDS = range(5)


def main():
    """Fit, compare, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, help="default: in a temporary folder")
    options = parser.parse_args()

    series = santafe_laser().ravel()[: LAGS + TRAINING + HELD_OUT + 2 * (HORIZON - 1)]
    X, y = lagged(series)
    # Between the two lie HORIZON - 1 rows whose targets are not known yet when the first forecast
    # is made.
    X_train, y_train = X[:TRAINING], y[:TRAINING]
    X_test, y_test = X[-HELD_OUT:], y[-HELD_OUT:]

    lstm = LSTMRegressor(
        learning_rate="cosine", max_iter=60, n_iter_no_change=np.inf, random_state=0
    )
    search = GridSearchCV(
        lstm,
        {"hidden_layer_sizes": [16, 32], "learning_rate_init": [0.003, 0.01]},
        cv=TimeSeriesSplit(n_splits=3, gap=HORIZON - 1),
        n_jobs=-1,
        refit=False,
    ).fit(X_train, y_train)
    lstm.set_params(**search.best_params_)
    ridge = make_pipeline(StandardScaler(), Ridge()).fit(X_train, y_train)

    forecasts = {
        "persistence": [X_test["lag 0"]],
        "Ridge": [ridge.predict(X_test)],
        "LSTM": [
            lstm.set_params(random_state=seed).fit(X_train, y_train).predict(X_test)
            for seed in SEEDS
        ],
    }
    print("Best of the search:", search.best_params_)
    errors = {
        name: [root_mean_squared_error(y_test, values) for values in each]
        for name, each in forecasts.items()
    }
    table = describe(y_test, forecasts, errors)
    print(table)
    draw(y_test, forecasts, errors, table, options.picture)


def lagged(series):
    """One row a moment: the last LAGS values, the oldest first, and the value HORIZON steps on."""
    windows = np.lib.stride_tricks.sliding_window_view(series, LAGS + HORIZON)
    names = [f"lag {lag}" for lag in reversed(range(LAGS))]
    X = pd.DataFrame(windows[:, :LAGS].astype(np.float32), columns=names)
    return X, windows[:, -1].astype(np.float32)


def median_seed(errors):
    """The place of the median of an odd number of errors."""
    return np.argsort(errors)[len(errors) // 2]


def describe(truth, forecasts, errors):
    """The table that the README shows."""
    lines = [f"{'':12} {'RMSE':>6} {'R2':>6}"]
    for name, each in errors.items():
        seed = median_seed(each)
        r2 = r2_score(truth, forecasts[name][seed])
        lines.append(f"{name:12} {each[seed]:6.2f} {r2:6.3f}")
    lowest, highest = min(errors["LSTM"]), max(errors["LSTM"])
    lines[-1] += f"   median of {len(SEEDS)} seeds; RMSE from {lowest:.2f} to {highest:.2f}"
    return "\n".join(lines)


def draw(truth, forecasts, errors, table, picture):
    """Save a stretch of the held-out end, and the errors, if matplotlib is there."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    steps = range(460, 660)  # pulses grow, collapse, and grow again
    colors = {"persistence": "0.75", "Ridge": "tab:orange", "LSTM": "tab:blue"}
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 3.6), width_ratios=[3.4, 1], layout="constrained"
    )
    left.plot(steps, truth[steps], color="black", linewidth=3, alpha=0.3, label="truth")
    for name in ("Ridge", "LSTM"):
        forecast = forecasts[name][median_seed(errors[name])]
        left.plot(steps, forecast[steps], color=colors[name], linewidth=1.3, label=name)
    left.set(
        title=f"Santa Fe laser: forecast {HORIZON} steps ahead",
        xlabel="held-out step",
        ylabel="intensity",
    )
    left.legend(ncols=3, loc="upper right", frameon=False)
    left.margins(x=0)
    right.margins(y=0.1)

    medians = [np.median(each) for each in errors.values()]
    bars = right.bar(errors.keys(), medians, color=[colors[name] for name in errors])
    right.bar_label(bars, fmt="%.1f", padding=4)
    right.vlines("LSTM", min(errors["LSTM"]), max(errors["LSTM"]), color="black")
    right.set(
        title=f"RMSE, all {len(truth)} steps",
        xlabel=f"LSTM: median of {len(SEEDS)} seeds",
        yticks=[],
    )
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    right.spines["left"].set_visible(False)

    picture = picture or Path(tempfile.mkdtemp()) / "quickstart.png"
    # The picture carries its numbers, so that a test can compare them with the README's.
    figure.savefig(picture, dpi=120, metadata={"Description": table})
    print("Picture:", picture)


if __name__ == "__main__":
    main()
