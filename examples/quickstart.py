"""Forecast the intensity of a chaotic laser, two pulses ahead.

The Santa Fe laser pulses every 7 or 8 steps. Its pulses grow until they collapse, at moments that
no linear rule foresees. From the last 32 intensities we forecast the one 15 steps ahead: two pulses
away, where repeating the last value works comparatively well.

    pip install ".[examples]"
    python examples/quickstart.py
"""

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
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "quickstart.png"


def main():
    """Fit, compare, print, draw."""
    series = santafe_laser().ravel()[: LAGS + TRAINING + HELD_OUT + 2 * (HORIZON - 1)]
    X, y = lagged(series)
    # Between the two lie HORIZON - 1 rows whose targets are not known yet when the first forecast
    # is made.
    X_train, y_train = X[:TRAINING], y[:TRAINING]
    X_test, y_test = X[-HELD_OUT:], y[-HELD_OUT:]

    search = GridSearchCV(
        make_pipeline(StandardScaler(), LSTMRegressor(tol=1e-3, random_state=0)),
        {
            "lstmregressor__hidden_layer_sizes": [32, 64],
            "lstmregressor__learning_rate_init": [0.001, 0.003],
        },
        cv=TimeSeriesSplit(n_splits=3, gap=HORIZON - 1),
        n_jobs=-1,
    ).fit(X_train, y_train)
    ridge = make_pipeline(StandardScaler(), Ridge()).fit(X_train, y_train)

    forecasts = {
        "persistence": X_test["lag 0"],
        "Ridge": ridge.predict(X_test),
        "LSTM": search.predict(X_test),
    }
    print(f"{HELD_OUT} held-out steps of the Santa Fe laser, {HORIZON} steps ahead")
    print(f"{'':12} {'R2':>6} {'RMSE':>6}")
    for name, forecast in forecasts.items():
        r2, rmse = r2_score(y_test, forecast), root_mean_squared_error(y_test, forecast)
        print(f"{name:12} {r2:6.3f} {rmse:6.2f}")
    print("Best parameters:", search.best_params_)
    draw(y_test, forecasts)


def lagged(series):
    """One row a moment: the last LAGS values, the oldest first, and the value HORIZON steps on."""
    windows = np.lib.stride_tricks.sliding_window_view(series, LAGS + HORIZON)
    names = [f"lag {lag}" for lag in reversed(range(LAGS))]
    X = pd.DataFrame(windows[:, :LAGS].astype(np.float32), columns=names)
    return X, windows[:, -1].astype(np.float32)


def draw(truth, forecasts):
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
        left.plot(steps, forecasts[name][steps], color=colors[name], linewidth=1.3, label=name)
    left.set(
        title=f"Santa Fe laser: forecast {HORIZON} steps ahead",
        xlabel="held-out step",
        ylabel="intensity",
    )
    left.legend(ncols=3, loc="upper right", frameon=False)
    left.margins(x=0)
    right.margins(y=0.1)

    errors = {name: root_mean_squared_error(truth, values) for name, values in forecasts.items()}
    bars = right.bar(errors.keys(), errors.values(), color=[colors[name] for name in errors])
    right.bar_label(bars, fmt="%.1f")
    right.set(title=f"RMSE, all {len(truth)} steps", yticks=[])
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    right.spines["left"].set_visible(False)

    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=120)
    print("Picture:", PICTURE)


if __name__ == "__main__":
    main()
