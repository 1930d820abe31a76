"""When training stops by itself, as MLPRegressor's does, and what is warned."""

import warnings
from inspect import signature

import numpy as np
import pytest
from conftest import assert_same_bits, small_net, weights
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from sklstm._training.losses import LOSSES
from sklstm._training.optimizers import OPTIMIZERS
from sklstm._training.schedules import SCHEDULES
from sklstm._training.stopping import Patience

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ALL_SOLVERS = [*OPTIMIZERS, "lbfgs"]


class PeerRule:
    """MLPRegressor's own rule, driven by hand."""

    def __init__(self, tol, n_iter_no_change, early_stopping=False):
        peer = self._peer = MLPRegressor(tol=tol, n_iter_no_change=n_iter_no_change)
        peer.loss_curve_, peer.best_loss_ = [], np.inf
        peer.validation_scores_, peer.best_validation_score_ = [], -np.inf
        peer.coefs_, peer.intercepts_ = [np.zeros(1)], []
        peer._no_improvement_count = 0
        peer._score = lambda *_, **__: self._value
        count = peer._update_no_improvement_count
        # Newer versions also take sample weights.
        self._arguments = [early_stopping] + [None] * (len(signature(count).parameters) - 1)

    def stops(self, value):
        self._value = value
        self._peer.coefs_[0][:] = value
        self._peer.loss_curve_.append(value)
        self._peer._update_no_improvement_count(*self._arguments)
        return self._peer._no_improvement_count > self._peer.n_iter_no_change

    @property
    def best(self):
        return self._peer._best_coefs[0][0]


# --- tol and n_iter_no_change ---------------------------------------------------------------


def loss_curves():
    """Curves that fall, stay, rise, and end on the edges of the rule."""
    rng = np.random.RandomState(0)
    yield from np.cumsum(rng.normal(-0.02, 0.1, size=(20, 60)), axis=1)
    yield from np.round(np.cumsum(rng.normal(-0.02, 0.1, size=(20, 60)), axis=1), 1)
    yield np.ones(20)
    yield np.linspace(1, 0, 30)
    yield np.linspace(0, 1, 30)
    yield 1 - 0.25 * np.arange(30)


@pytest.mark.parametrize("n_iter_no_change", [1, 3, 10])
@pytest.mark.parametrize("tol", [0.0, 0.1, 0.25])
def test_patience_with_the_loss_is_mlp_regressors(tol, n_iter_no_change):
    for curve in loss_curves():
        peer, patience = PeerRule(tol, n_iter_no_change), Patience(tol, n_iter_no_change)
        expected = [peer.stops(loss) for loss in curve]
        assert [patience.watch(loss, np.zeros(1)) for loss in curve] == expected


@pytest.mark.parametrize("n_iter_no_change", [1, 3, 10])
@pytest.mark.parametrize("tol", [0.0, 0.1, 0.25])
def test_patience_with_the_validation_score_is_mlp_regressors(tol, n_iter_no_change):
    for curve in loss_curves():
        peer, patience = PeerRule(tol, n_iter_no_change, True), Patience(tol, n_iter_no_change)
        for score in -curve:
            assert patience.watch(-score, np.array([score])) == peer.stops(score)
            assert patience.best_weights == peer.best


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_fit_stops_where_mlp_regressor_would_at_the_same_losses(X, y, solver):
    model = small_net(
        solver=solver, tol=0.01, n_iter_no_change=2, max_iter=200, learning_rate_init=0.03
    ).fit(X, y)
    peer = PeerRule(0.01, 2)
    stops = [peer.stops(loss) for loss in model.loss_curve_]
    assert 3 < model.n_iter_ < 200
    assert stops == [False] * (model.n_iter_ - 1) + [True]


def test_early_stopping_stops_where_mlp_regressor_would_at_the_same_scores(X, y):
    model = small_net(
        early_stopping=True, tol=0.01, n_iter_no_change=2, max_iter=200, learning_rate_init=0.03
    ).fit(X, y)
    peer = PeerRule(0.01, 2, early_stopping=True)
    stops = [peer.stops(score) for score in model.validation_scores_]
    assert 3 < model.n_iter_ < 200
    assert stops == [False] * (model.n_iter_ - 1) + [True]
    assert peer.best == model.best_validation_score_


def test_infinite_patience_runs_all_epochs(X, y):
    assert small_net(n_iter_no_change=np.inf, tol=10, max_iter=30).fit(X, y).n_iter_ == 30


def test_without_validation_the_last_epochs_weights_are_kept(X, y):
    # A rate that makes the loss rise and fall, so that the last epoch is not the best.
    settings = {"shuffle": False, "learning_rate_init": 0.3}
    model = small_net(n_iter_no_change=3, max_iter=200, **settings).fit(X, y)
    assert model.loss_ > model.best_loss_
    passes = small_net(**settings)
    for _ in range(model.n_iter_):
        passes.partial_fit(X, y)
    assert_same_bits(weights(model), weights(passes))


def test_patience_ends_training_without_a_warning(X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = small_net(max_iter=1000, tol=0.01, n_iter_no_change=3).fit(X, y)
    # The best epoch by tol, and then one epoch more than n_iter_no_change.
    best, waited = np.inf, 0
    for loss in model.loss_curve_:
        assert waited <= 3
        waited = waited + 1 if loss > best - 0.01 else 0
        best = min(best, loss)
    assert waited == 4
    assert model.n_iter_ < 1000


def test_an_endless_patience_uses_all_epochs(X, y):
    model = small_net(max_iter=40, tol=1e9, n_iter_no_change=np.inf).fit(X, y)
    assert model.n_iter_ == 40


# --- What is warned -------------------------------------------------------------------------


def test_not_converged_at_max_iter_warns_as_mlp_regressor(X, y):
    caught = []
    for model in (small_net(max_iter=2), MLPRegressor(max_iter=2)):
        with warnings.catch_warnings(record=True) as recorded:
            warnings.simplefilter("always")
            model.fit(X, y)
        [warning] = recorded
        caught.append((warning.category, str(warning.message)))
    assert caught[0] == caught[1]


def test_not_converged_lbfgs_warns_with_its_limit(X, y):
    with pytest.warns(ConvergenceWarning, match=r"lbfgs.*\b3\b"):
        small_net(solver="lbfgs", max_iter=3).fit(X, y)


def test_lbfgs_out_of_evaluations_does_not_blame_max_iter(X, y):
    with pytest.warns(ConvergenceWarning) as recorded:
        model = small_net(solver="lbfgs", max_iter=300, max_fun=5).fit(X, y)
    assert model.n_iter_ < 300
    [warning] = recorded
    assert "Maximum iterations (300) reached" not in str(warning.message)


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_warnings_name_the_line_that_called_fit(X, y, solver):
    with pytest.warns(ConvergenceWarning) as recorded:
        small_net(solver=solver).fit(X, y)
    assert [warning.filename for warning in recorded] == [__file__]


def quiet_fits(X, y):
    """Fits of every kind that end by themselves."""
    converges = {"max_iter": 500, "tol": 0.05, "n_iter_no_change": 2}
    for solver in OPTIMIZERS:
        yield small_net(solver=solver, **converges)
    for schedule in SCHEDULES:
        yield small_net(learning_rate=schedule, solver="sgd", **converges)
    for loss in LOSSES:
        yield small_net(loss=loss, early_stopping=True, **converges)
    yield small_net(solver="lbfgs", max_iter=1000, alpha=1.0)
    yield small_net(dropout=0.2, recurrent_dropout=0.2, **converges)
    yield small_net(batch_size=10**6, warm_start=True, **converges)


def test_nothing_else_is_ever_printed_or_warned(X, y, capfd):
    # Warnings are errors here.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in quiet_fits(X, np.abs(y)):
            for dtype in (np.float32, np.float64):
                data = X.astype(dtype)
                model.fit(data, np.abs(y), X_val=data, y_val=np.abs(y)).predict(data)
        small_net().partial_fit(X, y).partial_fit(X, y)
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_reaching_max_iter_warns_as_mlp_regressor_does(X, y):
    with pytest.warns(ConvergenceWarning) as theirs:
        MLPRegressor(max_iter=3, random_state=0).fit(X, y)
    with pytest.warns(ConvergenceWarning) as ours:
        model = small_net(max_iter=3).fit(X, y)
    assert model.n_iter_ == 3
    assert [str(w.message) for w in ours] == [str(w.message) for w in theirs]


def test_the_warning_points_at_the_line_that_called_fit(X, y):
    with pytest.warns(ConvergenceWarning) as record:
        small_net(max_iter=3).fit(X, y)
    assert record[0].filename == __file__
