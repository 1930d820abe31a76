"""Rates of training over rows and over units: whether edges of tiles and of vectors cost much."""

import numpy as np

from benchmarks import timing
from benchmarks.contenders.sklstm_ import Contender
from benchmarks.shapes import alternate, epoch
from benchmarks.workloads import Workload

# Multiply-adds of an epoch, going back included: some hundredths of a second.
WORK = 6e9
STEPS, INPUTS = 50, 8
UNITS, BATCH = 128, 64  # while the other changes
ROWS = [*range(1, 17), *range(18, 65, 2), 21, 33, 49]
# Of most, a vector is not full: neither of 8 nor of 16 numbers.
WIDTHS = [
    *range(8, 129, 8), *range(144, 401, 16), 67, 100, 137, 150, 189, 200, 263, 330,
]  # fmt: skip
LEAST_UNITS = 64  # from which on dips are counted
MATRIX = 2048  # rows of the matrices that NumPy multiplies


def run(quick):
    """Two curves of GFLOP/s, each with NumPy's rate, and the deepest dip of each."""
    rounds, some = (2, 6) if quick else (5, 1)
    curves = [
        _curve("rows of a minibatch", f"{UNITS} units", ROWS[::some], rounds, _of_rows),
        _curve("units", f"minibatches of {BATCH}", WIDTHS[::some], rounds, _of_units),
    ]
    return {"rounds": rounds, "rates": curves}


def workload(units, batch):
    """Minibatches of one size, as many as make an epoch long enough."""
    of_row = 3 * STEPS * 4 * units * (units + INPUTS)
    return Workload(batch * max(2, round(WORK / of_row / batch)), STEPS, INPUTS, (units,), batch)


def flops(workload):
    """Of an epoch: a product forward and two back, of which the first layer has none to X."""
    units = workload.units[0]
    columns = 4 * units * workload.samples * workload.steps
    return 2 * columns * (3 * units + 2 * workload.inputs)


def dips(values, rates, least=0):
    """Of each size between two others, from `least` on: its rate by that between theirs."""
    found = {}
    for i in range(1, len(values) - 1):
        if values[i] >= least:
            share = (values[i] - values[i - 1]) / (values[i + 1] - values[i - 1])
            expected = rates[i - 1] + share * (rates[i + 1] - rates[i - 1])
            found[values[i]] = rates[i] / expected
    return found


def _of_rows(rows):
    return workload(UNITS, rows)


def _of_units(units):
    return workload(units, BATCH)


def _curve(axis, others, values, rounds, of):
    values = sorted(values)
    workloads = [of(value) for value in values]
    fits = [Contender(each) for each in workloads]
    a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    turns = {value: lambda fit=fit: epoch(fit) for value, fit in zip(values, fits, strict=True)}
    times = alternate({**turns, "NumPy": lambda: timing.seconds(lambda: a @ a, 3)}, rounds)
    seconds = {name: float(np.median(each)) for name, each in times.items()}
    rates = [flops(each) / seconds[v] / 1e9 for v, each in zip(values, workloads, strict=True)]
    print(f"edges: {axis}", flush=True)
    least = LEAST_UNITS if axis == "units" else 0
    return {
        "axis": axis, "others": f"{others}, {STEPS} steps of {INPUTS} inputs, float32",
        "values": values, "rates": rates, "dips": dips(values, rates, least), "least": least,
        "numpy": 2 * MATRIX**3 / seconds["NumPy"] / 1e9,
    }  # fmt: skip
