"""Time of a whole process: from `python` to a first net, trained and asked; and of its start."""

import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from benchmarks import timing
from benchmarks.contenders import KERAS, SKLSTM, TORCH

ROOT = Path(__file__).parents[1]
COLD = f"{SKLSTM}, compiled anew"
IMPORTS = "import of Numba and MLPRegressor alone"
# Rows of the second table.
STARTED = "import and a first tiny fit, compiled before"
COMPILED = "a tiny fit and a prediction in float32, nothing compiled"
SCRIPTS = {
    SKLSTM: ROOT / "benchmarks" / "first_steps" / "sklstm_.py",
    TORCH: ROOT / "benchmarks" / "first_steps" / "torch_.py",
    KERAS: ROOT / "benchmarks" / "first_steps" / "keras_.py",
}
NEEDS = {SKLSTM: [], TORCH: ["torch"], KERAS: ["keras", "jax"]}
# Prints the seconds of import and a first tiny fit, and those of this fit and a prediction.
TINY = """
import time

start = time.perf_counter()
import numpy as np
from sklstm import LSTMRegressor

imported = time.perf_counter()
X = np.linspace(-1, 1, 40, dtype=np.float32).reshape(8, 5)
model = LSTMRegressor(4, max_iter=2).fit(X, X[:, 0])
fitted = time.perf_counter()
model.predict(X)
print(fitted - start, time.perf_counter() - imported)
"""
# What nobody can do without who writes an estimator with Numba.
NUMBA_AND_SKLEARN = """
import time

start = time.perf_counter()
import numba
from sklearn.neural_network import MLPRegressor

print(time.perf_counter() - start)
"""
# scikit-learn imports pandas where it is installed; so it looks as if it were not.
WITHOUT_PANDAS = """
import sys

class NoPandas:
    def find_spec(self, name, path=None, target=None):
        if name == "pandas":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoPandas())
"""


def run(quick):
    """A table of whole processes, and one of what they begin with."""
    calls = {
        name: lambda script=script: start(script)
        for name, script in SCRIPTS.items()
        if _installed(name)
    }
    calls[COLD] = start_cold
    rounds = 2 if quick else 5
    times = timing.contest(calls, rounds, label="process")
    peers = {name: times[name] for name in (TORCH, KERAS) if name in times}
    rows = [
        timing.row("warm cache", {SKLSTM: times[SKLSTM], **peers}),
        timing.row("cold cache", {SKLSTM: times[COLD], **peers}),
    ]
    title = "From `python` to a net that is trained and asked (4, 5, 1, 64, 1; 100 epochs)"
    return {
        "rounds": rounds,
        "tables": [
            {"title": title, "key": "sklstm's kernels", "unit": "s", "rows": rows},
            _start_of_sklstm(rounds),
        ],
    }


def _start_of_sklstm(rounds):
    with tempfile.TemporaryDirectory() as folder:
        tiny(folder)
        turns = {
            IMPORTS: lambda: seconds_of(NUMBA_AND_SKLEARN, folder)[0],
            STARTED: lambda: tiny(folder)[0],
            "the same without pandas, which scikit-learn imports": lambda: tiny(
                folder, WITHOUT_PANDAS
            )[0],
            COMPILED: tiny_cold,
        }
        seconds = {label: [] for label in turns}
        for index in range(rounds):
            for label in timing.order(list(turns), index):
                time.sleep(timing.PAUSE)
                seconds[label].append(turns[label]())
    beside = {STARTED: {IMPORTS: seconds.pop(IMPORTS)}}
    return {
        "title": "Inside a new process",
        "key": "what",
        "unit": "s",
        "rows": [
            timing.row(label, {SKLSTM: each, **beside.get(label, {})})
            for label, each in seconds.items()
        ],
    }


def tiny_cold():
    """Seconds of a first fit and a prediction where nothing is compiled yet."""
    with tempfile.TemporaryDirectory() as folder:
        return tiny(folder)[1]


def tiny(cache, before=""):
    """What TINY prints, in a new process with this cache of compiled kernels."""
    return seconds_of(before + TINY, cache)


def seconds_of(script, cache):
    """What it prints, in a new process with this cache of compiled kernels."""
    code = [sys.executable, "-W", "ignore", "-c", script]
    printed = subprocess.run(
        code, env=environment(NUMBA_CACHE_DIR=cache), capture_output=True, text=True, check=True
    )
    return [float(seconds) for seconds in printed.stdout.split()]


def environment(**variables):
    """That of a process on the sources of this clone, whose bytecode is kept as if installed."""
    inherited = {name: it for name, it in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPATH": str(ROOT), **variables}


def start(script, **variables):
    """Run a script to its end, on the sources of this clone."""
    subprocess.run(
        [sys.executable, str(script)],
        env=environment(**variables),
        stdout=subprocess.DEVNULL,
        check=True,
    )


def start_cold():
    """Run sklstm's where nothing is compiled yet, as it is after an installation."""
    with tempfile.TemporaryDirectory() as folder:
        start(SCRIPTS[SKLSTM], NUMBA_CACHE_DIR=folder)


def _installed(name):
    missing = [package for package in NEEDS[name] if find_spec(package) is None]
    if missing:
        print(f"{name} is left out: {missing[0]} is not installed")
    return not missing
