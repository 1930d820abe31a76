"""Time of a whole process: from `python` to a first net, trained and asked."""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from benchmarks import timing
from benchmarks.contenders import KERAS, SKLSTM, TORCH

ROOT = Path(__file__).parents[1]
COLD = f"{SKLSTM}, compiled anew"
SCRIPTS = {
    SKLSTM: ROOT / "examples" / "first_steps.py",
    TORCH: ROOT / "benchmarks" / "first_steps" / "torch_.py",
    KERAS: ROOT / "benchmarks" / "first_steps" / "keras_.py",
}
NEEDS = {SKLSTM: [], TORCH: ["torch"], KERAS: ["keras", "jax"]}


def run(quick):
    """A row for a warm cache of compiled kernels, and one for none."""
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
        "tables": [{"title": title, "key": "sklstm's kernels", "unit": "s", "rows": rows}],
    }


def start(script, **environment):
    """Run a script to its end, on the sources of this clone."""
    subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
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
