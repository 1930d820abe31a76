"""LSTMClassifier works unchanged in scikit-learn's tools."""

import numpy as np
import pytest
from classifiers import (
    LETTERS,
    PREDICTIONS,
    ROUNDING,
    classes_of,
    for_two_and_more_classes,
    small_classifier,
    three_classes,  # noqa: F401
)
from conftest import assert_same_bits, weights
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

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
