"""Interrupts at random moments of fits and predictions: no thread, no bit and no net is spoilt.

`python tests/hunt_interrupts.py --minutes 60` hunts for an hour; the tests run some seconds of it.
With `--cold`, each call is a process that has some kernels to compile, and others to load: Ctrl-C
comes at its first fits, alone or beside another thread that fits too.
"""

import gc
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from hunting import parser_of
from processes import PACKAGE, run, start

from sklstm import LSTMRegressor
from sklstm._network import plan

SETTINGS = {"hidden_layer_sizes": 8, "max_iter": 3, "n_iter_no_change": np.inf, "random_state": 0}
X = np.random.RandomState(0).normal(size=(64, 10, 2))
Y = X[:, -1, 0]


def fit(**parameters):
    return LSTMRegressor(**SETTINGS, **parameters).fit(X, Y)


PREDICTOR = fit()
CALLS = {
    "fit": fit,
    "validated fit": lambda: fit(early_stopping=True),
    "L-BFGS": lambda: fit(solver="lbfgs"),
    "warm start": lambda: fit(warm_start=True).fit(X, Y),
    "predict": lambda: PREDICTOR.predict(X),
}


def bits(result):
    """Those of predictions, or of a net's weights."""
    return (result if isinstance(result, np.ndarray) else result._weights).tobytes()


def count_threads():
    """Python's own and those that it does not know."""
    return len(os.listdir("/proc/self/task"))


def hunt(seed, wanted, minutes):
    """Interrupt `wanted` calls, or for so many minutes; what was found, by its kind."""
    # Rounds of any size are shared with workers.
    plan.WORTH_A_THREAD, plan.available_threads = 0, lambda: 3
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

FIT = """
import numpy as np
from sklstm import LSTMRegressor

X = np.random.RandomState(0).normal(size=(20, 5, 2))

def fit():
    model = LSTMRegressor(4, max_iter=2, random_state=0, n_iter_no_change=np.inf)
    return model.fit(X, X[:, -1, 0])._weights.tobytes().hex()
"""
# Fits again and again, each time with one interrupt at most; says when it begins, and when it ends
# by an interrupt. A fit that goes on to keep its weights warns, which is an error here.
INTERRUPTED = """
import signal, threading, time, warnings

warnings.filterwarnings("error", category=UserWarning)
armed, beside = False, []

def interrupt(number, frame):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
if BESIDE:
    thread = threading.Thread(target=lambda: beside.append(fit()))
    thread.start()
for _ in range(N_SIGNALS):
    try:
        armed = True
        print("begins", flush=True)
        fit()
        armed = False
        print("whole", flush=True)
    except (KeyboardInterrupt, UserWarning) as error:
        print("interrupted", time.time(), flush=True)
# Late ones would end a process that is on its way out.
signal.signal(signal.SIGINT, signal.SIG_IGN)
if BESIDE:
    thread.join()
assert beside == [fit()] * len(beside)
print(fit())
"""


def hunt_cold_starts(seed, wanted, minutes):
    """Interrupt `wanted` processes, or for so many minutes; what was found, by its kind."""
    draw, end = random.Random(seed), time.monotonic() + 60 * minutes
    found = {"interrupts": 0, "interrupted": 0, "spoilt": 0, "other errors": 0, "longest wait": 0.0}
    calls = 0
    with tempfile.TemporaryDirectory() as name:
        warm, folder = Path(name) / "warm", Path(name) / "cold"
        expected = run(FIT + "print(fit())", PACKAGE, NUMBA_CACHE_DIR=str(warm))
        while calls < wanted or time.monotonic() < end:
            calls += 1
            shutil.copytree(warm, folder)
            share = draw.choice([0.1, 0.5, 1.0])
            for path in sorted(folder.glob("*/*")):
                if draw.random() < share:
                    path.unlink()
            try:
                ended = interrupt_a_cold_start(draw, folder, found)
                found["spoilt"] += ended != expected
                after = run(FIT + "print(fit())", PACKAGE, NUMBA_CACHE_DIR=str(folder))
                found["spoilt"] += after != expected
            except Exception as error:
                print(f"cold start {calls}: {error!r}")
                found["other errors"] += 1
            shutil.rmtree(folder)
    return {"calls": calls, **found}


def interrupt_a_cold_start(draw, folder, found):
    """Send a process some signals, each at a random moment of a fit; what it printed at last."""
    n_signals, within = draw.choice([1, 2, 4]), draw.choice([0.1, 1, 5])
    code = INTERRUPTED.replace("N_SIGNALS", str(n_signals))
    code = FIT + code.replace("BESIDE", str(draw.random() < 0.4))
    process = start(code, PACKAGE, NUMBA_CACHE_DIR=str(folder))
    watch = threading.Timer(200, process.kill)
    watch.start()
    try:
        for _ in range(n_signals):
            # An error ends the process, and with it the lines.
            if process.stdout.readline() != "begins\n":
                break
            time.sleep(draw.uniform(0, within))
            sent = time.time()
            process.send_signal(signal.SIGINT)
            found["interrupts"] += 1
            what, *moment = process.stdout.readline().split() or ["ended"]
            if what == "interrupted":
                found["interrupted"] += 1
                found["longest wait"] = max(found["longest wait"], round(float(*moment) - sent, 1))
        # `communicate` would miss what has been read ahead.
        *_, last = process.stdout
        assert process.wait() == 0, process.stderr.read()
        return last
    finally:
        watch.cancel()
        process.kill()


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
