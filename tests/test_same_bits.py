"""LSTMRegressor gives the same bits: alone and among others, in threads, in other processes."""

import copy
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import assert_same_bits, small_net, weights
from numpy.testing import assert_allclose

import sklstm
from sklstm import LSTMRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- The same bits --------------------------------------------------------------------------

ARCHITECTURES = {
    "one layer": {"hidden_layer_sizes": 4},
    "two layers": {"hidden_layer_sizes": (5, 17)},
    "bidirectional": {"hidden_layer_sizes": 9, "bidirectional": True},
    "mean": {"hidden_layer_sizes": (6, 3), "bidirectional": True, "pooling": "mean"},
    "large enough for several threads": {"hidden_layer_sizes": 64},
}


@pytest.fixture(params=ARCHITECTURES.values(), ids=ARCHITECTURES)
def fitted(request):
    """A fitted model, and sequences in number enough for several shards."""
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(150, 15, 2)), rng.normal(size=(150, 3))
    return small_net(max_iter=1, **request.param).fit(X[:20], y[:20]), X


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_is_predicted_alone_as_among_others(fitted, dtype):
    model, X = fitted[0], fitted[1].astype(dtype)
    together = model.predict(X)
    alone = [model.predict(X[i : i + 1])[0] for i in range(len(X))]
    assert_same_bits(np.stack(alone), together)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_are_the_same_in_any_order_and_any_split(fitted, dtype):
    model, X = fitted[0], fitted[1].astype(dtype)
    together = model.predict(X)
    rng = np.random.RandomState(1)
    for _ in range(5):
        order = rng.permutation(len(X))
        assert_same_bits(model.predict(X[order]), together[order])
        cuts = np.sort(rng.choice(np.arange(1, len(X)), 4, replace=False))
        parts = [model.predict(part) for part in np.split(X, cuts)]
        assert_same_bits(np.concatenate(parts), together)
    repeated = rng.randint(len(X), size=2 * len(X))
    assert_same_bits(model.predict(X[repeated]), together[repeated])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_random_state_gives_the_same_fit(X, y, dtype):
    X = X.astype(dtype)
    first, second = small_net(random_state=7).fit(X, y), small_net(random_state=7).fit(X, y)
    assert_same_bits(vars(first), vars(second))
    other = small_net(random_state=8).fit(X, y)
    assert not np.array_equal(weights(first), weights(other))


def test_refitting_forgets_the_previous_fit(X, y):
    refitted = small_net().fit(X[:9], 100 * y[:9]).fit(X, y)
    assert_same_bits(vars(refitted), vars(small_net().fit(X, y)))


# Fits that are large enough for several threads: 4 shards a minibatch.
LARGE_FIT = """
import hashlib, warnings
import numpy as np
from sklstm import LSTMRegressor
from sklstm._network import spare_threads

warnings.simplefilter("ignore")
started = []
start = spare_threads.start
spare_threads.start = lambda *call: (started.append(call), start(*call))
digest = hashlib.sha256()
most_threads = 0
for dtype in (np.float32, np.float64):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(256, 20)).astype(dtype), rng.normal(size=256)
    started.clear()
    model = LSTMRegressor(64, batch_size=64, max_iter=1, random_state=0).fit(X, y)
    most_threads = max(most_threads, 1 + len(started))
    for array in (model.input_weights_[0], model.recurrent_weights_[0], model.biases_[0],
                  model.output_weights_, model.output_bias_, model.predict(X)):
        digest.update(array.tobytes())
spare_threads.start = start
"""


def python(script, **environment):
    """What a fresh Python process prints."""
    source = str(Path(sklstm.__file__).parents[1])
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": source, **environment},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.fixture(scope="module")
def large_fit_here():
    """The digest of the large fits' bits in this process."""
    names = {}
    exec(LARGE_FIT, names)
    return names["digest"].hexdigest()


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_any_number_of_threads_gives_the_same_bits_in_a_process_of_its_own(
    large_fit_here, n_threads
):
    script = LARGE_FIT + "print(most_threads, digest.hexdigest())"
    used, digest = python(script, NUMBA_NUM_THREADS=str(n_threads))
    assert int(used) == n_threads
    assert digest == large_fit_here


def test_a_second_process_loads_and_fits_to_the_same_bits(X, y, tmp_path):
    model = small_net(hidden_layer_sizes=(4, 3), bidirectional=True).fit(X, y)
    path = tmp_path / "model.joblib"
    joblib.dump((model, X, y), path)
    script = f"""
import hashlib, joblib, warnings
warnings.simplefilter("ignore")
model, X, y = joblib.load({str(path)!r})
print(hashlib.sha256(model.predict(X).tobytes()).hexdigest())
print(hashlib.sha256(model.fit(X, y).predict(X).tobytes()).hexdigest())
"""
    expected = hashlib.sha256(model.predict(X).tobytes()).hexdigest()
    assert python(script) == [expected, expected]


def test_fits_and_predictions_in_many_python_threads_give_the_bits_they_give_alone():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(96, 20)), rng.normal(size=96)

    def fit(seed):
        # Two of three are large enough for threads of their own.
        units = (64, 48, 4)[seed % 3]
        net = LSTMRegressor(units, batch_size=48, max_iter=2, random_state=seed).fit(X, y)
        return weights(net), net.predict(X)

    alone = [fit(seed) for seed in range(6)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, range(6)))
    assert_same_bits(together, alone)


@pytest.mark.parametrize("units", [4, 64])
def test_a_fitted_model_may_be_used_from_many_threads_at_once(units):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(200, 20)), rng.normal(size=200)
    model = LSTMRegressor(units, max_iter=1, random_state=0).fit(X[:32], y[:32])
    before = copy.deepcopy(vars(model))
    parts = [slice(i, i + size) for size in (1, 50, 150) for i in range(0, 50, 7)]
    alone = [model.predict(X[part]) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda part: model.predict(X[part]), parts))
    assert_same_bits(together, alone)
    assert_same_bits(vars(model), before)


# --- Random states --------------------------------------------------------------------------


def test_shuffle_changes_the_order_of_samples_and_not_the_start(X, y):
    in_order, shuffled = (small_net(shuffle=shuffle).fit(X, y) for shuffle in (False, True))
    assert not np.array_equal(weights(in_order), weights(shuffled))
    start = {"max_iter": 1, "learning_rate_init": 1e-15}
    in_order, shuffled = (small_net(shuffle=s, **start).fit(X, y) for s in (False, True))
    assert_allclose(weights(in_order), weights(shuffled), atol=1e-12)


def test_a_random_state_instance_gives_the_fit_of_its_seed_and_moves_on(X, y):
    random_state = np.random.RandomState(5)
    first = small_net(random_state=random_state).fit(X, y)
    assert_same_bits(weights(first), weights(small_net(random_state=5).fit(X, y)))
    second = small_net(random_state=random_state).fit(X, y)
    assert not np.array_equal(weights(first), weights(second))


def test_without_random_state_fits_differ_unless_numpys_seed_is_set(X, y):
    fits = [weights(small_net(random_state=None).fit(X, y)) for _ in range(2)]
    assert not np.array_equal(*fits)
    state = np.random.get_state()
    try:
        seeded = []
        for _ in range(2):
            np.random.seed(3)
            seeded.append(weights(small_net(random_state=None).fit(X, y)))
    finally:
        np.random.set_state(state)
    assert_same_bits(*seeded)


def test_an_integer_random_state_leaves_numpys_global_one_alone(X, y):
    before = np.random.get_state()
    small_net(random_state=0).fit(X, y).predict(X)
    assert_same_bits(np.random.get_state(), before)
