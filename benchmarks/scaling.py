"""How the time of an epoch grows with each size, beside what theory says of it."""

from dataclasses import replace
from functools import partial

import numba
import numpy as np

from benchmarks import timing
from benchmarks.contenders import SKLSTM, TORCH, load, make
from benchmarks.machine import n_threads
from benchmarks.workloads import Workload

BASE = Workload(512, 24, 4, (64,), 32)
# What is varied, and the slope on log-log axes of a time that is nothing but multiply-adds. A
# batch changes how many of them are made at once, not how many there are.
AXES = {
    "units": ([16, 32, 64, 128, 256, 512], 2),
    "steps": ([8, 16, 32, 64, 128, 256, 512], 1),
    "batch": ([1, 2, 4, 8, 16, 32, 64, 128, 256, 512], 0),
    "samples": ([256, 512, 1024, 2048, 4096, 8192], 1),
    "threads": ([1, 2, 4, 8, 16, 32, 64], -1),  # as many as there are
}
AT_LEAST = 0.1  # seconds of a fit


def run(quick):
    """A curve for each axis: the base workload with one of its sizes varied."""
    classes = load(SKLSTM, TORCH)
    rounds = 2 if quick else 5
    curves = []
    for axis, (values, theory) in AXES.items():
        if axis == "threads":
            values = [value for value in values if value <= n_threads()]
        values = values[::2] if quick and len(values) > 2 else values
        points = _points(classes, axis, values, rounds)
        curves.append(
            {
                "axis": axis,
                "values": values,
                "theory": theory,
                "points": points,
                "slopes": {
                    name: slope(values, [point["values"][name]["median"] for point in points])
                    for name in classes
                    if len(values) > 1
                },
            }
        )
    return {"rounds": rounds, "unit": "ms", "base": vars(BASE), "curves": curves}


def slope(sizes, seconds):
    """Slope on log-log axes by least squares, over the upper half of the sizes, or at least two."""
    first = min(len(sizes) // 2, len(sizes) - 2)
    return float(np.polyfit(np.log(sizes[first:]), np.log(seconds[first:]), 1)[0])


def _points(classes, axis, values, rounds):
    """A row for each value; all values take turns, lest a slow minute bend the curve."""
    made, epochs = {}, {}
    for value in values:
        changed = (value,) if axis == "units" else value
        workload = BASE if axis == "threads" else replace(BASE, **{axis: changed})
        made[value] = make(classes, workload)
        made[value][SKLSTM].train(1)
        seconds = timing.seconds(partial(made[value][SKLSTM].train, 1))
        epochs[value] = int(np.clip(AT_LEAST / seconds, 4, 50))
    calls = {
        f"{name} {value}": partial(
            _train, contender, epochs[value], value if axis == "threads" else n_threads()
        )
        for value, contenders in made.items()
        for name, contender in contenders.items()
    }
    try:
        times = timing.contest(calls, rounds, label=f"scaling {axis}, whole fits")
    finally:
        _set_threads(n_threads())
    return [
        timing.row(
            str(value),
            {
                name: [1e3 * seconds / epochs[value] for seconds in times[f"{name} {value}"]]
                for name in classes
            },
        )
        for value in values
    ]


def _train(contender, epochs, threads):
    _set_threads(threads)
    contender.train(epochs)


def _set_threads(count):
    numba.set_num_threads(count)
    try:
        import torch
    except ModuleNotFoundError:
        return
    torch.set_num_threads(count)
