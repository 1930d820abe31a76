"""Validation: which rows are held out or given, how they are scored, and the best epoch kept."""

import numpy as np
import pytest
import sklearn
from conftest import assert_same_bits, small_net, weights
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    mean_pinball_loss,
    mean_squared_error,
    r2_score,
)
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import sklstm._base
from sklstm import LSTMClassifier
from sklstm._training.losses import LOSSES

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
    with pytest.raises(ValueError, match="y_val has 2 outputs, but those of training are 1"):
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


def assert_kept_weights_have_the_best_score(model, X_val, y_val):
    """best_validation_score_ is what the kept weights score, by the last fit's loss and data."""
    raw = (model.predict(X_val) - model._target_mean) / model._target_deviation
    y_val = (y_val - model._target_mean) / model._target_deviation
    score = LOSSES[model.loss](model).score(raw[:, np.newaxis], y_val[:, np.newaxis], None)
    np.testing.assert_allclose(model.best_validation_score_, score, rtol=1e-9)


# Too small a step to be better than what was learned before; whose scores mean another thing.
TO_GO_ON = {"warm_start": True, "max_iter": 60, "learning_rate_init": 0.05, "n_iter_no_change": 99}


@pytest.mark.parametrize("first", ["squared_error", "absolute_error"])
def test_a_warm_start_with_another_loss_is_judged_by_that_loss(X, y, first):
    # R2 is at most 1, and minus a mean loss at most 0: by the other's scale one would always win.
    second = {"squared_error": "absolute_error", "absolute_error": "squared_error"}[first]
    data, validation = (X[:30], y[:30]), {"X_val": X[30:], "y_val": y[30:]}
    model = small_net(loss=first, **TO_GO_ON | {"max_iter": 5}).fit(*data, **validation)
    before = weights(model)
    model.set_params(loss=second, max_iter=100).fit(*data, **validation)
    assert_kept_weights_have_the_best_score(model, X[30:], y[30:])
    new = model.validation_scores_[5:]
    assert model.best_validation_score_ >= max(new)
    # It goes on learning: what it ends with is its own.
    assert not np.array_equal(weights(model), before)


def test_a_warm_start_on_other_validation_data_is_judged_by_these(X, y):
    # Easy ones first, on which a score is reached that the others never allow.
    noise = 3 * np.random.RandomState(5).normal(size=10)
    model = small_net(**TO_GO_ON).fit(X[:30], y[:30], X_val=X[:30], y_val=y[:30])
    easy, before = model.best_validation_score_, weights(model)
    model.fit(X[:30], y[:30] - X[:30, 0], X_val=X[30:], y_val=y[30:] - X[30:, 0] + noise)
    assert model.best_validation_score_ < easy
    assert not np.array_equal(weights(model), before)
    np.testing.assert_allclose(
        model.score(X[30:], y[30:] - X[30:, 0] + noise), model.best_validation_score_, rtol=1e-9
    )


def test_a_warm_start_that_only_gets_worse_keeps_the_weights_and_their_score(X, y):
    data, other = (X[:30], y[:30]), {"X_val": X[30:35], "y_val": y[30:35]}
    model = small_net(**TO_GO_ON).fit(*data, X_val=X[30:], y_val=y[30:])
    before = weights(model)
    model.set_params(solver="sgd", learning_rate_init=1.0, max_iter=3).fit(*data, **other)
    assert_same_bits(weights(model), before)
    np.testing.assert_allclose(
        model.best_validation_score_, model.score(X[30:35], y[30:35]), rtol=1e-9
    )


def test_after_partial_fit_the_weights_are_scored_anew(X, y):
    data, validation = (X[:30], y[:30]), {"X_val": X[30:], "y_val": y[30:]}
    model = small_net(**TO_GO_ON).fit(*data, **validation)
    good = model.best_validation_score_
    # A pass over nonsense spoils the weights, and validates nothing.
    model.set_params(learning_rate_init=1.0).partial_fit(X[:30], 100 * y[29::-1])
    assert model.best_validation_score_ is None
    assert model.score(X[30:], y[30:]) < good
    model.set_params(learning_rate_init=0.01, max_iter=5).fit(*data, **validation)
    np.testing.assert_allclose(model.score(X[30:], y[30:]), model.best_validation_score_, rtol=1e-9)


def test_scores_are_weighted_as_the_loss_is(X, y):
    sample_weight = np.arange(len(y)) % 3
    model = small_net(early_stopping=True, shuffle=False, max_iter=1)
    model.fit(X, y, sample_weight=sample_weight)
    expected = r2_score(y[36:], model.predict(X[36:]), sample_weight=sample_weight[36:])
    np.testing.assert_allclose(model.validation_scores_, [expected], rtol=1e-9)


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


# --- The loss of validation -----------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile", "huber"])
def test_the_validation_loss_is_the_mean_loss_of_predictions_without_the_penalty(X, y, loss):
    model = small_net(loss=loss, quantile=0.8, huber_delta=1e9, alpha=10.0, max_iter=1)
    model.fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    scale, predicted = y[:30].std(), model.predict(X[30:])
    expected = {
        "squared_error": mean_squared_error(y[30:], predicted) / 2 / scale**2,
        "huber": mean_squared_error(y[30:], predicted) / 2 / scale**2,
        "absolute_error": mean_absolute_error(y[30:], predicted) / scale,
        "quantile": mean_pinball_loss(y[30:], predicted, alpha=0.8) / scale,
    }[loss]
    np.testing.assert_allclose(model.validation_loss_curve_, [expected], rtol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_validation_loss_of_a_classifier_is_the_log_loss(X, n_classes):
    y = np.arange(len(X)) % n_classes
    model = LSTMClassifier(4, max_iter=1, random_state=0)
    model.fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    expected = log_loss(y[30:], model.predict_proba(X[30:]))
    np.testing.assert_allclose(model.validation_loss_curve_, [expected], rtol=1e-9)


def test_there_is_a_validation_loss_for_each_epoch_that_validates(X, y):
    model = small_net(max_iter=3, warm_start=True).fit(X, y)
    assert model.validation_loss_curve_ is None
    model.set_params(early_stopping=True).fit(X, y)
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == 3
    assert len(model.loss_curve_) == 6
