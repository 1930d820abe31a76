"""Processes that run on a copy of the package, and what they leave on disk."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from numba import config

PACKAGE = Path(__file__).parents[1] / "sklstm"

# Kernels that compile fast, for what does not depend on which ones they are.
SOME_KERNELS = """
import numpy as np
from sklstm._kernels import updates

gradient = np.random.RandomState(0).normal(size=64)
weights, mean, square = np.linspace(-1, 1, 64), *np.zeros((2, 64))
updates.add_penalty(gradient, weights, weights, 0.1)
updates.clip(gradient, 0.5)
updates.adam(weights, gradient, mean, square, 1, 0.1, 0.9, 0.999, 1e-8)
print(weights.tobytes().hex())
"""


def copy_package(folder):
    """A copy of the package, without machine code, in a folder to run from."""
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(PACKAGE, folder / "copy" / "sklstm", ignore=ignored)


def start(code, package, launcher=(), **environment):
    """Start Python on a copy of the package; a warning is an error, as in all tests."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    return subprocess.Popen(
        [*launcher, sys.executable, "-W", "error", "-c", code],
        cwd=package.parent,
        env={**inherited, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process):
    """What a process printed, once it ended well."""
    # Also where it takes too long, nothing of it is left for other tests.
    with process:
        try:
            output, errors = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    return output


def run(code, package, launcher=(), **environment):
    return result(start(code, package, launcher, **environment))


def run_warm(code):
    """What is printed on the package itself, with the machine code that all tests share.

    For what does not depend on where it lies, or on who has compiled it.
    """
    shared = {"NUMBA_CACHE_DIR": config.CACHE_DIR} if config.CACHE_DIR else {}
    return run(code, PACKAGE, **shared)


def state_of(folder):
    """Names and times of all files, to see whether any were written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def holds_machine_code(folder):
    return any(path.suffix == ".nbc" for path in state_of(folder))
