"""Losses: values, gradients and links against the twins, scikit-learn's metrics and derivatives."""

from types import SimpleNamespace

import numpy as np
import pytest
import reference
from conftest import assert_same_bits
from scipy.optimize import check_grad
from sklearn import metrics

from sklstm._training.losses import LOSSES

DELTA, QUANTILE = 1.35, 0.8
# What the twin of a loss is given besides raw outputs and targets.
SETTINGS = {"huber": {"delta": DELTA}, "quantile": {"quantile": QUANTILE}}
# The mean loss by scikit-learn, of targets, predictions and sample weights.
METRICS = {
    "squared_error": lambda y, p, w: metrics.mean_squared_error(y, p, sample_weight=w) / 2,
    "absolute_error": lambda y, p, w: metrics.mean_absolute_error(y, p, sample_weight=w),
    "quantile": lambda y, p, w: metrics.mean_pinball_loss(y, p, sample_weight=w, alpha=QUANTILE),
    # the deviance has a term in y alone
    "poisson": lambda y, p, w: (
        metrics.mean_poisson_deviance(y, p, sample_weight=w) / 2
        + np.average(y - y * np.log(y), weights=w)
    ),
}

for_each_loss = pytest.mark.parametrize("name", list(LOSSES))


def make_loss(name):
    return LOSSES[name](SimpleNamespace(huber_delta=DELTA, quantile=QUANTILE))


def sample(dtype=np.float64, shape=(40, 3)):
    """Raw outputs and positive targets, no two of them equal."""
    rng = np.random.default_rng(0)
    return rng.normal(size=shape).astype(dtype), rng.gamma(2, size=shape).astype(dtype)


@for_each_loss
def test_value_and_gradient_are_those_of_the_twin(name):
    loss, twin = make_loss(name), reference.LOSSES[name]
    raw, y = sample()
    # some errors are on the far side of every bend
    for scale in (0.1, 1, 4):
        args, settings = (scale * raw, scale * y), SETTINGS.get(name, {})
        np.testing.assert_allclose(loss.value(*args), twin.value(*args, **settings), rtol=1e-12)
        np.testing.assert_allclose(
            loss.gradient(*args), twin.gradient(*args, **settings), rtol=1e-12
        )


@for_each_loss
def test_gradient_is_the_derivative_of_the_value(name):
    loss = make_loss(name)
    raw, y = sample()
    error = check_grad(
        lambda x: loss.value(x.reshape(y.shape), y).sum(),
        lambda x: loss.gradient(x.reshape(y.shape), y).ravel(),
        raw.ravel(),
    )
    # forward differences of step 1.5e-8 of a sum of 120 terms, over 120 numbers
    assert error < 1e-4


@for_each_loss
def test_gradient_is_a_subgradient_of_zero_where_the_prediction_is_right(name):
    loss = make_loss(name)
    _, y = sample()
    raw = np.log(y) if name == "poisson" else y
    np.testing.assert_allclose(loss.inverse_link(raw), y, rtol=1e-15)
    np.testing.assert_allclose(loss.gradient(raw, y), 0, atol=1e-14)


@pytest.mark.parametrize("name", list(METRICS))
def test_mean_loss_of_predictions_is_that_of_sklearn_metrics(name):
    loss = make_loss(name)
    raw, y = sample(shape=(40, 1))
    weight = np.random.default_rng(1).uniform(size=40)
    mean = np.average(loss.value(raw, y)[:, 0], weights=weight)
    expected = METRICS[name](y[:, 0], loss.inverse_link(raw)[:, 0], weight)
    np.testing.assert_allclose(mean, expected, rtol=1e-12)


@for_each_loss
def test_float32_stays_float32(name):
    loss = make_loss(name)
    raw, y = sample(np.float32)
    for result in (loss.value(raw, y), loss.gradient(raw, y), loss.inverse_link(raw)):
        assert (result.dtype, result.shape) == (np.float32, raw.shape)


@for_each_loss
def test_nan_is_carried_through(name):
    loss = make_loss(name)
    raw, y = sample()
    raw[3, 1] = np.nan
    for result in (loss.value(raw, y), loss.gradient(raw, y)):
        np.testing.assert_array_equal(np.isnan(result), np.isnan(raw))


@for_each_loss
def test_arguments_are_not_changed(name):
    loss = make_loss(name)
    raw, y = sample()
    kept = raw.copy(), y.copy()
    loss.value(raw, y), loss.gradient(raw, y), loss.inverse_link(raw)
    assert_same_bits((raw, y), kept)


@for_each_loss
def test_score_is_higher_for_better_predictions_and_counts_weights_as_repetitions(name):
    loss = make_loss(name)
    _, y = sample()
    target = np.log(y) if name == "poisson" else y
    scores = [loss.score(target + error, y, np.ones(len(y))) for error in (0, 0.3, 1, 3)]
    assert (np.diff(scores) < 0).all()
    weight = np.arange(len(y)) % 3
    noisy = target + sample()[0]
    np.testing.assert_allclose(
        loss.score(noisy, y, weight),
        loss.score(np.repeat(noisy, weight, 0), np.repeat(y, weight, 0), np.ones(weight.sum())),
        rtol=1e-12,
    )
