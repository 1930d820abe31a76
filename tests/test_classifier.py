"""LSTMClassifier: labels, probabilities, weights of classes, and the regressor's promises kept."""

import copy
import inspect
import pickle
import re

import joblib
import numpy as np
import pandas as pd
import pytest
import reference
from conftest import assert_same_bits, small_net, weights
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    train_test_split,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import compute_sample_weight

import sklstm._base
from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._network import sharding
from sklstm._training.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# What is computed twice from the same bits differs by the rounding of a sum or an exponential.
ROUNDING = {"rtol": 1e-12, "atol": 1e-12}
IN_ORDER = {"shuffle": False, "n_iter_no_change": 1000}
PREDICTIONS = "predict", "predict_proba", "predict_log_proba", "decision_function"

for_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
for_two_and_more_classes = pytest.mark.parametrize("n_classes", [2, 3, 5])


def small_classifier(**parameters):
    """A classifier whose fit takes milliseconds."""
    shared = small_net().get_params()
    defaults = {name: shared[name] for name in LSTMClassifier().get_params().keys() & shared.keys()}
    return LSTMClassifier(**defaults | parameters)


def classes_of(X3, n_classes):
    """Labels 0, 1, ... that the last step explains, of about the same number each."""
    signal = X3[:, -1, 0] + X3[:, -2, 1]
    return np.digitize(signal, np.quantile(signal, np.arange(1, n_classes) / n_classes))


@pytest.fixture(name="y")
def three_classes(X3):
    """Labels 0, 1 and 2."""
    return classes_of(X3, 3)


@pytest.fixture(name="y2")
def two_classes(X3):
    """Labels 0 and 1, as different from `y` as they must be."""
    return classes_of(X3, 2)


# --- Probabilities --------------------------------------------------------------------------


@for_two_and_more_classes
def test_two_classes_have_one_logit_and_more_have_one_raw_output_each(X3, n_classes):
    model = small_classifier().fit(X3, classes_of(X3, n_classes))
    n_outputs = 1 if n_classes == 2 else n_classes
    assert model.n_outputs_ == n_outputs
    assert model.output_weights_.shape == (n_outputs, 4)
    assert model.output_bias_.shape == (n_outputs,)
    assert model.predict_proba(X3).shape == (40, n_classes)
    assert model.predict_log_proba(X3).shape == (40, n_classes)
    assert model.decision_function(X3).shape == ((40,) if n_classes == 2 else (40, n_classes))


@pytest.mark.nojit
@for_two_and_more_classes
def test_decisions_are_what_the_twin_makes_of_the_fitted_weights(X3, n_classes):
    model = small_classifier(bidirectional=True).fit(X3, classes_of(X3, n_classes))
    names = "input_weights", "recurrent_weights", "biases", "output_weights", "output_bias"
    fitted = {name: getattr(model, f"{name}_") for name in names}
    raw, _ = reference.forward(X3, fitted, bidirectional=True)
    expected = raw[:, 0] if n_classes == 2 else raw
    assert_allclose(model.decision_function(X3), expected, **ROUNDING)


@for_two_and_more_classes
def test_probabilities_are_the_logistic_function_or_the_softmax_of_decisions(X3, n_classes):
    model = small_classifier(max_iter=20).fit(X3, classes_of(X3, n_classes))
    decision = model.decision_function(X3)
    # For two classes the decision is that for the second against the first.
    raw = np.c_[np.zeros(40), decision] if n_classes == 2 else decision
    expected = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    assert_allclose(model.predict_proba(X3), expected, **ROUNDING)
    assert_allclose(model.predict_log_proba(X3), np.log(expected), **ROUNDING)


@for_each_dtype
@for_two_and_more_classes
def test_probabilities_of_a_row_sum_to_1_and_have_the_type_of_x(X3, n_classes, dtype):
    X3 = X3.astype(dtype)
    model = small_classifier(max_iter=20).fit(X3, classes_of(X3, n_classes))
    probabilities = model.predict_proba(X3)
    assert probabilities.dtype == model.decision_function(X3).dtype == dtype
    assert model.predict_log_proba(X3).dtype == dtype
    assert (probabilities > 0).all()
    assert (probabilities < 1).all()
    # Each of up to five is rounded once or twice.
    assert_allclose(probabilities.sum(axis=1), 1, atol=10 * np.finfo(dtype).eps)


@for_two_and_more_classes
def test_the_label_is_the_most_probable_class(X3, n_classes):
    model = small_classifier(max_iter=20).fit(X3, classes_of(X3, n_classes))
    assert_array_equal(model.predict(X3), model.predict_proba(X3).argmax(axis=1))
    assert model.score(X3, model.predict(X3)) == 1
    if n_classes == 2:
        assert_array_equal(model.predict(X3) == 1, model.decision_function(X3) > 0)


@for_two_and_more_classes
def test_equally_probable_classes_give_the_first_as_argmax_does(X3, n_classes):
    model = small_classifier().fit(X3, classes_of(X3, n_classes))
    model.output_weights_[:] = 0
    model.output_bias_[:] = 0
    assert_allclose(model.predict_proba(X3), 1 / n_classes, rtol=1e-15)
    assert_array_equal(model.predict(X3), 0)


@for_two_and_more_classes
def test_columns_are_in_the_order_of_classes(X3, n_classes):
    # Names whose order is not that of the signal.
    names = np.array(["red", "green", "blue", "cyan", "pink"])[:n_classes]
    y = names[classes_of(X3, n_classes)]
    model = small_classifier(
        hidden_layer_sizes=16, max_iter=150, learning_rate_init=0.03, n_iter_no_change=np.inf
    ).fit(X3, y)
    assert model.classes_.tolist() == sorted(names)
    own = model.predict_proba(X3)[np.arange(40), np.searchsorted(model.classes_, y)]
    assert own.mean() > 0.9
    assert model.score(X3, y) == accuracy_score(y, model.predict(X3)) > 0.9


@for_each_dtype
@pytest.mark.parametrize(("n_classes", "bias"), [(2, [900]), (2, [-900]), (3, [900, 0, -900])])
def test_log_probabilities_are_finite_where_probabilities_underflow(X3, n_classes, bias, dtype):
    X3 = X3.astype(dtype)
    model = small_classifier().fit(X3, classes_of(X3, n_classes))
    model.output_bias_[:] = bias
    raw = model.decision_function(X3)
    if n_classes == 2:
        raw = np.c_[np.zeros_like(raw), raw]
    probabilities, logarithms = model.predict_proba(X3), model.predict_log_proba(X3)
    assert set(np.unique(probabilities)) == {0, 1}
    assert np.isfinite(logarithms).all()
    expected = raw - raw.max(axis=1, keepdims=True)
    assert_allclose(logarithms, expected, rtol=2 * np.finfo(dtype).eps)
    assert_array_equal(logarithms == 0, probabilities == 1)


# --- Labels ---------------------------------------------------------------------------------

LETTERS = np.array(list("abc"))
# labels of class 0, 1 and 2 (0 and 1 of the boolean ones), made of an array of these
LABELS = {
    "integers": lambda k: k,
    "negative integers": lambda k: k - 7,
    "small integers": lambda k: (k - 1).astype(np.int8),
    "large integers": lambda k: k * 10**15,
    "a list": lambda k: k.tolist(),
    "whole floats": lambda k: k.astype(np.float64),
    "float32": lambda k: 2 * k.astype(np.float32) - 3,
    "strings": lambda k: LETTERS[k],
    "strings of several lengths": lambda k: np.array(["a", "bbbb", "cc"])[k],
    "digits": lambda k: [str(one) for one in k + 8 * (k == 0)],
    "objects": lambda k: LETTERS.astype(object)[k],
    "booleans": lambda k: k > 0,
    "Series": lambda k: pd.Series(k, index=np.arange(len(k))[::-1]),
    "Series of strings": lambda k: pd.Series(LETTERS[k]),
    "string dtype": lambda k: pd.Series(LETTERS[k], dtype="string"),
    "categories": lambda k: pd.Series(LETTERS[k], dtype="category"),
    "Categorical": lambda k: pd.Categorical(LETTERS[k], categories=list("cba")),
    "categories of integers": lambda k: pd.Series(k, dtype="category"),
    "nullable integers": lambda k: pd.Series(k, dtype="Int64"),
}
for_each_label_type = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)


@for_each_label_type
def test_labels_of_any_type_are_learned_alike_and_come_back(X, y, labels):
    given = labels(y)
    before = copy.deepcopy(given)
    model = small_classifier().fit(X, given)
    classes, index = np.unique(np.asarray(given), return_inverse=True)
    assert model.classes_.tolist() == classes.tolist()
    prediction = model.predict(X)
    assert prediction.dtype == model.classes_.dtype
    assert set(prediction) <= set(classes)
    assert model.score(X, given) == np.mean(prediction == np.asarray(given))
    by_index = small_classifier().fit(X, index)
    assert_same_bits(weights(model), weights(by_index))
    assert_same_bits(model.predict_proba(X), by_index.predict_proba(X))
    assert_array_equal(np.asarray(given), np.asarray(before))


@for_each_label_type
def test_classes_are_those_of_mlp_classifier(X, y, labels):
    ours, theirs = small_classifier(max_iter=1), MLPClassifier(2, max_iter=1)
    assert_same_bits(ours.fit(X, labels(y)).classes_, theirs.fit(X, labels(y)).classes_)


def test_two_labels_may_be_any_two(X, y2):
    expected = small_classifier().fit(X, y2).predict_proba(X)
    for pair in ([-1, 1], [3, 70], ["no", "yes"], [False, True], [0.0, 1.0]):
        model = small_classifier().fit(X, np.array(pair)[y2])
        assert model.classes_.tolist() == pair
        assert_same_bits(model.predict_proba(X), expected)


# --- Wrong use ------------------------------------------------------------------------------

K = np.arange(40) % 3
# What is no y of a classifier, the error, and a part of its sentence.
BAD_Y = {
    "regression targets": (K + 0.5, ValueError, "Unknown label type: continuous"),
    "several labels a row": (np.c_[K > 0, K > 1], ValueError, r"y should be a 1d array, got .*2\)"),
    "several outputs": (np.c_[K, K], ValueError, r"y should be a 1d array, got an array of shape"),
    "NaN": (np.where(K == 0, np.nan, K), ValueError, "Input y contains NaN"),
    "infinity": (np.where(K == 0, np.inf, K), ValueError, "Input y contains infinity"),
    "None": (None, ValueError, "requires y to be passed, but the target y is None"),
    "too few": (K[:-1], ValueError, "inconsistent numbers of samples"),
    "one class": (np.full(40, "a"), ValueError, r"At least 2 classes .* got 1 class: 'a'"),
}
for_each_bad_y = pytest.mark.parametrize(("bad", "error", "match"), BAD_Y.values(), ids=BAD_Y)


@for_each_bad_y
def test_what_is_no_y_of_a_classifier_is_refused_before_training(X, bad, error, match):
    model = small_classifier()
    with pytest.raises(error, match=match):
        model.fit(X, bad)
    assert_same_bits(vars(model), vars(clone(model)))


@for_each_bad_y
def test_a_refused_y_leaves_a_fitted_model_as_it_was(X, y, bad, error, match):
    model = small_classifier().fit(X, y)
    before = copy.deepcopy(vars(model))
    with pytest.raises(error, match=match):
        model.fit(X, bad)
    if not match.startswith("At least"):  # A chunk may be of one class.
        with pytest.raises(error, match=match):
            model.partial_fit(X, bad)
    assert_same_bits(vars(model), before)


def test_one_class_is_refused_as_by_logistic_regression(X):
    for model in (small_classifier(), LogisticRegression()):
        with pytest.raises(ValueError, match="2 classes"):
            model.fit(X, np.zeros(40, int))


@pytest.mark.parametrize("method", PREDICTIONS)
def test_predictions_before_fit_say_what_to_call(X, method):
    with pytest.raises(NotFittedError, match=r"not fitted yet. Call 'fit'"):
        getattr(small_classifier(), method)(X)


# --- Weights of classes and samples ---------------------------------------------------------

CLASS_WEIGHTS = {
    "balanced": "balanced",
    "dict": {0: 0.5, 1: 4, 2: 1.5},
    "some labels": {1: 3.0},
    "a weight of 0": {0: 0},
    "no labels": {},
}
for_each_class_weight = pytest.mark.parametrize(
    "class_weight", CLASS_WEIGHTS.values(), ids=CLASS_WEIGHTS
)


@pytest.fixture(name="skewed")
def classes_of_different_sizes(X3):
    """Labels 0, 1 and 2, of 20, 12 and 8 rows."""
    return np.digitize(X3[:, -1, 0].argsort().argsort(), [20, 32])


@for_each_dtype
@for_each_class_weight
def test_class_weight_is_the_same_sample_weight_bit_for_bit(X, skewed, class_weight, dtype):
    X = X.astype(dtype)
    by_sample = compute_sample_weight(class_weight, skewed)
    model = small_classifier(class_weight=class_weight).fit(X, skewed)
    weighted = small_classifier().fit(X, skewed, sample_weight=by_sample)
    assert_same_bits(weights(model), weights(weighted))
    assert_same_bits(model.loss_curve_, weighted.loss_curve_)
    different = np.abs(weights(model) - weights(small_classifier().fit(X, skewed))).max() > 1e-4
    assert different == bool(class_weight)


def test_class_weight_of_two_classes_is_the_same_sample_weight(X, y2):
    y = np.array(["no", "yes"])[y2 * (np.arange(40) % 2)]
    for class_weight in ("balanced", {"yes": 5.0}, {"no": 0.1, "yes": 2}):
        by_sample = compute_sample_weight(class_weight, y)
        assert_same_bits(
            weights(small_classifier(class_weight=class_weight).fit(X, y)),
            weights(small_classifier().fit(X, y, sample_weight=by_sample)),
        )


def test_class_weight_multiplies_sample_weight(X, skewed):
    sample_weight = np.random.RandomState(0).uniform(size=40)
    class_weight = {0: 0.5, 1: 4, 2: 1.5}
    product = sample_weight * compute_sample_weight(class_weight, skewed)
    assert_same_bits(
        weights(small_classifier(class_weight=class_weight).fit(X, skewed, sample_weight)),
        weights(small_classifier().fit(X, skewed, product)),
    )


@for_each_class_weight
@pytest.mark.parametrize("n_classes", [2, 3])
def test_integer_weights_count_as_repeated_rows(X, skewed, n_classes, class_weight):
    # Also in the classes' shares, which "balanced" evens out.
    y = np.minimum(skewed, n_classes - 1)
    if isinstance(class_weight, dict):
        class_weight = {label: w for label, w in class_weight.items() if label < n_classes}
    repeats = np.random.RandomState(0).randint(4, size=40)
    full_batch = {"batch_size": 1000, "max_iter": 20, "alpha": 0.1, "class_weight": class_weight}
    weighted = small_classifier(**full_batch).fit(X, y, sample_weight=repeats)
    repeated = small_classifier(**full_batch).fit(np.repeat(X, repeats, 0), np.repeat(y, repeats))
    # Sums run in another order: the rest is rounding, which 20 steps may magnify.
    assert_allclose(weights(weighted), weights(repeated), rtol=1e-9, atol=1e-9)
    assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)


def test_without_signal_probabilities_are_the_weighted_shares_of_the_classes(skewed):
    X = np.ones((40, 2))
    settings = {
        "hidden_layer_sizes": 2, "solver": "lbfgs", "alpha": 0, "max_iter": 200, "tol": 1e-9,
    }  # fmt: skip
    shares = {None: [0.5, 0.3, 0.2], "balanced": [1 / 3] * 3}
    for class_weight, expected in shares.items():
        model = small_classifier(class_weight=class_weight, **settings).fit(X, skewed)
        # L-BFGS ends where the loss, which is flat there, falls by 2e-9 of itself at most.
        assert_allclose(model.predict_proba(X[:1])[0], expected, atol=1e-4)
    sample_weight = np.array([1.0, 2.0, 0.5])[skewed]
    model = small_classifier(**settings).fit(X, skewed, sample_weight=sample_weight)
    assert_allclose(model.predict_proba(X[:1])[0], np.array([20, 24, 4]) / 48, atol=1e-4)


BAD_CLASS_WEIGHTS = {
    "an unknown label": ({0: 1, 9: 2}, r"class_weight has labels \[9\], .* are \[0, 1, 2\]"),
    "labels of another type": ({"0": 1}, r"class_weight has labels \['0'\], .* are \[0, 1, 2\]"),
    "a negative weight": ({0: -1}, "class_weight wants weights of at least 0, got {0: -1}"),
    "NaN": ({0: np.nan}, "class_weight wants weights of at least 0, got {0: nan}"),
    "no weight at all": ({0: 0, 1: 0, 2: 0}, "must have a positive, finite sum"),
    "another word": ("even", "The 'class_weight' parameter of LSTMClassifier must be"),
    "a list": ([1, 2, 3], "The 'class_weight' parameter of LSTMClassifier must be"),
}


@pytest.mark.parametrize(
    ("class_weight", "match"), BAD_CLASS_WEIGHTS.values(), ids=BAD_CLASS_WEIGHTS
)
def test_bad_class_weights_are_refused(X, y, class_weight, match):
    model = small_classifier(class_weight=class_weight)
    with pytest.raises(ValueError, match=match):
        model.fit(X, y)
    with pytest.raises(ValueError, match=match):
        model.partial_fit(X, y, classes=[0, 1, 2])
    assert_same_bits(vars(model), vars(clone(model)))


def test_a_dict_that_names_all_classes_may_name_more(X, y):
    # As a fold of a cross-validation may lack a class.
    model = small_classifier(class_weight={0: 1, 1: 2, 2: 3, 9: 4}).fit(X, y)
    assert_same_bits(
        weights(model), weights(small_classifier(class_weight={0: 1, 1: 2, 2: 3}).fit(X, y))
    )


def test_class_weight_reaches_the_fits_of_a_stream(X, skewed):
    class_weight = {1: 4.0}
    model, weighted = small_classifier(class_weight=class_weight), small_classifier()
    by_sample = compute_sample_weight(class_weight, skewed)
    for part in (slice(0, 20), slice(20, 40)):
        model.partial_fit(X[part], skewed[part], classes=[0, 1, 2])
        weighted.partial_fit(X[part], skewed[part], by_sample[part], classes=[0, 1, 2])
    assert_same_bits(weights(model), weights(weighted))


def test_a_dict_may_name_a_class_that_a_chunk_lacks_and_leave_out_one_that_it_has(X, y2):
    model = small_classifier(class_weight={0: 2.0, 2: 3.0})
    model.partial_fit(X, y2, classes=[0, 1, 2])
    sample_weight = np.where(y2 == 0, 2.0, 1.0)
    weighted = small_classifier().partial_fit(X, y2, sample_weight, classes=[0, 1, 2])
    assert_same_bits(weights(model), weights(weighted))


def test_balanced_weights_need_all_labels_at_once(X, y):
    model = small_classifier(class_weight="balanced")
    with pytest.raises(ValueError, match=r'class_weight="balanced" needs all of y at once'):
        model.partial_fit(X, y, classes=[0, 1, 2])
    assert_same_bits(vars(model), vars(clone(model)))


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
        (np.ones((5, 2)), "y should be a 1d array"),
        ([np.nan, 0, 1, 2, 0], "Input y_val contains NaN"),
    ):
        with pytest.raises(ValueError, match=match):
            model.fit(X, y, X_val=X[:5], y_val=targets)
    assert_same_bits(vars(model), before)


# --- partial_fit and warm_start -------------------------------------------------------------


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
    in_parts, whole = (small_classifier(batch_size=8, max_iter=1, **IN_ORDER) for _ in range(2))
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


# --- The same bits --------------------------------------------------------------------------

ARCHITECTURES = {
    "one layer": {"hidden_layer_sizes": 4},
    "two layers in both directions": {"hidden_layer_sizes": (5, 17), "bidirectional": True},
    "large enough for several threads": {"hidden_layer_sizes": 64, "pooling": "mean"},
}
for_each_architecture = pytest.mark.parametrize(
    "architecture", ARCHITECTURES.values(), ids=ARCHITECTURES
)


@for_each_dtype
@for_each_architecture
@pytest.mark.parametrize("n_classes", [2, 3, 17])
def test_a_row_is_predicted_alone_as_among_others_in_any_order(architecture, n_classes, dtype):
    # Rows in number enough for several shards.
    X = np.random.RandomState(0).normal(size=(150, 15, 2)).astype(dtype)
    model = small_classifier(max_iter=1, **architecture).fit(X, np.arange(150) % n_classes)
    rng = np.random.RandomState(1)
    order, cuts = rng.permutation(150), np.sort(rng.choice(np.arange(1, 150), 4, replace=False))
    for method in PREDICTIONS:
        predict = getattr(model, method)
        together = predict(X)
        assert_same_bits(np.stack([predict(X[i : i + 1])[0] for i in range(150)]), together)
        assert_same_bits(predict(X[order]), together[order])
        parts = [predict(part) for part in np.split(X, cuts)]
        assert_same_bits(np.concatenate(parts), together)


@for_each_dtype
@for_two_and_more_classes
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, n_classes, dtype):
    X = np.random.RandomState(0).normal(size=(160, 10)).astype(dtype)
    y = np.arange(160) % n_classes
    monkeypatch.setattr(sharding, "WORTH_A_THREAD", 0)
    used, start = [], sharding.Team.__enter__
    monkeypatch.setattr(
        sharding.Team, "__enter__", lambda team: used.append(team.n_threads) or start(team)
    )
    results = []
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(sharding, "available_threads", lambda n=n_threads: n)
        model = small_classifier(batch_size=64, class_weight="balanced").fit(X, y)
        results.append((weights(model), model.loss_curve_, model.predict_proba(X)))
        # The fit, and the prediction.
        assert used[-2:] == [n_threads, n_threads]
    assert_same_bits(results[1:], results[:1] * 2)


@for_each_dtype
def test_the_same_random_state_gives_the_same_fit(X, y, dtype):
    X = X.astype(dtype)
    settings = {"dropout": 0.2, "early_stopping": True}
    one, same, other = (
        small_classifier(random_state=seed, **settings).fit(X, y) for seed in (7, 7, 8)
    )
    assert_same_bits(vars(one), vars(same))
    assert not np.array_equal(weights(one), weights(other))


def padded(X3):
    """More steps, all of them NaN."""
    return np.concatenate([X3, np.full_like(X3[:, :2], np.nan)], axis=1)


FORMS = {
    "3-D": lambda X3: X3,
    "2-D": lambda X3: X3.reshape(len(X3), -1),
    "2-D in Fortran order": lambda X3: np.asfortranarray(X3.reshape(len(X3), -1)),
    "list of arrays": list,
    "padded with NaN": padded,
    "DataFrame": lambda X3: pd.DataFrame(X3.reshape(len(X3), -1)).rename(columns=str),
}


@for_each_dtype
@for_two_and_more_classes
def test_all_forms_of_x_give_the_same_bits(X3, n_classes, dtype):
    X3, y = X3.astype(dtype), classes_of(X3, n_classes)
    results = {}
    for name, form in FORMS.items():
        flat = {"n_timesteps": 6} if "2-D" in name or "Frame" in name else {}
        model = small_classifier(bidirectional=True, **flat).fit(form(X3), y)
        results[name] = [getattr(model, method)(form(X3)) for method in PREDICTIONS]
    for name in FORMS:
        assert_same_bits(results[name], results["3-D"])


# --- scikit-learn's tools -------------------------------------------------------------------

FOLDS = StratifiedKFold(2)


@pytest.mark.parametrize("method", PREDICTIONS)
def test_cross_val_predict_predicts_each_row_by_the_net_that_did_not_see_it(X3, y, method):
    expected = [None] * 40
    for train, test in FOLDS.split(X3, y):
        model = small_classifier().fit(X3[train], LETTERS[y[train]])
        for i, prediction in zip(test, getattr(model, method)(X3[test]), strict=True):
            expected[i] = prediction
    got = cross_val_predict(small_classifier(), X3, LETTERS[y], cv=FOLDS, method=method)
    assert_same_bits(got, np.stack(expected))


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "roc_auc_ovr"])
def test_grid_search_over_a_pipeline_scores_each_candidate(X, y, scoring):
    y = LETTERS[y]
    scores = {
        None: lambda model, X, y: accuracy_score(y, model.predict(X)),
        "neg_log_loss": lambda model, X, y: -log_loss(y, model.predict_proba(X)),
        "roc_auc_ovr": lambda model, X, y: roc_auc_score(
            y, model.predict_proba(X), multi_class="ovr"
        ),
    }
    pipeline = Pipeline([("scale", StandardScaler()), ("lstm", small_classifier())])
    grid = {"lstm__hidden_layer_sizes": [2, (4, 3)], "lstm__class_weight": [None, "balanced"]}
    search = GridSearchCV(pipeline, grid, cv=FOLDS, scoring=scoring).fit(X, y)
    by_hand = [
        np.mean(
            [
                scores[scoring](
                    clone(pipeline).set_params(**candidate).fit(X[train], y[train]),
                    X[test], y[test],
                )
                for train, test in FOLDS.split(X, y)
            ]
        )
        for candidate in search.cv_results_["params"]
    ]  # fmt: skip
    assert len(by_hand) == 4
    assert_allclose(search.cv_results_["mean_test_score"], by_hand, **ROUNDING)
    best = clone(pipeline).set_params(**search.best_params_).fit(X, y)
    assert_same_bits(search.predict_proba(X), best.predict_proba(X))


def test_one_vs_rest_fits_one_logit_for_each_class(X, y):
    model = OneVsRestClassifier(small_classifier()).fit(X, LETTERS[y])
    nets = [small_classifier().fit(X, y == k) for k in range(3)]
    second = np.column_stack([net.predict_proba(X)[:, 1] for net in nets])
    assert_allclose(model.predict_proba(X), second / second.sum(axis=1, keepdims=True), **ROUNDING)
    decisions = np.column_stack([net.decision_function(X) for net in nets])
    assert_allclose(model.decision_function(X), decisions, **ROUNDING)
    assert_array_equal(model.predict(X), LETTERS[decisions.argmax(axis=1)])


def test_one_vs_one_fits_one_logit_for_each_pair(X, y):
    model = OneVsOneClassifier(small_classifier()).fit(X, LETTERS[y])
    for net, pair in zip(model.estimators_, [(0, 1), (0, 2), (1, 2)], strict=True):
        rows = np.isin(y, pair)
        assert_same_bits(weights(net), weights(small_classifier().fit(X[rows], y[rows] == pair[1])))


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@for_two_and_more_classes
def test_calibration_fits_a_net_for_each_fold_and_maps_its_decisions(X, X3, n_classes, method):
    y = classes_of(X3, n_classes)
    model = CalibratedClassifierCV(small_classifier(), method=method, cv=FOLDS).fit(X, y)
    for calibrated, (train, _) in zip(
        model.calibrated_classifiers_, FOLDS.split(X, y), strict=True
    ):
        direct = small_classifier().fit(X[train], y[train])
        assert_same_bits(weights(calibrated.estimator), weights(direct))
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (40, n_classes)
    assert_allclose(probabilities.sum(axis=1), 1, **ROUNDING)


def test_stacking_learns_from_probabilities_of_unseen_rows(X, y):
    members = [("net", small_classifier()), ("line", LogisticRegression())]
    stack = StackingClassifier(members, final_estimator=LogisticRegression(), cv=FOLDS).fit(X, y)
    unseen = [cross_val_predict(one, X, y, cv=FOLDS, method="predict_proba") for _, one in members]
    final = LogisticRegression().fit(np.hstack(unseen), y)
    seen = np.hstack([clone(one).fit(X, y).predict_proba(X) for _, one in members])
    assert_allclose(stack.predict_proba(X), final.predict_proba(seen), **ROUNDING)


def test_soft_voting_averages_probabilities(X, y):
    members = [("small", small_classifier()), ("large", small_classifier(hidden_layer_sizes=8))]
    vote = VotingClassifier(members, voting="soft", weights=[1, 3]).fit(X, LETTERS[y])
    small, large = (clone(net).fit(X, LETTERS[y]).predict_proba(X) for _, net in members)
    assert_allclose(vote.predict_proba(X), (small + 3 * large) / 4, **ROUNDING)


def test_a_pipeline_passes_classes_through_to_each_prediction(X, y):
    pipeline = make_pipeline(StandardScaler(), small_classifier()).fit(X, LETTERS[y])
    net, scaled = pipeline[-1], StandardScaler().fit_transform(X)
    assert_array_equal(pipeline.classes_, ["a", "b", "c"])
    for method in PREDICTIONS:
        assert_same_bits(getattr(pipeline, method)(X), getattr(net, method)(scaled))


@for_each_label_type
def test_copies_of_all_kinds_keep_every_bit(X, y, labels, tmp_path):
    model = small_classifier(class_weight="balanced").fit(X, labels(y))
    joblib.dump(model, tmp_path / "model.joblib")
    copies = [
        pickle.loads(pickle.dumps(model)),
        joblib.load(tmp_path / "model.joblib"),
        joblib.load(tmp_path / "model.joblib", mmap_mode="r"),
        copy.deepcopy(model),
        clone(model).fit(X, labels(y)),
    ]
    for twin in copies:
        for method in PREDICTIONS:
            assert_same_bits(getattr(twin, method)(X), getattr(model, method)(X))
        assert_array_equal(twin.classes_, model.classes_)
    assert vars(clone(model)).keys() == model.get_params().keys()


# --- The same as MLPClassifier, and as LSTMRegressor ----------------------------------------

DOCSTRING = inspect.getdoc(LSTMClassifier)
DEFAULTS = LSTMClassifier().get_params()


def test_parameters_that_mlp_classifier_or_the_regressor_has_too_have_its_defaults():
    theirs, regressors = MLPClassifier().get_params(), LSTMRegressor().get_params()
    # As of the regressor: the two that differ, and why they cannot be the same.
    assert {name for name in theirs.keys() & DEFAULTS.keys() if theirs[name] != DEFAULTS[name]} == {
        "hidden_layer_sizes", "batch_size",
    }  # fmt: skip
    assert {name: regressors.get(name) for name in DEFAULTS.keys() - {"class_weight"}} == {
        name: value for name, value in DEFAULTS.items() if name != "class_weight"
    }
    assert regressors.keys() - DEFAULTS.keys() == {
        "loss", "quantile", "huber_delta", "normalize_y",
    }  # fmt: skip


def test_the_docstring_tells_every_parameter_and_its_default():
    for name, default in DEFAULTS.items():
        stated = re.search(rf"^{name} : .*,\s+default=(\S+)$", DOCSTRING, re.M)
        assert stated, name
        assert eval(stated[1]) == default


@for_two_and_more_classes
def test_the_docstring_tells_every_fitted_attribute(X, X3, n_classes):
    section = DOCSTRING.split("Attributes\n")[1].split("References\n")[0]
    documented = set(", ".join(re.findall(r"^(\w.*) : ", section, re.M)).split(", "))
    assert not [name for name in documented if hasattr(small_classifier(), name)]
    model = small_classifier().fit(X, classes_of(X3, n_classes))
    public = {name for name in dir(model) if name.endswith("_") and not name.startswith("_")}
    assert documented - public == {"feature_names_in_"}
    assert public <= documented
