"""Interrupts at random moments of fits and predictions: no thread, no bit and no net is spoilt.

`python tests/hunt_interrupts.py --minutes 60` hunts for an hour; the tests run some seconds of it.
With `--cold`, each call is a process that has some kernels to compile, and others to load: Ctrl-C
comes again and again until one of its fits is done, alone or beside another thread that fits too.
"""

import contextlib
import functools
import gc
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from hunting import parser_of
from sklearn.exceptions import ConvergenceWarning

from sklstm import LSTMRegressor
from sklstm._machine import cache
from sklstm._network import plan, spare_threads

SETTINGS = {"hidden_layer_sizes": 8, "max_iter": 3, "n_iter_no_change": np.inf, "random_state": 0}
LONG_SEGMENT = plan.LONG_SEGMENT
X = np.random.RandomState(0).normal(size=(64, 10, 2))
Y = X[:, -1, 0]


def fit(**parameters):
    return LSTMRegressor(**SETTINGS, **parameters).fit(X, Y)


@functools.cache
def predictor():
    return fit()


CALLS = {
    "fit": fit,
    "validated fit": lambda: fit(early_stopping=True),
    "L-BFGS": lambda: fit(solver="lbfgs"),
    "warm start": lambda: fit(warm_start=True).fit(X, Y),
    "predict": lambda: predictor().predict(X),
}


def bits(result):
    """Those of predictions, or of a net's weights."""
    return (result if isinstance(result, np.ndarray) else result._weights).tobytes()


def count_threads():
    """Python's own and those that it does not know."""
    return len(os.listdir("/proc/self/task"))


def hunt(seed, wanted, minutes):
    """Interrupt `wanted` calls, or for so many minutes; what was found, by its kind."""
    # Rounds of any size are shared with workers, who leave soon: all are counted after each call.
    plan.WORTH_A_THREAD, plan.available_threads = 0, lambda: 3
    spare_threads.PATIENCE = 0.02
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    draw, end = random.Random(seed), time.monotonic() + 60 * minutes
    expected, seconds = {}, {}
    for _ in range(2):
        for name, call in CALLS.items():
            start = time.perf_counter()
            expected[name] = bits(call())
            seconds[name] = time.perf_counter() - start
    settle(0)
    found = {"interrupted": 0, "spoilt": 0, "threads left": 0, "other errors": 0}
    n_threads = count_threads()
    calls = 0
    while calls < wanted or time.monotonic() < end:
        calls += 1
        name = draw.choice(list(CALLS))
        # The caller works, or it waits for who stands in, as where a segment takes long.
        plan.LONG_SEGMENT = draw.choice([0, LONG_SEGMENT])
        try:
            interrupted = interrupt(CALLS[name], draw.uniform(1e-5, 1.1 * seconds[name]))
            found["interrupted"] += interrupted
        except Exception as error:
            print(f"{name}: {error!r}")
            found["other errors"] += 1
        for control in ("predict", draw.choice(list(CALLS))) if calls % 5 == 0 else ("predict",):
            found["spoilt"] += bits(CALLS[control]()) != expected[control]
        if settle(n_threads) > n_threads:
            found["threads left"] += 1
            gc.collect()
            more = settle(n_threads) - n_threads
            print(f"{name}: threads left; {more} when garbage has been collected")
            n_threads = count_threads()
    return {"calls": calls, **found}


def interrupt(call, after):
    """Interrupt a call after so many seconds; whether it was still running."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, after)
                call()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            return True
    return any("interrupted" in str(warning.message) for warning in caught)


def settle(n_threads):
    """The number of threads, once it has fallen to `n_threads` or two seconds have passed."""
    patience = time.monotonic() + 2
    while (count := count_threads()) > n_threads and time.monotonic() < patience:
        time.sleep(0.01)
    return count


# --- Cold starts ----------------------------------------------------------------------------

# Some import more than others.
COLD: dict = {"plain": {}, "validated": {"early_stopping": True}, "L-BFGS": {"solver": "lbfgs"}}


def hunt_cold_starts(seed, wanted, minutes):
    """Interrupt `wanted` processes, or for so many minutes; what was found, by its kind.

    Each is forked from this one, which has imported sklstm and loaded no kernel.
    """
    draw, end = random.Random(seed), time.monotonic() + 60 * minutes
    found = {"interrupts": 0, "interrupted": 0, "spoilt": 0, "other errors": 0, "longest wait": 0.0}
    calls = 0
    with tempfile.TemporaryDirectory() as name:
        warm, folder = Path(name) / "warm", Path(name) / "cold"
        cache.FOLDERS[:] = [warm]
        expected = {kind: last_word(functools.partial(fit_whole, kind)) for kind in COLD}
        cache.FOLDERS[:] = [folder]
        while calls < wanted or time.monotonic() < end:
            calls += 1
            shutil.copytree(warm, folder)
            paths = sorted(folder.iterdir())
            # Most starts have few kernels to compile, which is what takes time.
            for path in draw.sample(paths, draw.choice([0, 1, 1, 2, 2, 3, 5, len(paths)])):
                path.unlink()
            kind = draw.choice(list(COLD))
            try:
                found["spoilt"] += interrupt_a_cold_start(draw, kind, found) != expected[kind]
                # What was written meanwhile is whole.
                again = last_word(functools.partial(fit_whole, kind))
                found["spoilt"] += again != expected[kind]
            except Exception as error:
                print(f"cold start {calls}: {error!r}")
                found["other errors"] += 1
            shutil.rmtree(folder)
    return {"calls": calls, **found}


def interrupt_a_cold_start(draw, kind, found):
    """Send a process a signal in each of its fits, until one is whole; what it says at last."""
    within, beside = draw.choice([0.01, 0.03, 0.1, 1]), draw.random() < 0.4
    process, said = in_child(functools.partial(fit_until_whole, kind, beside))
    with finished(process, said):
        while (line := said.readline()) == "begins\n":
            time.sleep(draw.uniform(0, within))
            sent = time.time()
            os.kill(process, signal.SIGINT)
            found["interrupts"] += 1
            what, *moment = said.readline().split() or ["ended"]
            if what == "interrupted":
                found["interrupted"] += 1
                found["longest wait"] = max(found["longest wait"], round(float(*moment) - sent, 1))
        return line


def last_word(work):
    """What a process says that does this."""
    process, said = in_child(work)
    with finished(process, said):
        *_, last = said
        return last


def in_child(work):
    """Fork a process that does `work(say)`; its number, and a file of what it says."""
    read, write = os.pipe()
    if process := os.fork():
        os.close(write)
        return process, os.fdopen(read)
    status = 1
    try:
        signal.alarm(600)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        work(lambda *words: os.write(write, f"{' '.join(map(str, words))}\n".encode()))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


@contextlib.contextmanager
def finished(process, said):
    """At the end, wait for a process; it must not have failed."""
    try:
        yield
    finally:
        said.close()
        status = os.waitpid(process, 0)[1]
    assert status == 0, f"the process ended with {status}"


def fit_whole(kind, say):
    model = fit(**COLD[kind])
    say((bits(model) + bits(model.predict(X))).hex())


def fit_until_whole(kind, beside, say):
    """Fit until it is not interrupted; each time there is one interrupt at most."""
    # A fit that goes on to keep its weights warns; L-BFGS of three iterations does so anyway.
    warnings.filterwarnings("error", category=UserWarning)
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    armed, whole, elsewhere = False, [], []

    def interrupt(number, frame):
        nonlocal armed
        if armed:
            armed = False
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    thread = threading.Thread(target=fit_whole, args=(kind, elsewhere.append))
    if beside:
        thread.start()
    while not whole:
        try:
            armed = True
            say("begins")
            fit_whole(kind, whole.append)
            armed = False
        except (KeyboardInterrupt, UserWarning):
            whole.clear()
            say("interrupted", time.time())
    if beside:
        thread.join()
    fit_whole(kind, whole.append)
    say("whole")
    # One, if all are the same.
    say(*{*whole, *elsewhere})


if __name__ == "__main__":
    parser = parser_of(__doc__, "calls")
    parser.add_argument("--cold", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    hunted = hunt_cold_starts if arguments.cold else hunt
    found = hunted(arguments.seed, arguments.calls, arguments.minutes)
    print(found)
    faults = "spoilt", "threads left", "other errors"
    sys.exit(any(found.get(fault) for fault in faults))
