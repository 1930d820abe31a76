"""What cutting the gradient saves: fits with `bptt_steps`, beside those without."""

import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks import timing
from sklstm import LSTMRegressor

SAMPLES, UNITS, EPOCHS = 128, 64, 8
CUT, EXACT = "cut gradient", "exact gradient"
LENGTHS = [(400, 50), (1000, 100)]  # and the steps of a chunk
KINDS = {
    'pooling="last"': ({}, False),
    'pooling="last", of unequal length': ({}, True),
    "pooling=None": ({"pooling": None}, False),
    "pooling=None, of unequal length": ({"pooling": None}, True),
    'pooling="mean"': ({"pooling": "mean"}, False),
    'pooling="max"': ({"pooling": "max"}, False),
    "bidirectional=True": ({"bidirectional": True}, False),
}


def run(quick):
    """A row a kind of net and a length: seconds of the processor, and ratios."""
    rounds = 1 if quick else 5
    rows = [
        timing.row(
            f"{kind}, {longest}, {chunk}",
            timing.contest(
                fits(longest, chunk, parameters, unequal),
                rounds,
                label=f"{kind}, {longest}",
                clock=time.process_time,
            ),
            baseline=CUT,
        )
        for longest, chunk in LENGTHS[: 1 if quick else None]
        for kind, (parameters, unequal) in KINDS.items()
    ]
    title = (
        f"A fit of {EPOCHS} epochs to {SAMPLES} sequences, {UNITS} units, float32; those of "
        "unequal length have from half of the steps to all"
    )
    key = "net, steps, bptt_steps"
    return {
        "rounds": rounds,
        "tables": [{"title": title, "key": key, "unit": "s of the processor", "rows": rows}],
    }


def fits(longest, chunk, parameters, unequal):
    """The same fit with the cut and without."""
    rng = np.random.RandomState(0)
    lengths = rng.randint(longest // 2, longest + 1, SAMPLES) if unequal else [longest] * SAMPLES
    X = [rng.standard_normal((length, 1)).astype(np.float32) for length in lengths]
    each_step = parameters.get("pooling", "last") is None
    y = [each[:, 0] for each in X] if each_step else np.array([each[-1, 0] for each in X])

    def fit(bptt_steps):
        model = LSTMRegressor(
            UNITS, max_iter=EPOCHS, random_state=0, bptt_steps=bptt_steps, **parameters
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)

    return {CUT: lambda: fit(chunk), EXACT: lambda: fit(None)}
