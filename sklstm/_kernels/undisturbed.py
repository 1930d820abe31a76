"""What Numba is spared while it compiles or loads a kernel.

An interrupt would leave it in pieces, and garbage collection takes time.
"""

import gc
import signal
import threading
from contextlib import contextmanager

from numba.core.compiler_lock import global_compiler_lock


@contextmanager
def undisturbed():
    """Hold Numba's lock; interrupts wait, and no garbage is collected."""
    with _interrupts_held_back(), global_compiler_lock, _no_garbage_collection():
        yield


@contextmanager
def _interrupts_held_back():
    """Let Ctrl-C take effect at the end.

    Only the main thread is interrupted. A handler that is not Python's could not be put back.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or handler is None:
        yield
        return
    arrived = []
    signal.signal(signal.SIGINT, lambda *arguments: arrived.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if arrived and callable(handler):
            handler(*arrived[0])
        elif arrived:
            # To end the process, or to be ignored.
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _no_garbage_collection():
    """The compiler makes millions of objects, which every collection would walk through again.

    Under the lock, threads cannot take the state of each other.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
