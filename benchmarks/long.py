"""Long sequences: time of a step, and memory, each measured in a process of its own.

python -m benchmarks.long train sklstm 100000   # prints what it measured as JSON
"""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import timing
from benchmarks.contenders import SKLSTM, TORCH, load
from benchmarks.machine import forget_peak, memory, restrict_threads
from benchmarks.workloads import Workload

UNITS, INPUTS, BATCH = 64, 4, 8
LENGTHS = [1_000, 10_000, 100_000]
# Of short sequences there are as many minibatches as make so many steps.
STEPS_AT_LEAST = 20_000
# A peer that would need more, by what it needs for a tenth of the steps, is not run.
MOST_MEMORY = 8_000  # MB
NOTE = (
    f"≈ is derived, not measured: it would need more than {MOST_MEMORY:,} MB. A step is taken to "
    "last as long as one of a tenth of the steps, and to add as much memory."
)
TITLES = {
    "train": f"training (rows {BATCH}, inputs {INPUTS}, units {UNITS}, float32)",
    "predict": "prediction by the same net",
    "train-both": "training of as many units in both directions",
    "predict-both": "prediction by the net of both directions",
}


def run(quick):
    """Tables of training and of prediction: a step, beside one of short sequences; memory."""
    if not Path("/proc/self/status").exists():
        raise SystemExit("long needs Linux's /proc")
    rounds = 1 if quick else 3
    lengths = LENGTHS[:2] if quick else LENGTHS
    names = list(load(SKLSTM, TORCH))
    tables = []
    for what, title in TITLES.items():
        tables += tables_of(title, *all_lengths(what, lengths, names, rounds))
    return {"rounds": rounds, "tables": tables}


def all_lengths(what, lengths, names, rounds, measured_apart=None):
    """What each round has measured of each length and contender.

    Returns
    -------
    results : dict of (int, str) to list of dict
    derived : set of (int, str)
        What was not measured, since memory might not do.
    """
    measured_apart = measured_apart or measure_apart
    results = {(steps, name): [] for steps in lengths for name in names}
    derived = set()
    measured_apart(what, SKLSTM, lengths[0])  # compiles, if need be
    for index in range(rounds):
        # The shortest come first: what they need says whether the longest are run.
        for steps in lengths:
            for name in timing.order(names, index):
                timing.show_progress(f"long, {what}: round {index + 1} of {rounds}, {name} {steps}")
                shorter = results.get((steps // 10, name))
                if name != SKLSTM and shorter and 10 * shorter[0]["added"] > MOST_MEMORY:
                    derived.add((steps, name))
                    measured = {"step": shorter[-1]["step"], "added": 10 * shorter[-1]["added"]}
                else:
                    measured = measured_apart(what, name, steps)
                results[steps, name].append(measured)
    timing.show_progress("")
    return results, derived


def tables_of(title, results, derived):
    """A step; how many times that of the shortest sequences it is; what is added to memory."""
    lengths, names = (list(dict.fromkeys(each)) for each in zip(*results, strict=True))

    def table(heading, unit, of, compared=True):
        rows = []
        for steps in lengths:
            row = timing.row(f"{steps:,}", {name: of(steps, name) for name in names})
            row["derived"] = [name for name in names if (steps, name) in derived]
            rows.append(row if compared else row | {"ratios": {}})
        note = NOTE if any(row["derived"] for row in rows) else ""
        return {"title": heading, "key": "steps", "unit": unit, "rows": rows, "note": note}

    def step(steps, name):
        return [each["step"] for each in results[steps, name]]

    def growth(steps, name):
        pairs = zip(step(steps, name), step(lengths[0], name), strict=True)
        return [own / short for own, short in pairs]

    def added(steps, name):
        return [each["added"] for each in results[steps, name]]

    # Of what is hardly anything, there are no multiples.
    some_memory = min(added(steps, SKLSTM)[0] for steps in lengths) > 1
    short = f"a step of {lengths[0]:,} steps"
    return [
        table(f"A step of {title}", "µs of one processor", step),
        table(f"A step of {title}", f"multiples of {short}", growth, compared=False),
        table(f"Memory above the data, of {title}", "MB", added, compared=some_memory),
    ]


def measure_apart(what, name, steps):
    """What `measure` returns, in a new process."""
    command = [sys.executable, "-m", "benchmarks.long", what, name, str(steps)]
    output = subprocess.run(
        command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return json.loads(output.splitlines()[-1])


def measure(what, name, steps):
    """Microseconds of a step of all rows of a minibatch, and MB that were added to the data.

    On one processor, the time that it gives to this process is that of the work, whatever else the
    machine does. Before, the contender has done the same with sequences of two steps: libraries are
    loaded, and kernels, which serve every length, are compiled.
    """
    restrict_threads(1)
    n_batches = max(1, STEPS_AT_LEAST // steps)
    what, *both = what.split("-")
    workload = Workload(BATCH * n_batches, steps, INPUTS, (UNITS,), BATCH, bool(both))
    prepare = {"train": train_once, "predict": predict_often}[what]
    kind = load(name)[name]
    prepare(kind, replace(workload, samples=BATCH, steps=2))()
    ready = prepare(kind, workload)
    time.sleep(timing.PAUSE)
    forget_peak()
    before = memory("VmRSS")
    ready()
    added = memory("VmHWM") - before
    start = time.process_time()
    ready()  # once more, for what is prepared at the first time is not of a step
    seconds = time.process_time() - start
    return {"step": 1e6 * seconds / (n_batches * steps), "added": added}


def train_once(kind, workload):
    """One epoch."""
    contender = kind(workload)
    return lambda: contender.train(1)


def predict_often(kind, workload):
    """As many predictions as an epoch has minibatches; the rows are always the same."""
    one = replace(workload, samples=BATCH)
    contender = kind(one)
    if kind.__module__.endswith("sklstm_"):
        contender.train(1)  # PyTorch's net has weights without
    (predict,) = contender.predictors(one.data()[0]).values()

    def predict_all():
        for _ in range(workload.samples // BATCH):
            predict()

    return predict_all


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:3], int(sys.argv[3]))))
