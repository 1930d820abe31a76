"""Threads that wait for more work: found again, left alone with nothing, gone after a moment."""

import _thread
import ctypes
import os
import threading
import time
import warnings
import weakref
from queue import SimpleQueue
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ignores_convergence

from sklstm import LSTMRegressor
from sklstm._machine import cores
from sklstm._network import plan, spare_threads

pytestmark = ignores_convergence
needs_cores = pytest.mark.skipif(
    cores.usable() is None or len(os.sched_getaffinity(0)) == 1, reason="needs several cores"
)


@pytest.fixture(autouse=True)
def nobody_waits():
    spare_threads._send_away()


def in_a_thread(function, *arguments):
    """What a function returns there, and which thread it was; once that waits for more."""
    answer = SimpleQueue()
    spare_threads.start(lambda: answer.put((function(*arguments), threading.get_ident())), ())
    answered = answer.get(timeout=10)
    wait_until(lambda: spare_threads._WAITING)
    return answered


def wait_until(holds):
    patience = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < patience
        time.sleep(0.001)


def test_the_next_work_is_done_by_the_thread_that_waits():
    assert in_a_thread(abs, -3) == (3, in_a_thread(abs, -2)[1])
    assert len(spare_threads._WAITING) == 1


def test_who_is_at_work_is_not_waited_for():
    together = threading.Barrier(3, timeout=10)
    for _ in range(2):
        spare_threads.start(together.wait, ())
    together.wait()
    wait_until(lambda: len(spare_threads._WAITING) == 2)


def test_what_was_worked_on_is_dropped():
    array = np.ones(3)
    gone = weakref.ref(array)
    spare_threads.start(np.sum, (array,))
    del array
    wait_until(lambda: gone() is None and spare_threads._WAITING)


def test_nobody_waits_for_long(monkeypatch):
    monkeypatch.setattr(spare_threads, "PATIENCE", 0.01)
    in_a_thread(abs, -3)
    wait_until(lambda: not spare_threads._WAITING)
    assert in_a_thread(abs, -3)[0] == 3


def test_a_thread_that_has_just_left_is_passed_over():
    left = spare_threads._Waiting()
    left.claims.append(None)
    spare_threads._WAITING.append(left)
    assert in_a_thread(abs, -3)[0] == 3
    assert left not in spare_threads._WAITING


def test_a_call_that_was_interrupted_before_it_rang_loses_no_work(monkeypatch):
    monkeypatch.setattr(spare_threads, "PATIENCE", 0.1)
    in_a_thread(abs, -3)
    waiting, done = spare_threads._WAITING.pop(), SimpleQueue()
    waiting.claims.append((done.put, (3,)))
    assert done.get(timeout=10) == 3


def test_many_that_start_at_once_all_do_their_work(monkeypatch):
    monkeypatch.setattr(spare_threads, "PATIENCE", 0.001)
    done = SimpleQueue()

    def start_some(first):
        for number in range(first, first + 200):
            spare_threads.start(done.put, (number,))
            if number % 7 == 0:
                time.sleep(0.001)

    starters = [threading.Thread(target=start_some, args=(200 * n,)) for n in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert sorted(done.get(timeout=10) for _ in range(800)) == list(range(800))


def test_fits_and_predictions_of_many_rows_start_one_thread(monkeypatch):
    start, started = _thread.start_new_thread, []
    monkeypatch.setattr(plan, "available_threads", lambda: 2)
    monkeypatch.setattr(
        _thread, "start_new_thread", lambda *call: (started.append(call), start(*call))
    )
    X = np.random.RandomState(0).normal(size=(500, 30, 2))
    model = LSTMRegressor(64, batch_size=250, max_iter=1, random_state=0)
    for _ in range(3):
        model.fit(X, X[:, 0, 0])
        wait_until(lambda: spare_threads._WAITING)
        model.predict(X)
        wait_until(lambda: spare_threads._WAITING)
    assert len(started) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_before_a_fork_they_leave_and_a_child_has_none():
    class Leaving(spare_threads._Waiting):
        def take(self, task, in_place_of_the_caller):
            # Another begins to wait when it has been looked who does.
            spare_threads._WAITING.append(another)
            task[1][0].put(None)
            return True

    another = spare_threads._Waiting()
    spare_threads._WAITING.append(Leaving())
    child = os.fork()
    if child == 0:
        os._exit(len(spare_threads._WAITING))
    assert os.waitpid(child, 0)[1] == 0
    assert spare_threads._WAITING.pop() is another
    assert not spare_threads._WAITING


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_beside_them_does_not_warn():
    for _ in range(10):
        in_a_thread(abs, -3)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def test_what_was_given_to_a_thread_that_is_killed_another_does():
    ident, done = in_a_thread(abs, -3)[1], SimpleQueue()
    waiting = spare_threads._WAITING[0]
    # It comes when the thread is woken.
    kill = ctypes.pythonapi.PyThreadState_SetAsyncExc
    assert kill(ctypes.c_ulong(ident), ctypes.py_object(SystemExit)) == 1
    where = getattr(os, "sched_getaffinity", lambda _: None)
    spare_threads.start(lambda: done.put(where(0)), ())
    assert done.get(timeout=10) == where(0)
    assert waiting.claims[1:] == [None]


def cores_before_and_after(**options):
    """Those on which a thread that waits is woken, and those on which it works."""
    answer = SimpleQueue()

    def allow(usable):
        answer.put(os.sched_getaffinity(0))
        cores.allow(usable)

    in_a_thread(abs, -3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spare_threads, "cores", SimpleNamespace(**vars(cores) | {"allow": allow}))
        spare_threads.start(lambda: answer.put(os.sched_getaffinity(0)), (), **options)
        return answer.get(timeout=10), answer.get(timeout=10)


@needs_cores
def test_a_thread_that_waits_is_woken_on_another_core_than_the_callers(monkeypatch):
    usable = os.sched_getaffinity(0)
    for core in usable:
        monkeypatch.setattr(cores, "_current", lambda core=core: core)
        assert cores_before_and_after() == (usable - {core}, usable)
        # The caller is about to sleep.
        assert cores_before_and_after(in_place_of_the_caller=True) == (usable, usable)


@needs_cores
def test_it_is_not_kept_off_while_it_works_though_its_patience_ran_out_as_it_was_taken(monkeypatch):
    monkeypatch.setattr(spare_threads, "PATIENCE", 0.1)
    usable, keep_off, answer = os.sched_getaffinity(0), cores.keep_off_the_callers, SimpleQueue()

    def keep_off_late(*arguments):
        time.sleep(0.15)
        keep_off(*arguments)

    in_a_thread(abs, -3)
    monkeypatch.setattr(cores, "keep_off_the_callers", keep_off_late)
    spare_threads.start(lambda: (time.sleep(0.1), answer.put(os.sched_getaffinity(0))), ())
    assert answer.get(timeout=10) == usable


@needs_cores
def test_it_may_run_where_its_caller_may_now():
    usable = os.sched_getaffinity(0)
    in_a_thread(abs, -3)
    try:
        for core in usable:
            os.sched_setaffinity(0, {core})
            assert cores_before_and_after()[1] == {core}
    finally:
        os.sched_setaffinity(0, usable)
    assert cores_before_and_after()[1] == usable


@pytest.mark.parametrize(
    "refused", [{"_allowed": None}, {"_allowed": lambda *_: -1}, {"_current": lambda: -1}]
)
def test_where_nobody_can_say_on_which_core_they_work_all_the_same(monkeypatch, refused):
    for name, function in refused.items():
        monkeypatch.setattr(cores, name, function)
    assert in_a_thread(abs, -3)[1] == in_a_thread(abs, -2)[1]
