"""What was aimed at, and what was measured of it: the last table of docs/performance.md."""

from benchmarks.contenders import ONNX, SKLSTM, TORCH
from benchmarks.process import COMPILED, IMPORTS, STARTED
from benchmarks.shapes import summary

LARGE_NET = "1024, 100, 16, 256, 128"  # of `parts`
STEPPED = "1, 1, 64"  # of `streaming`: series, inputs, units
LONG = "100,000"  # steps


def reached(results):
    """What was measured, the aim, what was reached, on which processor and day."""
    rows = []
    for part, what, aim, of_part in AIMS:
        try:
            text = of_part(results[part])
        except LookupError:
            continue  # not measured: the part, a peer or a size was left out
        machine = results[part]["machine"]
        rows.append((what, aim, text, f"{machine['cpu']}, {machine['simd']}, {machine['date']}"))
    return rows


def _shapes(comparison):
    def of_part(measured):
        mean, worst, lost, count = summary(measured["shapes"])[comparison]
        return f"{mean:.2f}; {lost} of {count} slower, the worst {worst:.2f}"

    return of_part


def _rate(measured):
    values = _row(measured, 1, LARGE_NET)["values"]
    shares = {name: each for name, each in values.items() if name.startswith("% of NumPy")}
    return ", ".join(f"{each['median']:.0f}%" for each in shares.values()) + " (1 thread, and all)"


def _step(measured):
    return f"{_row(measured, 1, STEPPED)['values'][f'{SKLSTM}, one step']['median']:.1f} µs"


def _steps_again(measured):
    return f"{_row(measured, 1, STEPPED)['ratios'][ONNX]['median']:.1f}"


def _compiled(measured):
    return f"{_row(measured, 1, COMPILED)['values'][SKLSTM]['median']:.1f} s"


def _started(measured):
    row = _row(measured, 1, STARTED)
    own, imports = (row["values"][name]["median"] for name in (SKLSTM, IMPORTS))
    return f"{1 / row['ratios'][IMPORTS]['median']:.2f} ({own:.2f} and {imports:.2f} s)"


def _memory(measured):
    row = _row(measured, 0, "peak")["values"]
    return " of ".join(f"{row[name]['median']:.0f}" for name in (SKLSTM, TORCH)) + " MB"


def _long(table, form):
    def of_part(measured):
        return form.format(_row(measured, table, LONG)["values"][SKLSTM]["median"])

    return of_part


def _row(measured, table, label):
    return {row["label"]: row for row in measured["tables"][table]["rows"]}[label]


SHAPES = "; none slower"
# The part, what is measured, the aim, and what to say of the part's results.
AIMS = [
    ("shapes", "random shapes: an epoch, PyTorch / sklstm", "6" + SHAPES,
     _shapes("epoch, PyTorch")),
    ("shapes", "predictions of all their rows, PyTorch / sklstm", "2.2" + SHAPES,
     _shapes("predict all rows, PyTorch")),
    ("shapes", "the same, ONNX Runtime / sklstm", "2" + SHAPES,
     _shapes("predict all rows, ONNX Runtime")),
    ("shapes", "predictions of one row, PyTorch / sklstm", "4" + SHAPES,
     _shapes("predict one row, PyTorch")),
    ("shapes", "the same, ONNX Runtime / sklstm", "1.3" + SHAPES,
     _shapes("predict one row, ONNX Runtime")),
    ("parts", "an epoch of 256 units, batch 128, of NumPy's rate of large matrices", "90%", _rate),
    ("streaming", "a step of a stream of 64 units", "at most 6 µs", _step),
    ("streaming", "50 steps read again by ONNX Runtime / this step", "10", _steps_again),
    ("process", "a first fit and prediction, nothing compiled", "5.5 s", _compiled),
    ("process", "import and a first fit, compiled before / import of Numba and scikit-learn",
     "1.2", _started),
    ("long", "100,000 steps of 64 units: memory above the data", "300 MB", _long(2, "{:.0f} MB")),
    ("long", "a step of them / one of 1,000 steps", "1.5", _long(1, "{:.2f}")),
    ("peak_memory", "the most memory of two layers of 256 units", "less than PyTorch's", _memory),
]  # fmt: skip
