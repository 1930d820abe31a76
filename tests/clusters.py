"""What workers of a cluster are asked, by the tests of dask and ray."""

import os
import secrets
from contextlib import contextmanager

# What keeps others out of a cluster of ray, for as long as tests run. Of itself, ray would make one
# and leave it in the user's home. A process can have one alone.
RAY_TOKEN = secrets.token_hex(32)


@contextmanager
def environment_for_ray():
    """That of a process without a cluster of dask, which says OMP_NUM_THREADS for its workers."""
    before = dict(os.environ)
    os.environ.pop("OMP_NUM_THREADS", None)
    os.environ["RAY_AUTH_TOKEN"] = RAY_TOKEN
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def threads_of_a_fit():
    """How many threads a fit has started that would gain from as many as there are."""
    import numpy as np

    from sklstm import LSTMRegressor
    from sklstm._network import spare_threads

    start, started = spare_threads.start, []

    def watched_start(*arguments):
        started.append(arguments)
        start(*arguments)

    X = np.random.RandomState(0).normal(size=(256, 30, 2))
    spare_threads.start = watched_start
    try:
        LSTMRegressor(32, batch_size=128, max_iter=1, n_iter_no_change=np.inf).fit(X, X[:, -1, 0])
    finally:
        spare_threads.start = start
    return 1 + len(started)


def is_warm():
    """Whether a process has loaded kernels, though it has fitted nothing yet."""
    from sklstm._kernels import updates

    return len(updates.adam.signatures) > 0


def available():
    from sklstm._machine.processor import available_threads

    return available_threads()
