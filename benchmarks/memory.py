"""Peak memory of training on data that is never copied whole.

python -m benchmarks.memory windows  # 2,000,000 windows of 96 steps over a series of 8 MB
python -m benchmarks.memory memmap   # a memory map of 4 GB in a temporary folder
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks.machine import memory
from sklstm import LSTMRegressor, sliding_windows

SETTINGS = {"hidden_layer_sizes": 4, "batch_size": 1024, "max_iter": 1, "random_state": 0}


def main():
    """Run the named part and print what the process took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["windows", "memmap"])
    part = {"windows": windows, "memmap": memmap}[parser.parse_args().part]
    warnings.simplefilter("ignore", ConvergenceWarning)
    fit_a_little()
    before = memory("VmRSS")
    start = time.perf_counter()
    part()
    print(f"{time.perf_counter() - start:.0f} s; before: {before:.0f} MB, {peaks()}")


def fit_a_little():
    """Load the libraries and compile, which has a memory of its own."""
    LSTMRegressor(**SETTINGS).fit(np.zeros((4, 8, 1), np.float32), np.arange(4.0))


def windows():
    """One epoch over a strided view that would be 768 MB as an array."""
    series = np.sin(np.arange(2_000_096, dtype=np.float32) / 10)
    X, y = sliding_windows(series, 96)
    LSTMRegressor(**SETTINGS).fit(X, y)
    print(
        f"{X.shape[0]} windows of {X.shape[1]} steps, {X.nbytes / 1e6:.0f} MB if they were copied"
    )


def memmap():
    """One epoch over a file that is larger than what the process may hold."""
    shape = (250_000, 100, 40)
    with tempfile.TemporaryDirectory() as folder:
        X = np.memmap(Path(folder) / "X", np.float32, "w+", shape=shape)
        for first in range(0, len(X), 10_000):
            X[first : first + 10_000] = np.random.default_rng(first).random((10_000, *shape[1:]))
        X.flush()
        X = np.memmap(Path(folder) / "X", np.float32, "r", shape=shape)
        LSTMRegressor(**SETTINGS).fit(X, X[:, -1, 0].copy())
        print(f"A memory map of {X.nbytes / 1e9:.1f} GB; RssAnon {memory('RssAnon'):.0f} MB")


def peaks():
    """The most memory that the process held, in words."""
    most, anonymous = memory("VmHWM"), memory("RssAnon")
    return f"at most {most:.0f} MB resident, {anonymous:.0f} MB anonymous at the end"


if __name__ == "__main__":
    main()
