"""Losses: values, gradients and links against the twins, scikit-learn's metrics and derivatives."""

from types import SimpleNamespace

import numpy as np
import pytest
import reference
from conftest import assert_same_bits
from numba import njit
from scipy.optimize import check_grad
from sklearn import metrics

from sklstm._kernels.losses import lose
from sklstm._training.losses import LOSSES, BinaryLogLoss, MultinomialLogLoss, SquaredError

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


@njit
def call_lose(loss, settings, raw, y, weight, scale, value, slope):
    lose(loss, settings, raw, y, weight, scale, value, slope)


def make_loss(name):
    return LOSSES[name](SimpleNamespace(huber_delta=DELTA, quantile=QUANTILE))


def sample(dtype=np.float64, shape=(40, 3)):
    """Raw outputs and positive targets, no two of them equal."""
    rng = np.random.default_rng(0)
    return rng.normal(size=shape).astype(dtype), rng.gamma(2, size=shape).astype(dtype)


def assert_gradient_is_derivative(loss, raw, y):
    error = check_grad(
        lambda x: loss.value(x.reshape(y.shape), y).sum(),
        lambda x: loss.gradient(x.reshape(y.shape), y).ravel(),
        raw.ravel(),
    )
    # forward differences of step 1.5e-8 of a sum of some hundred terms, over as many numbers
    assert error < 1e-4


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
    assert_gradient_is_derivative(make_loss(name), *sample())


@for_each_loss
def test_gradient_is_a_subgradient_of_zero_where_the_prediction_is_right(name):
    loss = make_loss(name)
    _, y = sample()
    raw = np.log(y) if name == "poisson" else y
    np.testing.assert_allclose(loss.inverse_link(raw), y, rtol=1e-15)
    np.testing.assert_allclose(loss.gradient(raw, y), 0, atol=1e-14)


@pytest.mark.parametrize("several", [None, (0.1, 0.5, 0.9)])
@for_each_loss
def test_the_slope_of_a_prediction_is_its_derivative(name, several):
    quantile = QUANTILE if several is None else several
    loss = LOSSES[name](SimpleNamespace(huber_delta=DELTA, quantile=quantile))
    raw, _ = sample(shape=(40, 6))
    predictions = loss.inverse_link(raw)
    for entry in np.ndindex(predictions.shape[1:]):
        # Each column moves in turn, by less than two of them are apart.
        for column, step in enumerate(1e-6 * np.eye(6)):
            rise = loss.inverse_link(raw + step) - loss.inverse_link(raw - step)
            found = loss.slope(raw, entry)[:, column]
            np.testing.assert_allclose(found, rise[:, *entry] / 2e-6, rtol=1e-8, atol=1e-8)


def test_a_loss_that_says_no_slope_has_one_by_differences():
    class BentError(SquaredError):
        def inverse_link(self, raw):
            return raw**2 + raw[:, ::-1]

    raw, _ = sample(shape=(40, 3))
    expected = 2 * raw[:, [1]] * [0, 1, 0] + [0, 1, 0]
    np.testing.assert_allclose(BentError().slope(raw, (1,)), expected, rtol=1e-8, atol=1e-8)


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


# --- The classifier's -----------------------------------------------------------------------

LOG_LOSSES = {"binary_log_loss": BinaryLogLoss(), "multinomial_log_loss": MultinomialLogLoss()}
for_each_log_loss = pytest.mark.parametrize("name", list(LOG_LOSSES))
for_each_scale = pytest.mark.parametrize("scale", [0.1, 1, 10, 1000])


def sample_of_labels(name, dtype=np.float64, scale=1):
    """Raw outputs; targets of 0 and 1 as the loss takes them; labels."""
    rng = np.random.default_rng(0)
    n_outputs, n_classes = (1, 2) if name == "binary_log_loss" else (4, 4)
    labels = rng.integers(n_classes, size=40)
    y = labels[:, np.newaxis] if n_outputs == 1 else np.eye(n_classes)[labels]
    raw = scale * rng.normal(size=(40, n_outputs))
    return raw.astype(dtype), y.astype(dtype), labels


@for_each_log_loss
@for_each_scale
def test_log_loss_and_its_gradient_are_those_of_the_twin(name, scale):
    loss, twin = LOG_LOSSES[name], reference.LOSSES[name]
    raw, y, labels = sample_of_labels(name, scale=scale)
    # The twin takes labels where there are several raw outputs.
    targets = y if name == "binary_log_loss" else labels
    value = twin.value(raw, targets).reshape(40)
    # A small loss is the difference of two large numbers.
    tolerance = {"rtol": 1e-12, "atol": 1e-12 * scale}
    np.testing.assert_allclose(loss.value(raw, y).sum(axis=1), value, **tolerance)
    np.testing.assert_allclose(
        loss.gradient(raw, y), twin.gradient(raw, targets), rtol=1e-12, atol=1e-12
    )


@for_each_log_loss
def test_log_loss_is_that_of_sklearn_metrics(name):
    loss = LOG_LOSSES[name]
    raw, y, labels = sample_of_labels(name)
    weight = np.random.default_rng(1).uniform(size=40)
    logits = np.c_[np.zeros(40), raw] if name == "binary_log_loss" else raw
    odds = np.exp(logits)
    expected = metrics.log_loss(
        labels, odds / odds.sum(axis=1, keepdims=True), sample_weight=weight
    )
    mean = np.average(loss.value(raw, y).sum(axis=1), weights=weight)
    np.testing.assert_allclose(mean, expected, rtol=1e-10)


@for_each_log_loss
@for_each_scale
def test_log_loss_and_its_gradient_are_those_of_torch(name, scale):
    torch = pytest.importorskip("torch")
    raw, y, labels = sample_of_labels(name, scale=scale)
    leaf = torch.tensor(raw, requires_grad=True)
    if name == "binary_log_loss":
        value = torch.nn.functional.binary_cross_entropy_with_logits(
            leaf, torch.tensor(y), reduction="none"
        )[:, 0]
    else:
        value = torch.nn.functional.cross_entropy(leaf, torch.tensor(labels), reduction="none")
    value.sum().backward()
    loss = LOG_LOSSES[name]
    tolerance = {"rtol": 1e-10, "atol": 1e-10}
    np.testing.assert_allclose(loss.value(raw, y).sum(axis=1), value.detach(), **tolerance)
    np.testing.assert_allclose(loss.gradient(raw, y), leaf.grad, **tolerance)


@for_each_log_loss
def test_gradient_of_log_loss_is_the_derivative_of_the_value(name):
    raw, y, _ = sample_of_labels(name)
    assert_gradient_is_derivative(LOG_LOSSES[name], raw, y)


@for_each_log_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss_stays_finite_and_in_its_dtype_however_sure_the_net_is(name, dtype):
    loss = LOG_LOSSES[name]
    raw, y, _ = sample_of_labels(name, dtype, scale=1e4)
    value, gradient = loss.value(raw, y), loss.gradient(raw, y)
    for result in (value, gradient):
        assert (result.dtype, result.shape) == (dtype, raw.shape)
        assert np.isfinite(result).all()
    assert (value >= 0).all()
    assert value.max() > 1e3
    assert (np.abs(gradient) <= 1).all()


@for_each_log_loss
def test_log_loss_carries_nan_through_to_its_sample(name):
    loss = LOG_LOSSES[name]
    raw, y, _ = sample_of_labels(name)
    raw[3, 0] = np.nan
    for result in (loss.value(raw, y), loss.gradient(raw, y)):
        # Every probability of a sample depends on all its raw outputs.
        np.testing.assert_array_equal(np.isnan(result).any(axis=1), np.arange(40) == 3)


@for_each_log_loss
def test_log_loss_does_not_change_its_arguments(name):
    loss = LOG_LOSSES[name]
    raw, y, _ = sample_of_labels(name)
    kept = raw.copy(), y.copy()
    loss.value(raw, y), loss.gradient(raw, y), loss.score(raw, y, np.ones(40))
    assert_same_bits((raw, y), kept)


@for_each_log_loss
def test_score_of_a_log_loss_is_the_weighted_accuracy(name):
    loss = LOG_LOSSES[name]
    raw, y, labels = sample_of_labels(name)
    predicted = raw[:, 0] > 0 if name == "binary_log_loss" else raw.argmax(axis=1)
    weight = np.random.default_rng(1).uniform(size=40)
    expected = metrics.accuracy_score(labels, predicted, sample_weight=weight)
    np.testing.assert_allclose(loss.score(raw, y, weight), expected, rtol=1e-12)
    assert 0 < expected < 1


@for_each_log_loss
def test_training_starts_from_even_odds(name):
    _, y, _ = sample_of_labels(name)
    np.testing.assert_array_equal(LOG_LOSSES[name].baseline(y, np.ones(40)), np.zeros(y.shape[1]))


def test_a_subclass_that_overrides_the_gradient_is_trained_with_it():
    class DoubledError(SquaredError):
        def gradient(self, raw, y):
            return 2 * super().gradient(raw, y)

    assert DoubledError.kernel is None
    assert SquaredError.kernel is not None


@for_each_loss
def test_a_sample_of_weight_zero_may_have_an_infinite_loss(name):
    loss = make_loss(name)
    raw, value, slope = np.full((1, 3), 1e30, np.float32), np.ones((1, 3)), np.ones((1, 3), "f4")
    weight = np.zeros(1, np.float32)
    call_lose(loss.kernel, np.array(loss.settings), raw, -raw, weight, 1.0, value, slope)
    assert not value.any()
    assert not slope.any()


@for_each_loss
def test_float32_differs_from_float64_by_rounding_alone(name):
    loss = make_loss(name)
    raw, y = sample(np.float32)
    for result in (loss.value, loss.gradient):
        # a few roundings of numbers that are seldom above 10
        np.testing.assert_allclose(
            result(raw, y), result(raw.astype(float), y.astype(float)), rtol=1e-5, atol=1e-5
        )
