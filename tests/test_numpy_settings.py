"""`numpy.seterr` changes no bit of a fit or a prediction, and lets neither raise or warn."""

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, ignores_convergence, small_net

from sklstm import LSTMClassifier
from sklstm._training.losses import LOSSES
from sklstm._training.optimizers import OPTIMIZERS
from sklstm._training.schedules import SCHEDULES

pytestmark = ignores_convergence

X = np.random.RandomState(0).normal(size=(40, 6, 2))
Y = np.abs(X[:, -1, 0] + X[:, -2, 1])
LABELS = np.arange(40) % 3
WEIGHT = np.arange(1.0, 41.0)

for_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# Powers of ten whose squares or products leave the range of float64, and of float32.
for_each_size = pytest.mark.parametrize(
    ("dtype", "power"),
    [(np.float64, power) for power in (-320, -300, -160, 150, 300)]
    + [(np.float32, power) for power in (-44, -37, -25, 15, 30)],
)


def small_classifier(**parameters):
    return LSTMClassifier(4, batch_size=16, random_state=0, max_iter=3).set_params(**parameters)


def all_that_it_says(make, X, y, **arguments):
    model = make().fit(X, y, **arguments)
    methods = "predict", "decision_function", "predict_proba", "predict_log_proba"
    said = {name: getattr(model, name)(X) for name in methods if hasattr(model, name)}
    views = "input_weights_", "recurrent_weights_", "biases_", "output_weights_", "output_bias_"
    return said | vars(model) | {name: getattr(model, name) for name in views}


def assert_nothing_changes(make, X, y, **arguments):
    expected = all_that_it_says(make, X, y, **arguments)
    with np.errstate(all="raise"):
        assert_same_bits(all_that_it_says(make, X, y, **arguments), expected)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
@pytest.mark.parametrize("loss", LOSSES)
@for_each_dtype
def test_every_loss_with_every_solver(dtype, loss, solver, early_stopping):
    parameters = {"loss": loss, "solver": solver, "early_stopping": early_stopping}
    assert_nothing_changes(lambda: small_net(**parameters), X.astype(dtype), Y)


@pytest.mark.parametrize("learning_rate", SCHEDULES)
@pytest.mark.parametrize("n_classes", [2, 3])
@for_each_dtype
def test_classifiers_that_are_sure(dtype, n_classes, learning_rate):
    # Logits so large that probabilities vanish.
    parameters = {"learning_rate": learning_rate, "learning_rate_init": 50.0, "max_iter": 30}
    labels = LABELS % n_classes
    assert_nothing_changes(lambda: small_classifier(**parameters), X.astype(dtype), labels)


@pytest.mark.parametrize("loss", LOSSES)
@for_each_size
def test_targets_in_any_unit(dtype, power, loss):
    y = Y * 10.0**power
    for parameters in ({}, {"normalize_y": False}, {"early_stopping": True}, {"solver": "lbfgs"}):
        assert_nothing_changes(lambda p=parameters: small_net(loss=loss, **p), X.astype(dtype), y)


@pytest.mark.parametrize("normalize_X", [True, False])
@for_each_size
def test_features_in_any_unit(dtype, power, normalize_X):
    unit = dtype(10.0**power)
    for inputs in (unit * X.astype(dtype), 1 + unit * X.astype(dtype), X.astype(dtype) * [0, unit]):
        for make, y in ((small_net, Y), (small_classifier, LABELS)):
            assert_nothing_changes(
                lambda make=make: make(normalize_X=normalize_X), inputs.astype(dtype), y
            )


@for_each_size
def test_weights_of_samples_of_any_size(dtype, power):
    weight = WEIGHT * 10.0 ** (power - 2)
    parameters = {"early_stopping": True, "validation_fraction": 0.3}
    for make, y in ((small_net, Y), (small_classifier, LABELS)):
        assert_nothing_changes(
            lambda make=make: make(**parameters), X.astype(dtype), y, sample_weight=weight
        )


EXTREMES = {
    "a rate that lets the loss overflow": {"solver": "sgd", "learning_rate_init": 1e200},
    "a power that overflows": {"learning_rate": "invscaling", "power_t": 1e300},
    "a rate that vanishes": {"learning_rate_init": 1e-310},
    "a penalty that overflows": {"alpha": 1e300},
    "a penalty that vanishes": {"alpha": 1e-310},
    "a norm that vanishes": {"max_grad_norm": 1e-300},
    "moments that vanish": {"beta_1": 1e-200, "beta_2": 1e-200, "epsilon": 1e-300},
    "a threshold that vanishes": {"loss": "huber", "huber_delta": 1e-310},
    "biases that saturate": {"forget_bias": 1e30},
    "tol": {"tol": 1e308, "n_iter_no_change": 1, "learning_rate": "adaptive"},
}


@pytest.mark.parametrize("parameters", EXTREMES.values(), ids=EXTREMES)
@for_each_dtype
def test_extreme_parameters(dtype, parameters):
    assert_nothing_changes(lambda: small_net(**parameters), X.astype(dtype), Y)


FRAMES = [pd.DataFrame(size * X[:, :, 0]) for size in (1e-158, 1e200)]
TINY_X, TINY_Y = 1e-300 * X, 1e-300 * Y


def test_other_ways_to_fit():
    with np.errstate(all="raise"):
        small_net().fit(X, Y, X_val=TINY_X, y_val=TINY_Y)
        small_net().partial_fit(TINY_X, TINY_Y).partial_fit(X, Y).predict(TINY_X)
        small_classifier(class_weight={0: 1e-300}).fit(X, LABELS)
        small_classifier(class_weight="balanced").fit(X, LABELS, sample_weight=TINY_Y)
        # Whether columns are lags is told by their deviations.
        for frame in FRAMES:
            small_net().fit(frame, Y).predict(frame)
        assert set(np.geterr().values()) == {"raise"}
