"""Fits that are killed at random moments, and go on from their file: it is whole, no bit is lost.

`python tests/hunt_kills.py --minutes 10` hunts for ten minutes; the tests run some seconds of it.
"""

import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import joblib
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from hunting import parser_of

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.callbacks import Checkpoint

X = np.random.RandomState(0).normal(size=(64, 10, 2))
Y = X[:, -1, 0]
COMMON = {"hidden_layer_sizes": 5, "batch_size": 16, "max_iter": 40, "random_state": 0}
PLANNED = {**COMMON, "n_iter_no_change": np.inf}
# Nets, the type of X, and y.
FITS = {
    "dropout": (
        LSTMRegressor(dropout=0.2, recurrent_dropout=0.2, learning_rate="cosine", **PLANNED),
        "float64",
        Y,
    ),
    "early stopping": (
        LSTMRegressor(early_stopping=True, learning_rate_init=0.05, n_iter_no_change=15, **COMMON),
        "float64",
        Y + np.random.RandomState(1).normal(size=64),
    ),
    # Of a file that is not written in no time.
    "float32": (
        LSTMRegressor(dropout=0.2, solver="rmsprop", **{**PLANNED, "hidden_layer_sizes": 96}),
        "float32",
        Y,
    ),
    "adaptive": (
        LSTMClassifier(
            learning_rate="adaptive", learning_rate_init=0.3, n_iter_no_change=2, tol=1e-3,
            solver="sgd", **COMMON,
        ),
        "float64",
        Y > 0,
    ),
}  # fmt: skip


def fitted(name, path=None):
    """The net after its fit, which goes on from `path` if there is one."""
    net, dtype, y = FITS[name]
    net = type(net)(**net.get_params())
    if path is not None:
        net.set_callbacks(Checkpoint(path, every=2, resume=True))
    return net.fit(X.astype(dtype), y)


def bits(name, net):
    """Of all that a user sees of it, and of what training would go on from."""
    values = {
        "weights": net._weights,
        "trained weights": net._scaled_weights,
        "predictions": net.predict(X.astype(FITS[name][1])),
        "loss_curve_": net.loss_curve_,
        "validation_scores_": net.validation_scores_,
        "validation_loss_curve_": net.validation_loss_curve_,
        "best": (net.best_loss_, net.best_validation_score_),
        "counters": (net.n_iter_, net.t_, net._steps),
        **net._memory,
    }
    return {
        key: value.tobytes() if isinstance(value, np.ndarray) else repr(value)
        for key, value in values.items()
    }


def hunt(seed, wanted, minutes, names=tuple(FITS)):
    """Kill fits `wanted` times, or for so many minutes, until each net has ended.

    Returns what was found, by its kind.
    """
    draw, end = random.Random(seed), time.monotonic() + 60 * minutes
    nets = {name: fitted(name) for name in names}
    expected = {name: bits(name, net) for name, net in nets.items()}
    found = {"kills": 0, "went on": 0, "ended": 0, "spoilt": 0, "not whole": 0, "other errors": 0}
    with tempfile.TemporaryDirectory() as folder:
        seconds = {name: _seconds(name, Path(folder, f"{name}.warm")) for name in names}
        # On a busy machine fits take longer than they did alone: each kind has ended all the same.
        while found["kills"] < wanted or found["ended"] < len(names) or time.monotonic() < end:
            name = names[found["ended"] % len(names)]
            chain = Path(folder, f"{found['ended']}.joblib")
            _chain(draw, name, chain, seconds[name], nets[name], expected[name], found)
    return found


def _seconds(name, path):
    start = time.perf_counter()
    fitted(name, path)
    return time.perf_counter() - start


def _chain(draw, name, path, seconds, net, expected, found):
    """One fit from its beginning to its end, killed again and again."""
    answer = path.with_suffix(".bits")
    while True:
        child = os.fork()
        if child == 0:
            _run_and_leave(name, path, answer)
        # Often enough, not so often that nothing is ever done.
        time.sleep(draw.random() ** 2 * seconds)
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        before = path.exists()
        if before and not _is_whole(path, net):
            found["not whole"] += 1
        if not os.WIFSIGNALED(status):
            break
        found["kills"] += 1
        found["went on"] += before
    found["ended"] += 1
    found["other errors"] += os.waitstatus_to_exitcode(status) != 0
    if answer.exists():
        found["spoilt"] += joblib.load(answer) != expected


def _run_and_leave(name, path, answer):
    try:
        joblib.dump(bits(name, fitted(name, path)), answer)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def _is_whole(path, net):
    """Whether it is a fitted estimator, on the way to that net."""
    try:
        model = joblib.load(path)
        model.predict(X[:1].astype(model._weights.dtype))
        return model.loss_curve_ == net.loss_curve_[: model.n_iter_]
    except Exception:
        traceback.print_exc()
        return False


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    arguments = parser_of(__doc__, "kills").parse_args()
    found = hunt(arguments.seed, arguments.kills, arguments.minutes)
    print(found)
    sys.exit(any(found[fault] for fault in ("spoilt", "not whole", "other errors")))
