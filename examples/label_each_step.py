"""
A label for each step: the phases of a washing machine
======================================================

In which phase of its program is a washing machine? We want the answer after each step. The machines
are simulated: motor, water level and temperature, each with noise. The three rinses look alike; who
tells them apart has to count.

To run it yourself::

    pip install ".[examples]"
    python examples/label_each_step.py
"""

# %%
# The machines
# ------------

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.ensemble import ExtraTreesClassifier

from sklstm import LSTMClassifier

PHASES = "wash", "rinse 1", "rinse 2", "rinse 3", "spin"
COLORS = "#D55E00", "#F0E442", "#56B4E9", "#0072B2", "#DDDDDD"

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--picture", type=Path, help="where to save the picture too")
options = parser.parse_args()


def run(rng, n):
    """Sensors of n machines, the phase of each step, and the steps since it began, in a row."""
    X, y, since = [], [], []
    for durations in rng.integers(25, 70, (n, len(PHASES))):
        phase = np.repeat(np.arange(len(PHASES)), durations)
        since.append(np.concatenate([np.arange(duration) for duration in durations]))
        # A phase begins with letting the water out, and the last one stays without.
        wet, hot = (since[-1] >= 8) & (phase < 4), 15 + 35 * (phase == 0)
        motor = np.where(np.arange(len(phase)) // 3 % 2, np.where(phase == 4, 1, 0.4), 0.1)
        clean = [rng.uniform(0.7, 1.3) * motor, follow(0.2, wet, 4), follow(15.0, hot, 25)]
        X.append(np.transpose(clean) + rng.normal(0, (0.15, 0.3, 3), (len(phase), 3)))
        y.append(phase)
    return X, y, np.concatenate(since)


def follow(now, wanted, slowness):
    """What moves towards what is wanted, step by step."""
    return [now := now + (each - now) / slowness for each in wanted]


rng = np.random.default_rng(options.seed)
(X, y, _), (X_test, y_test, since) = run(rng, 200), run(rng, 100)

# %%
# Trees that see a window
# -----------------------
#
# The rivals are extremely randomised trees. They see the time since the start, and ten means over a
# window of the last steps. Recordings that are held out choose the length of the window.


def windows(X, n_steps):
    """Ten means over the last steps, and the time since the start, at each step."""
    padded = [np.concatenate([np.repeat(x[:1], n_steps - 1, axis=0), x]) for x in X]
    views = [np.lib.stride_tricks.sliding_window_view(x, n_steps, axis=0) for x in padded]
    means = [v.reshape(len(v), 3, 10, -1).mean(axis=3).reshape(len(v), -1) for v in views]
    return np.concatenate([np.c_[each, np.arange(len(each))] for each in means])


def trees(X, y, n_steps, X_test, y_test):
    """The answers of trees that see so many steps, in a row, and their accuracy."""
    model = ExtraTreesClassifier(60, min_samples_leaf=3, random_state=0)
    model.fit(windows(X, n_steps), np.concatenate(y))
    answers = model.predict(windows(X_test, n_steps))
    return answers, np.mean(answers == np.concatenate(y_test))


scores = {n: trees(X[:150], y[:150], n, X[150:], y[150:])[1] for n in (10, 40, 80, 160)}
best = max(scores, key=scores.get)
name = f"trees, {best} steps"
answers, accuracy = {}, {}
answers[name], accuracy[name] = trees(X, y, best, X_test, y_test)

# %%
# An LSTM that answers at each step
# ---------------------------------
#
# With ``pooling=None`` there is an answer at each step, and ``y`` has a label for each. The net
# that reads in both directions has seen what comes next: it is for recordings, not for live
# machines.

for name, both in (("LSTM", False), ("LSTM, both directions", True)):
    model = LSTMClassifier(
        32,
        pooling=None,
        bidirectional=both,
        batch_size=8,
        learning_rate="cosine",
        learning_rate_init=0.01,
        max_iter=15,
        random_state=options.seed,
    ).fit(X, y)
    answers[name] = np.concatenate(model.predict(X_test))
    accuracy[name] = model.score(X_test, y_test)
print(f"{len(since)} steps of {len(X_test)} new machines, in the right phase:")
for name, share in accuracy.items():
    print(f"{name:21}  {share:.1%}")

# %%
# What an LSTM misses are the first steps of a phase, when the water begins to go: nobody could know
# yet, but those who see what comes next.

truth, n = np.concatenate(y_test), len(X_test[0])
figure, axes = plt.subplot_mosaic(
    "AC;BC", figsize=(8, 4), width_ratios=[1.7, 1], height_ratios=[1, 1.1], layout="constrained"
)
axes["A"].plot(X_test[0][:, 1], color="black", linewidth=0.8)
axes["A"].set(title="Water level of a machine", xlim=(0, n), xticks=[], yticks=[])
bands = {"truth": truth} | answers
for row, phases in enumerate(bands.values()):
    extent = 0, n, row + 0.4, row - 0.4
    axes["B"].imshow(
        [phases[:n]], ListedColormap(COLORS), vmin=0, vmax=4, extent=extent, aspect="auto"
    )
for phase, name in enumerate(PHASES):
    ink = "white" if name in ("wash", "rinse 3") else "black"
    middle = np.flatnonzero(truth[:n] == phase).mean()
    axes["B"].text(middle, 0, name, ha="center", va="center", color=ink, fontsize=9)
axes["B"].set(xlabel="step", ylim=(3.5, -0.5), yticks=range(4))
axes["B"].set_yticklabels([name.replace(", ", ",\n") for name in bands])
for (name, phases), style in zip(answers.items(), (":", "-", "--"), strict=True):
    shares = [np.mean((phases == truth)[since == step]) for step in range(25)]
    axes["C"].plot(shares, style, color="black", label=name)
axes["C"].set(title="Steps in the right phase", xlabel="steps since it began", ylim=(0, 1.02))
axes["C"].yaxis.set_major_formatter("{x:.0%}")
axes["C"].legend(loc="lower right", frameon=False)
if options.picture:
    figure.savefig(options.picture, dpi=120)
plt.show()
