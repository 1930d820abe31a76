"""Machine code on disk: a folder for each state of the sources, so that it cannot go stale."""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

import llvmlite
import numba
from numba import config
from numba.core.caching import NullCache

from sklstm._kernels.simd import CPU_FEATURES


def keep_on_disk(compiled):
    """Have Numba keep the machine code of a dispatcher or a C callback, if there is a folder.

    To be called while a module is imported, when no other thread can see Numba's setting change.
    """
    if CACHE_FOLDER is None:
        return
    # Numba takes the folder when caching is enabled. Its own setting is left as it was.
    chosen = config.CACHE_DIR
    config.CACHE_DIR = str(CACHE_FOLDER)
    try:
        compiled.enable_caching()
    except RuntimeError:
        # Numba finds no place that it may write to.
        return
    finally:
        config.CACHE_DIR = chosen
    if not Path(compiled._cache.cache_path).is_relative_to(CACHE_FOLDER):
        # Numba took another place, where machine code could go stale.
        compiled._cache = NullCache()
        return
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
    """A writable folder of this fingerprint's own; and what it is a copy of, if for this process.

    Numba writes to the folder that it reads. Machine code that can only be read, as in a container
    image that another user warmed up, is therefore copied: to the next folder that can be written,
    or else for this process. Both are None if that fails: then nothing is kept on disk.
    """
    name = f"sklstm-{FINGERPRINT}"
    filled = None
    for base in _bases():
        folder = Path(base) / name
        if _can_be_written(folder):
            if filled is None or _copy(filled, folder):
                return folder, None
        elif filled is None and _has_machine_code(folder):
            filled = folder
    if filled is None:
        return None, None
    private = _private_copy(filled)
    return (private, filled) if private else (None, None)


def _bases():
    """Where a folder may lie, the best place first."""
    if config.CACHE_DIR:
        return [config.CACHE_DIR]
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # Some users have no home.
    at_home = [] if home.startswith("~") else [Path(home) / "sklstm"]
    return [Path(__file__).parent / "__pycache__", *at_home]


def _can_be_written(folder):
    """Whether a folder, which is made if there is none, can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # As Numba tries it: to ask the system is not enough where access is more than a mode.
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _has_machine_code(folder):
    try:
        return any(folder.glob("*/*.nbc"))
    except OSError:
        return False


def _private_copy(source):
    """A copy that is removed when this process ends by itself, or None.

    Its name cannot be guessed, and nobody else may write to it: Numba unpickles what it finds.
    """
    # Seldom needed. The finalizer does nothing in a forked child, and is called when the children
    # that multiprocessing started, which may use the folder, have ended.
    from multiprocessing.util import Finalize

    try:
        folder = Path(tempfile.mkdtemp(prefix="sklstm-"))
    except OSError:
        return None
    Finalize(None, shutil.rmtree, [folder], {"ignore_errors": True}, exitpriority=-100)
    return folder if _copy(source, folder) else None


def _copy(source, folder):
    """Copy all files of Numba's that `folder` lacks; False if they cannot be written."""
    try:
        # An index comes after what it leads to: other processes look, and this one may be killed.
        for pattern in ("*/*.nbc", "*/*.nbi"):
            for path in source.glob(pattern):
                _copy_file(path, folder / path.parent.name / path.name)
    except OSError:
        return False
    return True


def _copy_file(source, target):
    if target.exists():
        return
    try:
        # The contents alone: the modes may be those of what cannot be written.
        content = source.read_bytes()
    except (FileNotFoundError, PermissionError):
        # Numba compiles what it misses: a file that was removed meanwhile, or may not be read.
        return
    target.parent.mkdir(exist_ok=True)
    # A file gets its name when it is whole.
    unfinished = target.with_name(f"unfinished-{uuid4().hex}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


FINGERPRINT = _fingerprint()
CACHE_FOLDER, PRIVATE_COPY_OF = _cache_folder()
_PROCESS_FAMILY = uuid4().hex[:8]
