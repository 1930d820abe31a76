"""Read handwritten digits row by row: a table of 64 columns as 8 time steps.

scikit-learn's digits are images of 8 by 8 pixels, a row of 64 numbers each. With `n_timesteps=8`
the LSTM takes that same table and reads it as the eye would a page, one row of pixels after the
other. Nothing else changes: it goes into scikit-learn's cross-validation as any classifier would.

Pixels all have one unit, so they are not standardised here: those at the margin, which are nearly
always empty, would be magnified.

    pip install ".[examples]"
    python examples/digits.py
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score

from sklstm import LSTMClassifier

ROWS = 8


def main():
    """Cross-validate, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, help="default: in a temporary folder")
    options = parser.parse_args()

    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)

    lstm = LSTMClassifier(
        64,
        n_timesteps=ROWS,
        normalize_X=False,
        learning_rate_init=0.005,
        max_iter=40,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    accuracies = cross_val_score(lstm, X, y, cv=folds)
    read = cross_val_predict(lstm, X, y, cv=folds)
    standardised = cross_val_score(clone(lstm).set_params(normalize_X=True), X, y, cv=folds)
    linear = cross_val_score(LogisticRegression(max_iter=1000), X, y, cv=folds)

    print(f"{len(X)} digits, 5-fold cross-validation, accuracy")
    print(f"{'logistic regression':24} {linear.mean():.1%}")
    print(f"{'LSTM, row by row':24} {accuracies.mean():.1%}", end="   folds: ")
    print(*(f"{accuracy:.1%}" for accuracy in accuracies))
    print(f"{'the same, standardised':24} {standardised.mean():.1%}")
    draw(X, y, read, options.picture)


def draw(X, y, read, picture):
    """Save who was taken for whom, and all the digits that were misread, if matplotlib is there."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    wrong = np.flatnonzero(read != y)
    figure = plt.figure(figsize=(10, 4.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.05])
    axes = left.subplots()
    ConfusionMatrixDisplay.from_predictions(y, read, ax=axes, cmap="Blues", colorbar=False)
    axes.set(
        title=f"Accuracy {accuracy_score(y, read):.1%}, 5-fold", xlabel="read", ylabel="written"
    )

    columns = 8
    plots = right.subplots(-(-len(wrong) // columns), columns).ravel()
    right.suptitle(f"All {len(wrong)} that were misread: written > read", fontsize=12)
    for axes in plots:
        axes.axis("off")
    for axes, i in zip(plots, wrong, strict=False):
        axes.imshow(X[i].reshape(ROWS, -1), cmap="gray_r")
        axes.set_title(f"{y[i]} > {read[i]}", fontsize=9, pad=2)

    picture = picture or Path(tempfile.mkdtemp()) / "digits.png"
    figure.savefig(picture, dpi=120)
    print("Picture:", picture)


if __name__ == "__main__":
    main()
