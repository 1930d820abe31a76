"""The oracle's losses are right: against scikit-learn and numerical derivatives."""

import numpy as np
import pytest
from conftest import EXACT
from reference import LOSSES
from scipy.optimize import check_grad
from scipy.special import expit, huber, log_softmax, softmax, xlogy
from scipy.stats import norm
from sklearn import metrics


def test_regression_losses_equal_those_of_scikit_learn():
    rng = np.random.default_rng(7)
    raw, y = rng.normal(size=50), rng.normal(size=50)
    counts = rng.poisson(2.0, size=50).astype(float)

    def mean(name, y, **settings):
        return LOSSES[name].value(raw, y, **settings).mean()

    assert mean("squared_error", y) == pytest.approx(metrics.mean_squared_error(y, raw) / 2)
    assert mean("absolute_error", y) == pytest.approx(metrics.mean_absolute_error(y, raw))
    for quantile in (0.1, 0.5, 0.9):
        assert mean("quantile", y, quantile=quantile) == pytest.approx(
            metrics.mean_pinball_loss(y, raw, alpha=quantile)
        )
    for delta in (0.3, 1.35):
        np.testing.assert_allclose(
            LOSSES["huber"].value(raw, y, delta=delta), huber(delta, raw - y), **EXACT
        )
    # half the deviance but for what depends on y alone
    deviance = metrics.mean_poisson_deviance(counts, np.exp(raw))
    constant = np.mean(xlogy(counts, counts) - counts)
    assert mean("poisson", counts) == pytest.approx(deviance / 2 - constant)


def test_several_quantiles_lie_side_by_side():
    rng = np.random.default_rng(12)
    raw, y = rng.normal(size=(50, 2, 3)), rng.normal(size=(50, 2))
    values = LOSSES["quantile"].value(raw.reshape(50, 6), y, quantile=(0.1, 0.5, 0.9))
    for n, quantile in enumerate((0.1, 0.5, 0.9)):
        for target in range(2):
            expected = metrics.mean_pinball_loss(y[:, target], raw[:, target, n], alpha=quantile)
            assert values[:, 3 * target + n].mean() == pytest.approx(expected)


def test_the_gaussian_loss_is_minus_the_log_likelihood_but_for_a_constant():
    rng = np.random.default_rng(13)
    raw, y = rng.normal(size=(50, 2, 2)), rng.normal(size=(50, 2))
    likelihood = norm.logpdf(y, raw[:, :, 0], np.exp(raw[:, :, 1]))
    np.testing.assert_allclose(
        LOSSES["gaussian"].value(raw.reshape(50, 4), y), -likelihood - np.log(2 * np.pi) / 2,
        **EXACT,
    )  # fmt: skip


def test_log_losses_equal_those_of_scikit_learn():
    rng = np.random.default_rng(8)
    logits, labels = rng.normal(size=50), rng.integers(2, size=50)
    assert LOSSES["binary_log_loss"].value(logits, labels).mean() == pytest.approx(
        metrics.log_loss(labels, expit(logits))
    )

    scores, labels = rng.normal(size=(50, 4)), rng.integers(4, size=50)
    values = LOSSES["multinomial_log_loss"].value(scores, labels)
    assert values.mean() == pytest.approx(
        metrics.log_loss(labels, softmax(scores, axis=1), labels=range(4))
    )
    np.testing.assert_allclose(values, -log_softmax(scores, axis=1)[np.arange(50), labels], **EXACT)


def test_two_classes_by_one_logit_or_by_two_scores_are_one_loss():
    rng = np.random.default_rng(9)
    logits, labels = rng.normal(size=20), rng.integers(2, size=20)
    scores = np.column_stack([np.zeros(20), logits])
    binary, multinomial = LOSSES["binary_log_loss"], LOSSES["multinomial_log_loss"]
    np.testing.assert_allclose(
        binary.value(logits, labels), multinomial.value(scores, labels), **EXACT
    )
    np.testing.assert_allclose(
        binary.gradient(logits, labels), multinomial.gradient(scores, labels)[:, 1], **EXACT
    )


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("squared_error", {}),
        ("absolute_error", {}),
        ("huber", {"delta": 0.5}),
        ("quantile", {"quantile": 0.8}),
        ("poisson", {}),
        ("gaussian", {}),
        ("binary_log_loss", {}),
        ("multinomial_log_loss", {}),
    ],
)
def test_gradient_of_each_loss_equals_differences(name, settings):
    rng = np.random.default_rng(10)
    loss = LOSSES[name]
    raw = rng.normal(size=(8, 6 if name == "gaussian" else 3))
    if name == "binary_log_loss":
        y = rng.integers(2, size=(8, 3)).astype(float)
    elif name == "multinomial_log_loss":
        y = rng.integers(3, size=8)
    else:
        y = rng.normal(size=(8, 3))

    error = check_grad(
        lambda flat: loss.value(flat.reshape(raw.shape), y, **settings).sum(),
        lambda flat: loss.gradient(flat.reshape(raw.shape), y, **settings).ravel(),
        raw.ravel(),
    )
    # one-sided differences of step 1.5e-8 are right to about 1e-7, 48 of them to a little more;
    # of the gaussian, whose curvature reaches 80, to ten times that
    assert error < (1e-5 if name == "gaussian" else 3e-6)


def test_every_loss_has_its_gradient_checked():
    (mark,) = test_gradient_of_each_loss_equals_differences.pytestmark
    assert [name for name, _ in mark.args[1]] == list(LOSSES)


def test_gradient_at_a_kink_is_zero():
    y = np.array([1.5])
    assert LOSSES["absolute_error"].gradient(y, y) == 0
    assert LOSSES["quantile"].gradient(y, y, quantile=0.9) == 0


def test_log_losses_of_extreme_scores_are_finite():
    with np.errstate(all="raise", under="ignore"):
        logits = np.array([-1e4, 1e4])
        np.testing.assert_array_equal(LOSSES["binary_log_loss"].value(logits, [1, 1]), [1e4, 0])
        np.testing.assert_array_equal(LOSSES["binary_log_loss"].gradient(logits, [1, 1]), [-1, 0])
        scores = np.array([[1e4, -1e4], [1e4, -1e4]])
        labels = np.array([0, 1])
        np.testing.assert_array_equal(
            LOSSES["multinomial_log_loss"].value(scores, labels), [0, 2e4]
        )
        np.testing.assert_array_equal(
            LOSSES["multinomial_log_loss"].gradient(scores, labels), [[0, 0], [1, -1]]
        )


@pytest.mark.parametrize("name", LOSSES)
def test_losses_keep_float32_and_show_nan(name):
    y = np.array([1, 0]) if name == "multinomial_log_loss" else np.ones((2, 2), np.float32)
    raw = np.array([[0.5, 2.0], [0.5, np.nan]], np.float32)
    y = y[:, :1] if name == "gaussian" else y
    for function in LOSSES[name]:
        result = function(raw, y)
        assert result.dtype == np.float32
        assert np.isfinite(result[0]).all()
        assert np.isnan(result[1]).any()
