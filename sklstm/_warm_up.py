"""warm_up: all kernels compiled, or loaded, before they are needed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sklstm._classifier import LSTMClassifier
from sklstm._forms import FLOATS
from sklstm._kernels.pooling import POOLINGS
from sklstm._machine.cache import FOLDERS
from sklstm._machine.folders import access
from sklstm._machine.linkage import PASSES, SHARED
from sklstm._regressor import LSTMRegressor
from sklstm._training.optimizers import OPTIMIZERS
from sklstm.streaming import StreamingPredictor


def warm_up(dtypes: Sequence[DTypeLike] = ("float32", "float64")) -> str | None:
    """Compile all kernels, or load them from disk, so that no later call has to wait for it.

    On a machine that is new to sklstm, this takes tens of seconds, and much less once the machine
    code is on disk.

    Many processes may do it at once: each file is written whole or not at all. Those that start
    together on an empty folder all compile; then they share. On a cluster, do it once on each
    worker: ``client.run(sklstm.warm_up)`` with dask.

    Parameters
    ----------
    dtypes : sequence of {"float32", "float64"}, default=("float32", "float64")
        In which types you will compute: float32 for X of float32, float64 for everything else.

    Returns
    -------
    folder : str or None
        Where this user's machine code is kept. None if there is no folder that this user alone
        can write to: the kernels are then compiled for this process. `NUMBA_CACHE_DIR` in the
        environment names another folder, before sklstm is imported.

    Raises
    ------
    ValueError
        If a dtype is none of the two.

    Notes
    -----
    `python -m sklstm --warm-up` does the same while an image of a container is built, and says
    if something could not be written.

    Examples
    --------
    >>> import sklstm
    >>> sklstm.warm_up(["float64"])
    '...sklstm-...'
    """
    for dtype in _checked(dtypes):
        _use_every_kernel(dtype)
    return next((str(folder) for folder in FOLDERS if access(folder) == "rw"), None)


def _checked(dtypes):
    """The types, all of them known before the first is compiled for."""
    names = [] if isinstance(dtypes, str) or not isinstance(dtypes, Sequence) else dtypes
    known = [dtype for name in names for dtype in FLOATS if _is_same(name, dtype)]
    if not names or len(known) < len(names):
        raise ValueError(
            f'dtypes must be a sequence of "float32" and "float64", as ["float32"]; got {dtypes!r}.'
        )
    return known


def _is_same(name, dtype):
    try:
        # Of None, NumPy makes float64.
        return name is not None and np.dtype(name) == dtype
    except TypeError:
        return False


def _use_every_kernel(dtype):
    """Fit tiny nets until every kernel is compiled, or found on disk, for a type."""
    # Loaded by those who ask for it.
    from sklstm.inspection import input_gradients

    # A planned end warns of nothing, and a seed leaves NumPy's global state alone.
    once: dict[str, Any] = {"max_iter": 1, "n_iter_no_change": np.inf, "random_state": 0}
    X = np.arange(20, dtype=dtype).reshape(10, 2)
    for solver in OPTIMIZERS:
        LSTMRegressor((1, 1), solver=solver, **once).fit(X, X[:, 0])
    # A loss that is a validation score is evaluated by itself.
    model = LSTMRegressor(1, loss="quantile", early_stopping=True, validation_fraction=0.2, **once)
    model.fit(X, X[:, 0])
    for _ in range(2):
        # What is read like an X before, is so by a kernel of its own.
        model.predict(X)
    LSTMRegressor(1, loss="gaussian", **once).fit(X, X[:, 0])
    LSTMClassifier(1, dropout=0.5, bptt_steps=1, **once).fit(X, np.arange(10) % 3)
    for pooling in POOLINGS:
        model = LSTMRegressor(1, pooling=pooling, **once).fit(X, X)
        StreamingPredictor(model).predict(X[:1, :1])
        input_gradients(model, X)
    # Of threads that share large nets, which would take long to fit.
    SHARED.link(dtype)
    PASSES.link(dtype)
