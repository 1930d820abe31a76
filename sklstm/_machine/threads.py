"""Threads that work beside the caller for a while, and end with it."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from sklstm._machine.undisturbed import interrupts_held_back


@contextmanager
def beside(n_threads):
    """Have work done while a block runs; its end waits for what it began.

    Parameters
    ----------
    n_threads : int
        With 1, work is done where it is begun.

    Yields
    ------
    begin : callable
        Takes a function and its arguments, for work that may be done twice. The function is given
        one more, a callable that says whether to stop: it returns soon then, since an interrupt or
        an error ends the block.
    """
    if n_threads <= 1:
        yield lambda function, *arguments: function(*arguments, lambda: False)
        return
    pool, stop, begun = ThreadPoolExecutor(n_threads), Event(), []

    def begin(function, *arguments):
        try:
            # An interrupted start of a thread would leave it to itself.
            with interrupts_held_back():
                begun.append(pool.submit(function, *arguments, stop.is_set))
        except RuntimeError:
            # No more threads to be had, or Python is about to end. One that did start may do the
            # same once more.
            function(*arguments, stop.is_set)

    try:
        yield begin
        for future in begun:
            future.result()
    finally:
        stop.set()
        # Nothing outlives a KeyboardInterrupt, nor a second one.
        with interrupts_held_back():
            pool.shutdown(cancel_futures=True)
