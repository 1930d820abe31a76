"""What a measurement was made on, and what this process takes of it."""

import os
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sklstm._machine.processor import SIMD_NAME

PACKAGES = (
    "numpy", "numba", "scikit-learn", "torch", "keras", "jax", "onnx", "onnxruntime",
)  # fmt: skip


def describe():
    """Processor, threads, SIMD, versions and date, as strings and numbers."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": n_threads(),
        "simd": SIMD_NAME,
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()} | versions(),
        "date": date.today().isoformat(),
    }


def n_threads():
    """The threads that every contender may use: the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def restrict_threads(count):
    """Keep this process, and those that it starts, to some processors.

    The one setting that all contenders obey, XLA included, which has no number of threads to set.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("--threads needs Linux")
    allowed = sorted(os.sched_getaffinity(0))
    if not 1 <= count <= len(allowed):
        raise SystemExit(f"--threads={count}: this process may use 1 to {len(allowed)}")
    os.sched_setaffinity(0, allowed[:count])


def is_busy():
    """Whether other programs took more than a fifth of a processor in the last minute."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.2


def cpu_model():
    """The name that the processor gives itself."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions():
    """Versions of the contenders and of what they stand on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def memory(field):
    """A field of Linux's account of this process, such as VmRSS or VmHWM, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def forget_peak():
    """Let VmHWM begin anew from what is resident now (Linux 4.0)."""
    Path("/proc/self/clear_refs").write_text("5")
