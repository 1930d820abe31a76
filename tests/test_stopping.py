"""When and why training stops, which weights are kept, and what is warned."""

import os
import signal
import warnings
from inspect import signature

import numpy as np
import pytest
import reference
import sklearn
from conftest import assert_same_bits, small_net, weights
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import sklstm._base
from sklstm._network.sharding import Team
from sklstm._training.losses import LOSSES
from sklstm._training.optimizers import OPTIMIZERS
from sklstm._training.schedules import SCHEDULES
from sklstm._training.stopping import Patience

ALL_SOLVERS = [*OPTIMIZERS, "lbfgs"]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(name="routing")
def metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(name="seen")
def rows_of_each_fit(monkeypatch):
    """(rows trained on, rows validated on) of each fit, where y numbers the rows."""
    recorded, train = [], sklstm._base.train

    def recording_train(*, data, validation, **rest):
        recorded.append([part.targets[part.rows, 0] for part in (data, validation)])
        return train(data=data, validation=validation, **rest)

    monkeypatch.setattr(sklstm._base, "train", recording_train)
    return recorded


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


# --- early_stopping -------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("fraction", [0.1, 0.25])
def test_early_stopping_holds_out_validation_fraction(X, seen, shuffle, fraction):
    order = np.arange(len(X), dtype=float)
    model = small_net(
        early_stopping=True, validation_fraction=fraction, shuffle=shuffle, normalize_y=False
    )
    model.fit(X, order)
    [[trained, held_out]] = seen
    assert len(held_out) == fraction * len(X)
    assert sorted([*trained, *held_out]) == order.tolist()


def test_early_stopping_holds_out_the_last_part_in_time_order_without_shuffle(X, seen):
    order = np.arange(len(X), dtype=float)
    small_net(early_stopping=True, shuffle=False, normalize_y=False).fit(X, order)
    assert_same_bits(seen[0], [order[:36], order[36:]])


def test_early_stopping_holds_out_random_rows_with_shuffle(X, seen):
    order = np.arange(len(X), dtype=float)
    for seed in (0, 0, 1):
        small_net(early_stopping=True, random_state=seed, normalize_y=False).fit(X, order)
    first, again, other = [held_out for _, held_out in seen]
    assert_same_bits(first, again)
    assert set(first) != set(other)
    assert set(first) != set(order[36:])


def test_held_out_rows_are_not_learned_from(X, y):
    early = small_net(early_stopping=True, shuffle=False, alpha=0.1).fit(X, y)
    changed = np.r_[y[:36], y[36:] + 100]
    other = small_net(early_stopping=True, shuffle=False, alpha=0.1).fit(X, changed)
    assert_same_bits(early.loss_curve_, other.loss_curve_)
    alone = small_net(shuffle=False, alpha=0.1).fit(X[:36], y[:36])
    assert_same_bits(early.loss_curve_, alone.loss_curve_)


@pytest.mark.parametrize("n_samples", [3, 11])
def test_early_stopping_refuses_to_validate_on_fewer_than_two_samples(X, y, n_samples):
    model = small_net(early_stopping=True, validation_fraction=0.01)
    with pytest.raises(ValueError, match=r"validation_fraction=0.01 of \d+ samples leaves 1"):
        model.fit(X[:n_samples], y[:n_samples])


def test_early_stopping_refuses_to_leave_nothing_to_train_on(X, y):
    model = small_net(early_stopping=True, validation_fraction=0.9)
    with pytest.raises(ValueError, match=r"validation_fraction=0\.9"):
        model.fit(X[:3], y[:3])


def test_given_validation_refuses_fewer_than_two_samples_too(X, y):
    # R2 is not defined for one: every epoch would warn, and score NaN.
    with pytest.raises(ValueError, match="at least 2"):
        small_net().fit(X, y, X_val=X[:1], y_val=y[:1])


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_held_out_rows_without_weight_are_refused_before_training(X, y, seen, loss):
    sample_weight = np.r_[np.ones(36), np.zeros(4)]
    model = small_net(early_stopping=True, shuffle=False, loss=loss)
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(X, y, sample_weight=sample_weight)
    assert not seen


# --- X_val and y_val ------------------------------------------------------------------------


def test_validation_data_are_scored_and_nothing_of_x_is_held_out(X, y, seen):
    order, val = np.arange(30, dtype=float), np.arange(30, 40, dtype=float)
    small_net(early_stopping=True, normalize_y=False).fit(X[:30], order, X_val=X[30:], y_val=val)
    assert_same_bits(seen[0], [order, val])


def test_validation_data_do_not_change_the_steps(X, y):
    alone = small_net().fit(X[:30], y[:30])
    validated = small_net().fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    assert_same_bits(validated.loss_curve_, alone.loss_curve_)
    assert len(validated.validation_scores_) == validated.n_iter_


def test_validation_by_hand_is_early_stopping_in_time_order(X, y):
    settings = {"shuffle": False, "max_iter": 20, "tol": 0.01, "n_iter_no_change": 3}
    held_out = small_net(early_stopping=True, **settings).fit(X, y)
    given = small_net(**settings).fit(X[:36], y[:36], X_val=X[36:], y_val=y[36:])
    assert_same_bits(weights(held_out), weights(given))
    assert_same_bits(held_out.validation_scores_, given.validation_scores_)


@pytest.mark.parametrize("missing", ["X_val", "y_val"])
def test_validation_data_go_together(X, y, missing):
    given = {"X_val": X, "y_val": y} | {missing: None}
    with pytest.raises(ValueError, match=f"X_val and y_val go together, got no {missing}"):
        small_net().fit(X, y, **given)


def test_validation_data_of_another_shape_are_refused(X, y):
    with pytest.raises(ValueError, match=r"features|timesteps"):
        small_net().fit(X, y, X_val=X[:, :5], y_val=y)
    with pytest.raises(ValueError, match="y_val has 2 outputs, but y has 1"):
        small_net().fit(X, y, X_val=X, y_val=np.c_[y, y])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small_net().fit(X, y, X_val=X[:5], y_val=y[:6])


def test_a_pipeline_transforms_x_val_on_request(X, y, routing):
    X, X_val, y, y_val = 5 + 3 * X[:30], 5 + 3 * X[30:], y[:30], y[30:]
    pipeline = Pipeline(
        [("scale", StandardScaler()), ("lstm", small_net(max_iter=20, learning_rate_init=0.05))],
        transform_input=["X_val"],
    )
    pipeline.named_steps["lstm"].set_fit_request(X_val=True, y_val=True)
    pipeline.fit(X, y, X_val=X_val, y_val=y_val)
    scaler = StandardScaler().fit(X)
    direct = small_net(max_iter=20, learning_rate_init=0.05)
    direct.fit(scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=y_val)
    assert_same_bits(pipeline[-1].validation_scores_, direct.validation_scores_)
    assert_same_bits(weights(pipeline[-1]), weights(direct))
    np.testing.assert_allclose(
        max(pipeline[-1].validation_scores_), pipeline.score(X_val, y_val), rtol=1e-9
    )


# --- The best epoch -------------------------------------------------------------------------


def mean_poisson_loss(y, prediction):
    return np.mean(prediction - y * np.log(prediction))


# loss: the score of predictions in the units of y, whose standard deviation is given
SCORES = {
    "squared_error": lambda y, p, deviation: r2_score(y, p),
    "absolute_error": lambda y, p, deviation: -mean_absolute_error(y, p) / deviation,
    "poisson": lambda y, p, deviation: -mean_poisson_loss(y, p),
}


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("loss", SCORES)
def test_the_best_epochs_weights_are_kept(X, y, loss, solver):
    # Noise alone: after some epochs the score on other rows gets worse.
    y = np.random.RandomState(2).poisson(3, size=len(X)).astype(float)
    model = small_net(
        loss=loss, solver=solver, learning_rate_init=0.05, max_iter=100, n_iter_no_change=100
    )
    model.fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    scores = model.validation_scores_
    assert model.best_validation_score_ == max(scores)
    assert np.argmax(scores) < len(scores) - 1
    # Predictions are in the units of y, scores were computed before: the rest is rounding.
    of_kept_weights = SCORES[loss](y[30:], model.predict(X[30:]), y[:30].std())
    np.testing.assert_allclose(of_kept_weights, max(scores), rtol=1e-9)


def test_the_best_epochs_weights_are_those_of_a_fit_that_ends_there(X, y):
    y = np.random.RandomState(2).normal(size=len(X))
    settings = {"early_stopping": True, "learning_rate_init": 0.05, "n_iter_no_change": 100}
    long = small_net(max_iter=30, **settings).fit(X, y)
    best = int(np.argmax(long.validation_scores_)) + 1
    assert best < 30
    short = small_net(max_iter=best, **settings).fit(X, y)
    assert_same_bits(weights(long), weights(short))


def test_the_best_epoch_of_all_warm_starts_is_kept(X, y):
    # As in MLPRegressor: best_validation_score_ is the score of the weights, after each fit.
    data, validation = (X[:30], y[:30]), {"X_val": X[30:], "y_val": y[30:]}
    model = small_net(warm_start=True, max_iter=40, learning_rate_init=0.05, n_iter_no_change=100)
    good = model.fit(*data, **validation).best_validation_score_
    # Steps that are far too long.
    spoilt = model.set_params(solver="sgd", learning_rate_init=1.0, max_grad_norm=None, max_iter=3)
    spoilt.fit(*data, **validation)
    assert max(model.validation_scores_[40:]) < good
    assert model.best_validation_score_ == good
    np.testing.assert_allclose(model.score(X[30:], y[30:]), good, rtol=1e-9)


def test_scores_are_weighted_as_the_loss_is(X, y):
    sample_weight = np.arange(len(y)) % 3
    model = small_net(early_stopping=True, shuffle=False, max_iter=1)
    model.fit(X, y, sample_weight=sample_weight)
    expected = r2_score(y[36:], model.predict(X[36:]), sample_weight=sample_weight[36:])
    np.testing.assert_allclose(model.validation_scores_, [expected], rtol=1e-9)


# --- Attributes, as MLPRegressor ------------------------------------------------------------


def test_histories_are_mlp_regressors(X, y):
    for early_stopping in (False, True):
        model = small_net(early_stopping=early_stopping, max_iter=5).fit(X, y)
        peer = MLPRegressor(
            hidden_layer_sizes=4,
            early_stopping=early_stopping,
            max_iter=5,
            batch_size=16,
            random_state=0,
        ).fit(X, y)
        for name in ("loss_curve_", "validation_scores_"):
            ours, theirs = getattr(model, name), getattr(peer, name)
            assert type(ours) is type(theirs)
            if theirs is not None:
                assert len(ours) == len(theirs)
        assert (model.best_validation_score_ is None) == (peer.best_validation_score_ is None)
        assert (model.n_iter_, model.t_) == (peer.n_iter_, peer.t_)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_attributes_sum_up_the_curves(X, y, solver):
    model = small_net(solver=solver, early_stopping=True, learning_rate_init=0.3, max_iter=8)
    model.fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_scores_)
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.t_ == model.n_iter_ * 36


# --- Inside a search ------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
def test_early_stopping_in_grid_search_never_sees_the_test_fold(X, seen, shuffle):
    order = np.arange(len(X), dtype=float)
    cv = KFold(4)
    net = small_net(early_stopping=True, shuffle=shuffle, normalize_y=False)
    GridSearchCV(net, {"alpha": [0, 1]}, cv=cv, refit=False).fit(X, order)
    folds = list(cv.split(X))
    assert len(seen) == 2 * len(folds)
    for (trained, held_out), (train, test) in zip(seen, 2 * folds, strict=True):
        assert sorted([*trained, *held_out]) == train.tolist()
        assert not set(test) & {*trained, *held_out}
        if not shuffle:
            assert held_out.tolist() == train[-len(held_out) :].tolist()


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


# --- KeyboardInterrupt ----------------------------------------------------------------------


def interrupt_at(monkeypatch, call, error=KeyboardInterrupt):
    """Make the loss and its gradient raise at their `call`-th evaluation."""
    learn, calls = Team.learn, []

    def interrupted_learn(self, weights, rows, *rest):
        calls.append(rows)
        if len(calls) == call:
            raise error
        return learn(self, weights, rows, *rest)

    monkeypatch.setattr(Team, "learn", interrupted_learn)


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
        "solver": solver, "shuffle": False, "n_iter_no_change": 100, "max_grad_norm": None,
        "learning_rate_init": {"sgd": 3.0}.get(solver, 0.5),
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


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise on Windows")
def test_ctrl_c_is_such_an_interrupt(X, y, monkeypatch):
    learn, calls = Team.learn, []

    def learn_with_signal(self, weights, rows, *rest):
        calls.append(rows)
        if len(calls) == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return learn(self, weights, rows, *rest)

    monkeypatch.setattr(Team, "learn", learn_with_signal)
    # A process that was started in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        model = fit_interrupted(small_net(max_iter=1000, tol=0, batch_size=64), X, y)
    finally:
        signal.signal(signal.SIGINT, before)
    assert 9 <= model.n_iter_ < 1000
    assert np.isfinite(model.predict(X)).all()


def test_another_exception_leaves_the_estimator_as_it_was(X, y, monkeypatch):
    model = small_net(warm_start=True)
    before = dict(vars(model))
    interrupt_at(monkeypatch, 5, error=MemoryError)
    with pytest.raises(MemoryError):
        model.fit(X, y)
    assert_same_bits(vars(model), before)


# --- Divergence -----------------------------------------------------------------------------


def diverge_from(monkeypatch, call, number):
    """Let the loss and its gradient be NaN or infinite from the `call`-th evaluation on."""
    learn, calls = Team.learn, []

    def diverging_learn(self, weights, rows, *rest):
        calls.append(rows)
        loss, gradient = learn(self, weights, rows, *rest)
        offset = number if len(calls) >= call else 0
        return loss + offset, gradient + offset

    monkeypatch.setattr(Team, "learn", diverging_learn)


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
    for word in ("X", "learning_rate_init", "max_grad_norm"):
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
