"""Time of a prediction of all samples, at every workload."""

from benchmarks import timing
from benchmarks.contenders import KERAS, ONNX, SKLSTM, TORCH, load, make
from benchmarks.workloads import KEY, WORKLOADS


def run(quick):
    """One table, in float32."""
    classes = load(SKLSTM, TORCH, KERAS, ONNX)
    rounds = 2 if quick else 9
    rows = [
        prediction_row(classes, workload, workload.label, workload.samples, rounds, 1e3)
        for workload in WORKLOADS
    ]
    title = "A prediction of all samples in float32"
    return {
        "rounds": rounds,
        "tables": [{"title": title, "key": KEY, "unit": "ms", "rows": rows}],
    }


def prediction_row(classes, workload, label, n_rows, rounds, scale):
    """Each contender in the way that is its fastest, with times in 1 / `scale` seconds."""
    X = workload.data()[0][:n_rows]
    calls, ways = {}, {}
    for name, contender in make(classes, workload).items():
        variants = contender.predictors(X)
        ways[name] = timing.fastest(variants)
        calls[name] = variants[ways[name]]
    times = timing.contest(calls, rounds, 0.2, label=f"prediction {label}")
    values = {name: [scale * t for t in seconds] for name, seconds in times.items()}
    return timing.row(label, values, ways=ways)
