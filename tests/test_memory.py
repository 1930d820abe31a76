"""What a fit allocates."""

import tracemalloc

import numpy as np
import pytest
from conftest import small_net

from sklstm._training.objective import Objective
from sklstm._training.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BATCH_SIZE, N_BATCHES, LONGEST, N_FEATURES, UNITS = 2048, 10, 6, 2, 32
# The last minibatch is smaller.
LAST_BATCH_SIZE = BATCH_SIZE - 1
N_SAMPLES = (N_BATCHES - 1) * BATCH_SIZE + LAST_BATCH_SIZE
STEPS = np.random.RandomState(0).normal(size=(N_SAMPLES, LONGEST, N_FEATURES))
LENGTHS = np.random.RandomState(1).randint(1, LONGEST + 1, size=N_SAMPLES)
PADDED = np.where(
    np.arange(LONGEST)[:, np.newaxis] < LENGTHS[:, np.newaxis, np.newaxis], STEPS, np.nan
)
Y = STEPS[:, 0, 0]

FORMS = {
    "3-D": STEPS,
    "2-D": STEPS[:, :, 0],
    "float32": STEPS.astype(np.float32),
    "list of different lengths": [x[:n] for x, n in zip(STEPS, LENGTHS, strict=True)],
    "padded": PADDED,
    "padded float32": PADDED.astype(np.float32),
}
DROPOUTS = {
    "dropout": {"dropout": 0.2},
    "recurrent_dropout": {"recurrent_dropout": 0.3},
    "both": {"dropout": 0.2, "recurrent_dropout": 0.3},
}
for_each_form = pytest.mark.parametrize("X", FORMS.values(), ids=FORMS)


@for_each_form
@pytest.mark.parametrize("solver", list(OPTIMIZERS))
def test_minibatches_allocate_no_array_after_the_first(monkeypatch, solver, X):
    assert_no_array_after_the_first_minibatch(monkeypatch, X, solver=solver)


@for_each_form
@pytest.mark.parametrize("dropout", DROPOUTS.values(), ids=DROPOUTS)
def test_masks_of_dropout_allocate_no_array_after_the_first(monkeypatch, dropout, X):
    assert_no_array_after_the_first_minibatch(monkeypatch, X, **dropout)


def assert_no_array_after_the_first_minibatch(monkeypatch, X, **parameters):
    evaluate, calls, growth = Objective.__call__, [], []

    def traced_evaluate(self, *arguments):
        calls.append(None)
        if len(calls) == 2:
            tracemalloc.start()
        result = evaluate(self, *arguments)
        if len(calls) == N_BATCHES:
            growth.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        return result

    monkeypatch.setattr(Objective, "__call__", traced_evaluate)
    small_net(hidden_layer_sizes=UNITS, batch_size=BATCH_SIZE, max_iter=1, **parameters).fit(X, Y)
    assert len(calls) == N_BATCHES
    # An array of numbers has four bytes or more for each row of a minibatch, or for each weight;
    # what comes and goes of Python's own objects is smaller.
    n_weights = 4 * UNITS * (UNITS + 1 + 1)
    assert growth[0] < 4 * min(LAST_BATCH_SIZE, n_weights)
