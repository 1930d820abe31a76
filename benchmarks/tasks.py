"""Real data, and two classic tests of memory: sequences to learn from, and others to score on.

Those that an example shows are loaded by that example.
"""

import ast
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor, TimestepTransformer, sliding_windows

EXAMPLES = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True)
class Task:
    """Sequences (an array, or a list where lengths vary) and targets, learnt and held out."""

    name: str
    X: np.ndarray | list
    y: np.ndarray
    X_test: np.ndarray | list
    y_test: np.ndarray

    @property
    def classes(self):
        """The number of classes; 0 if the targets are numbers."""
        return len(np.unique(self.y)) if self.y.dtype.kind in "iU" else 0

    @property
    def estimator(self):
        """The class of sklstm's estimator."""
        return LSTMClassifier if self.classes else LSTMRegressor

    def scaled(self):
        """The same for a peer, which does not standardise features by itself as sklstm does."""
        scaler = TimestepTransformer(StandardScaler()).fit(self.X)
        return replace(self, X=scaler.transform(self.X), X_test=scaler.transform(self.X_test))

    def validation(self):
        """A classification that leaves the test part alone: half of the rest is held out."""
        X, X_test, y, y_test = train_test_split(
            self.X, self.y, test_size=1 / 2, stratify=self.y, random_state=0
        )
        return replace(self, X=X, y=y, X_test=X_test, y_test=y_test)


def digits():
    """scikit-learn's handwritten digits, a row of pixels a time step; a quarter is held out."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32).reshape(len(X), 8, 8)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    return Task("digits", X, y, X_test, y_test)


def japanese_vowels():
    """Nine speakers, 7 to 29 steps, the official split."""
    example = definitions(EXAMPLES / "japanese_vowels.py")
    return Task("JapaneseVowels", *example.load("train"), *example.load("test"))


def nitrogen_oxides():
    """Nitrogen oxides beside a motorway, the next 12 hours, in time order."""
    return _nitrogen_oxides(slice("2004-10-15"), slice("2004-10-14", None))


def nitrogen_oxides_validation():
    """The same, but every third window of the months before, and the weeks that follow these."""
    task = _nitrogen_oxides(slice("2004-08-31"), slice("2004-08-30", "2004-10-15"))
    return replace(task, X=task.X[::3], y=task.y[::3])


def _nitrogen_oxides(learnt, held_out):
    example = definitions(EXAMPLES / "sensor_quantiles.py")
    sensors, calendar = example.load()
    X, y, _ = example.windows(sensors[learnt], calendar)
    # It starts with what the first forecast looks back on.
    X_test, y_test, _ = example.windows(sensors[held_out], calendar)
    return Task("nitrogen oxides", X, y, X_test, y_test)


def laser():
    """The Santa Fe laser, 15 steps ahead as in examples/quickstart.py, in time order."""
    from reservoirpy.datasets import santafe_laser

    ahead, lags, split = 15, 32, 2000
    series = santafe_laser().ravel()[:3000].astype(np.float32)
    past, future = (sliding_windows(part, lags, ahead) for part in (series[:split], series[split:]))
    return Task("laser", past[0], past[1][:, -1], future[0], future[1][:, -1])


def adding(steps=100, samples=2000):
    """The sum of the two marked numbers, one in each half (Hochreiter & Schmidhuber 1997)."""
    rng = np.random.default_rng(0)

    def draw(count):
        values = rng.random((count, steps), np.float32)
        marks = np.zeros_like(values)
        rows = np.arange(count)
        first, second = rng.integers(steps // 2, size=(2, count))
        marks[rows, first] = marks[rows, steps // 2 + second] = 1
        return np.stack([values, marks], axis=2), (values * marks).sum(axis=1)

    return Task(f"adding, {steps} steps", *draw(samples), *draw(samples))


def latch(steps=200, samples=1000):
    """The sign of the first number, which noise follows (Bengio, Simard & Frasconi 1994)."""
    rng = np.random.default_rng(0)

    def draw(count):
        y = rng.integers(2, size=count)
        X = rng.normal(scale=0.2, size=(count, steps, 1)).astype(np.float32)
        X[:, 0, 0] = 2 * y - 1
        return X, y

    return Task(f"latch, {steps} steps", *draw(samples), *draw(samples))


def definitions(path):
    """The functions and constants of an example; to import it would run the whole page."""
    kept = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if _defines(node)]
    names = {"__name__": path.stem}
    exec(compile(ast.Module(kept, type_ignores=[]), path, "exec"), names)
    return SimpleNamespace(**names)


def _defines(node):
    if isinstance(node, ast.Assign):
        return all(isinstance(name, ast.Name) and name.id.isupper() for name in node.targets)
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef))
