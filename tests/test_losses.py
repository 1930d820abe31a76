"""Losses: values, gradients and links against the twins, scikit-learn's metrics and derivatives."""

from types import SimpleNamespace

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, ignores_convergence, small_net
from numba import njit
from scipy.optimize import check_grad
from scipy.stats import norm
from sklearn import metrics
from sklearn.base import clone

from sklstm._kernels.losses import lose
from sklstm._training.losses import (
    LOSSES,
    BinaryLogLoss,
    Gaussian,
    MultinomialLogLoss,
    Quantile,
    SquaredError,
)

DELTA, QUANTILE, QUANTILES = 1.35, 0.8, (0.1, 0.5, 0.9)
# The loss, and what its twin is given besides raw outputs and targets.
CASES = {name: (name, {}) for name in LOSSES} | {
    "huber": ("huber", {"delta": DELTA}),
    "quantile": ("quantile", {"quantile": QUANTILE}),
    "several quantiles": ("quantile", {"quantile": QUANTILES}),
}


def pinball_losses(y, p, w):
    """The mean over quantiles, of predictions with a column each."""
    losses = [
        metrics.mean_pinball_loss(y, p[:, n], sample_weight=w, alpha=quantile)
        for n, quantile in enumerate(QUANTILES)
    ]
    return np.mean(losses)


# The mean loss by scikit-learn or scipy, of targets, raw outputs through the link, and weights.
METRICS = {
    "squared_error": lambda y, p, w: metrics.mean_squared_error(y, p[:, 0], sample_weight=w) / 2,
    "absolute_error": lambda y, p, w: metrics.mean_absolute_error(y, p[:, 0], sample_weight=w),
    "quantile": lambda y, p, w: metrics.mean_pinball_loss(
        y, p[:, 0], sample_weight=w, alpha=QUANTILE
    ),
    "several quantiles": pinball_losses,
    # the deviance has a term in y alone
    "poisson": lambda y, p, w: (
        metrics.mean_poisson_deviance(y, np.exp(p[:, 0]), sample_weight=w) / 2
        + np.average(y - y * np.log(y), weights=w)
    ),
    # the likelihood has a constant
    "gaussian": lambda y, p, w: (
        np.average(-norm.logpdf(y, p[:, 0], np.exp(p[:, 1])), weights=w) - np.log(2 * np.pi) / 2
    ),
}

for_each_loss = pytest.mark.parametrize("name", list(CASES))


@njit
def call_lose(loss, settings, raw, y, weight, scale, value, slope):
    lose(loss, settings, raw, y, weight, scale, value, slope)


def make_loss(case):
    name, settings = CASES[case]
    quantile = settings.get("quantile", QUANTILE)
    return LOSSES[name](SimpleNamespace(huber_delta=DELTA, quantile=quantile))


def sample(loss, dtype=np.float64, shape=(40, 3)):
    """Raw outputs and positive targets of this shape, no two of them equal."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(shape[0], shape[1] * len(loss.settings)))
    return raw.astype(dtype), rng.gamma(2, size=shape).astype(dtype)


def raw_of(loss, y):
    """The raw outputs of a net whose predictions are y; of the gaussian with deviations of 1."""
    if isinstance(loss, Gaussian):
        return np.stack([y, np.zeros_like(y)], axis=2).reshape(len(y), -1)
    return np.repeat(np.log(y) if loss.link == "log" else y, len(loss.settings), axis=1)


def of_targets(loss, values):
    """An entry of shape (n_samples, n_targets) for each raw output of a target."""
    return np.moveaxis(values.reshape(len(values), -1, len(loss.settings)), 2, 0)


def assert_gradient_is_derivative(loss, raw, y):
    error = check_grad(
        lambda x: loss.value(x.reshape(raw.shape), y).sum(),
        lambda x: loss.gradient(x.reshape(raw.shape), y).ravel(),
        raw.ravel(),
    )
    # forward differences of step 1.5e-8 of a sum of some hundred terms, over as many numbers
    assert error < 1e-5 * max(10, np.linalg.norm(loss.gradient(raw, y)))


@for_each_loss
def test_value_and_gradient_are_those_of_the_twin(name):
    loss, twin, settings = make_loss(name), reference.LOSSES[CASES[name][0]], CASES[name][1]
    raw, y = sample(loss)
    # some errors are on the far side of every bend
    for scale in (0.1, 1, 4):
        args = scale * raw, scale * y
        value, expected = loss.value(*args), twin.value(*args, **settings)
        if name == "gaussian":
            # The value of a target stands with its mean.
            value, nothing = of_targets(loss, value)
            assert not nothing.any()
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        # Where a gradient is a difference, it has the digits of what it is taken of.
        np.testing.assert_allclose(
            loss.gradient(*args), twin.gradient(*args, **settings), rtol=1e-12, atol=1e-14
        )


@for_each_loss
def test_gradient_is_the_derivative_of_the_value(name):
    loss = make_loss(name)
    assert_gradient_is_derivative(loss, *sample(loss))


@for_each_loss
def test_gradient_is_a_subgradient_of_zero_where_the_prediction_is_right(name):
    loss = make_loss(name)
    _, y = sample(loss)
    raw = raw_of(loss, y)
    prediction = loss.inverse_link(raw)
    if prediction.ndim == 3:
        # Each of the quantiles is.
        assert prediction.shape == (*y.shape, 3)
        y_of_each = np.repeat(y[:, :, np.newaxis], 3, axis=2)
    else:
        y_of_each = y
    np.testing.assert_allclose(prediction, y_of_each, rtol=1e-15)
    if name == "gaussian":
        mean, log_deviation = of_targets(loss, loss.gradient(raw, y))
        assert not mean.any()
        # A deviation can always be smaller than it is, where there is no error.
        np.testing.assert_array_equal(log_deviation, 1)
    else:
        np.testing.assert_allclose(loss.gradient(raw, y), 0, atol=1e-14)


def test_the_deviation_is_right_where_it_is_that_of_the_errors():
    loss = LOSSES["gaussian"](None)
    y = np.random.default_rng(0).normal(size=(40, 1))
    raw = np.broadcast_to([y.mean(), np.log(y.std())], (40, 2)).copy()
    np.testing.assert_allclose(loss.gradient(raw, y).mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(loss.deviation(raw), y.std(), rtol=1e-14)


@for_each_loss
def test_the_slope_of_a_prediction_is_its_derivative(name):
    loss, raw = make_loss(name), np.random.default_rng(0).normal(size=(40, 6))
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

    raw = np.random.default_rng(0).normal(size=(40, 3))
    expected = 2 * raw[:, [1]] * [0, 1, 0] + [0, 1, 0]
    np.testing.assert_allclose(BentError().slope(raw, (1,)), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", list(METRICS))
def test_mean_loss_of_predictions_is_that_of_sklearn_metrics(name):
    loss = make_loss(name)
    raw, y = sample(loss, shape=(40, 1))
    weight = np.random.default_rng(1).uniform(size=40)
    mean = np.average(loss.value(raw, y).sum(axis=1), weights=weight) / loss.n_terms(1)
    np.testing.assert_allclose(mean, METRICS[name](y[:, 0], raw, weight), rtol=1e-12)
    if name != "squared_error":
        # Which is what validation compares.
        np.testing.assert_allclose(loss.score(raw, y, weight), -mean, rtol=1e-12)


def test_every_loss_but_huber_is_compared_with_a_metric():
    assert CASES.keys() - METRICS.keys() == {"huber"}


@pytest.mark.parametrize("scale", [0.1, 1, 4])
def test_the_gaussian_loss_and_its_gradient_are_those_of_torch(scale):
    torch = pytest.importorskip("torch")
    loss = LOSSES["gaussian"](None)
    raw, y = sample(loss)
    leaf = torch.tensor(scale * raw, requires_grad=True)
    variance = torch.exp(2 * leaf[:, 1::2])
    assert variance.min() > 1e-12
    of_torch = torch.nn.GaussianNLLLoss(eps=1e-12, reduction="sum")
    value = of_torch(leaf[:, ::2], torch.tensor(y), variance)
    value.backward()
    np.testing.assert_allclose(loss.value(scale * raw, y).sum(), value.item(), rtol=1e-12)
    np.testing.assert_allclose(loss.gradient(scale * raw, y), leaf.grad, rtol=1e-12, atol=1e-12)


def test_quantiles_are_sorted_and_one_in_a_list_has_its_axis():
    raw = np.random.default_rng(0).normal(size=(40, 6))
    several = LOSSES["quantile"](SimpleNamespace(quantile=QUANTILES)).inverse_link(raw)
    assert_same_bits(several, np.sort(raw.reshape(40, 2, 3), axis=2))
    one = LOSSES["quantile"](SimpleNamespace(quantile=(0.5,))).inverse_link(raw)
    assert_same_bits(one, raw[:, :, np.newaxis].copy())


@for_each_loss
def test_float32_stays_float32(name):
    loss = make_loss(name)
    raw, y = sample(loss, np.float32)
    for result in (loss.value(raw, y), loss.gradient(raw, y)):
        assert (result.dtype, result.shape) == (np.float32, raw.shape)
    prediction = loss.inverse_link(raw)
    shape = (*y.shape, 3) if name == "several quantiles" else y.shape
    assert (prediction.dtype, prediction.shape) == (np.float32, shape)


@for_each_loss
def test_nan_is_carried_through(name):
    loss = make_loss(name)
    raw, y = sample(loss)
    wrong = np.zeros(raw.shape, bool)
    wrong[3, 1] = True
    raw[wrong] = np.nan
    for result in (loss.value(raw, y), loss.gradient(raw, y)):
        if name == "gaussian":
            # A mean and its deviation are one.
            result, expected = of_targets(loss, result).sum(0), of_targets(loss, wrong).any(0)
        else:
            expected = wrong
        np.testing.assert_array_equal(np.isnan(result), expected)


@for_each_loss
def test_arguments_are_not_changed(name):
    loss = make_loss(name)
    raw, y = sample(loss)
    kept = raw.copy(), y.copy()
    loss.value(raw, y), loss.gradient(raw, y), loss.inverse_link(raw)
    assert_same_bits((raw, y), kept)


@for_each_loss
def test_score_is_higher_for_better_predictions_and_counts_weights_as_repetitions(name):
    loss = make_loss(name)
    noise, y = sample(loss)
    target = raw_of(loss, y)
    # A mean is wrong by so much; the deviation of the gaussian stays as it is.
    direction = raw_of(loss, np.exp(np.ones_like(y)) if name == "poisson" else np.ones_like(y))
    scores = [
        loss.score(target + error * direction, y, np.ones(len(y))) for error in (0, 0.3, 1, 3)
    ]
    assert (np.diff(scores) < 0).all()
    weight = np.arange(len(y)) % 3
    noisy = target + noise
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
    shape = 1, 3 * len(loss.settings)
    raw, y = np.full(shape, 1e30, np.float32), np.full((1, 3), -1e30, np.float32)
    value, slope, weight = np.ones(shape), np.ones(shape, "f4"), np.zeros(1, np.float32)
    call_lose(loss.kernel, np.array(loss.settings), raw, y, weight, 1.0, value, slope)
    assert not value.any()
    assert not slope.any()


@for_each_loss
def test_float32_differs_from_float64_by_rounding_alone(name):
    loss = make_loss(name)
    raw, y = sample(loss, np.float32)
    for result in (loss.value, loss.gradient):
        # a few roundings of numbers that are seldom above 10
        np.testing.assert_allclose(
            result(raw, y), result(raw.astype(float), y.astype(float)), rtol=1e-5, atol=1e-5
        )


class NumPySquaredError(SquaredError):
    def value(self, raw, y):
        return 0.5 * (raw - y) ** 2

    def gradient(self, raw, y):
        return raw - y


class NumPyQuantile(Quantile):
    def value(self, raw, y):
        return reference.LOSSES["quantile"].value(raw, y, self.settings).astype(raw.dtype)

    def gradient(self, raw, y):
        return reference.LOSSES["quantile"].gradient(raw, y, self.settings).astype(raw.dtype)


class NumPyGaussian(Gaussian):
    def value(self, raw, y):
        value = np.zeros_like(raw)
        value[:, ::2] = reference.LOSSES["gaussian"].value(raw, y)
        return value

    def gradient(self, raw, y):
        return reference.LOSSES["gaussian"].gradient(raw, y)


@pytest.mark.parametrize(
    ("name", "subclass"),
    [
        ("squared_error", lambda estimator: NumPySquaredError()),
        ("quantile", lambda estimator: NumPyQuantile(estimator.quantile)),
        ("gaussian", lambda estimator: NumPyGaussian()),
    ],
)
@pytest.mark.parametrize("pooling", ["last", None])
@ignores_convergence
def test_a_subclass_in_numpy_is_trained_as_the_kernel_is(monkeypatch, X3, name, subclass, pooling):
    y = X3.copy() if pooling is None else X3[:, -1]
    net = small_net(loss=name, quantile=(0.1, 0.5, 0.9), pooling=pooling, early_stopping=True)
    by_kernel = clone(net).fit(X3, y)
    monkeypatch.setitem(LOSSES, name, subclass)
    by_numpy = clone(net).fit(X3, y)
    assert subclass(net).kernel is None
    np.testing.assert_allclose(by_numpy._weights, by_kernel._weights, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(by_numpy.loss_curve_, by_kernel.loss_curve_, rtol=1e-10)
