"""Time of one more step of a stream where a state is kept, and of reading the last steps again."""

from itertools import cycle

from benchmarks import timing
from benchmarks.contenders import (
    KERAS,
    ONNX,
    SKLSTM,
    TORCH,
    check_steps,
    load,
    make,
    steps_of,
)
from benchmarks.workloads import STREAMS

KEY = "series, inputs, units"
ONE_STEP = f"{SKLSTM}, one step"


def run(quick):
    """Three tables in float32; sklstm's times hold the validation of x."""
    classes = load(SKLSTM, TORCH, KERAS, ONNX)
    rounds = 3 if quick else 15
    kept, again, every_way = [], [], []
    for workload, n_series in STREAMS:
        label = f"{n_series}, {workload.inputs}, {workload.layers}"
        X = workload.data()[0][:n_series]
        contenders = make(classes, workload)
        reading, _ = chosen({name: each.predictors(X) for name, each in contenders.items()}, 3)
        variants = streams(contenders, X, reading[SKLSTM]())
        stepping, ways = chosen(variants, 200)
        calls = stepping | {_again(name): call for name, call in reading.items()}
        values = microseconds(calls, rounds, label)
        kept.append(timing.row(label, {name: values[name] for name in stepping}, ways=ways))
        beside = {name: values[_again(name)] for name in reading}
        again.append(timing.row(label, {ONE_STEP: values[SKLSTM], **beside}, ONE_STEP))
        if workload is STREAMS[0][0]:
            every_way = rows_of_ways(variants, rounds, label)
    titles = {
        "One more step, its state kept from the step before, in float32": (KEY, kept),
        f"The last {STREAMS[0][0].steps} steps read again instead, in float32": (KEY, again),
        f"All ways to make the step of the first row ({kept[0]['label']})": ("way", every_way),
    }
    return {
        "rounds": rounds,
        "tables": [
            {"title": title, "key": key, "unit": "µs", "rows": rows}
            for title, (key, rows) in titles.items()
        ],
    }


def streams(contenders, X, expected):
    """The ways of each contender to read one more step, which all give the same."""
    steppers = {name: each.steppers(len(X)) for name, each in contenders.items()}
    check_steps(steppers, X, expected)
    return {
        name: {way: fed(step, steps_of(X)) for way, step in ways.items()}
        for name, ways in steppers.items()
    }


def fed(step, steps):
    """A call of no argument, with another step each time."""
    steps = cycle(steps)
    return lambda: step(next(steps))


def chosen(variants, calls):
    """The quickest way of each contender, and what it is called."""
    ways = {name: timing.fastest(of, calls=calls) for name, of in variants.items()}
    return {name: variants[name][way] for name, way in ways.items()}, ways


def microseconds(calls, rounds, label):
    """What each call takes, for each round."""
    times = timing.contest(calls, rounds, 0.1, label=f"streaming {label}")
    return {name: [1e6 * t for t in seconds] for name, seconds in times.items()}


def rows_of_ways(variants, rounds, label):
    """A row for each way of the peers, beside sklstm."""
    (own,) = variants[SKLSTM].values()
    peers = {
        f"{name}, {way}": call
        for name, of in variants.items()
        if name != SKLSTM
        for way, call in of.items()
    }
    values = microseconds({SKLSTM: own, **peers}, rounds, f"{label}, all ways")
    return [timing.row(name, {SKLSTM: values[SKLSTM], "peer": values[name]}) for name in peers]


def _again(name):
    return f"{name} again"
