"""Long memory is found: small versions of examples/adding_problem.py and examples/latch.py.

Thresholds leave room for other processors, whose rounding makes other fits: comments say what ten
seeds gave.
"""

import numpy as np
import pytest
from sklearn.metrics import mean_squared_error

from sklstm import LSTMClassifier, LSTMRegressor

STEPS = 100
SETTINGS = {"learning_rate": "cosine", "n_iter_no_change": np.inf, "random_state": 0}


def adding_problem(n, rng):
    """Numbers of which two are marked, one in each half, and the sums of these two."""
    rows = np.arange(n)
    marked = rng.integers(0, STEPS // 2, n), rng.integers(STEPS // 2, STEPS, n)
    X = np.zeros((n, STEPS, 2), dtype=np.float32)
    X[:, :, 0] = rng.random((n, STEPS))
    for step in marked:
        X[rows, step, 1] = 1
    return X, sum(X[rows, step, 0] for step in marked)


def error_of_adding(forget_bias, n_training):
    """The mean squared error; 1/6 for predicting the mean, 1/12 for adding the second alone."""
    rng = np.random.default_rng(0)
    X, y = adding_problem(n_training, rng)
    X_test, y_test = adding_problem(1000, rng)
    model = LSTMRegressor(
        16, forget_bias=forget_bias, learning_rate_init=0.01, max_iter=15, **SETTINGS
    )
    return mean_squared_error(y_test, model.fit(X, y).predict(X_test))


def test_two_numbers_of_a_hundred_are_added():
    # 0.0003 to 0.0015.
    assert error_of_adding("chrono", n_training=2000) < 0.01


def test_forget_bias_decides_whether_the_memory_is_found():
    # 0.0035 to 0.0142 with "chrono", 0.058 to 0.175 with 1, at most a fifth for each seed.
    assert error_of_adding("chrono", n_training=1000) < error_of_adding(1, n_training=1000) / 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_letter_is_known_after_a_hundred_others(dtype):
    rng = np.random.default_rng(0)
    letters = rng.integers(0, 4, (5000, STEPS + 1))
    X, y = np.eye(4, dtype=dtype)[letters], letters[:, 0]
    model = LSTMClassifier(
        32, forget_bias="chrono", learning_rate_init=0.005, max_iter=10, **SETTINGS
    )
    # At least 0.99 for every one of ten seeds; 0.25 for guessing.
    assert model.fit(X[:4000], y[:4000]).score(X[4000:], y[4000:]) > 0.9
