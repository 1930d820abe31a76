"""What a fit allocates."""

import tracemalloc

import numpy as np
import pytest
from conftest import small_net

from sklstm._training.objective import Objective
from sklstm._training.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BATCH_SIZE, N_BATCHES = 2048, 10


@pytest.mark.parametrize("form", ["3-D", "2-D", "float32"])
@pytest.mark.parametrize("solver", list(OPTIMIZERS))
def test_minibatches_of_equal_lengths_allocate_no_array_after_the_first(monkeypatch, solver, form):
    X = np.random.RandomState(0).normal(size=(N_BATCHES * BATCH_SIZE, 6, 2))
    y = X[:, -1, 0]
    X = {"3-D": X, "2-D": X[:, :, 0], "float32": X.astype(np.float32)}[form]
    evaluate, calls, growth = Objective.__call__, [], []

    def traced_evaluate(self, *arguments):
        calls.append(arguments)
        if len(calls) == 2:
            tracemalloc.start()
        if len(calls) == N_BATCHES:
            growth.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        return evaluate(self, *arguments)

    monkeypatch.setattr(Objective, "__call__", traced_evaluate)
    small_net(hidden_layer_sizes=32, batch_size=BATCH_SIZE, max_iter=1, solver=solver).fit(X, y)
    assert len(calls) == N_BATCHES
    # An array has a number for each row of a minibatch, or for each weight; what comes and goes
    # of Python's own objects is smaller.
    assert growth[0] < 4 * min(BATCH_SIZE, 4 * 32 * (32 + 1 + 1))
