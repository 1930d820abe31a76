"""
Handwritten digits, read row by row
===================================

scikit-learn's digits are images of 8 by 8 pixels, a row of 64 numbers each. With ``n_timesteps=8``
the LSTM takes that same table, and reads it as the eye would a page: one row of pixels after the
other. Nothing else changes. It goes into scikit-learn's cross-validation as any classifier would.

To run it yourself::

    pip install ".[examples]"
    python examples/digits.py
"""

# %%
# Cross-validate
# --------------
#
# Pixels all have one unit, so they are not standardised here: those at the margin, which are nearly
# always empty, would be magnified. We do it once more with them standardised, to see. What a net
# reaches depends a little on the weights it starts with: here are the median and the range of five
# seeds.

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score

from sklstm import LSTMClassifier

ROWS = 8
SEEDS = range(5)

parser = argparse.ArgumentParser()
parser.add_argument("--picture", type=Path, help="where to save the picture too")
options = parser.parse_args()

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
folds = StratifiedKFold(5, shuffle=True, random_state=0)

lstm = LSTMClassifier(
    64,
    n_timesteps=ROWS,
    normalize_X=False,
    learning_rate_init=0.01,
    max_iter=25,
    n_iter_no_change=np.inf,
)
linear = cross_val_score(LogisticRegression(max_iter=1000), X, y, cv=folds).mean()
print(f"{len(X)} digits, 5-fold cross-validation, accuracy")
print(f"{'logistic regression':24} {linear:.1%}")
for name, standardised in (("LSTM, standardised", True), ("LSTM, row by row", False)):
    read = []
    for seed in SEEDS:
        lstm.set_params(normalize_X=standardised, random_state=seed)
        read.append(cross_val_predict(lstm, X, y, cv=folds))
    accuracies = [accuracy_score(y, each) for each in read]
    print(
        f"{name:24} {np.median(accuracies):.1%}"
        f"   {len(SEEDS)} seeds, from {min(accuracies):.1%} to {max(accuracies):.1%}"
    )
read = read[np.argsort(accuracies)[len(SEEDS) // 2]]

# %%
# What was misread
# ----------------
#
# Each digit was read by the net that had not seen it. We look at the seed of the median.

wrong = np.flatnonzero(read != y)
figure = plt.figure(figsize=(10, 4.8), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.05])
axes = left.subplots()
ConfusionMatrixDisplay.from_predictions(y, read, ax=axes, cmap="Blues", colorbar=False)
axes.set(title=f"Accuracy {accuracy_score(y, read):.1%}, 5-fold", xlabel="read", ylabel="written")

columns = 8
plots = right.subplots(-(-len(wrong) // columns), columns).ravel()
right.suptitle(f"All {len(wrong)} that were misread: written > read", fontsize=12)
for axes in plots:
    axes.axis("off")
for axes, i in zip(plots, wrong, strict=False):
    axes.imshow(X[i].reshape(ROWS, -1), cmap="gray_r")
    axes.set_title(f"{y[i]} > {read[i]}", fontsize=9, pad=2)
if options.picture:
    figure.savefig(options.picture, dpi=120)
plt.show()
