"""Contenders timed in rounds, in alternating order; medians, quartiles and ratios of rounds."""

import gc
import math
import sys
import time

import numpy as np

# Threads of OpenMP, ONNX Runtime and XLA spin for a while after their last task, those of ONNX
# Runtime for 60 ms. To forbid it would slow them down; they are left to fall asleep instead.
PAUSE = 0.1


def contest(contenders, rounds, min_seconds=0.0, inner=1, *, label="", clock=time.perf_counter,
            sleep=time.sleep):  # fmt: skip
    """Time each contender once a round.

    Parameters
    ----------
    contenders : dict of str to callable
        What is timed, after one call each to warm up.
    rounds : int
    min_seconds : float
        A round calls a contender so often that it takes about this long, and counts the median
        call. 0: once.
    inner : int
        How often a call repeats what is timed; times are divided by it.
    label : str
        What the line of progress begins with.

    Returns
    -------
    times : dict of str to list of float
        Seconds, for each round.
    """
    show_progress(f"{label}: warm-up")
    calls = {name: _calls(call, min_seconds, clock) for name, call in contenders.items()}
    times = {name: [] for name in contenders}
    for index in range(rounds):
        for name in order(list(contenders), index):
            show_progress(f"{label}: round {index + 1} of {rounds}, {name}")
            sleep(PAUSE)
            times[name].append(seconds(contenders[name], calls[name], clock) / inner)
    show_progress("")
    medians = ", ".join(f"{name} {1e3 * np.median(each):.3g} ms" for name, each in times.items())
    print(f"{label}: {medians}", flush=True)
    return times


def order(names, index):
    """The order of a round: every other one reversed, and each begins a pair with another."""
    first = index // 2 % len(names)
    rotated = names[first:] + names[:first]
    return rotated[::-1] if index % 2 else rotated


def fastest(variants, clock=time.perf_counter, calls=3):
    """The name of the quickest of several ways to call the same contender, which is fair to it."""
    quickest = {}
    for name, call in variants.items():
        call()
        quickest[name] = seconds(call, calls, clock)
    return min(quickest, key=quickest.get)


def row(label, values, baseline="sklstm", **notes):
    """A row of results: each contender's values over the rounds, and their ratios.

    A ratio is how many times a peer's value is the baseline's, in the same round.
    """
    own = np.array(values[baseline])
    return {
        "label": label,
        "baseline": baseline,
        "values": {name: spread(ours) for name, ours in values.items()},
        "ratios": {
            name: spread(np.array(theirs) / own)
            for name, theirs in values.items()
            if name != baseline
        },
        **notes,
    }


def spread(values):
    """Median and quartiles."""
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return {"median": float(median), "low": float(low), "high": float(high)}


def show_progress(text):
    """Replace the last line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _calls(call, min_seconds, clock):
    call()
    if not min_seconds:
        return 1
    return math.ceil(min_seconds / max(seconds(call, 3, clock), 1e-7))


def seconds(call, calls=1, clock=time.perf_counter):
    """The median of some calls, without the garbage collector, as timeit does it."""
    times = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(calls):
            start = clock()
            call()
            times.append(clock() - start)
    finally:
        if collecting:
            gc.enable()
    return float(np.median(times))
