"""pooling=None: what a fit minimises, and each of the ways to train."""

import functools
import re

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from each_step import (
    CLASSES,
    EXISTS,
    LENGTHS,
    LEVEL,
    THREE,
    WORDS,
    N,
    T,
    X,
    cut,
    for_both,
    for_each_case,
    net,
    padded,
)
from scipy.optimize import approx_fprime
from twin_objective import draw_masks, start_of, twin_objective

from sklstm import LSTMClassifier
from sklstm._training import losses

pytestmark = ignores_convergence
# Parameters of the estimator, and the settings that the twin takes.
LOSSES = {
    "squared_error": ({}, {}),
    "absolute_error": ({}, {}),
    "huber": ({"huber_delta": 0.5}, {"delta": 0.5}),
    "quantile": ({"quantile": 0.8}, {"quantile": 0.8}),
    "several quantiles": (
        {"loss": "quantile", "quantile": (0.1, 0.5, 0.9)}, {"quantile": (0.1, 0.5, 0.9)},
    ),
    "poisson": ({}, {}),
    "gaussian": ({}, {}),
}  # fmt: skip
for_each_loss = pytest.mark.parametrize(
    ("parameters", "settings"),
    [({"loss": name} | parameters, settings) for name, (parameters, settings) in LOSSES.items()],
    ids=LOSSES,
)
SOLVERS = "adam", "adamw", "sgd", "rmsprop", "lbfgs"
SOME = (np.random.RandomState(3).rand(N, T) < 0.7) & EXISTS
WEIGHT = np.random.RandomState(4).uniform(0.5, 2, (N, T)) * SOME


# --- What is minimised ----------------------------------------------------------------------


def one_step_of_gradient_descent(model, y, targets, loss, settings=None, **masks):
    """Its loss and its step are those of the twin; returns the start and the twin's objective."""
    model.set_params(solver="sgd", momentum=0, max_iter=1, batch_size=N, shuffle=False, alpha=0.5)
    given = padded(X), y, WEIGHT
    architecture, start, bit_generator = start_of(model, *given)
    if masks:
        shares = model.dropout, model.recurrent_dropout
        masks["masks"] = draw_masks(architecture, N, *shares, bit_generator, np.float64)

    def objective(flat):
        return twin_objective(
            architecture, flat, np.nan_to_num(padded(X)), targets, alpha=0.5, loss=loss,
            settings=settings, sample_weight=WEIGHT, lengths=LENGTHS, **masks,
        )  # fmt: skip

    value, gradient = objective(start)
    model.fit(*given)
    np.testing.assert_allclose(model.loss_curve_, [value], rtol=1e-10)
    step = model._scaled_weights - start
    np.testing.assert_allclose(step, -0.01 * gradient, rtol=1e-10, atol=1e-12)
    return start, objective


@for_each_loss
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_fit_minimises_the_mean_loss_of_labelled_steps(parameters, settings, bidirectional):
    y = np.abs(np.where(SOME[:, :, np.newaxis], THREE, np.nan))
    parts = {"hidden_layer_sizes": (3, 2), "bidirectional": bidirectional}
    model = net(normalize_X=False, normalize_y=False, **parts, **parameters)
    start, objective = one_step_of_gradient_descent(model, y, y, parameters["loss"], settings)
    # The twin's gradient is the derivative of what is said to be minimised.
    _, gradient = objective(start)
    some = np.arange(0, len(start), 61)
    numeric = [
        approx_fprime([start[i]], functools.partial(_at, objective, start, i), 1e-6)[0]
        for i in some
    ]
    # Forward differences of a step of 1e-6.
    np.testing.assert_allclose(numeric, gradient[some], atol=1e-5)


def _at(objective, start, i, x):
    moved = start.copy()
    moved[i] = x[0]
    return objective(moved)[0]


def test_targets_are_standardised_by_their_labelled_steps_and_features_by_all():
    share = (WEIGHT / WEIGHT.sum())[SOME]
    mean = share @ THREE[SOME]
    deviation = np.sqrt(share @ (THREE[SOME] - mean) ** 2)
    # A sequence weighs in features what its labelled steps do on average.
    each = WEIGHT.sum(axis=1) / np.maximum((WEIGHT > 0).sum(axis=1), 1)
    every = np.repeat(each[:, np.newaxis], T, axis=1)[EXISTS]
    centre = np.average(X[EXISTS], axis=0, weights=every)
    spread = np.sqrt(np.average((X[EXISTS] - centre) ** 2, axis=0, weights=every))
    y = np.where(SOME[:, :, np.newaxis], THREE, np.nan)
    model = net().fit(padded(X), y, WEIGHT)
    np.testing.assert_allclose(model._target_mean, mean, rtol=1e-12)
    np.testing.assert_allclose(model._target_deviation, deviation, rtol=1e-12)
    np.testing.assert_allclose(model._scaling, [centre, 1 / spread], rtol=1e-12)


@pytest.mark.parametrize("labels", [WORDS, CLASSES], ids=["two", "three"])
def test_a_classifier_minimises_the_mean_log_loss_of_labelled_steps(labels):
    names, places = np.unique(labels, return_inverse=True)
    places = places.reshape(N, T)
    one_hot = np.eye(len(names))[places]
    loss = "multinomial_log_loss" if len(names) == 3 else "binary_log_loss"
    targets = one_hot if len(names) == 3 else places[:, :, np.newaxis].astype(float)
    y = np.where(SOME, labels.astype(object), None)
    one_step_of_gradient_descent(net(LSTMClassifier, normalize_X=False), y, targets, loss)


@pytest.mark.parametrize("shares", [(0.4, 0), (0, 0.3), (0.4, 0.3)])
def test_dropout_is_the_twins(shares):
    y = np.where(SOME, LEVEL, np.nan)
    model = net(
        dropout=shares[0], recurrent_dropout=shares[1], normalize_X=False, normalize_y=False,
        hidden_layer_sizes=(4, 3),
    )  # fmt: skip
    one_step_of_gradient_descent(model, y, y[:, :, np.newaxis], "squared_error", masks=None)


@for_each_loss
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_a_loss_in_numpy_is_trained_as_the_kernels_is(monkeypatch, parameters, settings, n_outputs):
    y = np.abs(THREE[:, :, :n_outputs].squeeze())
    y[~SOME] = np.nan
    model = net(batch_size=7, bidirectional=True, **parameters)
    expected = model.fit(cut(X), cut(y), cut(WEIGHT))._weights
    made = losses.LOSSES[parameters["loss"]]

    def in_numpy(estimator):
        kernels = made(estimator)

        class InNumpy(type(kernels)):
            def __init__(self):
                vars(self).update(vars(kernels))
                assert self.kernel is None

            def value(self, raw, y):
                return kernels.value(raw, y)

            def gradient(self, raw, y):
                return kernels.gradient(raw, y)

        return InNumpy()

    monkeypatch.setitem(losses.LOSSES, parameters["loss"], in_numpy)
    np.testing.assert_allclose(
        model.fit(cut(X), cut(y), cut(WEIGHT))._weights, expected, rtol=1e-9, atol=1e-12
    )


# --- It learns ------------------------------------------------------------------------------


@for_both
@pytest.mark.parametrize("solver", SOLVERS)
def test_each_solver_learns(estimator, y, solver):
    model = net(estimator, solver=solver, max_iter=60, learning_rate_init=0.02, tol=0)
    given = cut(X), cut(y)
    assert model.fit(*given).score(*given) > 0.6
    assert model.loss_ < 0.8 * model.loss_curve_[0]


@for_each_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_loss_is_learnt(parameters, settings, dtype):
    y = np.exp(LEVEL / 2) if parameters["loss"] == "poisson" else LEVEL
    model = net(max_iter=60, learning_rate_init=0.02, tol=0, **parameters)
    given = padded(X).astype(dtype), padded(y)
    assert model.fit(*given).loss_ < model.loss_curve_[0]
    # Of several quantiles, the one in the middle.
    answers = model.predict(given[0])[EXISTS].reshape(EXISTS.sum(), -1)
    assert np.corrcoef(answers[:, answers.shape[1] // 2], y[EXISTS])[0, 1] > 0.7


PARTS = {
    "dropout": {"dropout": 0.1, "recurrent_dropout": 0.1},
    "both directions": {"bidirectional": True},
    "two layers": {"hidden_layer_sizes": (6, 4)},
    "all": {"hidden_layer_sizes": (6, 4), "bidirectional": True, "dropout": 0.1},
}


@for_each_case
@pytest.mark.parametrize("parameters", PARTS.values(), ids=PARTS)
def test_with_all_that_a_net_may_have(estimator, y, parameters):
    model = net(estimator, max_iter=40, learning_rate_init=0.03, tol=0, **parameters)
    before = net(estimator, max_iter=1, **parameters)
    given = cut(X), cut(y)
    assert model.fit(*given).score(*given) > before.fit(*given).score(*given)
    assert_same_bits(model.fit(padded(X), padded(y))._weights, model.fit(*given)._weights)


# --- Validation -----------------------------------------------------------------------------


@for_each_case
def test_early_stopping_scores_the_labelled_steps_of_what_it_holds_out(estimator, y):
    given = padded(X), np.where(SOME if y.ndim == 2 else SOME[:, :, np.newaxis], padded(y), np.nan)
    model = net(estimator, early_stopping=True, validation_fraction=0.2, shuffle=False, max_iter=20)
    model.fit(*given)
    held_out = (each[-6:] for each in given)
    assert model.best_validation_score_ == pytest.approx(model.score(*held_out), rel=1e-9)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.validation_scores_) == model.n_iter_


@for_each_case
@pytest.mark.parametrize("form", [cut, padded], ids=["a list", "padded"])
def test_x_val_is_of_the_form_of_x(estimator, y, form):
    rest, last = slice(None, 25), slice(25, None)
    given = form(X)[rest], form(y)[rest], None, form(X)[last], form(y)[last]
    model = net(estimator, max_iter=10).fit(*given)
    score = model.score(form(X)[last], form(y)[last])
    assert model.best_validation_score_ == pytest.approx(score, rel=1e-9)
    as_it_was = net(estimator, max_iter=10).fit(X[rest], y[rest], None, X[last], y[last])
    assert as_it_was.best_validation_score_ == pytest.approx(as_it_was.score(X[last], y[last]))


@for_both
def test_one_recording_is_enough_to_validate_on(estimator, y):
    model = net(estimator).fit(X, y, X_val=[X[0]], y_val=[y[0]])
    assert len(model.validation_scores_) == 3
    model = net(estimator, early_stopping=True, shuffle=False).fit(X[:9], y[:9])
    score = model.score(X[8:9], y[8:9])
    assert model.best_validation_score_ == pytest.approx(score)


def test_a_label_alone_is_not():
    one = np.full((N, T), np.nan)
    one[0, 0] = 3
    with pytest.raises(ValueError, match="At least 2 labelled steps are needed to validate on"):
        net().fit(X, LEVEL, X_val=X, y_val=one)
    with pytest.raises(ValueError, match="y_val has no labels"):
        net().fit(X, LEVEL, X_val=X, y_val=np.full((N, T), np.nan))


def test_what_is_held_out_has_labels():
    few = np.full((N, T), np.nan)
    few[::3] = LEVEL[::3]
    for shuffle in (False, True):
        settings = {"early_stopping": True, "shuffle": shuffle, "validation_fraction": 0.2}
        model = net(**settings).fit(X, few)
        alone = net(**settings).fit(X[::3], LEVEL[::3])
        # The features are standardised by other sums of the same numbers.
        np.testing.assert_allclose(model.predict(X), alone.predict(X), rtol=1e-9, atol=1e-9)


def test_a_label_that_stands_only_where_the_weight_is_0_is_none():
    words, weight = WORDS.astype(object), np.ones((N, T))
    words[0, 0], weight[0, 0] = "new", 0
    missing = words.copy()
    missing[0, 0] = None
    model = net(LSTMClassifier).fit(X, words, sample_weight=weight)
    assert_same_bits(vars(model), vars(net(LSTMClassifier).fit(X, missing)))
    counts = np.abs(LEVEL)
    counts[0, 0] = -1
    assert net(loss="poisson").fit(X, counts, sample_weight=weight).n_iter_ == 3


def test_y_val_of_another_form_is_refused_by_its_name():
    for y_val, match in (
        (LEVEL[:, 0], "With pooling=None, y_val must have an entry for each time step"),
        (THREE, "y_val has 3 outputs, but those of training are 1"),
    ):
        with pytest.raises(ValueError, match=match):
            net().fit(X, LEVEL, X_val=X, y_val=y_val)
    with pytest.raises(ValueError, match=re.escape("y_val has labels ['sideways']")):
        net(LSTMClassifier).fit(X, WORDS, X_val=X, y_val=np.full((N, T), "sideways"))


# --- In parts -------------------------------------------------------------------------------


@for_each_case
def test_partial_fit_is_an_epoch(estimator, y):
    classes = {"classes": np.unique(y)} if estimator is LSTMClassifier else {}
    one = net(estimator).partial_fit(cut(X), cut(y), **classes)
    assert_same_bits(one._weights, net(estimator, max_iter=1).fit(cut(X), cut(y))._weights)
    for _ in range(30):
        one.partial_fit(padded(X)[:15], padded(y)[:15]).partial_fit(cut(X)[15:], cut(y)[15:])
    assert one.score(cut(X), cut(y)) > 0.5
    assert one.t_ == 31 * N


def test_a_chunk_may_lack_a_class_and_most_labels():
    model = net(LSTMClassifier).partial_fit(X, CLASSES, classes=[0, 1, 2])
    few = np.where(CLASSES == 1, 1.0, np.nan)
    weights = model._weights
    assert (model.partial_fit(X, few)._weights != weights).any()
    with pytest.raises(ValueError, match=r"y has labels \[7\]"):
        model.partial_fit(X, np.where(CLASSES == 1, 7, CLASSES))
    with pytest.raises(ValueError, match="n_outputs=3"):
        net().partial_fit(X, LEVEL).partial_fit(X, THREE)


@for_each_case
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_to_go_on_is_the_same_fit(estimator, y, solver):
    planned = {"solver": solver, "shuffle": False, "n_iter_no_change": np.inf}
    half = net(estimator, max_iter=3, warm_start=True, **planned)
    half.fit(cut(X), cut(y)).fit(cut(X), cut(y))
    whole = net(estimator, max_iter=6, **planned).fit(cut(X), cut(y))
    assert_same_bits(half._weights, whole._weights)
    assert half.loss_curve_ == whole.loss_curve_


def test_lbfgs_goes_on():
    model = net(solver="lbfgs", max_iter=5, warm_start=True).fit(cut(X), cut(LEVEL))
    loss = model.loss_
    assert model.fit(cut(X), cut(LEVEL)).loss_ < loss
