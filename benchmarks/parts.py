"""What each part of training costs, how near it is to the processor's peak, and what is serial.

The parts are timed one by one, on one thread, over the buffers of a shard. Python and NumPy are
what an epoch of as many minibatches takes with one unit and one step; what all of them do not
explain is the waiting for memory.
"""

from dataclasses import replace

import numba
import numpy as np
from numba import njit

from benchmarks import timing
from benchmarks.contenders.sklstm_ import Contender
from benchmarks.machine import n_threads
from benchmarks.workloads import WORKLOADS
from sklstm._forms import Expected
from sklstm._kernels import packing, recurrence, shard, step, updates
from sklstm._machine.compile import OPTIONS
from sklstm._machine.linkage import EVERY_NET
from sklstm._network.gradients import GradientSum
from sklstm._network.initial_weights import initial_weights
from sklstm._network.layout import aligned, make_layout
from sklstm._network.parameters import Architecture, penalized
from sklstm._network.plan import count_shards, divide
from sklstm._scaling import as_they_are
from sklstm._sequences import read_sequences

CHOSEN = [WORKLOADS[1], WORKLOADS[3], WORKLOADS[4]]
SERIAL = ("packing of weights", "sum of gradients", "penalty, clipping, Adam")
PYTHON = "Python and NumPy"
CORES = (2, 8, 32)
MATRIX = 2048  # rows of the matrices that NumPy multiplies
DTYPE = np.dtype(np.float32)

compiled = njit(**OPTIONS)


def run(quick):
    """Shares of an epoch, rates beside NumPy's, and speed-ups that follow from the serial part."""
    rounds = 2 if quick else 5
    shares, rates, derived = {}, [], []
    peak = {threads: _matmul_rate(threads) for threads in {1, n_threads()}}
    for workload in CHOSEN:
        model = Contender(workload)
        seconds = {threads: _epoch(model, workload, threads, rounds) for threads in peak}
        parts, rows = _parts(workload)
        minibatches = -(-workload.samples // workload.batch)
        parts = {
            name: each * (minibatches if name in SERIAL else workload.samples / rows)
            for name, each in parts.items()
        }
        parts[PYTHON] = _python(workload, rounds)
        parts["waiting for memory"] = max(0.0, seconds[1] - sum(parts.values()))
        for name, each in parts.items():
            shares.setdefault(name, {})[workload.label] = _only(100 * each / seconds[1])
        rates.append(_rates(workload, seconds, peak))
        serial = sum(parts[name] for name in (*SERIAL, PYTHON))
        derived.append(_derived(workload, seconds, serial))
    return {
        "rounds": rounds,
        "tables": [
            _table("Shares of an epoch on one thread", "part", "percent", [
                {"label": name, "values": values, "ratios": {}} for name, values in shares.items()
            ]),
            _table("Rate of an epoch, counting logical multiply-adds alone", "workload",
                   "GFLOP/s, and in percent of NumPy's product of large matrices", rates),
            _table("Speed-up over one thread: measured here, and derived for more cores from the "
                   "serial part and the number of groups", "workload", "times", derived),
        ],
    }  # fmt: skip


def _table(title, key, unit, rows):
    return {"title": title, "key": key, "unit": unit, "rows": rows}


def _only(value):
    return {"median": float(value)}


def _rates(workload, seconds, peak):
    units, inputs = workload.units[0], workload.inputs
    # Three products of the same size: forward, and two of the way back; the way back to the inputs
    # is not needed in the first layer.
    columns = 4 * units * workload.samples * workload.steps
    flops = 2 * columns * (3 * units + 2 * inputs)
    values = {}
    for threads, each in seconds.items():
        rate = flops / each / 1e9
        values[f"{threads} thread" + "s" * (threads > 1)] = _only(rate)
        values[f"% of NumPy, {threads}"] = _only(100 * rate / peak[threads])
    return {"label": workload.label, "values": values, "ratios": {}}


def _derived(workload, seconds, serial):
    groups = _groups(workload)
    values = {f"measured, {n}": _only(seconds[1] / each) for n, each in seconds.items() if n > 1}
    for cores in CORES:
        rounds = -(-groups // cores) / groups
        values[f"derived, {cores}"] = _only(seconds[1] / (serial + (seconds[1] - serial) * rounds))
    values["serial, %"] = _only(100 * serial / seconds[1])
    return {"label": f"{workload.label} ({groups} groups)", "values": values, "ratios": {}}


def _groups(workload):
    """How many parts of a minibatch there are for threads to take."""
    rows, group = _divided(workload)
    return count_shards(workload.batch, rows) // group


def _divided(workload):
    """Rows of a shard, and shards of a group."""
    return divide(_architecture(workload), DTYPE, workload.steps, workload.batch, True, True)


def _architecture(workload):
    return Architecture(workload.inputs, workload.units, False, "last", 1)


def _epoch(model, workload, threads, rounds):
    """Seconds of an epoch."""
    numba.set_num_threads(threads)
    try:
        call = {"sklstm": lambda: model.train(workload.epochs)}
        label = f"parts: {workload.label} on {threads}"
        times = timing.contest(call, rounds, inner=workload.epochs, label=label)
        return float(np.median(times["sklstm"]))
    finally:
        numba.set_num_threads(n_threads())


def _python(workload, rounds):
    """Seconds of an epoch of as many minibatches, in which next to nothing is computed."""
    smallest = replace(workload, steps=1, inputs=1, units=(1,))
    return _epoch(Contender(smallest), smallest, 1, rounds)


def _matmul_rate(threads):
    """What NumPy's BLAS makes of large matrices, in GFLOP/s."""
    from threadpoolctl import threadpool_limits

    a = np.random.default_rng(0).random((MATRIX, MATRIX), DTYPE)
    with threadpool_limits(threads, "blas"):
        return 2 * MATRIX**3 / timing.seconds(lambda: a @ a, 15) / 1e9


def _parts(workload):
    """Seconds of the parts: of a shard, or if they are serial, of a minibatch; a shard's rows."""
    X, _ = workload.data()
    architecture = _architecture(workload)
    n_rows, _ = _divided(workload)
    layout = make_layout(architecture, DTYPE, n_rows, workload.steps, True)
    weights = initial_weights(architecture, DTYPE, 1.0, workload.steps, np.random.RandomState(0))
    sequences = as_they_are(read_sequences(X, Expected(Contender(workload)._model)))
    packed, work = aligned((layout.packed_size,), DTYPE), aligned((layout.work_size,), DTYPE)
    packed[:], work[:] = 0, 0.001
    groups = _groups(workload)
    add_gradients = GradientSum(architecture, layout, groups, DTYPE)
    gradients = add_gradients.gradients
    gradients[:] = 0
    gradient, mean, square = (np.zeros_like(weights) for _ in range(3))
    penalty = penalized(architecture, DTYPE)
    starts = np.arange(workload.steps + 1) * n_rows
    span = np.concatenate([[0, workload.steps, 0, 0], starts])
    net, cells = layout.net.copy(), layout.cells.copy()
    cell = cells[0]
    rows = np.arange(n_rows)
    EVERY_NET.link(DTYPE)

    def optimize():
        updates.add_penalty(gradient, weights, penalty, 1e-6)
        updates.clip(gradient, 1.0)
        updates.adam(weights, gradient, mean, square, 1, 0.0, 0.9, 0.999, 1e-8)

    calls = {
        "gathering of X": lambda: _gather(
            net, cell, sequences.records, sequences.scaling, rows, work, span
        ),
        "input product": lambda: _input_product(cell, packed, work, starts),
        "recurrent product": lambda: _recurrent_product(cell, packed, work, starts),
        "gates, cell and hidden state": lambda: _gates(cell, work, starts),
        "backward through gates": lambda: _backward_gates(cell, work, starts),
        "backward through the recurrence": lambda: _backward_product(cell, packed, work, starts),
        "gradient of the weights": lambda: _weight_gradient(cell, work, gradients[0], starts),
        SERIAL[0]: lambda: packing.pack(net, cells, weights, packed, True),
        SERIAL[1]: lambda: add_gradients(groups),
        SERIAL[2]: optimize,
    }
    for call in calls.values():
        call()
    return {name: timing.seconds(call, 41) for name, call in calls.items()}, n_rows


@compiled
def _gather(net, cell, records, scaling, rows, work, span):
    shard._gather(net[0], cell, records, scaling, rows, work, span, 0)


@compiled
def _input_product(cell, packed, work, starts):
    inputs = cell["inputs"] + 1
    span = 1 + recurrence.INPUT_BLOCK // starts[1]
    for t in range(0, starts.size - 1, span):
        rows = starts[min(t + span, starts.size - 1)] - starts[t]
        x = cell["x"] + starts[t] * inputs
        recurrence.gates_of(cell, packed, work, rows, x, inputs, 0, inputs, starts[t], False)


@compiled
def _recurrent_product(cell, packed, work, starts):
    stride, inputs, units = cell["stride"], cell["inputs"] + 1, cell["units"]
    for t in range(1, starts.size - 1):
        rows, h = starts[t + 1] - starts[t], cell["h"] + starts[t - 1] * stride
        recurrence.gates_of(cell, packed, work, rows, h, stride, inputs, units, starts[t], True)


@compiled
def _gates(cell, work, starts):
    c, stride = cell["c"], cell["stride"]
    for t in range(starts.size - 1):
        at, before = starts[t] * stride, starts[max(0, t - 1)] * stride
        rows = starts[t + 1] - starts[t]
        size = rows * stride
        recurrence.copy_rest(cell, work, starts[t], rows, False)
        step.finish_step(
            work, cell["gates"] + at, cell["gate"], c + before, c + at, cell["tanh_c"] + at,
            cell["h"] + at, size if t else 0, size,
        )  # fmt: skip


@compiled
def _backward_gates(cell, work, starts):
    stride = cell["stride"]
    for t in range(starts.size - 2, -1, -1):
        at, before = starts[t] * stride, starts[max(0, t - 1)] * stride
        size = (starts[t + 1] - starts[t]) * stride
        step.start_step_back(
            work, cell["gates"] + at, cell["gate"], cell["c"] + before, cell["tanh_c"] + at,
            cell["dh"] + at, cell["dc"], size if t else 0, size,
        )  # fmt: skip


@compiled
def _backward_product(cell, packed, work, starts):
    for t in range(starts.size - 2, 0, -1):
        rows, target = starts[t + 1] - starts[t], cell["dh"] + starts[t - 1] * cell["stride"]
        recurrence.hidden_gradient(cell, packed, work, rows, starts[t], target, True)


@compiled
def _weight_gradient(cell, work, gradient, starts):
    recurrence.weight_gradient(cell, work, gradient, starts, starts.size - 1, 0, False)
