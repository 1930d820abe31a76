"""scikit-learn's own checks, on estimators as users construct them."""

import numpy as np
import pytest
from conftest import ignores_convergence
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm import LSTMClassifier, LSTMRegressor

ESTIMATORS = LSTMRegressor, LSTMClassifier
# Nothing is smaller or faster than what it is by default, and nothing is expected to fail.
OTHERS = [
    {"hidden_layer_sizes": (32, 16)},
    {"bidirectional": True},
    {"learning_rate_init": 0.003},
    {"batch_size": 200},
    {"n_timesteps": 1},
    {"solver": "lbfgs"},
]


@ignores_convergence
@parametrize_with_checks([estimator() for estimator in ESTIMATORS])
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.slow
@ignores_convergence
@parametrize_with_checks(
    [estimator(**parameters) for parameters in OTHERS for estimator in ESTIMATORS]
)
def test_scikit_learn_check_of_other_settings(estimator, check):
    check(estimator)


@ignores_convergence
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("seed", range(5))
def test_weights_of_rows_are_repetitions_in_one_minibatch(estimator, seed):
    # Of the size of scikit-learn's own check, whose outcome 200 epochs of amplified rounding would
    # decide. Measured: 1e-11 at most; the rest is for other processors.
    rng = np.random.RandomState(seed)
    X, y = rng.uniform(size=(15, 30)), rng.randint(3, size=15)
    weight = rng.randint(5, size=15)
    parameters = {"batch_size": 200, "random_state": 0}
    weighted = estimator(**parameters).fit(X, y, sample_weight=weight)
    repeated = estimator(**parameters).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    method = "predict" if estimator is LSTMRegressor else "predict_proba"
    expected = getattr(repeated, method)(X)
    error = np.abs(getattr(weighted, method)(X) - expected).max()
    assert error < 1e-6 * np.abs(expected).max()
    for name in ("input_weights_", "recurrent_weights_", "biases_"):
        (one,), (other,) = getattr(weighted, name), getattr(repeated, name)
        assert np.abs(one - other).max() < 1e-6 * np.abs(other).max()
