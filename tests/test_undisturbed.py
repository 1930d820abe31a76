"""Interrupts and forks while kernels are compiled or loaded: they wait, and break nothing."""

import gc
import json
import os
import signal
import threading

import pytest
from processes import PACKAGE, run, run_warm

from sklstm._machine.undisturbed import undisturbed

# Of a number of children, each is interrupted at another call of a function while a kernel is made
# ready, and then uses it; prints what came of both.
INTERRUPTED = """
import json, os, signal, sys, warnings
import numpy as np
from sklstm._kernels import updates

warnings.simplefilter("ignore")  # of threads, which no child uses
signal.signal(signal.SIGINT, signal.default_int_handler)

def use():
    gradient = np.ones(64)
    updates.clip(gradient, 0.5)
    return float(gradient[0])

def outcome(function):
    try:
        return repr(function())
    except BaseException as error:
        return repr(error)

def use_interrupted(at):
    calls = 0
    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"
        if calls == at:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)
    sys.setprofile(count)
    first = outcome(use)
    sys.setprofile(None)
    return [calls, first, outcome(use)]

def in_child(at):
    read, write = os.pipe()
    if not os.fork():
        signal.alarm(100)
        os.write(write, json.dumps(use_interrupted(at)).encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        result = json.loads(pipe.read())
    os.wait()
    return result

in_child(0)  # compiles for the others, if there is a folder to keep it in
calls, *_ = in_child(0)
moments = [calls * (2 * n + 1) // (2 * N_CHILDREN) for n in range(N_CHILDREN)]
print(json.dumps([in_child(moment)[1:] for moment in moments]))
"""
# A child is forked while another thread makes a kernel ready, and then needs one itself.
FORKED = """
import os, signal, threading, time, warnings
import numpy as np
from numba.core import compiler
from sklstm._kernels import updates
from sklstm._machine import cache

warnings.simplefilter("ignore")  # of threads, which this is about
reached, original = threading.Event(), MODULE.FUNCTION

def pause(*arguments, **options):
    reached.set()
    time.sleep(0.5)
    return original(*arguments, **options)

MODULE.FUNCTION = pause
thread = threading.Thread(target=updates.clip, args=(np.ones(64), 0.5))
thread.start()
assert reached.wait(100)
if not os.fork():
    signal.alarm(30)
    gradient = np.ones(64)
    updates.clip(gradient, 0.5)
    os._exit(int(16 * gradient[0]))
print(os.waitstatus_to_exitcode(os.wait()[1]))
thread.join()
"""
needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")


@needs_forks
@pytest.mark.cold
@pytest.mark.parametrize("warm", [False, True])
def test_an_interrupt_waits_for_a_kernel_and_leaves_it_usable(tmp_path, warm):
    # Below a file, no folder can be made.
    file = tmp_path / "file"
    file.touch()
    folder = tmp_path / "cache" if warm else file / "cache"
    n_children = 40 if warm else 20
    code = INTERRUPTED.replace("N_CHILDREN", str(n_children))
    printed = run(code, PACKAGE, NUMBA_CACHE_DIR=str(folder))
    assert json.loads(printed) == [["KeyboardInterrupt()", "0.0625"]] * n_children


@needs_forks
@pytest.mark.cold
@pytest.mark.parametrize("place", ["compiler.compile_extra", "cache.read"])
def test_a_fork_waits_for_a_kernel_that_another_thread_makes_ready(tmp_path, place):
    module, function = place.split(".")
    code = FORKED.replace("MODULE", module).replace("FUNCTION", function)
    assert run(code, PACKAGE, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == "1\n"


# An interrupt comes when a fit, which holds out some rows, has scikit-learn import a module.
IMPORTED = """
import signal, sys, warnings
import numpy as np
from sklstm import LSTMRegressor

class Press:
    def find_spec(self, name, path=None, target=None):
        if name == "sklearn.metrics._pairwise_distances_reduction._radius_neighbors":
            pressed.append(name)
            signal.raise_signal(signal.SIGINT)

def fit():
    X = np.random.RandomState(0).normal(size=(40, 5))
    return LSTMRegressor(4, max_iter=2, early_stopping=True, random_state=0).fit(X, X[:, 0])

warnings.simplefilter("ignore")
signal.signal(signal.SIGINT, signal.default_int_handler)
pressed = []
sys.meta_path.insert(0, Press())
try:
    fit()
except KeyboardInterrupt:
    print("interrupted", len(pressed), fit().n_iter_)
"""


@pytest.mark.cold
def test_an_interrupt_waits_for_an_import_and_leaves_it_usable():
    assert run_warm(IMPORTED) == "interrupted 1 2\n"


@pytest.fixture
def handler():
    """What is called at an interrupt, in the place of Python's own: it counts."""
    calls = []

    def count(*arguments):
        calls.append(arguments)

    count.calls = calls
    before = signal.signal(signal.SIGINT, count)
    yield count
    signal.signal(signal.SIGINT, before)


def test_a_handler_is_called_once_and_at_the_end(handler):
    with undisturbed():
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        assert handler.calls == []
    [(number, frame)] = handler.calls
    assert number == signal.SIGINT
    assert frame is not None
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_interrupt_that_is_ignored_stays_so(handler):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with undisturbed():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_an_interrupt_is_seen_behind_an_error(handler):
    def fail():
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            raise ValueError

    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert gc.isenabled()


def test_other_threads_leave_interrupts_to_the_main_thread(handler):
    seen = []

    def look():
        with undisturbed():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [handler]
