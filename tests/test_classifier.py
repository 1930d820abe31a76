"""LSTMClassifier: its probabilities and labels, what it refuses, and its peers' parameters."""

import copy
import inspect
import pickle
import re

import joblib
import numpy as np
import pandas as pd
import pytest
import reference
from classifiers import (  # noqa: F401
    LETTERS,
    PREDICTIONS,
    ROUNDING,
    classes_of,
    for_each_dtype,
    for_two_and_more_classes,
    set_head,
    small_classifier,
    three_classes,
    two_classes,
)
from conftest import assert_same_bits, weights
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.neural_network import MLPClassifier

from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
def test_probabilities_of_a_row_sum_to_1_and_are_float64(X3, n_classes, dtype):
    X3 = X3.astype(dtype)
    model = small_classifier(max_iter=20).fit(X3, classes_of(X3, n_classes))
    probabilities = model.predict_proba(X3)
    assert model.decision_function(X3).dtype == dtype
    # float32 cannot tell 1 - 1e-8 from 1: its logarithm would be another than predict_log_proba's.
    assert probabilities.dtype == model.predict_log_proba(X3).dtype == np.float64
    assert (probabilities > 0).all()
    assert (probabilities < 1).all()
    # Each of up to five is rounded once or twice.
    assert_allclose(probabilities.sum(axis=1), 1, atol=10 * np.finfo(np.float64).eps)


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
    set_head(model, 0, 0)
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
    set_head(model, model.output_weights_, bias)
    raw = model.decision_function(X3)
    if n_classes == 2:
        raw = np.c_[np.zeros_like(raw), raw]
    probabilities, logarithms = model.predict_proba(X3), model.predict_log_proba(X3)
    # No class is impossible, so that a log loss of these is finite too.
    assert set(np.unique(probabilities)) == {np.finfo(np.float64).tiny, 1}
    assert np.isfinite(logarithms).all()
    expected = raw - raw.max(axis=1, keepdims=True)
    assert_allclose(logarithms, expected, rtol=2 * np.finfo(dtype).eps)
    assert_array_equal(logarithms == 0, probabilities == 1)


# --- Labels ---------------------------------------------------------------------------------

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
