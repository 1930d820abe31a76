"""Time of a prediction of a single row: what a service answers in."""

from benchmarks.contenders import KERAS, ONNX, SKLSTM, TORCH, load
from benchmarks.prediction import prediction_row
from benchmarks.workloads import SINGLE_ROW


def run(quick):
    """One row of a table, in float32; sklstm's time holds the validation of X."""
    rounds = 3 if quick else 15
    label = f"{SINGLE_ROW.steps}, {SINGLE_ROW.inputs}, {SINGLE_ROW.units[0]}"
    row = prediction_row(load(SKLSTM, TORCH, KERAS, ONNX), SINGLE_ROW, label, 1, rounds, 1e6)
    title = "A prediction of one row in float32"
    key = "steps, inputs, units"
    return {
        "rounds": rounds,
        "tables": [{"title": title, "key": key, "unit": "µs", "rows": [row]}],
    }
