"""How the time of an epoch grows with each size, beside what theory says of it."""

from dataclasses import replace

import numba
import numpy as np

from benchmarks import timing
from benchmarks.contenders import SKLSTM, TORCH, load, make
from benchmarks.machine import n_threads
from benchmarks.training import epoch_times
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
        points = [_point(classes, axis, value, rounds) for value in values]
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


def _point(classes, axis, value, rounds):
    changed = (value,) if axis == "units" else value
    workload = BASE if axis == "threads" else replace(BASE, **{axis: changed})
    contenders = make(classes, workload)
    most = n_threads()
    try:
        if axis == "threads":
            _set_threads(value)
        contenders[SKLSTM].train(1)
        seconds = timing.seconds(lambda: contenders[SKLSTM].train(1))
        epochs = int(np.clip(AT_LEAST / seconds, 4, 50))
        times = epoch_times(contenders, epochs, rounds, f"scaling {axis} {value}")
    finally:
        if axis == "threads":
            _set_threads(most)
    return timing.row(str(value), times)


def _set_threads(count):
    numba.set_num_threads(count)
    try:
        import torch
    except ModuleNotFoundError:
        return
    torch.set_num_threads(count)
