"""Time of an epoch of training, at every workload, in float32 and in float64."""

import numpy as np

from benchmarks import timing
from benchmarks.contenders import KERAS, SKLSTM, TORCH, load, make
from benchmarks.workloads import KEY, WORKLOADS


def run(quick):
    """Two tables; float64 is compared with PyTorch in both types."""
    classes = load(SKLSTM, TORCH, KERAS)
    in_float64 = {name: kind for name, kind in classes.items() if name != KERAS}
    rounds = 2 if quick else 5
    single, double = [], []
    for workload in WORKLOADS:
        trained = make(classes, workload)
        trained |= {
            f"{name} float64": contender
            for name, contender in make(in_float64, workload, np.float64).items()
        }
        times = epoch_times(trained, workload.epochs, rounds, f"training {workload.label}")
        single.append(timing.row(workload.label, {name: times[name] for name in classes}))
        peers = {name: times[name] for name in (f"{TORCH} float64", TORCH) if name in times}
        if peers:
            peers[f"{TORCH} float32"] = peers.pop(TORCH)
        double.append(timing.row(workload.label, {SKLSTM: times[f"{SKLSTM} float64"], **peers}))
    return {
        "rounds": rounds,
        "tables": [
            {"title": f"An epoch in {dtype}", "key": KEY, "unit": "ms", "rows": rows}
            for dtype, rows in (("float32", single), ("float64", double))
        ],
    }


def epoch_times(contenders, epochs, rounds, label):
    """Milliseconds of an epoch, for each round: those of a fit, divided by its epochs."""
    calls = {name: lambda c=c: c.train(epochs) for name, c in contenders.items()}
    times = timing.contest(calls, rounds, inner=epochs, label=label)
    return {name: [1e3 * t for t in seconds] for name, seconds in times.items()}
