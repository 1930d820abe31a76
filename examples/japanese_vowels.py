"""
Who is speaking? Sequences of different lengths
===============================================

Nine men say the same two vowels, /ae/, and are told apart. An utterance is 7 to 29 time steps of 12
numbers (LPC cepstrum coefficients), and goes into the LSTM as it is, in a list of arrays of
different lengths.

270 utterances are to learn from. 370 others, in the official split of Kudo, Toyama and Shimbo
(1999), are the test. The data come with sktime: nothing is downloaded when this runs.

To run it yourself::

    pip install ".[examples]"
    python examples/japanese_vowels.py
"""

# %%
# The data
# --------

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sktime.datasets import load_japanese_vowels

from sklstm import LSTMClassifier

SEEDS = range(5)

parser = argparse.ArgumentParser()
parser.add_argument("--picture", type=Path, help="where to save the picture too")
options = parser.parse_args()


def load(split):
    """Utterances, a list of arrays (time steps, 12), and their speakers."""
    tables, speakers = load_japanese_vowels(split=split, return_X_y=True, return_type="df-list")
    return [table.to_numpy(np.float32) for table in tables], speakers


X_train, y_train = load("train")
X_test, y_test = load("test")
lengths = [len(utterance) for utterance in X_train + X_test]
print(f"{len(X_train)} utterances to learn from, {len(X_test)} to be told apart,")
print(f"of {min(lengths)} to {max(lengths)} time steps.")

# %%
# Choose, within what is to learn from
# ------------------------------------
#
# Does it help to read both ways, and to take the mean of all steps instead of the last one? The
# settings are compared by cross-validation within the 270. One split of so few tells little: each
# of five seeds has folds and first weights of its own.

both_ways = {"bidirectional": True, "pooling": "mean"}
candidates = {
    "one direction": {},
    "one direction, mean over time": {"pooling": "mean"},
    "both directions": {"bidirectional": True},
    "both, mean over time": both_ways,
    "both, mean, dropout 0.2": both_ways | {"dropout": 0.2, "recurrent_dropout": 0.2},
}


def make_model(settings, seed):
    """An LSTM of 64 units a direction."""
    return LSTMClassifier(
        64,
        learning_rate="cosine",
        learning_rate_init=0.005,
        max_iter=30,
        n_iter_no_change=np.inf,
        random_state=seed,
        **settings,
    )


def cross_validate(settings, seed):
    """The mean accuracy of three folds."""
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    model = make_model(settings, seed)
    return cross_val_score(model, X_train, y_train, cv=folds, n_jobs=-1).mean()


def summary(accuracies):
    """Median and range."""
    median, lowest, highest = np.median(accuracies), min(accuracies), max(accuracies)
    return f"{median:.1%}   from {lowest:.1%} to {highest:.1%}"


print("Of the training part, cross-validated, for five seeds:")
medians = {}
for name, settings in candidates.items():
    accuracies = [cross_validate(settings, seed) for seed in SEEDS]
    medians[name] = np.median(accuracies)
    print(f"{name:30} {summary(accuracies)}")
best = max(medians, key=medians.get)

# %%
# The test
# --------
#
# The test part is looked at once, with the winner, from five seeds.

models = [make_model(candidates[best], seed).fit(X_train, y_train) for seed in SEEDS]
accuracies = [model.score(X_test, y_test) for model in models]
print(f"{best}, on the test part: {summary(accuracies)}")

# %%
# Sequences may have any length, so we can ask how much of an utterance must be heard. On the left
# are utterances of two speakers.

figure, (left, middle, right) = plt.subplots(
    1, 3, figsize=(9, 3.6), width_ratios=[1, 1, 1.6], layout="constrained"
)
for axes, speaker in ((left, "1"), (middle, "2")):
    utterance = next(x for x, who in zip(X_test, y_test, strict=True) if who == speaker)
    image = axes.imshow(utterance.T, aspect="auto", cmap="cividis", vmin=-1.5, vmax=1.5)
    axes.set(title=f"Speaker {speaker}, {len(utterance)} steps", xlabel="time step")
left.set(ylabel="coefficient")
figure.colorbar(image, ax=[left, middle], shrink=0.8)

steps = np.arange(1, 21)
for model in models:
    heard = [model.score([utterance[:step] for utterance in X_test], y_test) for step in steps]
    right.plot(steps, heard, color="tab:blue", linewidth=1.2, alpha=0.7)
right.axhline(1 / 9, color="0.6", linestyle="--", linewidth=1)
right.text(steps[-1], 1 / 9 + 0.02, "guessing, 1 of 9", ha="right", color="0.4")
right.set(
    title="Hearing the start alone (5 seeds)",
    xlabel="time steps heard, of 7 to 29",
    ylabel="accuracy, test part",
    ylim=(0, 1.02),
)
right.spines[["top", "right"]].set_visible(False)
if options.picture:
    figure.savefig(options.picture, dpi=120)
plt.show()
