"""LSTMClassifier: what a fit minimises, when it stops, and how training goes on."""

import copy

import numpy as np
import pytest
from classifiers import (  # noqa: F401
    LETTERS,
    classes_of,
    for_two_and_more_classes,
    small_classifier,
    three_classes,
    two_classes,
)
from conftest import assert_same_bits, weights
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import sklstm._base
from sklstm._training.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- The loss -------------------------------------------------------------------------------

# A step this small changes no weight, so that what is predicted is what the loss was of.
STANDING_STILL = {"learning_rate_init": 1e-300, "max_iter": 1, "batch_size": 40, "alpha": 0}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@for_two_and_more_classes
def test_the_loss_is_scikit_learns_log_loss_of_the_probabilities(
    X3, n_classes, class_weight, weighted
):
    y = classes_of(X3, n_classes)
    sample_weight = np.random.RandomState(0).uniform(size=40) if weighted else np.ones(40)
    model = small_classifier(class_weight=class_weight, **STANDING_STILL)
    model.fit(X3, y, sample_weight=sample_weight)
    if class_weight:
        sample_weight = sample_weight / np.bincount(y, sample_weight)[y]
    expected = log_loss(y, model.predict_proba(X3), sample_weight=sample_weight)
    assert_allclose(model.loss_curve_, [expected], rtol=1e-10)


@for_two_and_more_classes
def test_the_last_loss_of_lbfgs_is_the_log_loss_of_the_fitted_net(X3, n_classes):
    # It tells the loss of the weights that an iteration ends with.
    y = classes_of(X3, n_classes)
    model = small_classifier(solver="lbfgs", alpha=0, max_iter=20).fit(X3, y)
    assert model.loss_ < 0.8 * np.log(n_classes)
    assert_allclose(model.loss_, log_loss(y, model.predict_proba(X3)), rtol=1e-10)


@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
@for_two_and_more_classes
def test_every_solver_learns(X3, n_classes, solver):
    y = classes_of(X3, n_classes)
    rate = {"sgd": 0.3}.get(solver, 0.03)
    model = small_classifier(
        hidden_layer_sizes=8, solver=solver, learning_rate_init=rate, max_iter=60
    ).fit(X3, y)
    assert model.loss_ < 0.6 * np.log(n_classes)
    assert model.score(X3, y) > 0.7


# --- Early stopping -------------------------------------------------------------------------


@pytest.fixture(name="seen")
def rows_of_each_fit(monkeypatch):
    """For each fit, the rows that are trained on and those that are validated on."""
    seen, train = [], sklstm._base.train

    def recording_train(*, data, validation, **rest):
        seen.append((data.rows, validation and validation.rows))
        return train(data=data, validation=validation, **rest)

    monkeypatch.setattr(sklstm._base, "train", recording_train)
    return seen


@pytest.mark.parametrize("sizes", [(36, 4), (28, 8, 4)])
def test_held_out_rows_have_the_shares_of_all_rows(X, seen, sizes):
    y = np.repeat(np.arange(len(sizes)), sizes)
    seeds_that_miss_a_class = 0
    for seed in range(8):
        model = small_classifier(
            early_stopping=True, validation_fraction=0.25, random_state=seed, max_iter=1
        ).fit(X, y)
        train, held_out = seen[-1]
        assert_array_equal(np.bincount(y[held_out]), np.bincount(y) / 4)
        assert sorted([*train, *held_out]) == list(range(40))
        # The weights that are kept are those that were scored.
        assert model.best_validation_score_ == model.score(X[held_out], y[held_out])
        _, by_chance = train_test_split(y, test_size=10, random_state=seed)
        seeds_that_miss_a_class += len(np.unique(by_chance)) < len(sizes)
    assert seeds_that_miss_a_class > 0


def test_without_shuffle_the_last_rows_are_held_out_whatever_their_classes(X, seen):
    y = np.repeat([0, 1, 2], (20, 16, 4))
    small_classifier(early_stopping=True, shuffle=False, max_iter=1).fit(X, y)
    assert_same_bits(seen[0], (np.arange(36), np.arange(36, 40)))


def test_fewer_held_out_rows_than_classes_are_refused(X, y):
    model = small_classifier(early_stopping=True)
    match = r"validation_fraction=0.1 of 15 samples leaves 2 .* and 13 .* at least 3 and 3"
    with pytest.raises(ValueError, match=match):
        model.fit(X[:15], y[:15])
    model.set_params(shuffle=False).fit(X[:15], y[:15])


def test_a_class_of_one_row_cannot_be_split(X, y2):
    with pytest.raises(ValueError, match="only 1 member"):
        small_classifier(early_stopping=True).fit(X, np.r_[2, y2[1:]])


def test_given_validation_data_are_scored_by_accuracy_and_the_best_weights_kept(X, y, seen):
    model = small_classifier(max_iter=30, learning_rate_init=0.1)
    model.fit(X[:30], LETTERS[y[:30]], X_val=X[30:], y_val=LETTERS[y[30:]])
    assert_array_equal(seen[0][0], np.arange(30))
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_
    assert len(set(scores)) > 1
    assert set(np.round(np.multiply(scores, 10), 9)) <= set(range(11))
    assert model.score(X[30:], LETTERS[y[30:]]) == model.best_validation_score_ == max(scores)


def test_validation_labels_may_lack_a_class_and_may_not_have_another(X, y):
    model = small_classifier().fit(X, y, X_val=X[:5], y_val=np.zeros(5, int))
    before = copy.deepcopy(vars(model))
    for labels in ([0, 1, 2, 3, 4], list("abcab")):
        with pytest.raises(ValueError, match=r"y_val has labels .* not among the classes"):
            model.fit(X, y, X_val=X[:5], y_val=labels)
    for targets, match in (
        ([0.5, 0, 1, 2, 0], "Unknown label type: continuous"),
        (np.ones((5, 2)), "y_val should be a 1d array"),
        ([np.nan, 0, 1, 2, 0], "Input y_val contains NaN"),
    ):
        with pytest.raises(ValueError, match=match):
            model.fit(X, y, X_val=X[:5], y_val=targets)
    assert_same_bits(vars(model), before)


# --- partial_fit and warm_start -------------------------------------------------------------

IN_ORDER = {"shuffle": False, "n_iter_no_change": 1000}


@for_two_and_more_classes
@pytest.mark.parametrize("solver", list(OPTIMIZERS))
def test_passes_over_the_same_rows_are_the_epochs_of_a_fit(X, X3, n_classes, solver):
    y = classes_of(X3, n_classes)
    settings = {"solver": solver, "class_weight": {0: 2.0}, **IN_ORDER}
    streamed = small_classifier(**settings)
    for _ in range(3):
        assert streamed.partial_fit(X, y, classes=range(n_classes)) is streamed
    whole = small_classifier(max_iter=3, **settings).fit(X, y)
    for name in ("_weights", "_memory", "_steps", "t_", "loss_curve_", "n_iter_", "classes_"):
        assert_same_bits(getattr(streamed, name), getattr(whole, name))


def test_chunks_may_lack_classes_as_long_as_the_first_call_names_them(X, y):
    settings = {"normalize_X": False, "batch_size": 8, "max_iter": 1, **IN_ORDER}
    in_parts, whole = (small_classifier(**settings) for _ in range(2))
    order = np.argsort(y, kind="stable")
    X, y = X[order], LETTERS[y[order]]
    for start in range(0, 40, 8):
        chunk = slice(start, start + 8)
        in_parts.partial_fit(X[chunk], y[chunk], classes=["c", "a", "b"] if start == 0 else None)
    assert set(y[:8]) == {"a"}
    assert in_parts.classes_.tolist() == ["a", "b", "c"]
    assert_same_bits(weights(in_parts), weights(whole.fit(X, y)))


def test_the_first_call_must_name_the_classes_as_in_mlp_classifier(X, y):
    messages = []
    for model in (small_classifier(), MLPClassifier(2)):
        with pytest.raises(ValueError, match="classes") as raised:
            model.partial_fit(X, y)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


def test_later_calls_must_not_name_other_classes_as_in_mlp_classifier(X, y):
    ours, theirs = small_classifier(), MLPClassifier(2)
    for model in (ours, theirs):
        model.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
        model.partial_fit(X, y, classes=[2, 1, 0, 0])
    before = copy.deepcopy(vars(ours))
    for other in ([0, 1], [0, 1, 2, 3], [0, 1, 3], ["a", "b", "c"]):
        with pytest.raises(ValueError, match=r"knows classes \[0, 1, 2\], got"):
            ours.partial_fit(X, y, classes=other)
        with pytest.raises(ValueError, match="classes"):
            theirs.partial_fit(X, y, classes=other)
    with pytest.raises(ValueError, match=r"y has labels \[3\] that are not among the classes"):
        ours.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match=r"classes|labels"):
        theirs.partial_fit(X, y + 1)
    assert_same_bits(vars(ours), before)


BAD_CLASSES = {
    "one": ([0], "At least 2 classes are needed, got 1 class: 0"),
    "none": ([], r"0 sample\(s\)"),
    "no labels": ([0.5, 1.5, 2.5], "Unknown label type"),
    "NaN": ([0, 1, np.nan], "Input classes contains NaN"),
    "several columns": ([[0, 1, 2]], "should be a 1d array"),
    "not all": ([0, 1], r"y has labels \[2\] that are not among the classes"),
    "of another type": (["a", "b", "c"], r"y has labels \[0, 1, 2\] that are not among"),
}


@pytest.mark.parametrize(("classes", "match"), BAD_CLASSES.values(), ids=BAD_CLASSES)
def test_bad_classes_leave_the_model_unfitted(X, y, classes, match):
    model = small_classifier()
    with pytest.raises(ValueError, match=match):
        model.partial_fit(X, y, classes=classes)
    assert_same_bits(vars(model), vars(clone(model)))


def test_a_stream_goes_on_from_a_fit_and_a_fit_begins_anew(X, y):
    model = small_classifier(max_iter=2, **IN_ORDER).fit(X, y).partial_fit(X, y)
    assert_same_bits(weights(model), weights(small_classifier(**IN_ORDER).fit(X, y)))
    refitted = small_classifier().partial_fit(X, y, classes=range(9)).fit(X, y)
    assert_same_bits(vars(refitted), vars(small_classifier().fit(X, y)))


def test_partial_fit_refuses_early_stopping_and_lbfgs_as_mlp_classifier(X, y):
    for model in (small_classifier(early_stopping=True), MLPClassifier(early_stopping=True)):
        with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
            model.partial_fit(X, y, classes=[0, 1, 2])
    assert not hasattr(small_classifier(solver="lbfgs"), "partial_fit")
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")


def test_a_warm_start_goes_on_and_refuses_other_classes(X, y, y2):
    warm = small_classifier(max_iter=2, warm_start=True, **IN_ORDER).fit(X, y).fit(X, y)
    assert_same_bits(weights(warm), weights(small_classifier(max_iter=4, **IN_ORDER).fit(X, y)))
    before = copy.deepcopy(vars(warm))
    for other in (y2, y + 1, LETTERS[y]):
        with pytest.raises(ValueError, match=r"The fitted net knows classes \[0, 1, 2\], got"):
            warm.fit(X, other)
    assert_same_bits(vars(warm), before)
    assert small_classifier().fit(X, y).fit(X, y2).n_outputs_ == 1
