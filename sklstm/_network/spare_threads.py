"""Threads that have ended their work, and wait a moment for more.

A thread that was just started may share the caller's core for some ten milliseconds, while others
are idle. One that waits is kept off that core until it is awake.
"""

import _thread
import os
import time
from contextlib import suppress
from queue import Empty, SimpleQueue

from sklstm._machine import cores

# Seconds after which a thread that nobody needs leaves.
PATIENCE = 1.0
# The threads that wait: those that began last are found first.
_WAITING: list = []


class _Waiting:
    """A thread that waits, and what it is to do: the first of its claims; None: it has left."""

    def __init__(self):
        self.claims: list = []
        self.bell: SimpleQueue = SimpleQueue()
        self._thread, self._cores = _thread.get_native_id(), None

    def take(self, task, in_place_of_the_caller):
        """Whether it does that: it may have left."""
        self.claims.append(task)
        if self.claims[0] is not task:
            return False
        self._cores = cores.usable()
        if not in_place_of_the_caller:
            cores.keep_off_the_callers(self._thread, self._cores)
        self.bell.put(None)
        return True

    def wake_up(self):
        """What it does first: it may run where its caller may, as if that had started it."""
        cores.allow(self._cores)

    def leave(self):
        """Whether it has left: it may have been given something to do."""
        self.claims.append(None)
        # Who has taken it out finds that it has left.
        with suppress(ValueError):
            _WAITING.remove(self)
        return self.claims[0] is None


def start(function, arguments, in_place_of_the_caller=False):
    """Call a function in a thread that waits, or in a new one.

    One that waits starts on another core than the caller's, unless the caller is about to sleep.

    Raises
    ------
    RuntimeError
        If there are no more threads to be had.
    """
    task = function, arguments
    if not _hand_over(task, in_place_of_the_caller):
        # `threading` would have this thread wait until it has begun, as long as a shard takes.
        _thread.start_new_thread(_work_and_wait, ([task],))


def _hand_over(task, in_place_of_the_caller=False):
    """Whether a thread has waited, and does that now."""
    while _WAITING:
        try:
            waiting = _WAITING.pop()
        except IndexError:
            break  # another thread was faster
        if waiting.take(task, in_place_of_the_caller):
            return True
    return False


def _work_and_wait(tasks):
    while True:
        # Out of the list, which the thread holds as long as it lives.
        function, arguments = tasks.pop(0)
        function(*arguments)
        # What was worked on may be dropped meanwhile.
        del function, arguments
        waiting = _Waiting()
        _WAITING.append(waiting)
        try:
            waiting.bell.get(timeout=PATIENCE)
        except Empty:
            if waiting.leave():
                return
            # Who has taken it is about to ring, unless that was interrupted.
            with suppress(Empty):
                waiting.bell.get(timeout=PATIENCE)
        except BaseException:
            if not waiting.leave():
                # A new thread may run where this one may.
                waiting.wake_up()
                start(*waiting.claims[0])
            raise
        waiting.wake_up()
        tasks = waiting.claims


def _send_away():
    """Have those that wait leave."""
    gone: SimpleQueue = SimpleQueue()
    # Not those that come meanwhile, which might never end.
    sent = [_hand_over((_leave, (gone,))) for _ in range(len(_WAITING))].count(True)
    with suppress(Empty):
        for _ in range(sent):
            # A thread does not answer while Python ends.
            gone.get(timeout=PATIENCE)
    if sent:
        # It has said so, and ends next.
        time.sleep(0.001)


def _leave(gone):
    gone.put(None)
    # Ends a thread of `_thread` without a word.
    raise SystemExit


if hasattr(os, "register_at_fork"):
    # Python warns of a fork beside other threads; and a child has none of them.
    os.register_at_fork(before=_send_away, after_in_child=_WAITING.clear)
