"""How well the nets do that sklstm and PyTorch train: the same net, optimizer and epochs.

Each draws its own initial weights, from the same distributions, and its own order of minibatches:
scores should agree within the spread of the seeds, not digit by digit.
"""

import time

import numpy as np

from benchmarks import tasks, timing
from benchmarks.contenders import SKLSTM, TORCH

SEEDS = 5
SETTINGS = {
    "hidden_layer_sizes": 64,
    "bidirectional": False,
    "forget_bias": 1.0,
    "batch_size": 32,
    "learning_rate_init": 0.005,
}
# What differs from these, and epochs.
TASKS = [
    (tasks.digits, {}, 40),
    (tasks.japanese_vowels, {"bidirectional": True}, 60),
    (tasks.nitrogen_oxides, {"hidden_layer_sizes": 32, "batch_size": 64}, 5),
    (tasks.adding, {"forget_bias": "chrono", "learning_rate_init": 0.01}, 25),
    (tasks.latch, {"forget_bias": "chrono", "hidden_layer_sizes": 32}, 10),
]


def run(quick):
    """A row a task: scores of all seeds, times of their epochs."""
    peer = _torch()
    contenders = {SKLSTM: fit_score} | ({TORCH: peer.fit_score} if peer else {})
    rows = []
    for make, changes, epochs in TASKS:
        task, settings = make(), SETTINGS | changes
        given = {SKLSTM: task, TORCH: task.scaled()}
        epochs, seeds = (1, 2) if quick else (epochs, SEEDS)
        scores = {name: [] for name in contenders}
        times = {name: [] for name in contenders}
        for name, train in contenders.items():
            train(given[name], settings, 1, 0)  # compiles
        if peer:
            peer.check_same_net(fit(task, settings, 1, 0), task, settings)
        for seed in range(seeds):
            for name in timing.order(list(contenders), seed):
                timing.show_progress(f"accuracy {task.name}: seed {seed}, {name}")
                time.sleep(timing.PAUSE)
                score, seconds = contenders[name](given[name], settings, epochs, seed)
                scores[name].append(float(score))
                times[name].append(1e3 * seconds / epochs)
        timing.show_progress("")
        print(task.name, {name: np.round(each, 4).tolist() for name, each in scores.items()})
        label = f"{task.name}: {'accuracy' if task.classes else 'R2'}, {epochs} epochs"
        rows.append(timing.row(label, times, scores=scores))
    return {"seeds": seeds, "rows": rows}


def fit_score(task, settings, epochs, seed):
    """sklstm's training: the score on the held-out part, and its seconds."""
    start = time.perf_counter()
    model = fit(task, settings, epochs, seed)
    seconds = time.perf_counter() - start
    return model.score(task.X_test, task.y_test), seconds


def fit(task, settings, epochs, seed):
    """A fitted estimator, without L2 penalty."""
    model = task.estimator(
        **settings, alpha=0, max_iter=epochs, n_iter_no_change=np.inf, random_state=seed
    )
    return model.fit(task.X, task.y)


def _torch():
    """PyTorch's side, None if it is not installed."""
    try:
        from benchmarks.contenders import torch_tasks
    except ModuleNotFoundError as error:
        if error.name.startswith("benchmarks"):
            raise
        print(f"{TORCH} is left out: {error.name} is not installed")
        return None
    return torch_tasks
