"""pooling=None inside scikit-learn: what works, and the way round what does not."""

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from each_step import (
    CLASSES,
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
    in_a_row,
    net,
    objects,
    padded,
)
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.metrics import f1_score, mean_absolute_error, r2_score, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor, StreamingPredictor, TimestepTransformer

pytestmark = ignores_convergence
CV = KFold(3)
SCORED = {"cv": CV, "error_score": "raise"}
FORMS = {"an array": np.asarray, "a list": cut, "padded": padded}
for_each_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def gaps(y):
    """One step lacks its label."""
    y = y.astype(object if y.dtype.kind == "U" else float)
    y[0, 0] = np.nan
    return y


# --- What works -----------------------------------------------------------------------------


def by_hand(model, given, y, split):
    """The scores of fits on the parts of a split, and the models."""

    def some(values, rows):
        return [values[i] for i in rows] if isinstance(values, list) else values[rows]

    for train, test in split:
        model.fit(some(given, train), some(y, train))
        yield model.score(some(given, test), some(y, test))


@for_each_case
@for_each_form
@pytest.mark.parametrize("cv", [CV, TimeSeriesSplit(3), KFold(3, shuffle=True, random_state=0)])
def test_cross_val_score(estimator, y, form, cv):
    model, given, targets = net(estimator), form(X), form(y)
    scores = cross_val_score(model, given, targets, cv=cv, error_score="raise")
    assert scores.tolist() == list(by_hand(model, given, targets, cv.split(X)))


@for_both
def test_cross_val_score_by_groups_and_with_gaps(estimator, y):
    groups = np.arange(N) % 5
    for targets in (y, gaps(y)):
        cross_val_score(
            net(estimator), X, targets, groups=groups, cv=GroupKFold(5), error_score="raise"
        )


@for_each_case
@for_each_form
def test_a_search(estimator, y, form):
    search = GridSearchCV(net(estimator), {"hidden_layer_sizes": [1, 4]}, **SCORED)
    search.fit(form(X), form(y))
    best = net(estimator, **search.best_params_).fit(form(X), form(y))
    assert_same_bits(search.best_estimator_._weights, best._weights)
    assert search.score(form(X), form(y)) == best.score(form(X), form(y))


@for_each_case
@pytest.mark.parametrize("form", [np.asarray, padded], ids=["an array", "padded"])
def test_cross_val_predict_of_an_array(estimator, y, form):
    given, targets = form(X), form(y)
    answers = cross_val_predict(net(estimator), given, targets, cv=CV)
    assert answers.shape == y.shape
    for train, test in CV.split(X):
        expected = net(estimator).fit(given[train], targets[train]).predict(given[test])
        assert (in_a_row(answers[test], LENGTHS[test]) == in_a_row(expected, LENGTHS[test])).all()


@for_each_case
@for_each_form
def test_train_test_split(estimator, y, form):
    X_train, X_test, y_train, y_test = train_test_split(form(X), form(y), random_state=0)
    rows, others = train_test_split(np.arange(N), random_state=0)
    model = net(estimator).fit(X_train, y_train)
    assert_same_bits(model._weights, net(estimator).fit(
        [form(X)[i] for i in rows] if form is cut else form(X)[rows],
        [form(y)[i] for i in rows] if form is cut else form(y)[rows])._weights)  # fmt: skip
    assert len(X_test) == len(y_test) == len(others)
    assert np.isfinite(model.score(X_test, y_test))


@for_each_case
@for_each_form
def test_a_pipeline_of_transformers_of_steps(estimator, y, form):
    pipeline = make_pipeline(TimestepTransformer(StandardScaler()), net(estimator))
    pipeline.fit(form(X), form(y))
    scaled = TimestepTransformer(StandardScaler()).fit_transform(form(X))
    model = net(estimator).fit(scaled, form(y))
    assert_same_bits(pipeline[-1]._weights, model._weights)
    assert pipeline.score(form(X), form(y)) == model.score(scaled, form(y))
    cross_val_score(pipeline, form(X), form(y), **SCORED)


def test_a_transformer_may_use_the_targets_of_steps_in_a_list():
    given = [np.column_stack([each, np.arange(len(each))]) for each in cut(X)]
    select = TimestepTransformer(SelectKBest(f_regression, k=1))
    y = [each[:, 1] + each[:, 0] / 9 for each in cut(X)]
    for some in (y, tuple(y), objects(y), [each.tolist() for each in y]):
        for chosen, each in zip(select.fit_transform(given, some), cut(X), strict=True):
            assert_same_bits(chosen, np.ascontiguousarray(each[:, 1:]))
    # One for each sequence is repeated, as ever.
    one = np.array([each[:, 1].mean() for each in cut(X)])
    assert select.fit_transform(given, one)[0].shape == (LENGTHS[0], 1)


def test_a_stream_of_a_pipeline():
    pipeline = make_pipeline(TimestepTransformer(StandardScaler()), net()).fit(cut(X), cut(LEVEL))
    stream = StreamingPredictor(pipeline, N)
    for t in range(T):
        newest = np.ascontiguousarray(pipeline.predict(X[:, : t + 1])[:, -1])
        assert_same_bits(stream.predict(X[:, t]), newest)


def test_a_callback_scores_epochs():
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring=lambda net, X, y: {"R2": net.score(X, y)})
    model = net().set_callbacks(monitor).fit(cut(X), cut(LEVEL))
    scores = [row["R2"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == 3
    assert scores[-1] == model.score(cut(X), cut(LEVEL))


# --- What scikit-learn refuses, and the way round -------------------------------------------


@for_both
def test_a_number_of_folds_is_enough_where_every_step_has_a_label(estimator, y):
    scores = cross_val_score(net(estimator), X, y, cv=3, error_score="raise")
    assert_same_bits(scores, cross_val_score(net(estimator), X, y, **SCORED))


def test_of_a_regressor_also_where_some_have_none():
    for y in (gaps(LEVEL), cut(LEVEL), padded(LEVEL)):
        given = cut(X) if isinstance(y, list) else X
        cross_val_score(net(), given, y, cv=3, error_score="raise")


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("y", [gaps(WORDS), gaps(CLASSES)], ids=["words", "numbers"])
@pytest.mark.parametrize("form", [np.asarray, list], ids=["an array", "a list"])
def test_of_a_classifier_it_looks_for_classes_and_fails_on_missing_labels(y, form):
    model = net(LSTMClassifier)
    with pytest.raises((TypeError, ValueError)):
        cross_val_score(model, form(X), form(y), cv=3, error_score="raise")
    assert np.isfinite(cross_val_score(model, form(X), form(y), **SCORED)).all()


@pytest.mark.parametrize("y", [gaps(WORDS), gaps(CLASSES)], ids=["words", "numbers"])
def test_but_of_lists_of_different_lengths_it_looks_for_none(y):
    scores = cross_val_score(net(LSTMClassifier), cut(X), cut(y), cv=3, error_score="raise")
    assert_same_bits(scores, cross_val_score(net(LSTMClassifier), cut(X), cut(y), **SCORED))


def test_cross_val_predict_makes_no_list_of_a_list():
    model = net()
    with pytest.raises(ValueError, match="inhomogeneous"):
        cross_val_predict(model, cut(X), cut(LEVEL), cv=CV)
    answers = cross_val_predict(model, padded(X), padded(LEVEL), cv=CV)
    assert np.isfinite(in_a_row(answers)).all()


@pytest.mark.filterwarnings("ignore:Number of classes")
def test_cross_val_predict_has_no_probabilities_of_steps():
    model = net(LSTMClassifier)
    for method in ("predict_proba", "decision_function"):
        with pytest.raises(ValueError, match="shape"):
            cross_val_predict(model, X, WORDS, cv=CV, method=method)
    answers = np.empty((N, T, 2))
    for train, test in CV.split(X):
        answers[test] = model.fit(X[train], WORDS[train]).predict_proba(X[test])
    np.testing.assert_allclose(answers.sum(axis=2), 1)


@pytest.mark.parametrize(
    ("estimator", "y", "scoring"),
    [
        (LSTMClassifier, WORDS, "accuracy"),
        (LSTMClassifier, CLASSES, "f1_macro"),
        (LSTMClassifier, WORDS, "roc_auc"),
        (LSTMRegressor, gaps(LEVEL), "r2"),
        (LSTMRegressor, THREE, "neg_mean_absolute_error"),
    ],
)
def test_scoring_by_name_is_refused(estimator, y, scoring):
    with pytest.raises(ValueError, match=r"not supported|NaN|dim"):
        cross_val_score(net(estimator), X, y, scoring=scoring, **SCORED)


TWO = {"bools": LEVEL > 0, "0 and 1": (LEVEL > 0).astype(int), "1 and 2": 1 + (LEVEL > 0)}


@pytest.mark.parametrize("y", TWO.values(), ids=TWO)
@pytest.mark.parametrize("form", [np.asarray, list], ids=["an array", "a list"])
def test_but_of_two_classes_that_are_numbers_accuracy_is_of_whole_recordings(y, form):
    model, given = net(LSTMClassifier, max_iter=20), (form(X), form(y))
    by_name = cross_val_score(model, *given, scoring="accuracy", **SCORED)
    by_step = cross_val_score(model, *given, **SCORED)
    for (train, test), whole, share in zip(CV.split(X), by_name, by_step, strict=True):
        right = model.fit(X[train], y[train]).predict(X[test]) == y[test]
        assert whole == pytest.approx(right.all(axis=1).mean())
        assert share == pytest.approx(right.mean())
        assert whole < share


def test_and_other_scores_are_means_over_steps():
    y = TWO["0 and 1"]
    for name, metric, answer in (
        ("f1_macro", f1_score, lambda model, X: model.predict(X)),
        ("roc_auc", roc_auc_score, lambda model, X: model.predict_proba(X)[:, :, 1]),
    ):
        model = net(LSTMClassifier)
        by_name = cross_val_score(model, X, y, scoring=name, **SCORED)
        for (train, test), score in zip(CV.split(X), by_name, strict=True):
            answers = answer(model.fit(X[train], y[train]), X[test])
            each = [metric(y[test, t], answers[:, t]) for t in range(T)]
            assert score == pytest.approx(np.mean(each))
    for labels in (TWO["1 and 2"], 2 * y - 1):
        said = ""
        try:
            scores = cross_val_score(net(LSTMClassifier), X, labels, scoring="f1_macro", **SCORED)
        except ValueError as error:
            said = str(error)
        # Older versions of scikit-learn refuse it.
        assert "Unknown label type" in said if said else (scores == 1).all()


def test_r2_by_name_is_a_mean_over_steps_of_a_column():
    model = net().fit(X, LEVEL)
    by_name = r2_score(LEVEL, model.predict(X))
    by_step = [r2_score(LEVEL[:, t], model.predict(X)[:, t]) for t in range(T)]
    assert by_name == pytest.approx(np.mean(by_step))
    assert model.score(X, LEVEL) == r2_score(LEVEL.ravel(), model.predict(X).ravel())
    assert abs(by_name - model.score(X, LEVEL)) > 0.01


def of_steps(metric):
    """A scorer of all labelled steps; of the docs."""

    def score(model, X, y):
        pairs = [
            (label, answer)
            for labels, answers in zip(y, model.predict(X), strict=True)
            for label, answer in zip(labels, answers, strict=True)
            if label == label and label is not None
        ]
        return metric(*map(np.array, zip(*pairs, strict=True)))

    return score


@for_each_form
def test_a_scorer_that_flattens_is_the_way_round(form):
    def f1(truth, predicted):
        return f1_score(truth, predicted, average="macro")

    scores = cross_val_score(net(LSTMClassifier), form(X), form(WORDS), scoring=of_steps(f1),
                             **SCORED)  # fmt: skip
    assert (scores > 0).all()
    errors = cross_val_score(net(), form(X), form(LEVEL), scoring=of_steps(mean_absolute_error),
                             **SCORED)  # fmt: skip
    model = net().fit(form(X)[10:], form(LEVEL)[10:])
    rows = slice(None) if form is np.asarray else LENGTHS[:10]
    truth, known = LEVEL[:10], model.predict(form(X)[:10])
    if form is not np.asarray:
        truth, known = in_a_row(truth, rows), in_a_row(known, rows)
    assert errors[0] == pytest.approx(np.abs(truth - known).mean())
