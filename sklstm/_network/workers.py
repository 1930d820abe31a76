"""Threads that spin for the next round, fall asleep when none comes, and leave in the end."""

import os
import time
import weakref
from queue import Empty, SimpleQueue

from sklstm._kernels import tickets
from sklstm._kernels.counters import ASLEEP, GIVEN_UP, LEFT_AT
from sklstm._network import spare_threads

# Seconds after which a sleeping worker looks whether its team is still there, and how often it
# does so before it leaves by itself.
NAP, MOST_NAPS = 0.1, 10


class Workers:
    """The threads of a team beside the caller's own; they start with the first round.

    When a round is interrupted, the team must be left: workers may still be in it.

    Parameters
    ----------
    n_threads : int
        The caller's own included.
    context : RoundContext
    sequences : list
        What is in it now. The kernels see addresses alone: a worker keeps the memory behind them.
    caller_waits : bool
        Whether another thread does what is the caller's, so that the caller sees signals in time.
    """

    def __init__(self, n_threads, context, sequences, caller_waits=False):
        self._n_threads, self._context, self._sequences = n_threads, context, sequences
        self._caller_waits = caller_waits
        # Written in C, unlike a semaphore: an interrupt cannot leave it half changed.
        self._wake: SimpleQueue = SimpleQueue()
        self._left: SimpleQueue = SimpleQueue()
        self._started = 0
        self._process: int | None = None

    @property
    def alone(self):
        """Whether there is no thread but the caller's."""
        return self._n_threads == 1 and not self._caller_waits

    def run(self, groups, last=False):
        """Do a round of groups together; after the `last`, workers leave when there is no more."""
        asleep = tickets.publish(self._context.control, groups, last)
        if asleep:
            self._release(asleep)
        if self._process != os.getpid():
            # Those that left the parent have no place to be filled here.
            self._process, self._started, self._left = os.getpid(), 0, SimpleQueue()
            self._start(range(1, self._n_threads))
        elif self._started:
            self._replace()
        if not (self._caller_waits and self._wait_for_another()):
            _do_the_callers(self._context)

    def leave(self):
        """Send the workers away, and wait until they have gone."""
        tickets.publish(self._context.control, 0, True)
        if self._started:
            # Those in the midst of a segment leave at its next step.
            self._context.cells["given_up"] = 1
        # One for each, asleep or not: an interrupt may have lost count of them.
        self._release(self._n_threads)
        # A forked child has none to wait for.
        while self._started and self._process == os.getpid():
            # First, as in `_replace`; and nobody is waited for twice.
            self._started -= 1
            self._left.get()

    @property
    def asleep(self):
        """Whether some would have to be woken, or started."""
        return self._started == 0 or self._context.control[ASLEEP] > 0

    def _start(self, members):
        for member in members:
            arguments = (
                weakref.ref(self), self._sequences, self._wake, self._left, member, self._context
            )  # fmt: skip
            try:
                spare_threads.start(_work, arguments)
            except RuntimeError:
                # No more threads to be had: those that started do all the work.
                return
            self._started += 1

    def _replace(self):
        """Start anew those that have left by themselves."""
        while not self._left.empty():
            # First, for whoever leaves would wait for ever for one that an interrupt left counted.
            self._started -= 1
            member = self._left.get_nowait()
            if member is not None:
                self._start([member])

    def _wait_for_another(self):
        """Wait for a thread that does what is the caller's; False if there is none to be had."""
        done: SimpleQueue = SimpleQueue()
        arguments = self._context, self._sequences, self._left, done
        try:
            spare_threads.start(_stand_in, arguments, in_place_of_the_caller=True)
        except RuntimeError:
            return False
        self._started += 1
        while True:
            try:
                # On some systems, no signal is seen while one waits.
                error = done.get(timeout=NAP)
            except Empty:
                continue
            if error is not None:
                raise error
            return True

    def _release(self, sleepers):
        for _ in range(sleepers):
            self._wake.put(None)


def _do_the_callers(context):
    """Do what is the caller's of a round."""
    while not tickets.run(0, context):
        # What was given up, others may have left undone.
        if context.control[GIVEN_UP]:
            return
        # It came back to see signals, and has more to do; or has nothing to do but wait.
        if context.control[LEFT_AT] < 0:
            time.sleep(5e-5)


def _stand_in(context, sequences, left, done):
    """What a thread does in the place of the caller, for a round; it keeps the memory too."""
    error = None
    try:
        _do_the_callers(context)
    except BaseException as raised:
        error = raised
    finally:
        done.put(error)
        left.put(None)


def _work(team, sequences, wake, left, member, context):
    """What a worker does; it keeps the memory that it reads, but not the team.

    An interrupt may come before a team can tell its workers to end: they then see that it is gone.
    """
    naps = 0
    try:
        while not tickets.run(member, context):
            try:
                wake.get(timeout=NAP)
                naps = 0
            except Empty:
                naps += 1
                if naps == MOST_NAPS or team() is None:
                    break
    finally:
        left.put(member)
