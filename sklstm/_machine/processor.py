"""What the processor has: its features, the width and number of its SIMD registers, threads."""

import functools
import os
import sys

import joblib
import numba
from numba import config

from sklstm._machine.numba_internals import get_host_cpu_features, threading_layer_runs

CPU_FEATURES = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
_features = {name[1:] for name in CPU_FEATURES.split(",") if name.startswith("+")}

SIMD_NAME = next(
    (
        title
        for name, title in {
            "avx512f": "AVX-512", "avx2": "AVX2", "neon": "NEON", "sse2": "SSE2"
        }.items()
        if name in _features
    ),
    "unknown",
)  # fmt: skip
SIMD_BYTES = 64 if "avx512f" in _features else 32 if "avx2" in _features else 16
LINE_BYTES = 64  # of a line of the cache
# AVX-512 and NEON have 32 vector registers, AVX2 and SSE2 16.
MANY_REGISTERS = bool(_features & {"avx512f", "neon"})
# Those that the process may run on, and of a container those that it has the time of.
CPUS = joblib.cpu_count()
NUMBA_IS_TOLD = "NUMBA_NUM_THREADS" in os.environ
SAID_AT_IMPORT = os.environ.get("OMP_NUM_THREADS", "")


def available_threads():
    """How many threads a call may use: Numba's number, or what the process is allowed if fewer.

    What starts processes that share a machine (dask, ray, a batch system) says so by
    OMP_NUM_THREADS, which Numba does not know. NUMBA_NUM_THREADS is meant for Numba, as where
    joblib sets both, and is followed alone.
    """
    if config.DISABLE_JIT:
        return 1
    # Not numba.get_num_threads(), which starts Numba's threading layer to ask: once it runs, it
    # makes a forked child that runs parallel Numba code abort.
    threads = numba.get_num_threads() if threading_layer_runs() else config.NUMBA_NUM_THREADS
    if threads == 1 or NUMBA_IS_TOLD:
        return threads
    # As OpenMP itself: a cluster of dask that this process starts sets it here too, for workers to
    # inherit. But ray tells its workers anew for each task.
    said = os.environ.get("OMP_NUM_THREADS", "") if "ray" in sys.modules else SAID_AT_IMPORT
    return min(threads, _openmp_threads(said) or (1 if _in_a_task_of_dask() else CPUS))


@functools.cache
def _openmp_threads(said):
    """The threads of OpenMP's outermost level, as it reads "4" or "4,2"; 0 if nothing is said."""
    outermost = said.partition(",")[0].strip()
    return int(outermost) if outermost.isdecimal() else 0


def _in_a_task_of_dask():
    """Whether a worker of dask calls, which does so many things at once as it has threads.

    Those that are processes of their own have OMP_NUM_THREADS, and threads of the user's have not.
    """
    distributed = sys.modules.get("distributed")
    try:
        return distributed is not None and distributed.get_worker() is not None
    except (AttributeError, ValueError):
        # Half imported; or nobody's worker.
        return False
