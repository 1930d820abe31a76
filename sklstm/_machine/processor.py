"""What the processor has: its features, the width and number of its SIMD registers, threads."""

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
# AVX-512 and NEON have 32 vector registers, AVX2 and SSE2 16.
MANY_REGISTERS = bool(_features & {"avx512f", "neon"})


def available_threads():
    """numba.get_num_threads(), without starting Numba's threading layer to ask.

    Once started, it makes a forked child that runs parallel Numba code abort.
    """
    if config.DISABLE_JIT:
        return 1
    return numba.get_num_threads() if threading_layer_runs() else config.NUMBA_NUM_THREADS
