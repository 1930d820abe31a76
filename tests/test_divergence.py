"""A fit whose numbers grow too large keeps finite weights, and says so."""

import warnings

import numpy as np
import pytest
import reference
from conftest import ENDLESS, assert_same_bits, small_net, weights
from faults import diverge_from
from sklearn.exceptions import ConvergenceWarning

from sklstm._training.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- Numbers that are made to diverge -------------------------------------------------------


def fit_diverging(model, *data):
    with pytest.warns(ConvergenceWarning) as recorded:
        model.fit(*data)
    [warning] = recorded
    assert "infinite or NaN" in str(warning.message)
    assert warning.filename == __file__
    assert np.isfinite(weights(model)).all()
    return model, str(warning.message)


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("solver", list(OPTIMIZERS))
def test_a_loss_that_becomes_nan_or_inf_keeps_the_weights_before(X, y, monkeypatch, solver, number):
    expected = small_net(solver=solver, max_iter=2, shuffle=False).fit(X, y)
    with monkeypatch.context() as patched:
        # In the second minibatch of the third epoch.
        diverge_from(patched, 3 * 2 + 2, number)
        model, message = fit_diverging(
            small_net(solver=solver, max_iter=50, shuffle=False, warm_start=True), X, y
        )
    assert "epoch 3" in message
    # It says what to try.
    for word in ("learning_rate_init", "max_grad_norm"):
        assert word in message
    assert_same_bits(weights(model), weights(expected))
    assert_same_bits(model.loss_curve_, expected.loss_curve_)
    model.set_params(max_iter=30).fit(X, y)
    assert model.loss_ < expected.loss_


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_loss_of_lbfgs_that_becomes_nan_or_inf_leaves_finite_weights(X, y, monkeypatch, number):
    with monkeypatch.context() as patched:
        diverge_from(patched, 6, number)
        model, message = fit_diverging(
            small_net(solver="lbfgs", max_iter=50, warm_start=True), X, y
        )
    assert np.isfinite(model.loss_curve_).all()
    # What is said to be kept is kept.
    if "the epoch before" in message:
        share = np.full(len(y), 1 / len(y))
        scaled = (y - y.mean()) / y.std()
        raw = (model.predict(X) - y.mean()) / y.std()
        mean_loss = share @ reference.LOSSES["squared_error"].value(raw, scaled)
        np.testing.assert_allclose(mean_loss, model.loss_curve_[-1], rtol=1e-2)
    with pytest.warns(ConvergenceWarning):
        model.set_params(max_iter=5).fit(X, y)
    assert np.isfinite(model.loss_)


# Fits whose numbers are too large for their type, without any help.
DIVERGING = {
    "targets whose squares are infinite": (np.float32, {"normalize_y": False}, lambda y: 1e30 * y),
    "steps too long for an exponential": (
        np.float64,
        {
            "loss": "poisson", "solver": "sgd", "learning_rate_init": 1e4, "max_grad_norm": None,
            "max_iter": 50,
        },
        lambda y: y - y.min(),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("dtype", "parameters", "change"), DIVERGING.values(), ids=DIVERGING)
def test_numbers_that_grow_too_large_diverge_with_finite_weights(X, y, dtype, parameters, change):
    model, _ = fit_diverging(small_net(**parameters), X.astype(dtype), change(y))
    assert np.isfinite(model.predict(X.astype(dtype))).all()


@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 1e39), (np.float64, 1e200)])
def test_targets_too_large_for_the_type_leave_no_infinite_weights(X, y, dtype, scale, normalize_y):
    # Either refused, or fitted to finite weights; nothing but ConvergenceWarning is warned.
    model = small_net(normalize_y=normalize_y)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X.astype(dtype), scale * y)
    except ValueError:
        return
    assert np.isfinite(weights(model)).all()


@pytest.mark.parametrize("solver", list(OPTIMIZERS))
def test_after_a_divergence_at_once_training_starts_as_if_new(X, y, solver):
    X = X.astype(np.float32)
    settings = {"solver": solver, "normalize_y": False, "shuffle": False}
    model, _ = fit_diverging(small_net(warm_start=True, **settings), X, 1e30 * y)
    model.fit(X, y)
    assert_same_bits(weights(model), weights(small_net(**settings).fit(X, y)))


# --- Steps that are far too long ------------------------------------------------------------

# The loss, a square, passes the largest number of its type.
TOO_FAST = {np.float32: 1e30, np.float64: 1e200}


@pytest.mark.parametrize("dtype", TOO_FAST)
@pytest.mark.parametrize("max_grad_norm", [None, 1.0])
def test_a_fit_that_diverges_warns_and_keeps_finite_weights(X, y, dtype, max_grad_norm):
    X = X.astype(dtype)
    net = small_net(
        learning_rate_init=TOO_FAST[dtype], max_grad_norm=max_grad_norm, max_iter=50, **ENDLESS
    )
    with pytest.warns(ConvergenceWarning, match="infinite or NaN.*learning_rate_init"):
        net.fit(X, y)
    assert net.n_iter_ == len(net.loss_curve_) < 50
    assert np.isfinite(weights(net)).all()
    assert np.isfinite(net.loss_curve_).all()
    assert np.isfinite(net.predict(X)).all()


@pytest.mark.parametrize("dtype", TOO_FAST)
def test_a_fit_that_diverges_warns_once_and_of_nothing_else(X, y, dtype):
    net = small_net(learning_rate_init=TOO_FAST[dtype], max_grad_norm=None)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        net.fit(X.astype(dtype), y)
    assert [w.category for w in record] == [ConvergenceWarning]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", TOO_FAST)
@pytest.mark.parametrize("max_grad_norm", [None, 1.0])
def test_after_a_fit_that_diverged_a_warm_start_with_small_steps_learns(X, y, dtype, max_grad_norm):
    X = X.astype(dtype)
    net = small_net(warm_start=True, shuffle=False, max_grad_norm=max_grad_norm, **ENDLESS)
    net.set_params(max_iter=2).fit(X, y)
    before, loss = weights(net), net.loss_
    net.set_params(learning_rate_init=TOO_FAST[dtype]).fit(X, y)
    # The epoch that diverged is undone, and so is all that it did to the optimizer.
    assert_same_bits(weights(net), before)
    net.set_params(learning_rate_init=0.01, max_iter=5).fit(X, y)
    assert net.n_iter_ == 7
    assert net.loss_ < loss
