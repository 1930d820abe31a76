"""Says when kernels are compiled, which takes seconds where the rest takes none."""

from contextlib import contextmanager

from sklstm._machine.numba_internals import event


class _FirstCompilation(event.Listener):
    def __init__(self, tell):
        self._tell = tell

    def on_start(self, event):
        """Numba compiles something, and does not find it on disk."""
        tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def on_end(self, event):
        """It has."""


@contextmanager
def announced_compilation(tell):
    """Call `tell` when a kernel is compiled in this block, once."""
    with event.install_listener("numba:compile", _FirstCompilation(tell)):
        yield
