"""Training on memory maps, each in a process of its own: what it takes, and what it holds.

python -m benchmarks.large_files chunks FILE 250 anew         # prints what it measured as JSON
python -m benchmarks.large_files halving FILE max_iter 4 memory
"""

import json
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV

from benchmarks.machine import forget_peak, memory, restrict_threads
from sklstm import LSTMRegressor
from sklstm.windows import Windows

STEPS, INPUTS, CHUNK = 100, 40, 1_000
ROW = 4 * STEPS * INPUTS  # bytes
UNITS = 16
CANDIDATES = {"learning_rate_init": [0.0003, 0.001, 0.003, 0.01]}
LOOK = 0.005  # seconds


class Held:
    """The most memory of its own that this process holds meanwhile: MB that are no file's.

    Linux counts them as RssAnon. It keeps no maximum of it, so a thread looks again and again.
    """

    def __enter__(self):
        self.before = self.most = memory("RssAnon")
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self):
        while not self._left.wait(LOOK):
            self.most = max(self.most, memory("RssAnon"))

    def __exit__(self, *error):
        self._left.set()
        self._thread.join()
        self.most = max(self.most, memory("RssAnon"))

    @property
    def added(self):
        """More than before."""
        return self.most - self.before


def write(path, n_rows, holes):
    """A file of sequences as NumPy saves them: random numbers, or holes after the first chunk.

    A hole reads as zeros, and takes no disk.
    """
    shape = n_rows, STEPS, INPUTS
    X = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    rng = np.random.default_rng(0)
    for first in range(0, min(CHUNK, n_rows) if holes else n_rows, CHUNK):
        part = X[first : first + CHUNK]
        part[:] = rng.random(part.shape, np.float32)
    X.flush()


def chunks(path, count, opened):
    """Seconds of the processor for `partial_fit` on so many chunks of a file; MB that it adds.

    The chunks are evenly over the file. `opened`: "anew" for each chunk, or "once".
    """
    restrict_threads(1)  # Threads that wait for one another take time of the processor, too.
    n_rows = len(np.load(path, mmap_mode="r"))
    y = np.random.default_rng(1).standard_normal(n_rows, np.float32)
    model = LSTMRegressor(UNITS, random_state=0)
    fit_a_little()
    forget_cache(path)
    X = np.load(path, mmap_mode="r")
    seconds = []
    forget_peak()
    before = memory("VmRSS")
    with Held() as held:
        for first in CHUNK * np.linspace(0, n_rows // CHUNK - 1, count).astype(int):
            start = time.process_time()
            if opened == "anew":
                X = np.load(path, mmap_mode="r")
            model.partial_fit(X[first : first + CHUNK], y[first : first + CHUNK])
            seconds.append(time.process_time() - start)
    tenth = max(1, count // 10)
    return {
        "chunk": np.median(seconds), "first": np.median(seconds[:tenth]),
        "last": np.median(seconds[-tenth:]), "seconds": sum(seconds), "own": held.added,
        "resident": memory("VmHWM") - before,
    }  # fmt: skip


def halving(path, resource, most, form):
    """MB of its own that a search adds, over a memory map, or over `Windows` of it."""
    fit_a_little()
    X = np.load(path, mmap_mode="r")
    y = np.random.default_rng(1).standard_normal(len(X), np.float32)
    if "Windows" in form:
        X = Windows([X.reshape(-1, INPUTS)], STEPS, counts=[len(X)], step=STEPS)
    search = HalvingGridSearchCV(
        LSTMRegressor(4, max_iter=1, batch_size=256, random_state=0), CANDIDATES, cv=2, factor=2,
        resource=resource, max_resources=most if most == "auto" else int(most), refit=False,
        random_state=0, **({"min_resources": 1} if resource == "max_iter" else {}),
    )  # fmt: skip
    with Held() as held:
        search.fit(X, y)
    return {"own": held.added}


def fit_a_little():
    """Load the libraries and compile, which has a memory of its own."""
    X = np.random.default_rng(0).standard_normal((64, STEPS, INPUTS), np.float32)
    LSTMRegressor(UNITS, max_iter=1).fit(X, X[:, 0, 0]).predict(X)


def forget_cache(path):
    """Let the system read a file from the disk again."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def apart(what, *arguments):
    """What `chunks` or `halving` returns, in a new process."""
    command = [sys.executable, "-m", "benchmarks.large_files", what, *map(str, arguments)]
    output = subprocess.run(
        command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return json.loads(output.splitlines()[-1])


def main():
    """Print what is measured as JSON."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    what, path, *arguments = sys.argv[1:]
    if what == "chunks":
        count, opened = arguments
        print(json.dumps(chunks(path, int(count), opened)))
    else:
        print(json.dumps(halving(path, *arguments)))


if __name__ == "__main__":
    main()
