"""Label each step of a recording: in which phase of its program is a washing machine?

The machines are simulated: motor, water level and temperature, each with noise. The three rinses
look alike; who tells them apart has to count. An LSTMClassifier with pooling=None answers at each
step. Beside it, trees that see a window of the last steps (as ten means) and the time since the
start; recordings that are held out choose the length of the window.

    pip install ".[examples]"
    python examples/label_each_step.py
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from sklstm import LSTMClassifier

PHASES = "wash", "rinse 1", "rinse 2", "rinse 3", "spin"
COLORS = "#D55E00", "#F0E442", "#56B4E9", "#0072B2", "#DDDDDD"


def main():
    """Simulate, learn, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, help="default: in a temporary folder")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    (X, y, _), (X_test, y_test, since) = run(rng, 200), run(rng, 100)

    scores = {n: trees(X[:150], y[:150], n, X[150:], y[150:])[1] for n in (10, 40, 80, 160)}
    best = max(scores, key=scores.get)
    name = f"trees, {best} steps"
    answers, accuracy = {}, {}
    answers[name], accuracy[name] = trees(X, y, best, X_test, y_test)
    for name, both in (("LSTM", False), ("LSTM, both directions", True)):
        model = LSTMClassifier(
            32, pooling=None, bidirectional=both, batch_size=8, learning_rate="cosine",
            learning_rate_init=0.01, max_iter=15, random_state=options.seed,
        )  # fmt: skip
        answers[name] = np.concatenate(model.fit(X, y).predict(X_test))
        accuracy[name] = model.score(X_test, y_test)
    print(f"{len(since)} steps of {len(X_test)} new machines, in the right phase:")
    for name, share in accuracy.items():
        print(f"{name:21}  {share:.1%}")
    draw(X_test[0], np.concatenate(y_test), answers, since, options.picture)


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


def trees(X, y, n_steps, X_test, y_test):
    """The answers of trees that see so many steps, in a row, and their accuracy."""
    model = ExtraTreesClassifier(60, min_samples_leaf=3, random_state=0)
    model.fit(windows(X, n_steps), np.concatenate(y))
    answers = model.predict(windows(X_test, n_steps))
    return answers, np.mean(answers == np.concatenate(y_test))


def windows(X, n_steps):
    """Ten means over the last steps, and the time since the start, at each step."""
    padded = [np.concatenate([np.repeat(x[:1], n_steps - 1, axis=0), x]) for x in X]
    views = [np.lib.stride_tricks.sliding_window_view(x, n_steps, axis=0) for x in padded]
    means = [v.reshape(len(v), 3, 10, -1).mean(axis=3).reshape(len(v), -1) for v in views]
    return np.concatenate([np.c_[each, np.arange(len(each))] for each in means])


def draw(sensors, truth, answers, since, picture):
    """Save the phases of a recording as bands, and the accuracy since a phase began."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure, axes = plt.subplot_mosaic("AC;BC", figsize=(8, 4), width_ratios=[1.7, 1],
                                      height_ratios=[1, 1.1], layout="constrained")  # fmt: skip
    n = len(sensors)
    axes["A"].plot(sensors[:, 1], color="black", linewidth=0.8)
    axes["A"].set(title="Water level of a machine", xlim=(0, n), xticks=[], yticks=[])
    bands = {"truth": truth} | answers
    cmap = plt.matplotlib.colors.ListedColormap(COLORS)
    for row, phases in enumerate(bands.values()):
        extent = 0, n, row + 0.4, row - 0.4
        axes["B"].imshow([phases[:n]], cmap, vmin=0, vmax=4, extent=extent, aspect="auto")
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
    picture = picture or Path(tempfile.mkdtemp()) / "label_each_step.png"
    figure.savefig(picture, dpi=120)
    print("Picture:", picture)


if __name__ == "__main__":
    main()
