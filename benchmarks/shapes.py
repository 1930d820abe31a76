"""Random shapes of nets and data: five comparisons of each, and which of them are lost."""

import math
import statistics
import time

import numpy as np

from benchmarks import timing
from benchmarks.contenders import ONNX, SKLSTM, TORCH, load, make
from benchmarks.workloads import Workload

# Multiply-adds of an epoch, going back included: some hundredths of a second. For the smallest nets
# there is a limit to the number of minibatches.
EPOCH_WORK, MOST_MINIBATCHES = 3e9, 128
EPOCH, ALL_ROWS, ONE_ROW = "epoch", "predict all rows", "predict one row"


def run(quick, seed=0, count=40):
    """A table of the comparisons, the shapes that are lost, and all ratios for the figure."""
    rounds, rng = 2 if quick else 3, np.random.default_rng(seed)
    classes = load(SKLSTM, TORCH, ONNX)
    ratios = []
    for number in range(count):
        workload = draw(rng)
        ratios += [
            {"comparison": f"{what}, {peer}", "label": label(workload), "ratio": ratio,
             "units_times_rows": workload.units[0] * (1 if what == ONE_ROW else workload.batch)}
            for what, peer, ratio in compare(classes, workload, rounds)
        ]  # fmt: skip
        print(f"{number + 1} of {count}: {label(workload)}", flush=True)
    return {"rounds": rounds, "seed": seed, "count": count, "shapes": ratios}


def draw(rng):
    """A random workload, of sizes that are uniform on logarithmic axes."""

    def size(low, high):
        return round(math.exp(rng.uniform(math.log(low), math.log(high))))

    units, batch, steps, inputs = size(8, 512), size(1, 256), size(5, 200), size(1, 64)
    layers, bidirectional = int(rng.integers(1, 4)), bool(rng.random() < 0.25)
    workload = Workload(batch, steps, inputs, (units,) * layers, batch, bidirectional)
    below = [inputs, *[units * workload.directions] * (layers - 1)]
    step = workload.directions * sum(4 * units * (units + each) for each in below)
    minibatches = max(1, round(EPOCH_WORK / (3 * step * steps * batch)))
    samples = batch * min(minibatches, MOST_MINIBATCHES)
    return Workload(samples, steps, inputs, workload.units, batch, bidirectional)


def summary(shapes):
    """Of each comparison, over all shapes: the geometric mean, the worst, how many are lost of all.

    Parameters
    ----------
    shapes : list of dict
        As in the results.

    Returns
    -------
    summaries : dict of str to (float, float, int, int)
    """
    ratios = {}
    for each in shapes:
        ratios.setdefault(each["comparison"], []).append(each["ratio"])
    return {
        name: (
            statistics.geometric_mean(some),
            min(some),
            sum(ratio < 1 for ratio in some),
            len(some),
        )
        for name, some in ratios.items()
    }


def label(workload):
    """Its sizes in words."""
    return (
        f"{workload.layers} units, {workload.steps} steps of {workload.inputs}, batch "
        f"{workload.batch} of {workload.samples}"
    )


def compare(classes, workload, rounds):
    """What was compared, with whom, and how many times sklstm's the peer's time was."""
    contenders = make(classes, workload)
    X = workload.data()[0]
    trained = {name: each for name, each in contenders.items() if hasattr(each, "train")}
    turns = {EPOCH: {name: lambda e=each: epoch(e) for name, each in trained.items()}}
    for what, some in ((ALL_ROWS, X), (ONE_ROW, X[:1])):
        calls = {name: quickest(each.predictors(some)) for name, each in contenders.items()}
        turns[what] = {name: lambda call=call: predictions(call) for name, call in calls.items()}
    for what, calls in turns.items():
        times = alternate(calls, rounds)
        own = np.array(times.pop(SKLSTM))
        for peer, theirs in times.items():
            yield what, peer, float(np.median(np.array(theirs) / own))


def alternate(turns, rounds, sleep=time.sleep):
    """The seconds that each turn says that it took, for each round."""
    times = {name: [] for name in turns}
    for index in range(rounds):
        for name in timing.order(list(turns), index):
            sleep(timing.PAUSE)
            times[name].append(turns[name]())
    return times


def epoch(contender):
    """Seconds of an epoch: the slope between fits of one and of four, a first fit apart."""
    contender.train(1)
    one = timing.seconds(lambda: contender.train(1))
    four = timing.seconds(lambda: contender.train(4))
    return max((four - one) / 3, 1e-9)


def predictions(call, least=0.02):
    """The median call of some hundredths of a second, after one that is not counted."""
    call()
    calls = math.ceil(least / max(timing.seconds(call), 1e-7))
    return timing.seconds(call, min(calls, 1000))


def quickest(variants):
    """The way to predict that is the contender's fastest."""
    return variants[timing.fastest(variants)]
