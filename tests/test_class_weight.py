"""class_weight: the weight of a class is that of each of its samples."""

import numpy as np
import pytest
from classifiers import for_each_dtype, small_classifier, three_classes, two_classes  # noqa: F401
from conftest import assert_same_bits, weights
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.utils import compute_sample_weight

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

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
