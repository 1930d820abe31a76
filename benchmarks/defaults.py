"""Which defaults learn real data fastest: one parameter at a time around the defaults.

What counts is neither the score after a number of epochs, which favours small batches, nor the time
of an epoch, which favours large ones: it is the seconds until held-out data reach a score.
"""

import time

import numba
import numpy as np

from benchmarks import tasks, timing

SEEDS = 5
# What is varied around, where it is not the defaults. Small batches and low forget biases may seem
# good only because the learning rate is low; {"learning_rate_init": 0.005} tells.
BASE = {}
SHARE = 0.95  # of the way from guessing to the best score of any setting
# The most epochs: as many as the defaults need by far.
TASKS = [
    (lambda: tasks.digits().validation(), 80),
    (lambda: tasks.japanese_vowels().validation(), 200),
    (tasks.nitrogen_oxides_validation, 20),
    (tasks.laser, 50),
]
CHANGES = {
    "hidden_layer_sizes": [32, 128],
    "batch_size": [16, 64, 128],
    "learning_rate_init": [3e-4, 3e-3, 1e-2],
    "forget_bias": [0, 3, "chrono"],
    "max_grad_norm": [1, 5],
    "normalize_X": [False],
    "pooling": ["mean"],
    "alpha": [0, 1e-2],
}
DEFAULTS = "the defaults"


def run(quick):
    """A row a setting, the defaults first: the time to target on each data set."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        return _run(quick)
    finally:
        numba.set_num_threads(threads)


def _run(quick):
    settings = {DEFAULTS: {}} | {
        f"`{name}={value!r}`": {name: value} for name, values in CHANGES.items() for value in values
    }
    seeds = 1 if quick else SEEDS
    sets, results = [], {label: {} for label in settings}
    for make, epochs in TASKS:
        task, epochs = make(), 3 if quick else epochs
        curves = {}
        fit(task, {}, 1, 0)  # compiles
        for label, changes in settings.items():
            timing.show_progress(f"defaults {task.name}: {label}")
            curves[label] = [fit(task, changes, epochs, seed) for seed in range(seeds)]
        timing.show_progress("")
        best = max(np.median([scores.max() for scores, _ in runs]) for runs in curves.values())
        guess = 1 / task.classes if task.classes else 0
        target = guess + SHARE * (best - guess)
        sets.append(
            {
                "name": task.name,
                "score": "accuracy" if task.classes else "R2",
                "epochs": epochs,
                "best": float(best),
                "target": float(target),
            }
        )
        for label, runs in curves.items():
            results[label][task.name] = reached(runs, target)
            print(task.name, label, results[label][task.name], flush=True)
    rows = [
        {"label": label, "results": each, "ratios": ratios(each, results[DEFAULTS])}
        for label, each in results.items()
    ]
    return {"seeds": seeds, "sets": sets, "settings": rows}


def fit(task, changes, epochs, seed):
    """The held-out score after each epoch, and the seconds of an epoch, scoring included."""
    model = task.estimator(
        **(BASE | changes), max_iter=epochs, n_iter_no_change=np.inf, random_state=seed
    )
    # The processor's time, so that what else the machine does is not counted.
    start = time.process_time()
    model.fit(task.X, task.y, X_val=task.X_test, y_val=task.y_test)
    seconds = time.process_time() - start
    return np.array(model.validation_scores_), seconds / model.n_iter_


def reached(runs, target):
    """Of each seed, seconds and epochs until the target: None, and all seconds, if never."""
    found = {"epochs": [], "seconds": [], "best": []}
    for scores, seconds in runs:
        epochs = int(1 + np.argmax(scores >= target)) if scores.max() >= target else None
        found["epochs"].append(epochs)
        found["seconds"].append(float((epochs or len(scores)) * seconds))
        found["best"].append(float(scores.max()))
    return found


def ratios(results, defaults):
    """Of each seed, the geometric mean over data sets of its time, in times of the defaults'."""
    logs = [
        np.log(results[name]["seconds"]) - np.log(defaults[name]["seconds"]) for name in defaults
    ]
    return np.exp(np.mean(logs, axis=0)).tolist()
