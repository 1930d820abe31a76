"""How every kernel is compiled: one set of options, and a disk cache that cannot go stale."""

import hashlib
import os
import sys
from pathlib import Path
from uuid import uuid4

import llvmlite
import numba
from numba import config, njit, types

from sklstm._kernels.simd import CPU_FEATURES

# NaN and infinity must survive, so that divergence is seen (no nnan, ninf), and a division must
# stay a division (no arcp). Sums are written out where their order matters.
# A kernel allocates nothing, so that no slice need count its references.
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}, "_nrt": False}


def kernel(function):
    """Compile a kernel that only kernels call; it is kept in its callers' machine code."""
    dispatcher = njit(**OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    if not config.DISABLE_JIT:
        # A call with a literal (0, True) would be compiled as a signature of its own.
        resolve = dispatcher.get_call_template
        dispatcher.get_call_template = lambda args, kws: resolve(map(types.unliteral, args), kws)
    return dispatcher


def entry(function, options=OPTIONS):
    """Compile a kernel that Python calls, and keep the machine code on disk."""
    dispatcher = njit(**options)(function)
    if not config.DISABLE_JIT:
        keep_on_disk(dispatcher)
    return dispatcher


def reduction(function):
    """An `entry` whose sums the compiler may cut into SIMD lanes."""
    return entry(function, {**OPTIONS, "fastmath": {"contract", "nsz", "reassoc"}})


def keep_on_disk(compiled):
    """Have Numba keep the machine code of a dispatcher or a C callback, if there is a folder."""
    if CACHE_FOLDER is None:
        return
    # Numba takes the folder when caching is enabled. Its own setting is left as it was.
    chosen = config.CACHE_DIR
    config.CACHE_DIR = str(CACHE_FOLDER)
    try:
        compiled.enable_caching()
    finally:
        config.CACHE_DIR = chosen
    # Numba counts the files of a function. Two processes that compile it for different types at
    # once count the same, and the index of one would lead to the machine code of the other.
    file = compiled._cache._cache_file
    name = file._data_name
    file._data_name = lambda number: f"{_PROCESS_FAMILY}{os.getpid()}-{name(number)}"


def _fingerprint():
    """What the machine code depends on.

    Numba keys a cached function on its own file alone: a change in a function that it calls, or
    in a constant, would go unseen.
    """
    digest = hashlib.sha256()
    # With Intel's SVML, machine code calls it.
    svml = str(getattr(config, "USING_SVML", False))
    for text in (numba.__version__, llvmlite.__version__, sys.version, CPU_FEATURES, svml):
        digest.update(text.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder():
    """A writable folder of this fingerprint's own, or None: then nothing is kept on disk."""
    name = f"sklstm-{_fingerprint()}"
    if config.CACHE_DIR:
        bases = [config.CACHE_DIR]
    else:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        bases = [Path(__file__).parent / "__pycache__"]
        # Some users have no home.
        bases += [] if home.startswith("~") else [Path(home) / "sklstm"]
    for base in bases:
        folder = Path(base) / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


CACHE_FOLDER = _cache_folder()
_PROCESS_FAMILY = uuid4().hex[:8]
