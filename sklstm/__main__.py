"""`python -m sklstm` says what the kernels run on; `--warm-up` compiles them all."""

import argparse
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklstm import LSTMClassifier, LSTMRegressor, StreamingPredictor, __version__
from sklstm._kernels.pooling import POOLINGS
from sklstm._machine.cache import FOLDERS, NOT_KEPT
from sklstm._machine.folders import access, share
from sklstm._machine.processor import SIMD_BYTES, SIMD_NAME, available_threads
from sklstm._training.optimizers import OPTIMIZERS
from sklstm.inspection import input_gradients


def main():
    """Print what there is, and on request compile all kernels into the cache folder."""
    parser = argparse.ArgumentParser(prog="python -m sklstm", description=__doc__)
    parser.add_argument(
        "--warm-up", action="store_true",
        help="compile everything into the cache folder, as for a container image; if root does so, "
        "every user may read it",
    )  # fmt: skip
    arguments = parser.parse_args()
    print(f"sklstm   {__version__}")
    print(f"SIMD     {SIMD_NAME}, {8 * SIMD_BYTES} bits")
    print(f"threads  {available_threads()}")
    print(f"cache    {cache()}")
    if arguments.warm_up and "rw" not in map(access, FOLDERS):
        parser.error("There is no folder to keep machine code in: it would be lost at exit.")
    if arguments.warm_up:
        start = time.perf_counter()
        warm_up()
        for folder in FOLDERS:
            share(folder)
        print(f"warm-up  {time.perf_counter() - start:.1f} s")
        if NOT_KEPT:
            parser.error(f"{len(NOT_KEPT)} kernels could not be written: the disk may be full.")


def cache():
    """Where machine code is kept: in the first folder that can be written, or those before it."""
    lines = []
    for folder in FOLDERS:
        allowed = access(folder)
        lines += [f"{folder}{'' if allowed == 'rw' else ', read-only'}"] if allowed else []
        if allowed == "rw":
            break
    nothing = "none: there is no folder that only this user can write to, each process compiles"
    return "\n         ".join(lines) or nothing


def warm_up():
    """Fit tiny nets until every kernel is compiled, or found on disk, for both types."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for dtype in (np.float32, np.float64):
            X = np.arange(20, dtype=dtype).reshape(10, 2)
            for solver in OPTIMIZERS:
                LSTMRegressor((1, 1), solver=solver, max_iter=1).fit(X, X[:, 0])
            # A loss that is a validation score is evaluated by itself.
            model = LSTMRegressor(1, loss="quantile", max_iter=1, validation_fraction=0.2)
            model.set_params(early_stopping=True).fit(X, X[:, 0]).predict(X)
            LSTMRegressor(1, loss="gaussian", max_iter=1).fit(X, X[:, 0])
            LSTMClassifier(1, dropout=0.5, bptt_steps=1, max_iter=1).fit(X, np.arange(10) % 3)
            for pooling in POOLINGS:
                model = LSTMRegressor(1, pooling=pooling, max_iter=1).fit(X, X)
                StreamingPredictor(model).predict(X[:1, :1])
                input_gradients(model, X)


if __name__ == "__main__":
    main()
