"""Threads that work beside their caller, and end with it."""

import signal
import threading
import time

import numpy as np
import pytest
from conftest import assert_same_bits

from sklstm._machine.threads import beside
from sklstm._network import initial_weights as module
from sklstm._network.initial_weights import initial_weights
from sklstm._network.parameters import Architecture


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_all_that_is_begun_is_done_at_the_end(n_threads):
    done = []
    with beside(n_threads) as begin:
        for number in range(20):
            begin(lambda number, stop: done.append((number, stop())), number)
    assert sorted(done) == [(number, False) for number in range(20)]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_in_a_thread_is_the_callers(n_threads):
    def fail(stop):
        raise MemoryError("no room")

    before = threading.active_count()
    with pytest.raises(MemoryError, match="no room"), beside(n_threads) as begin:
        begin(fail)
    assert threading.active_count() == before


def wait(stop):
    while not stop():
        time.sleep(0.001)


def test_an_error_in_the_block_stops_the_threads():
    def err():
        with beside(2) as begin:
            # More than there are threads: one is never begun.
            for _ in range(3):
                begin(wait)
            raise ValueError("mistake")

    before = threading.active_count()
    with pytest.raises(ValueError, match="mistake"):
        err()
    assert threading.active_count() == before


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")
def test_an_interrupt_stops_the_threads():
    before = threading.active_count()
    # A signal, which ends a wait for a lock.
    to_this = threading.main_thread().ident, signal.SIGINT
    timer = threading.Timer(0.1, signal.pthread_kill, to_this)
    timer.start()
    with pytest.raises(KeyboardInterrupt), beside(2) as begin:
        begin(wait)
    timer.join()
    assert threading.active_count() == before


def test_without_more_threads_the_caller_does_it(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done = []
    with beside(2) as begin:
        for number in range(5):
            begin(lambda number, stop: done.append((number, stop())), number)
    assert done == [(number, False) for number in range(5)]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_initial_weights_are_the_same_bits_for_any_number_of_threads(monkeypatch, bidirectional):
    architecture = Architecture(2, (33, 20), bidirectional, "last", 1)

    def drawn(n_threads):
        monkeypatch.setattr(module, "WORTH_THREADS", 0)
        monkeypatch.setattr(module, "available_threads", lambda: n_threads)
        return initial_weights(architecture, np.float64, 1.0, 6, np.random.RandomState(0))

    one = drawn(1)
    for n_threads in (2, 3, 5, 8):
        assert_same_bits(drawn(n_threads), one)
