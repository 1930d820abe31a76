"""What Numba is spared while it compiles or loads a kernel, and Python while it imports.

An interrupt would leave either in pieces, a fork would leave Numba's lock taken for good in the
child, and garbage collection takes time.
"""

import gc
import os
import signal
import threading
from contextlib import contextmanager

from sklstm._machine.numba_internals import global_compiler_lock


@contextmanager
def undisturbed():
    """Hold Numba's lock; interrupts wait, and no garbage is collected."""
    with interrupts_held_back(), global_compiler_lock, _no_garbage_collection():
        yield


@contextmanager
def interrupts_held_back():
    """Let Ctrl-C take effect at the end.

    Around an import within a function: a compiled module that is left in its midst can never be
    imported again.

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


# A child has the lock as it was, but not the thread that would release it.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )
