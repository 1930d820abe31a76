"""Machine code on disk: a file for each kernel and its types, which cannot go stale."""

import hashlib
import pickle
import sys
from pathlib import Path

import llvmlite
import numba
import numpy as np
from numba import config

from sklstm._machine.folders import places, read, write
from sklstm._machine.numba_internals import NullCache, pack_code, unpack_code, use_cache
from sklstm._machine.processor import CPU_FEATURES

# Settings of Numba by which it generates code, and which are not pinned meanwhile: they concern a
# process as a whole, or no kernel of today. A version of Numba may lack some.
SETTINGS = (
    "DEBUG_NRT", "DIFF_IR", "ENABLE_AVX", "ENABLE_PROFILING", "FULL_TRACEBACKS",
    "USE_LLVMLITE_MEMORY_MANAGER", "USING_SVML",
)  # fmt: skip
CHECKSUM_BYTES = 32
# Where all sources are of which machine code is made.
PACKAGES = "sklstm._machine", "sklstm._kernels"
# Kernels whose machine code could not be kept.
NOT_KEPT = []


def keep_on_disk(compiled):
    """Have the machine code of a dispatcher of this package kept on disk.

    Others depend on more than the fingerprint knows: sources elsewhere, or what a closure holds.
    """
    function = compiled.__wrapped__
    if function.__module__.rpartition(".")[0] in PACKAGES and not function.__closure__:
        use_cache(compiled, KernelCache(function))


class KernelCache(NullCache):
    """What Numba asks for a kernel's machine code, and gives it to.

    Numba's own keys a function on its source file alone: a change in a function that it calls, or
    in a constant, would go unseen. It passes on every error of the disk, and trusts what it finds.
    """

    def __init__(self, function):
        self._function = function.__module__, function.__qualname__
        self._label = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"

    def load_overload(self, signature, target_context):
        """The compiled kernel, or None if there is no whole and fitting file."""
        # Numba has a cache do this, as what is loaded may need what a new library registers.
        target_context.refresh()
        name = self.file_name(signature, target_context)
        for folder in FOLDERS:
            content = read(folder / name) or b""
            checksum, code = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
            if checksum == _checksum(name, code):
                return unpack_code(target_context, pickle.loads(code))
        return None

    def save_overload(self, signature, compiled):
        """Write a compiled kernel to the first folder that takes it."""
        if compiled.library.has_dynamic_globals:
            # Addresses in it hold in this process alone.
            return
        name = self.file_name(signature, compiled.target_context)
        code = pack_code(compiled)
        content = _checksum(name, code) + code
        if not any(write(folder / name, content) for folder in FOLDERS):
            NOT_KEPT.append(name)

    def file_name(self, signature, target_context):
        """A name for all that the machine code depends on.

        Settings are read each time: they may change after the import.
        """
        settings = [getattr(config, name, None) for name in SETTINGS]
        machine = target_context.codegen().magic_tuple()
        identity = repr((FINGERPRINT, self._function, signature, machine, settings))
        digest = hashlib.sha256(identity.encode()).hexdigest()[:32]
        return f"{self._label}-{digest}.nbc"


def _checksum(name, code):
    """Of the name too, so that a file under another's is not taken for it."""
    digest = hashlib.sha256(name.encode())
    digest.update(code)
    return digest.digest()


def _fingerprint():
    """The state of the sources and of what compiles them."""
    digest = hashlib.sha256()
    versions = numba.__version__, llvmlite.__version__, np.__version__, sys.version
    for text in (*versions, CPU_FEATURES):
        digest.update(text.encode())
    for package in PACKAGES:
        folder = Path(__file__).parents[1] / package.rpartition(".")[2]
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


FINGERPRINT = _fingerprint()
FOLDERS = places(f"sklstm-{FINGERPRINT}")
