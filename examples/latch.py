"""
Long memory: one letter, and 200 others that pass by
====================================================

All 201 letters of a sequence are drawn at random from A, B, C and D, so nothing but its place tells
the first letter from those that distract from it. To answer after the last one, a net has to lock
the letter in a latch at the first step, and to leave the latch alone at each of the 200 steps that
follow. A guess is wrong in 75% of the cases.

To run it yourself::

    pip install ".[examples]"
    python examples/latch.py
"""

# %%
# The letters
# -----------

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklstm import LSTMClassifier

LETTERS = np.array(["A", "B", "C", "D"])
DISTRACTORS = 200
TRAINING = 10_000
FRESH = 2000  # to watch the epochs with, and as many others to test on
EPOCHS = 10

parser = argparse.ArgumentParser()
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
parser.add_argument("--picture", type=Path, help="where to save the picture too")
options = parser.parse_args()


def sequences(n, rng):
    """X (n, 201, 4), a letter a step as one 1 among four, and y (n,), the first letters."""
    letters = rng.integers(0, len(LETTERS), (n, DISTRACTORS + 1))
    return np.eye(len(LETTERS), dtype=np.float32)[letters], LETTERS[letters[:, 0]]


# %%
# Three starts of the gates
# -------------------------
#
# Whether training finds the latch is decided before it begins, by where the gates start.
#
# - With ``forget_bias=1`` a cell keeps 73% of what it holds at each step, and 0.73 ** 200 is
#   nothing.
# - With 5 it keeps 99.3%, but its input gate stands half open to every distractor.
# - With "chrono" each cell starts with a memory of another length, up to that of the sequences, and
#   an input gate shut in proportion.
#
# This page was built with one seed; without ``--seeds`` there are three.


def fit(forget_bias, seed, rng):
    """The model of the best epoch; it knows the accuracy on new sequences after each."""
    X, y = sequences(TRAINING, rng)
    X_val, y_val = sequences(FRESH, rng)
    model = LSTMClassifier(
        32,
        forget_bias=forget_bias,
        learning_rate="cosine",
        learning_rate_init=0.005,
        max_iter=EPOCHS,
        n_iter_no_change=np.inf,
        random_state=seed,
    )
    return model.fit(X, y, X_val=X_val, y_val=y_val)


print(f"The first of {DISTRACTORS + 1} letters, for {FRESH} new sequences:")
print(f"{'forget_bias':>11}  {'seed':>4}  {'accuracy':>8}  above 99% after      fit")
curves = {}
for forget_bias in (1, 5, "chrono"):
    for seed in options.seeds:
        rng = np.random.default_rng(seed)
        started = time.perf_counter()
        model = fit(forget_bias, seed, rng)
        seconds = time.perf_counter() - started
        accuracy = model.score(*sequences(FRESH, rng))
        scores = np.array(model.validation_scores_)
        above = np.flatnonzero(scores > 0.99)
        after = f"{above[0] + 1:2} epochs" if len(above) else "never"
        print(
            f"{forget_bias:>11}  {seed:4}  {accuracy:8.2%}  {after:>15}  {seconds:5.1f} s",
            flush=True,
        )
        curves.setdefault(forget_bias, []).append(1 - scores)

# %%
# The error after each epoch
# --------------------------

figure, axes = plt.subplots(figsize=(7.5, 4), layout="constrained")
styles = [("#CC79A7", "s"), ("#E69F00", "^"), ("#0072B2", "o")]
for (forget_bias, of_seeds), (color, marker) in zip(curves.items(), styles, strict=True):
    lines = axes.plot(
        range(1, EPOCHS + 1),
        100 * np.transpose(of_seeds),
        color=color,
        marker=marker,
        markersize=4,
        linewidth=1.3,
    )
    lines[0].set_label(f"forget_bias={forget_bias!r}")
axes.axhline(75, color="0.4", linestyle="--", linewidth=1, zorder=1)
axes.text(EPOCHS, 77, "guessing: 75%", ha="right", va="bottom", color="0.3")
axes.set(
    title=f"The first letter after {DISTRACTORS} others: the error on sequences not trained on",
    xlabel="epoch",
    ylabel="wrong answers, %",
    xticks=range(1, EPOCHS + 1),
    ylim=(-3, 90),
)
# In the empty band below the guesses.
axes.legend(frameon=False, loc="center right", bbox_to_anchor=(1, 0.65), title="one line a seed")
axes.spines[["top", "right"]].set_visible(False)
if options.picture:
    figure.savefig(options.picture, dpi=120)
plt.show()
