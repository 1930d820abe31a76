"""Nets as files of C: bytes that they need, and the time of a step beside ONNX Runtime."""

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import timing
from benchmarks.contenders import ONNX, SKLSTM, check_steps, load, make, steps_of
from benchmarks.workloads import Workload
from sklstm.interop import to_c

NETS = [
    Workload(256, 50, inputs, units, 32)
    for inputs, units in [(1, (8,)), (8, (16,)), (1, (32,)), (8, (32,)), (1, (64,)), (8, (64, 64))]
]
KEY = "inputs, units"
PLAIN, NATIVE = "C, gcc -O3", "C, gcc -O3 -march=native"
STREAM = "StreamingPredictor"
# Steps of a call into the library, so that the call itself does not count.
STEPS = 1000
LOOP = """
void many_steps(const float *x, int n, float *y)
{
    static lstm_state state;

    for (int i = 0; i < n; i++)
        lstm_step(&state, x + i % 50 * LSTM_FEATURES, y);
}
"""


def run(quick):
    """Two tables: of sizes, and of times in float32."""
    classes = load(SKLSTM, ONNX)
    rounds = 3 if quick else 15
    sizes, times = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, workload in enumerate(NETS):
            label = f"{workload.inputs}, {workload.layers}"
            net = Path(folder) / str(number)
            net.mkdir()
            contenders = make(classes, workload)
            (net / "lstm.c").write_text(to_c(contenders[SKLSTM]._model), "ascii")
            sizes.append(row_of_sizes(label, net, workload))
            times.append(row_of_times(label, net, workload, contenders, rounds))
    compiler = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True)
    gcc = compiler.stdout.split("\n")[0]
    return {
        "rounds": rounds,
        "tables": [
            {"title": f"What a net needs as C ({gcc})", "key": KEY, "unit": "bytes", "rows": sizes},
            {
                "title": "A step of one series, in float32, beside C by gcc -O3",
                "key": KEY,
                "unit": "µs",
                "rows": times,
            },
        ],
    }


def row_of_sizes(label, net, workload):
    """Code and constants as `size` counts them, and the state of a series."""
    values = {}
    for level in ("-Os", "-O3"):
        compile_c(net, ["-c", level, "lstm.c", "-o", "lstm.o"])
        command = ["size", "lstm.o"]
        counted = subprocess.run(command, cwd=net, capture_output=True, text=True, check=True)
        of_sections = counted.stdout.split("\n")[1].split()[:3]
        values[f"code and weights, {level}"] = sum(map(int, of_sections))
    values["a state"] = 4 * 2 * sum(workload.units)
    return {
        "label": label,
        "values": {name: timing.spread([value]) for name, value in values.items()},
        "ratios": {},
    }


def row_of_times(label, net, workload, contenders, rounds):
    """A step, without the call from Python for C, and with it for the others."""
    x = workload.data()[0][0]
    expected = np.ravel(contenders[SKLSTM].predictors(x[np.newaxis])["predict"]())
    libraries = {PLAIN: library(net, []), NATIVE: library(net, ["-march=native"])}
    steppers = {STREAM: contenders[SKLSTM].steppers(1)}
    if ONNX in contenders:
        steppers[ONNX] = contenders[ONNX].steppers(1)
    check_steps(
        steppers | {name: {"": stepper(each)} for name, each in libraries.items()},
        x[np.newaxis], expected,
    )  # fmt: skip
    calls = {name: lambda each=each: many_steps(each, x) for name, each in libraries.items()}
    for name, ways in steppers.items():
        way = timing.fastest({key: (lambda s=s: s(x[:1])) for key, s in ways.items()}, calls=200)
        calls[name] = lambda step=ways[way]: one_by_one(step, x)
    seconds = timing.contest(calls, rounds, 0.05, inner=STEPS, label=f"C {label}")
    return timing.row(label, {n: [1e6 * t for t in each] for n, each in seconds.items()}, PLAIN)


def one_by_one(step, x):
    rows = steps_of(x[np.newaxis])
    for i in range(STEPS):
        step(rows[i % len(rows)])


def compile_c(net, arguments):
    subprocess.run(["gcc", "-std=c99", *arguments, "-lm"], cwd=net, check=True)


def library(net, flags):
    """The net and a loop over it as a shared library."""
    name = f"looped{len(flags)}"
    (net / f"{name}.c").write_text((net / "lstm.c").read_text("ascii") + LOOP, "ascii")
    compile_c(net, ["-O3", *flags, "-fPIC", "-shared", f"{name}.c", "-o", f"{name}.so"])
    return ctypes.CDLL(str(net / f"{name}.so"))


def many_steps(loaded, x, n=STEPS):
    """The answer after the last of some steps, which begin where the last call ended."""
    y = np.zeros(1, np.float32)
    pointer = ctypes.POINTER(ctypes.c_float)
    loaded.many_steps(x.ctypes.data_as(pointer), n, y.ctypes.data_as(pointer))
    return y


def stepper(loaded):
    """A step at a time, from the start."""
    return lambda x: many_steps(loaded, np.ascontiguousarray(x), 1)
