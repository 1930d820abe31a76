"""A fit with each loss: the best constant, the units of y, and the targets that are refused."""

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, ignores_convergence, small_net, weights
from scipy.optimize import minimize_scalar

from sklstm import LSTMRegressor
from sklstm._training.losses import LOSSES

# Training ends with a learning rate of nearly 0, but the median and quantiles have a kink there,
# where the last steps jump to and fro: a thousandth of the standard deviation is allowed.
OF_A_DEVIATION = 1e-3


def fit_without_signal(y, sample_weight=None, **parameters):
    """The prediction of a net that sees the same sequence for every target, once for each output.

    The rate falls slowly enough to come near the optimum of every loss.
    """
    X = np.ones((len(y), 2))
    model = LSTMRegressor(
        2, solver="adam", learning_rate="cosine", learning_rate_init=0.03, alpha=0, max_iter=400,
        batch_size=len(y), n_iter_no_change=np.inf, max_grad_norm=None, random_state=0,
        **parameters,
    )  # fmt: skip
    prediction = model.fit(X, y, sample_weight=sample_weight).predict(X)
    assert_same_bits(prediction, np.broadcast_to(prediction[:1], prediction.shape).copy())
    return prediction[0]


def huber_optimum(y, delta=1.35):
    """The constant of least Huber loss, whose delta is in standard deviations of y."""
    value = reference.LOSSES["huber"].value
    centre, deviation = y.mean(), y.std()
    scaled = (y - centre) / deviation
    best = minimize_scalar(lambda c: value(c, scaled, delta=delta).sum(), (0, 0.1)).x
    return centre + deviation * best


# loss: its parameters, the best constant
OPTIMA = {
    "squared_error": ({}, np.mean),
    "absolute_error": ({}, np.median),
    "huber": ({"huber_delta": 0.5}, lambda y: huber_optimum(y, 0.5)),
    "quantile 0.1": ({"quantile": 0.1}, lambda y: np.quantile(y, 0.1)),
    "quantile 0.5": ({"quantile": 0.5}, np.median),
    "quantile 0.9": ({"quantile": 0.9}, lambda y: np.quantile(y, 0.9)),
    "poisson": ({}, np.mean),
    "gaussian": ({}, np.mean),
}
for_each_optimum = pytest.mark.parametrize("case", OPTIMA)


@pytest.fixture(name="skewed", scope="module")
def targets_whose_mean_is_not_the_median():
    """Positive and skewed; 51, so that median, 0.1- and 0.9-quantile are one of them each."""
    return np.random.RandomState(0).exponential(size=51) + 0.2


@pytest.fixture(name="repeats", scope="module")
def whole_numbers_as_weights():
    """Weights with a sum of 71, for the same reason."""
    repeats = np.random.RandomState(1).randint(4, size=51)
    repeats[-1] += 71 - repeats.sum()
    return repeats


@ignores_convergence
@for_each_optimum
def test_without_signal_a_fit_predicts_the_best_constant(skewed, case):
    parameters, optimum = OPTIMA[case]
    prediction = fit_without_signal(skewed, loss=case.split()[0], **parameters)
    np.testing.assert_allclose(prediction, optimum(skewed), atol=OF_A_DEVIATION * skewed.std())


@ignores_convergence
@for_each_optimum
def test_without_signal_a_weight_counts_as_repeated_targets(skewed, repeats, case):
    parameters, optimum = OPTIMA[case]
    prediction = fit_without_signal(skewed, repeats, loss=case.split()[0], **parameters)
    repeated = np.repeat(skewed, repeats)
    np.testing.assert_allclose(prediction, optimum(repeated), atol=OF_A_DEVIATION * repeated.std())


@ignores_convergence
@for_each_optimum
def test_without_signal_every_output_has_its_own_best_constant(skewed, case):
    parameters, optimum = OPTIMA[case]
    y = np.column_stack([skewed, 50 + 20 * skewed[::-1], skewed**2])
    prediction = fit_without_signal(y, loss=case.split()[0], **parameters)
    for output, column in zip(prediction, y.T, strict=True):
        # Outputs share a hidden state, so that the kink of one jogs the others a little.
        np.testing.assert_allclose(output, optimum(column), atol=3 * OF_A_DEVIATION * column.std())


@ignores_convergence
@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"poisson"}))
def test_predictions_are_in_the_units_of_y(X, y, loss):
    one = small_net(loss=loss, quantile=0.8).fit(X, y)
    other = small_net(loss=loss, quantile=0.8).fit(X, 300 + 20 * y)
    # Standardised targets agree but for rounding, which three epochs hardly magnify.
    np.testing.assert_allclose(other.predict(X), 300 + 20 * one.predict(X), rtol=1e-9)
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=1e-9)


@ignores_convergence
def test_poisson_predictions_are_in_the_units_of_y(X):
    # A rate many times as high: the log link makes up for it, from the very start.
    counts = np.random.RandomState(0).poisson(4, size=len(X))
    for times in (1, 1000):
        model = small_net(loss="poisson", solver="lbfgs", max_iter=50).fit(X, times * counts)
        prediction = model.predict(X)
        assert (prediction > 0).all()
        np.testing.assert_allclose(prediction.mean(), times * counts.mean(), rtol=0.05)


@ignores_convergence
def test_normalize_y_has_no_effect_on_poisson(X):
    counts = np.random.RandomState(0).poisson(4, size=len(X))
    fits = [
        small_net(loss="poisson", normalize_y=normalize_y).fit(X, counts)
        for normalize_y in (False, True)
    ]
    assert_same_bits(weights(fits[0]), weights(fits[1]))


def test_poisson_refuses_negative_targets_before_training(X, y):
    model = small_net(loss="poisson")
    for method in (model.fit, model.partial_fit):
        with pytest.raises(
            ValueError, match=r"loss='poisson' wants y of at least 0.* minimum of -"
        ):
            method(X, np.r_[-1, np.ones(len(X) - 1)])
    with pytest.raises(ValueError, match="y_val: loss='poisson' wants y of at least 0"):
        model.fit(X, np.ones(len(X)), X_val=X, y_val=-np.ones(len(X)))
    assert not hasattr(model, "loss_curve_")


def test_poisson_refuses_targets_that_are_all_zero(X):
    # Their mean has no logarithm.
    with pytest.raises(
        ValueError, match="loss='poisson' wants y of at least 0 with a positive sum"
    ):
        small_net(loss="poisson").fit(X, np.zeros(len(X)))


@ignores_convergence
def test_counts_whose_products_with_their_weights_overflow_are_fitted(X):
    y, weight = np.where(np.arange(len(X)) % 2, 2.0**300, 2.0**301), np.ones(len(X))
    # The penalty counts for less, the more all rows weigh.
    model, heavy = (small_net(loss="poisson", alpha=0, n_iter_no_change=np.inf) for _ in range(2))
    heavy.fit(X, y, weight * 2.0**900)
    assert np.isfinite(heavy.predict(X)).all()
    np.testing.assert_allclose(heavy.predict(X), model.fit(X, y).predict(X), rtol=1e-9)


@ignores_convergence
def test_poisson_validates_on_counts_that_are_all_zero(X):
    model = small_net(loss="poisson")
    model.fit(X, np.arange(len(X)), X_val=X[:5], y_val=np.zeros(5))
    expected = -model.predict(X[:5]).mean()
    np.testing.assert_allclose(model.best_validation_score_, expected, rtol=1e-9)
