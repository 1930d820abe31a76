"""Interrupts at random moments of fits and predictions: no thread, no bit and no net is spoilt.

`python tests/hunt_interrupts.py --minutes 60` hunts for an hour; the tests run some seconds of it.
"""

import argparse
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(hunt(arguments.seed, arguments.calls, arguments.minutes))
