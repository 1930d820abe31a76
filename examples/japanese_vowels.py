"""Who is speaking? Nine men say the same two vowels, /ae/, and are told apart.

An utterance is 7 to 29 time steps of 12 numbers (LPC cepstrum coefficients), and goes into the LSTM
as it is, in a list of arrays of different lengths. 270 utterances are to learn from, 370 others, in
the official split of Kudo, Toyama and Shimbo (1999), are the test. The settings are chosen by
cross-validation within the 270; the test part is looked at once, with the winner, from five seeds.

The data come with sktime: nothing is downloaded when this runs.

    pip install ".[examples]"
    python examples/japanese_vowels.py
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sktime.datasets import load_japanese_vowels

from sklstm import LSTMClassifier

SEEDS = range(5)
BOTH_WAYS = {"bidirectional": True, "pooling": "mean"}
CANDIDATES = {
    "one direction": {},
    "one direction, mean over time": {"pooling": "mean"},
    "both directions": {"bidirectional": True},
    "both, mean over time": BOTH_WAYS,
    "both, mean, dropout 0.2": BOTH_WAYS | {"dropout": 0.2, "recurrent_dropout": 0.2},
}


def main():
    """Choose, test, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, help="default: in a temporary folder")
    options = parser.parse_args()

    X_train, y_train = load("train")
    X_test, y_test = load("test")
    lengths = [len(utterance) for utterance in X_train + X_test]
    print(f"{len(X_train)} utterances to learn from, {len(X_test)} to be told apart,")
    print(f"of {min(lengths)} to {max(lengths)} time steps.\n")

    # One split of 270 utterances tells little: three are averaged.
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)
    scores = {}
    for name, settings in CANDIDATES.items():
        model = make_model(settings)
        scores[name] = cross_val_score(model, X_train, y_train, cv=folds, n_jobs=-1).mean()
        print(f"{name:30} {scores[name]:.1%} of the training part, cross-validated")
    best = max(scores, key=scores.get)

    models = [make_model(CANDIDATES[best], seed).fit(X_train, y_train) for seed in SEEDS]
    accuracies = [model.score(X_test, y_test) for model in models]
    print(f"\n{best}, on the test part: {np.mean(accuracies):.1%}", end="   seeds: ")
    print(*(f"{accuracy:.1%}" for accuracy in accuracies))
    draw(X_test, y_test, models, options.picture)


def load(split):
    """Utterances, a list of arrays (time steps, 12), and their speakers."""
    tables, speakers = load_japanese_vowels(split=split, return_X_y=True, return_type="df-list")
    return [table.to_numpy(np.float32) for table in tables], speakers


def make_model(settings, seed=0):
    """An LSTM of 64 units a direction."""
    return LSTMClassifier(
        64,
        learning_rate="cosine",
        learning_rate_init=0.005,
        max_iter=60,
        n_iter_no_change=np.inf,
        random_state=seed,
        **settings,
    )


def draw(X, y, models, picture):
    """Save two utterances, and how much of one must be heard, if matplotlib is there."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(11, 3.6), width_ratios=[1, 1, 1.5], layout="constrained"
    )
    for axes, speaker in ((left, "1"), (middle, "2")):
        utterance = next(x for x, who in zip(X, y, strict=True) if who == speaker)
        image = axes.imshow(utterance.T, aspect="auto", cmap="RdBu_r", vmin=-1.5, vmax=1.5)
        axes.set(title=f"Speaker {speaker}, {len(utterance)} steps", xlabel="time step")
    left.set(ylabel="coefficient")
    figure.colorbar(image, ax=[left, middle], shrink=0.8)

    steps = np.arange(1, 21)
    for model in models:
        heard = [model.score([utterance[:step] for utterance in X], y) for step in steps]
        right.plot(steps, heard, color="tab:blue", linewidth=1.2, alpha=0.7)
    right.axhline(1 / len(set(y)), color="0.6", linestyle="--", linewidth=1)
    right.text(steps[-1], 1 / len(set(y)) + 0.02, "guessing, 1 of 9", ha="right", color="0.4")
    right.set(
        title="Told apart, hearing the start alone (5 seeds)",
        xlabel="time steps heard, of 7 to 29",
        ylabel="accuracy, test part",
        ylim=(0, 1.02),
    )
    right.spines[["top", "right"]].set_visible(False)

    picture = picture or Path(tempfile.mkdtemp()) / "japanese_vowels.png"
    figure.savefig(picture, dpi=120)
    print("Picture:", picture)


if __name__ == "__main__":
    main()
