"""
What mattered: three tasks whose answer is known
================================================

A net predicts well, and you ask from what. `sklstm.inspection` has an answer; but is it right? Here
are three tasks in which we know beforehand which numbers matter, so that we can compare.

To run it yourself::

    pip install ".[examples]"
    python examples/what_mattered.py
"""

# %%
# The label is decided by one channel at one step
# -----------------------------------------------
#
# Three channels of noise, ten steps. The label is "up" if channel "c" is positive at step 3.
# Nothing else matters.

import argparse

import matplotlib.pyplot as plt
import numpy as np

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.inspection import (
    AttributionDisplay,
    integrated_gradients,
    memory_spans,
    permutation_importance,
)

parser = argparse.ArgumentParser()
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
options = parser.parse_args()

rng = np.random.RandomState(0)
X = rng.normal(size=(4500, 10, 3)).astype(np.float32)
y = np.where(X[:, 3, 2] > 0, "up", "down")
model = LSTMClassifier(
    16, learning_rate="cosine", learning_rate_init=0.01, max_iter=20, random_state=0
).fit(X[:4000], y[:4000])
print(f"Accuracy on 500 new sequences: {model.score(X[4000:], y[4000:]):.1%}")

# %%
# `~sklstm.inspection.integrated_gradients` says of each number what it has added to the net's
# answer. Here is the mean size over the 500 sequences: a row a channel, a column a step.

attributions = integrated_gradients(model, X[4000:], output="up")
sizes = np.abs(attributions).mean(axis=0)
print("step     " + "".join(f"{step:6}" for step in range(10)))
for name, of_channel in zip("abc", sizes.T, strict=True):
    print(f"channel {name}" + "".join(f"{size:6.2f}" for size in of_channel))

# %%
# Channel "c" at step 3 stands out. A picture shows one sequence: the lines are its numbers, the
# colours what they have contributed. Red speaks for the class that the net predicts. What speaks
# against it is blue, and hatched.

AttributionDisplay.from_estimator(model, X[4000:], sample=0, feature_names=["a", "b", "c"])

# %%
# `~sklstm.inspection.permutation_importance` asks another question: what does the accuracy lose, if
# a channel's numbers at a step are exchanged between the sequences? It finds the same place.

found = permutation_importance(
    model, X[4000:], y[4000:], by="both", n_repeats=3, random_state=0
).importances_mean
step, channel = np.unravel_index(found.argmax(), found.shape)
print(f"Most is lost without channel {'abc'[channel]} at step {step}: {found.max():.2f}")
print(f"The next loses {np.sort(found.ravel())[-2]:.2f}")

# %%
# The sum of two marked numbers
# -----------------------------
#
# At each step there is a number, and beside it a mark. Two marks are 1, all others 0. The target is
# the sum of the two marked numbers; which steps count is another question for each sequence.

STEPS = 10
marks = np.zeros((4500, STEPS))
for row in marks:
    row[rng.choice(STEPS, 2, replace=False)] = 1
numbers = rng.uniform(-1, 1, marks.shape)
X = np.stack([numbers, marks], axis=2).astype(np.float32)
y = (numbers * marks).sum(axis=1)
model = LSTMRegressor(
    16, learning_rate="cosine", learning_rate_init=0.01, max_iter=40, random_state=0
).fit(X[:4000], y[:4000])
print(f"R2 on 500 new sequences: {model.score(X[4000:], y[4000:]):.4f}")

# %%
# The baseline says what "nothing" is. We compare each sequence with the one that has the same marks
# and zeros for numbers: then each marked number is its own part of the sum, and all others are 0.

X_new, baseline = X[4000:], X[4000:] * np.array([0, 1], np.float32)
attributions = integrated_gradients(model, X_new, baseline=baseline)[:, :, 0]
marked = X_new[:, :, 1] == 1
error = np.abs(attributions - X_new[:, :, 0] * marked)
print(
    f"Share of the attributions that is at marked steps: "
    f"{np.abs(attributions[marked]).sum() / np.abs(attributions).sum():.1%}"
)
print(f"Attributed and true parts differ by {error.mean():.3f} on average")

# %%
# In the picture, colours lie where the marks are.

AttributionDisplay.from_estimator(
    model, X_new, sample=1, baseline=baseline, feature_names=["number", "mark"]
)

# %%
# A counter
# ---------
#
# At each step something happens (1) or not (0), and the net has to say how often it has happened so
# far. With `pooling=None` it answers at each step. Of the answer at the last step, each event
# should have added 1, and nothing else anything.

X = (rng.uniform(size=(1500, 20, 1)) < 0.3).astype(np.float32)
y = X.cumsum(axis=1)[:, :, 0]
model = LSTMRegressor(
    8, pooling=None, learning_rate="cosine", learning_rate_init=0.02, max_iter=40, random_state=0
).fit(X[:1000], y[:1000])
attributions = integrated_gradients(model, X[1000:], baseline=[0.0], output=-1)[:, :, 0]
events = X[1000:, :, 0] == 1
print(f"An event has added {attributions[events].mean():.2f} ± {attributions[events].std():.2f}")
print(f"No event has added {np.abs(attributions[~events]).max():.2f}")

# %%

AttributionDisplay.from_estimator(
    model, X[1000:], baseline=[0.0], output=-1, feature_names=["an event"]
)

# %%
# How long do cells remember?
# ---------------------------
#
# Now the target is the number that came some steps before the end, and all others are noise. A net
# must keep it for so long. `~sklstm.inspection.memory_spans` says after how many steps each cell
# has lost half of what it held; we print that of the longest memory, the median and the range of
# the seeds, for the default start of the forget gates and for `forget_bias="chrono"`.

GAPS = 2, 10, 40
spans = {}
for gap in GAPS:
    X = np.random.RandomState(0).normal(size=(2000, gap + 1, 1)).astype(np.float32)
    for forget_bias in (1.0, "chrono"):
        for seed in options.seeds:
            model = LSTMRegressor(
                16,
                forget_bias=forget_bias,
                learning_rate_init=0.01,
                max_iter=30,
                tol=0,
                n_iter_no_change=np.inf,
                max_grad_norm=1,
                random_state=seed,
            ).fit(X, X[:, 0, 0])
            longest = memory_spans(model, X)[0].max()
            spans.setdefault((forget_bias, gap), []).append((longest, model.score(X, X[:, 0, 0])))
print("                             longest span of a cell")
print("steps to keep it   forget_bias   median   from      to   found")
for (forget_bias, gap), of_seeds in spans.items():
    longest, r2 = np.transpose(of_seeds)
    print(
        f"{gap:16}   {forget_bias!s:>11}   {np.median(longest):6.1f} {longest.min():6.1f}"
        f"  {longest.max():6.1f}   {np.sum(r2 > 0.9)} of {len(r2)}"
    )

# %%
# With "chrono" the spans grow with what the task demands, and every net finds the number. With the
# default start the nets of the long gap hand the number on from cell to cell, if they find it at
# all; the span of one cell says nothing then. For tasks with a long memory, start with "chrono":
# see :doc:`/user_guide/long_memory`.

figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for forget_bias, style in ((1.0, "s--"), ("chrono", "o-")):
    longest = np.array([[span for span, _ in spans[forget_bias, gap]] for gap in GAPS])
    low, middle, high = np.quantile(longest, [0, 0.5, 1], axis=1)
    axes.errorbar(
        GAPS,
        middle,
        [middle - low, high - middle],
        fmt=style,
        capsize=4,
        label=f"forget_bias={forget_bias!r}",
    )
axes.plot(GAPS, GAPS, ":", color="black", label="as long as the task demands")
axes.set(
    xscale="log",
    yscale="log",
    xlabel="steps to keep the number",
    ylabel="longest span of a cell, in steps",
    xticks=GAPS,
)
axes.xaxis.set_major_formatter("{x:.0f}")
axes.xaxis.set_minor_formatter("")
axes.yaxis.set_major_formatter("{x:.0f}")
axes.legend()
plt.show()
