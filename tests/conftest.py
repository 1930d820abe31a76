"""What several test files share: small data, a small net, comparison of bits."""

import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
from numba import config

from sklstm import LSTMRegressor
from sklstm._machine.linkage import EVERY_NET, UPPER_LAYERS
from sklstm._network import spare_threads
from sklstm._training.history import History

# Tests of products call kernels without the network, which does this.
for dtype in (np.float32, np.float64):
    EVERY_NET.link(dtype)
    UPPER_LAYERS.link(dtype)

# Without compilation there is no machine code to damage.
OF_MACHINE_CODE = ["test_damaged_cache.py", "test_random_cache.py", "hunt_cache.py"]
collect_ignore = OF_MACHINE_CODE if config.DISABLE_JIT else []

N_SAMPLES, N_TIMESTEPS, N_FEATURES = 40, 6, 2

ignores_convergence = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# A fit that uses all of max_iter.
ENDLESS = {"tol": 0, "n_iter_no_change": np.inf}
# Both sides compute in float64 and differ only in the order of their sums.
EXACT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture(name="X3")
def sequences():
    """Sequences as 3-D X; `X` holds the same numbers."""
    return np.random.RandomState(0).normal(size=(N_SAMPLES, N_TIMESTEPS, N_FEATURES))


@pytest.fixture(name="X")
def rows(X3):
    """Sequences as 2-D X, each row its time steps one after the other."""
    return X3.reshape(N_SAMPLES, -1)


@pytest.fixture(name="y")
def targets(X3):
    """Targets that the sequences explain but for some noise."""
    noise = np.random.RandomState(1).normal(size=N_SAMPLES)
    return X3[:, -1, 0] + X3[:, -2, 1] + 0.1 * noise


@pytest.fixture
def interruptible():
    """Ctrl-C is heeded, also in a process that was started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def workers(monkeypatch):
    """What rounds are shared with: `started` and `ended` hold one entry for each worker."""
    start, seen = spare_threads.start, SimpleNamespace(started=[], ended=[])

    def watched_start(function, arguments, **options):
        def run(*arguments):
            try:
                function(*arguments)
            finally:
                seen.ended.append(arguments)

        start(run, arguments, **options)
        seen.started.append(arguments)

    def all_ended():
        """Whether they have, or do within seconds: the last thing that they do is to say so."""
        patience = time.monotonic() + 10
        while len(seen.ended) < len(seen.started) and time.monotonic() < patience:
            time.sleep(0.001)
        return len(seen.ended) == len(seen.started)

    seen.all_ended = all_ended
    monkeypatch.setattr(spare_threads, "start", watched_start)
    return seen


def small_net(**parameters):
    """A regressor whose fit takes milliseconds."""
    defaults = {
        "hidden_layer_sizes": 4,
        "batch_size": 16,
        "learning_rate_init": 0.01,
        "max_iter": 3,
        "random_state": 0,
    }
    return LSTMRegressor(**defaults | parameters)


def weights(model):
    """All weights of a fitted model, one after the other."""
    arrays = [
        *model.input_weights_,
        *model.recurrent_weights_,
        *model.biases_,
        model.output_weights_,
        model.output_bias_,
    ]
    return np.concatenate([array.ravel() for array in arrays])


def assert_same_bits(actual, expected):
    """Both are equal in every bit, however deep; NaN equals NaN, -0.0 is not 0.0."""
    assert type(actual) is type(expected)
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for key in expected:
            assert_same_bits(actual[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same_bits(one, other)
    elif isinstance(expected, np.ndarray) and expected.dtype != object:
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
        different = actual != expected
        assert actual.tobytes() == expected.tobytes(), f"{np.sum(different)} numbers differ"
    elif isinstance(expected, np.ndarray):
        assert_same_bits(actual.tolist(), expected.tolist())
    elif isinstance(expected, History):
        assert_same_bits(list(actual), list(expected))
    elif isinstance(expected, np.random.RandomState):
        assert_same_bits(actual.get_state(), expected.get_state())
    else:
        np.testing.assert_equal(actual, expected)
