"""Time of a grid search of 24 fits in two processes."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from benchmarks import timing
from benchmarks.contenders import SKLSTM, TORCH, load
from benchmarks.workloads import Workload
from sklstm import LSTMRegressor

WORKLOAD = Workload(1024, 24, 1, (64,), 32, epochs=10)
UNITS, RATES, FOLDS, PROCESSES = [16, 32, 64, 128], [1e-3, 3e-3], 3, 2


def run(quick):
    """One row; the processes are started, and have loaded and compiled all, in the warm-up."""
    settings = {"batch_size": WORKLOAD.batch}
    searches = {
        SKLSTM: GridSearchCV(
            LSTMRegressor(
                **settings, max_iter=WORKLOAD.epochs, n_iter_no_change=np.inf, random_state=0
            ),
            {"hidden_layer_sizes": UNITS, "learning_rate_init": RATES},
        )
    }
    if TORCH in load(TORCH):
        from benchmarks.contenders.torch_regressor import TorchRegressor

        searches[TORCH] = GridSearchCV(
            TorchRegressor(**settings, epochs=WORKLOAD.epochs),
            {"units": UNITS, "learning_rate": RATES},
        )
    X, y = WORKLOAD.data()
    for search in searches.values():
        search.set_params(cv=FOLDS, n_jobs=PROCESSES, refit=False)
    rounds = 2 if quick else 7
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        times = timing.contest(
            {name: lambda s=search: s.fit(X, y) for name, search in searches.items()},
            rounds,
            label="search",
        )
    label = f"{WORKLOAD.samples}, {WORKLOAD.steps}, {WORKLOAD.inputs}, {WORKLOAD.batch}"
    fits = len(UNITS) * len(RATES) * FOLDS
    title = f"GridSearchCV of {fits} fits of {WORKLOAD.epochs} epochs, n_jobs={PROCESSES}"
    key = "samples, steps, inputs, batch"
    return {
        "rounds": rounds,
        "tables": [{"title": title, "key": key, "unit": "s", "rows": [timing.row(label, times)]}],
    }
