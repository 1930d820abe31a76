"""
Long memory: add two numbers of 400
===================================

At every step a number between 0 and 1 comes in, and beside it a mark: 1 at two steps, one in each
half of the sequence, and 0 at all others. The target is the sum of the two marked numbers. Who
forgets them can only answer 1, the mean, at a mean squared error of 1/6 = 0.167.

The task is from the paper that introduced the LSTM (Hochreiter & Schmidhuber 1997, Long short-term
memory), in the form in which it is posed today.

To run it yourself, also with other lengths, seeds and starts of the gates::

    pip install ".[examples]"
    python examples/adding_problem.py
    python examples/adding_problem.py --steps 400 --seeds 0 --forget-bias 1
"""

# %%
# Sequences with two marks
# ------------------------

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import mean_squared_error

from sklstm import LSTMRegressor
from sklstm.inspection import LossCurveDisplay

TRAINING = 5000
FRESH = 2000  # to watch the epochs with, and as many others to test on
EPOCHS = 15
MEAN = 1 / 6  # the error of predicting the mean: the variance of the sum of two uniform numbers
SOLVED = 0.01

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, nargs="+", default=[100, 200, 400])
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
parser.add_argument("--forget-bias", default="chrono", help='a number, or "chrono"')
parser.add_argument("--picture", type=Path, help="where to save the picture too")
options = parser.parse_args()
forget_bias = "chrono" if options.forget_bias == "chrono" else float(options.forget_bias)


def sequences(n, steps, rng):
    """X (n, steps, 2), numbers and marks, and y (n,), the sums of the marked numbers."""
    rows = np.arange(n)
    marked = rng.integers(0, steps // 2, n), rng.integers(steps // 2, steps, n)
    X = np.zeros((n, steps, 2), dtype=np.float32)
    X[:, :, 0] = rng.random((n, steps))
    for step in marked:
        X[rows, step, 1] = 1
    return X, sum(X[rows, step, 0] for step in marked)


# %%
# The same settings for 100, 200 and 400 steps
# --------------------------------------------
#
# What finds a memory this long within an epoch is ``forget_bias="chrono"``: cells start with
# memories of all lengths, up to that of the sequences. ``X_val`` and ``y_val`` give the error on
# new sequences after each epoch.
#
# This page was built with one seed; without ``--seeds`` there are three.


def fit(steps, seed, rng):
    """The model of the best epoch, and the mean squared error on new sequences after each."""
    X, y = sequences(TRAINING, steps, rng)
    X_val, y_val = sequences(FRESH, steps, rng)
    model = LSTMRegressor(
        32,
        forget_bias=forget_bias,
        learning_rate="cosine",
        learning_rate_init=0.01,
        max_iter=EPOCHS,
        n_iter_no_change=np.inf,
        random_state=seed,
    )
    model.fit(X, y, X_val=X_val, y_val=y_val)
    r2 = np.array(model.validation_scores_)
    return model, (1 - r2) * y_val.var()


print(f"Predicting the mean has an error of {MEAN:.3f}. The LSTM, on {FRESH} new sequences:")
print(f"{'steps':>5}  {'seed':>4}  {'MSE':>7}  below {SOLVED} after      fit")
curves = {}
for steps in options.steps:
    for seed in options.seeds:
        rng = np.random.default_rng(seed)
        started = time.perf_counter()
        model, curve = fit(steps, seed, rng)
        seconds = time.perf_counter() - started
        X_test, y_test = sequences(FRESH, steps, rng)
        error = mean_squared_error(y_test, model.predict(X_test))
        below = np.flatnonzero(curve < SOLVED)
        after = f"{below[0] + 1:2} epochs" if len(below) else "never"
        print(f"{steps:5}  {seed:4}  {error:7.5f}  {after:>16}  {seconds:5.1f} s", flush=True)
        curves.setdefault(steps, []).append(curve)

# %%
# The error after each epoch
# --------------------------

figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
styles = [("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D")]
for i, (steps, of_seeds) in enumerate(curves.items()):
    color, marker = styles[i % len(styles)]
    lines = axes.plot(
        range(1, EPOCHS + 1),
        np.transpose(of_seeds),
        color=color,
        marker=marker,
        markersize=4,
        linewidth=1.3,
    )
    lines[0].set_label(f"{steps} steps")
for level, name in ((MEAN, f"predicting the mean: {MEAN:.3f}"), (SOLVED, f"goal: {SOLVED}")):
    axes.axhline(level, color="0.4", linestyle="--", linewidth=1, zorder=1)
    axes.text(EPOCHS, level * 1.08, name, ha="right", va="bottom", color="0.3")
axes.set(
    yscale="log",
    title="Adding problem: the error on sequences not trained on",
    xlabel="epoch",
    ylabel="mean squared error",
    xticks=range(1, EPOCHS + 1, 2),
)
# In the empty band between the two levels.
axes.legend(
    frameon=False,
    ncols=len(curves),
    loc="upper right",
    bbox_to_anchor=(1, 0.9),
    title="one line a seed",
)
axes.spines[["top", "right"]].set_visible(False)
if options.picture:
    figure.savefig(options.picture, dpi=120)

# %%
# Of the last of these nets, the loss on the sequences that it learns from, beside that on new ones.
# The loss is half the squared error, in standardised units; that of training is measured while
# weights still change, so it lags behind.

LossCurveDisplay.from_estimator(model)
plt.show()
