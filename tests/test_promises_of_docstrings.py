"""What the public docstrings promise and no other file tests on the defaults."""

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = ignores_convergence

X = np.random.RandomState(0).normal(size=(100, 8, 3))
Y = X[:, -1, 0]
LABELS = np.digitize(Y, [-0.5, 0.5])
for_both = pytest.mark.parametrize(
    ("estimator", "y"),
    [(LSTMRegressor, Y), (LSTMClassifier, LABELS)],
    ids=["regressor", "classifier"],
)


def outputs(model, X):
    return model.predict(X) if isinstance(model, LSTMRegressor) else model.predict_proba(X)


@for_both
def test_how_weights_start(estimator, y):
    # A step that changes nothing, and features as they are.
    model = estimator(max_iter=1, learning_rate_init=1e-15, normalize_X=False, random_state=0)
    model.set_params(**({"normalize_y": False} if estimator is LSTMRegressor else {})).fit(X, y)
    for gate in model.recurrent_weights_[0].reshape(4, 64, 64):
        np.testing.assert_allclose(gate @ gate.T, np.eye(64), atol=1e-9)
    for gate in model.input_weights_[0].reshape(4, 64, 3):
        limit = np.sqrt(6 / (64 + 3))
        assert 0.9 * limit < np.abs(gate).max() <= limit * (1 + 1e-9)
    biases = model.biases_[0].reshape(4, 64)
    np.testing.assert_allclose(biases[1], 1)
    np.testing.assert_allclose(biases[[0, 2, 3]], 0, atol=1e-9)


@for_both
def test_constant_features_are_only_centred(estimator, y):
    constant = np.concatenate([X, np.full((100, 8, 1), 1e6)], axis=2)
    zeros = np.concatenate([X, np.zeros((100, 8, 1))], axis=2)
    models = [estimator(random_state=0, max_iter=10).fit(each, y) for each in (constant, zeros)]
    assert_same_bits(outputs(models[0], constant), outputs(models[1], zeros))


@for_both
def test_a_single_column_and_a_constant_table_can_be_fitted(estimator, y):
    for table in (X[:, :1, 0], np.full((100, 5), 3.0)):
        assert np.isfinite(outputs(estimator().fit(table, y), table)).all()


@for_both
def test_weights_of_samples_count_in_the_scale_of_features(estimator, y):
    weight = np.arange(100) % 4
    weighted = estimator(max_iter=1, batch_size=200, random_state=0).fit(X, y, weight)
    repeated = estimator(max_iter=1, batch_size=200, random_state=0).fit(
        np.repeat(X, weight, axis=0), np.repeat(y, weight)
    )
    np.testing.assert_allclose(outputs(weighted, X), outputs(repeated, X), rtol=1e-9)


@for_both
def test_random_state_instances_move_on_and_ints_do_not(estimator, y):
    state = np.random.RandomState(0)
    one, other = (estimator(max_iter=2, random_state=state).fit(X, y) for _ in range(2))
    same = estimator(max_iter=2, random_state=0).fit(X, y)
    assert_same_bits(one._weights, same._weights)
    assert not np.array_equal(one._weights, other._weights)


@for_both
def test_a_fit_that_validated_on_nothing_has_no_scores(estimator, y):
    model = estimator(max_iter=3).fit(X, y)
    assert (model.validation_scores_, model.best_validation_score_) == (None, None)
    model = estimator(max_iter=3).fit(X, y, X_val=X[:9], y_val=y[:9])
    assert len(model.validation_scores_) == 3
    assert model.t_ == 300  # nothing was held out


def test_probabilities_are_never_0_and_in_float64():
    model = LSTMClassifier(learning_rate_init=0.1, random_state=0).fit(X.astype(np.float32), LABELS)
    probabilities = model.predict_proba(50 * X.astype(np.float32))
    assert probabilities.dtype == np.float64
    assert (probabilities > 0).all()
    assert np.isfinite(model.predict_log_proba(50 * X.astype(np.float32))).all()


@pytest.mark.parametrize(
    ("estimator", "peer", "y"),
    [(LSTMRegressor, MLPRegressor, Y), (LSTMClassifier, MLPClassifier, LABELS)],
    ids=["regressor", "classifier"],
)
def test_it_stands_in_for_the_multilayer_perceptron(estimator, peer, y):
    # Every parameter that both have, at the value that the other has by default.
    shared = peer().get_params().keys() & estimator().get_params().keys()
    given = {name: peer().get_params()[name] for name in shared - {"batch_size"}}
    assert len(given) >= 20
    assert estimator(**given).fit(X.reshape(100, -1), y).predict(X.reshape(100, -1)).shape == (100,)
