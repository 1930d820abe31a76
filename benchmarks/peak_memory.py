"""Peak memory of training two layers of 256 units, each contender in a process of its own.

python -m benchmarks.peak_memory sklstm   # measures this process, and prints it as JSON
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import timing
from benchmarks.contenders import KERAS, SKLSTM, TORCH, load
from benchmarks.machine import memory
from benchmarks.workloads import KEY, TWO_LAYERS


def run(quick):
    """Three rows: the peak, what was held before training, and their difference."""
    if not Path("/proc/self/status").exists():
        raise SystemExit("peak_memory needs Linux's /proc")
    rounds = 1 if quick else 3
    values = {name: [] for name in load(SKLSTM, TORCH, KERAS)}
    measure_apart(SKLSTM)  # compiles, if need be
    for index in range(rounds):
        for name in timing.order(list(values), index):
            timing.show_progress(f"peak memory: round {index + 1} of {rounds}, {name}")
            values[name].append(measure_apart(name))
    timing.show_progress("")
    rows = [
        timing.row(label, {name: [of(each) for each in ours] for name, ours in values.items()})
        for label, of in (
            ("peak", lambda each: each["peak"]),
            ("held before training", lambda each: each["before"]),
            ("added by training", lambda each: each["peak"] - each["before"]),
        )
    ]
    title = f"Memory of an epoch in float32 ({KEY}: {TWO_LAYERS.label})"
    return {
        "rounds": rounds,
        "tables": [{"title": title, "key": "resident memory", "unit": "MB", "rows": rows}],
    }


def measure_apart(name):
    """What `measure` returns, in a new process."""
    command = [sys.executable, "-m", "benchmarks.peak_memory", name]
    output = subprocess.run(
        command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return json.loads(output.splitlines()[-1])


def measure(name):
    """MB that this process held before training, and at most, with the data.

    Before training, the contender has fitted the same net to two sequences of two steps: libraries
    are loaded, and kernels that serve every shape are compiled. Keras compiles for each shape anew.
    """
    tiny = replace(TWO_LAYERS, samples=2, steps=2, batch=2)
    kind = load(name)[name]
    kind(tiny).train(1)
    contender = kind(TWO_LAYERS)
    before = memory("VmRSS")
    contender.train(TWO_LAYERS.epochs)
    return {"before": before, "peak": memory("VmHWM")}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
