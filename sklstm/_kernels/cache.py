"""Machine code on disk: a folder for each state of the sources, so that it cannot go stale."""

import hashlib
import os
import sys
from pathlib import Path
from uuid import uuid4

import llvmlite
import numba
from numba import config

from sklstm._kernels.simd import CPU_FEATURES


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
