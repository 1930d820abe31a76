"""What it costs to look inside: gradients beside a forward pass, and integrated gradients."""

import time
import warnings
from contextlib import contextmanager
from unittest import mock

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks import timing
from benchmarks.contenders import SKLSTM
from sklstm import LSTMRegressor
from sklstm._network.trace import Trace
from sklstm.inspection import input_gradients, integrated_gradients

STEPS, UNITS, FITTED, EXPLAINED = 50, 64, 400, 100
FEATURES = [1, 2, 8]
# What nets are fitted to: smooth tasks, one of products, and what can only be learnt by heart.
TASKS = {
    "the last number": lambda X, rng: X[:, -1, 0],
    "the sum of a feature": lambda X, rng: X[:, :, 0].sum(axis=1),
    "the mean of all numbers": lambda X, rng: X.mean(axis=(1, 2)),
    "the product of two numbers": lambda X, rng: X[:, -1, 0] * X[:, -3, -1],
    "noise": lambda X, rng: rng.normal(size=len(X)),
}
FORWARD, BOTH = "forward pass", "forward and back"
PASSES = [(1000, 50, 64), (2000, 24, 100)]  # rows, steps, units


def run(quick):
    """A table of passes, and one of integrated gradients for each task."""
    rounds = 2 if quick else 7
    rng = np.random.RandomState(0)
    passes = [
        timing.row(f"{rows}, {steps}, {units}", times_of_passes(rng, rows, steps, units, rounds),
                   baseline=FORWARD)
        for rows, steps, units in PASSES
    ]  # fmt: skip
    tasks = [
        timing.row(f"{task}, {features}", integrated(rng, of, features, rounds))
        for task, of in TASKS.items()
        for features in FEATURES[: 1 if quick else None]
    ]
    return {
        "rounds": rounds,
        "tables": [
            {"title": "Gradients on X of all rows, beside the forward pass with a tape that they "
             "begin with", "key": "rows, steps, units", "unit": "ms of all threads",
             "rows": passes},
            {"title": f"Integrated gradients of {EXPLAINED} rows of {STEPS} steps; nets of {UNITS} "
             f"units, fitted to {FITTED} rows with the defaults", "key": "fitted to, features",
             "unit": "s", "rows": tasks},
        ],
    }  # fmt: skip


def fitted(X, y, units):
    """A net with the defaults."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LSTMRegressor(units, random_state=0).fit(X, y)


def times_of_passes(rng, rows, steps, units, rounds):
    """Milliseconds within the forward passes of a gradient, and within all of its passes."""
    X = rng.normal(size=(rows, steps, 1))
    model = fitted(X[:FITTED], X[:FITTED, -1, 0], units)
    input_gradients(model, X)
    times = {FORWARD: [], BOTH: []}
    for _ in range(rounds):
        time.sleep(timing.PAUSE)
        with timed("forward") as forward, timed("backward") as backward:
            input_gradients(model, X)
        times[FORWARD].append(1e3 * sum(forward))
        times[BOTH].append(1e3 * (sum(forward) + sum(backward)))
    return times


@contextmanager
def timed(name):
    """A context in which calls of a method of `Trace` add their seconds to a list."""
    seconds, method = [], getattr(Trace, name)

    def call(trace, *arguments, **parameters):
        start = time.perf_counter()
        result = method(trace, *arguments, **parameters)
        seconds.append(time.perf_counter() - start)
        return result

    with mock.patch.object(Trace, name, call):
        yield seconds


def integrated(rng, task, features, rounds):
    """Seconds of each round."""
    X = rng.normal(size=(FITTED, STEPS, features))
    model = fitted(X, task(X, rng), UNITS)
    label = f"integrated gradients, {features}"
    return timing.contest(
        {SKLSTM: lambda: integrated_gradients(model, X[:EXPLAINED])}, rounds, label=label
    )
