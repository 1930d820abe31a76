"""L-BFGS: scipy's own on the twin, warm starts, and blocks of rows."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ignores_convergence, small_net, weights
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from twin_objective import start_of, twin_objective

import sklstm
from sklstm import LSTMRegressor
from sklstm._network.rounds import Learner
from sklstm._training.optimizers import OPTIMIZERS


@pytest.fixture(name="peer", scope="module")
def scipy_on_the_twin():
    """A tiny problem, the twin's objective on it, and scipy's own run from the same start."""
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(8, 2, 2)), rng.normal(size=(8, 1))
    model = LSTMRegressor(
        2,
        normalize_X=False,
        normalize_y=False,
        solver="lbfgs",
        alpha=1.0,
        max_iter=200,
        tol=1e-5,
        random_state=0,
    )
    architecture, start, _ = start_of(model, X, y[:, 0])

    def objective(flat):
        return twin_objective(architecture, flat, X, y, alpha=1.0)

    return SimpleNamespace(
        model=model, X=X, y=y[:, 0], objective=objective, curve=scipy_lbfgs(objective, start, 200)
    )


def scipy_lbfgs(objective, start, max_iter):
    """The objective after each iteration of scipy's own."""
    values = []
    minimize(
        objective, start, jac=True, method="L-BFGS-B", options={"maxiter": max_iter, "gtol": 1e-5},
        callback=lambda flat: values.append(objective(flat)[0]),
    )  # fmt: skip
    return values


def test_lbfgs_reaches_the_minimum_that_scipy_reaches_on_the_twin(peer):
    # It converges: nothing is warned.
    model = clone(peer.model).fit(peer.X, peer.y)
    # Each iteration magnifies the rounding in which the two differ.
    np.testing.assert_allclose(model.loss_curve_[:10], peer.curve[:10], rtol=1e-9)
    # Both stop where the objective falls by less than 2e-9 of itself in an iteration.
    np.testing.assert_allclose(model.loss_, peer.curve[-1], rtol=1e-6)
    assert model.loss_ == model.best_loss_ == model.loss_curve_[-1]
    value, gradient = peer.objective(model._weights)
    np.testing.assert_allclose(model.loss_, value, rtol=1e-12)
    assert np.abs(gradient).max() < 1e-3


def test_lbfgs_works_from_a_warm_start(peer):
    model = clone(peer.model).set_params(warm_start=True, max_iter=8)
    with pytest.warns(ConvergenceWarning, match="8"):
        model.fit(peer.X, peer.y)
    # What scipy makes of the same start: the curvature that it had learned is gone.
    expected = scipy_lbfgs(peer.objective, model._weights, 8)
    model.set_params(max_iter=200).fit(peer.X, peer.y)
    np.testing.assert_allclose(model.loss_curve_[:16], peer.curve[:8] + expected, rtol=1e-9)
    assert model.loss_ < expected[-1]


@pytest.mark.parametrize("solver", list(OPTIMIZERS))
@ignores_convergence
def test_lbfgs_goes_on_from_another_solver_and_back(X, y, solver):
    model = small_net(solver=solver, warm_start=True, max_iter=2).fit(X, y)
    before = model.loss_
    model.set_params(solver="lbfgs", max_iter=5).fit(X, y)
    assert max(model.loss_curve_[2:]) < before
    model.set_params(solver=solver, learning_rate_init=1e-4, max_iter=1).fit(X, y)
    np.testing.assert_allclose(model.loss_curve_[-1], model.loss_curve_[-2], rtol=0.05)


@ignores_convergence
@pytest.mark.parametrize("block", [1, 7, 16, 39])
def test_lbfgs_block_by_block_is_all_at_once_but_for_rounding(X, y, monkeypatch, block):
    sample_weight = np.random.RandomState(0).uniform(size=len(y))
    # No sum of the weights of a block must be needed.
    sample_weight[:7] = 0
    # A few iterations, as each magnifies the rounding of sums in another order.
    model = small_net(solver="lbfgs", max_iter=5, alpha=0.1)
    whole = clone(model).fit(X, y, sample_weight=sample_weight)
    monkeypatch.setattr(sklstm._training.lbfgs, "LBFGS_BLOCK", block)
    blocks = clone(model).fit(X, y, sample_weight=sample_weight)
    np.testing.assert_allclose(blocks.loss_curve_, whole.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(weights(blocks), weights(whole), rtol=1e-7, atol=1e-9)


def test_lbfgs_takes_a_block_at_a_time(monkeypatch, X, y):
    sizes = []

    class RecordingLearner(Learner):
        def __init__(self, architecture, sequences, max_rows, *rest, **settings):
            sizes.append(max_rows)
            super().__init__(architecture, sequences, max_rows, *rest, **settings)

    monkeypatch.setattr(sklstm._training.objective, "Learner", RecordingLearner)
    monkeypatch.setattr(sklstm._training.lbfgs, "LBFGS_BLOCK", 7)
    with pytest.warns(ConvergenceWarning):
        small_net(solver="lbfgs").fit(X, y)
    assert sizes == [7]


@ignores_convergence
def test_lbfgs_in_float32_ends_near_float64(peer):
    settings = {"max_iter": 60}
    single = clone(peer.model).set_params(**settings).fit(peer.X.astype(np.float32), peer.y)
    double = clone(peer.model).set_params(**settings).fit(peer.X, peer.y)
    assert single.input_weights_[0].dtype == np.float32
    np.testing.assert_allclose(single.loss_, double.loss_, rtol=0.02)


def test_lbfgs_that_has_nothing_to_do_still_knows_its_loss(X, y):
    # A tolerance that the start meets.
    model = small_net(solver="lbfgs", tol=1e6).fit(X, y)
    assert np.isfinite(model.loss_)
    assert model.loss_ == model.best_loss_
