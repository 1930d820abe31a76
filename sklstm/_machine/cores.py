"""On which cores a thread may run, where the system lets one say so: Linux.

A thread that is woken may be put on the core of who wakes it, though another is idle, and stays
there as long as its work is short: both then take as long together as one of them would alone.
"""

import ctypes
import sys
from contextlib import suppress

# A bit a core, for as many as the C library knows.
_BITS = 8 * ctypes.sizeof(ctypes.c_ulong)
_Cores = ctypes.c_ulong * (1024 // _BITS)
_SIZE = ctypes.sizeof(_Cores)

_current = _allowed = _allow = None
if sys.platform == "linux":
    # The calls are short: others need not take over meanwhile.
    _library = ctypes.PyDLL(None)
    with suppress(AttributeError):
        _current, _allowed, _allow = (
            getattr(_library, f"sched_{name}") for name in ("getcpu", "getaffinity", "setaffinity")
        )


def usable():
    """The cores that the caller may use, for the functions below; None if nobody can say."""
    cores = _Cores()
    return cores if _allowed is not None and _allowed(0, _SIZE, cores) == 0 else None


def keep_off_the_callers(thread, cores):
    """Have a thread that sleeps wake up on one of these, but not on that of the caller.

    Parameters
    ----------
    thread : int
        Its number in the system, of this process.
    cores : object or None
        Of `usable`. Where there is no other, nothing changes.
    """
    core = -1 if cores is None else _current()
    if 0 <= core < 8 * _SIZE:
        others = _Cores.from_buffer_copy(cores)
        others[core // _BITS] &= ~(1 << core % _BITS)
        # Refused if none is left.
        _allow(thread, _SIZE, others)


def allow(cores):
    """Let the thread of the caller run on any of these."""
    if cores is not None:
        _allow(0, _SIZE, cores)
