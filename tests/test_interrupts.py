"""A fit that is interrupted keeps the best weights so far, and says so."""

import os
import signal

import numpy as np
import pytest
from conftest import ENDLESS, assert_same_bits, small_net, weights
from faults import diverge_from, interrupt_at
from sklearn.exceptions import ConvergenceWarning

from sklstm._network.rounds import Learner
from sklstm._training.optimizers import OPTIMIZERS
from sklstm._training.stopping import Scorer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fit_interrupted(model, *data, **validation):
    with pytest.warns(UserWarning, match=r"^Training interrupted by user\.$") as recorded:
        model.fit(*data, **validation)
    # As MLPRegressor: this warning and no other, at the user's own line.
    [warning] = recorded
    assert warning.category is UserWarning
    assert warning.filename == __file__
    return model


@pytest.mark.parametrize("solver", list(OPTIMIZERS))
def test_keyboard_interrupt_keeps_the_best_weights_so_far(X, y, monkeypatch, solver):
    # A rate at which the loss rises now and then.
    settings = {
        "solver": solver, "shuffle": False, "n_iter_no_change": 100,
        "learning_rate_init": {"sgd": 3.0, "rmsprop": 2.0}.get(solver, 0.5),
    }  # fmt: skip
    curve = small_net(max_iter=20, **settings).fit(X, y).loss_curve_
    epochs = next(n for n in range(3, 20) if min(curve[:n]) < curve[n - 1])
    best = int(np.argmin(curve[:epochs])) + 1
    expected = small_net(max_iter=best, **settings).fit(X, y)
    # Three minibatches an epoch; the second of the next one is cut short.
    interrupt_at(monkeypatch, 3 * epochs + 2)
    model = fit_interrupted(small_net(max_iter=20, **settings), X, y)
    assert_same_bits(model.loss_curve_, curve[:epochs])
    assert model.n_iter_ == epochs
    assert_same_bits(weights(model), weights(expected))


def test_keyboard_interrupt_keeps_the_best_validated_weights(X, y, monkeypatch):
    y = np.random.RandomState(2).normal(size=len(X))
    settings = {"learning_rate_init": 0.05, "n_iter_no_change": 100, "batch_size": 64}
    data, validation = (X[:30], y[:30]), {"X_val": X[30:], "y_val": y[30:]}
    scores = small_net(max_iter=25, **settings).fit(*data, **validation).validation_scores_
    best = int(np.argmax(scores)) + 1
    assert best < 20
    expected = small_net(max_iter=best, **settings).fit(*data)
    interrupt_at(monkeypatch, 25)
    model = fit_interrupted(small_net(max_iter=100, **settings), *data, **validation)
    assert_same_bits(model.validation_scores_, scores[:24])
    assert_same_bits(weights(model), weights(expected))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_interrupt_of_a_validation_score_leaves_curves_of_one_length(X, y, monkeypatch, solver):
    score, calls = Scorer.__call__, []

    def interrupted_score(self, weights):
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return score(self, weights)

    settings = {"solver": solver, "early_stopping": True, "max_iter": 20}
    full = small_net(**settings).fit(X, y)
    monkeypatch.setattr(Scorer, "__call__", interrupted_score)
    model = fit_interrupted(small_net(**settings), X, y)
    assert len(model.loss_curve_) == len(model.validation_scores_) == model.n_iter_ == 3
    assert_same_bits(model.loss_curve_, full.loss_curve_[:3])
    assert_same_bits(model.validation_scores_, full.validation_scores_[:3])


def test_keyboard_interrupt_of_lbfgs_keeps_the_last_iteration(X, y, monkeypatch):
    full = small_net(solver="lbfgs", max_iter=30).fit(X, y)
    interrupt_at(monkeypatch, 15)
    model = fit_interrupted(small_net(solver="lbfgs", max_iter=30), X, y)
    assert 5 < model.n_iter_ < 15
    assert_same_bits(model.loss_curve_, full.loss_curve_[: model.n_iter_])
    stopped = small_net(solver="lbfgs", max_iter=model.n_iter_).fit(X, y)
    assert_same_bits(weights(model), weights(stopped))


def test_keyboard_interrupt_in_the_first_epoch_leaves_a_usable_model(X, y, monkeypatch):
    interrupt_at(monkeypatch, 2)
    model = fit_interrupted(small_net(warm_start=True), X, y)
    assert (model.n_iter_, model.loss_curve_) == (0, [])
    assert np.isfinite(model.predict(X)).all()
    with pytest.warns(ConvergenceWarning):
        assert model.fit(X, y).n_iter_ == 3


def test_keyboard_interrupt_of_a_first_epoch_that_diverges_leaves_finite_weights(X, y, monkeypatch):
    diverge_from(monkeypatch, 1, np.nan)
    interrupt_at(monkeypatch, 3)
    model = fit_interrupted(small_net(), X, y)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise on Windows")
def test_ctrl_c_is_such_an_interrupt(X, y, monkeypatch):
    learn, calls = Learner.learn, []

    def learn_with_signal(self, weights, rows, *rest):
        calls.append(rows)
        if len(calls) == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return learn(self, weights, rows, *rest)

    monkeypatch.setattr(Learner, "learn", learn_with_signal)
    model = fit_interrupted(small_net(max_iter=1000, tol=0, batch_size=64), X, y)
    assert 9 <= model.n_iter_ < 1000
    assert np.isfinite(model.predict(X)).all()


def test_another_exception_leaves_the_estimator_as_it_was(X, y, monkeypatch):
    model = small_net(warm_start=True)
    before = dict(vars(model))
    interrupt_at(monkeypatch, 5, error=MemoryError)
    with pytest.raises(MemoryError):
        model.fit(X, y)
    assert_same_bits(vars(model), before)


class InterruptInEpoch5:
    """Stands for the standard output of somebody who presses Ctrl-C when epoch 5 is printed."""

    def write(self, text):
        if text.startswith("Iteration 5,"):
            raise KeyboardInterrupt

    def flush(self):
        pass


def test_a_fit_that_is_interrupted_keeps_the_best_weights_and_warns(X, y, monkeypatch):
    settings = {"shuffle": False, "max_iter": 1000, **ENDLESS}
    model = small_net(verbose=True, **settings)
    monkeypatch.setattr("sys.stdout", InterruptInEpoch5())
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        model.fit(X, y)
    monkeypatch.undo()
    assert model.n_iter_ == 5
    best = 1 + int(np.argmin(model.loss_curve_))
    assert_same_bits(weights(model), weights(small_net(**settings | {"max_iter": best}).fit(X, y)))
