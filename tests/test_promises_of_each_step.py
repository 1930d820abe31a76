"""What docs/user_guide/each_step.md promises, of estimators as users construct them."""

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, ignores_convergence
from sklearn.feature_selection import SelectKBest
from sklearn.metrics import accuracy_score, f1_score, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)

from sklstm import LSTMClassifier, LSTMRegressor, StreamingPredictor, TimestepTransformer

pytestmark = ignores_convergence
PAGE = Path(__file__).parents[1] / "docs" / "user_guide" / "each_step.md"
RNG = np.random.RandomState(0)
X = RNG.normal(size=(60, 8, 1))
LEVEL = X[:, :, 0].cumsum(axis=1)
LABELS = np.where(LEVEL > 0, "above", "below")
LENGTHS = RNG.randint(1, 9, size=60)
EXISTS = np.arange(8) < LENGTHS[:, np.newaxis]
SOME = RNG.rand(60, 8) < 0.5
SOME[np.arange(60), RNG.randint(8, size=60)] = True
for_both = pytest.mark.parametrize(
    ("estimator", "y"),
    [(LSTMRegressor, LEVEL), (LSTMClassifier, LABELS)],
    ids=["regressor", "classifier"],
)


def model_of(estimator, **parameters):
    return estimator(pooling=None, max_iter=5, random_state=0, **parameters)


def cut(array):
    return [each[:length] for each, length in zip(array, LENGTHS, strict=True)]


def padded(array):
    array = array.astype(object if array.dtype.kind in "Ub" else float)
    array[~EXISTS] = np.nan
    return array


def shapes(answers):
    return answers.shape if isinstance(answers, np.ndarray) else {a.ndim for a in answers}


# --- Forms ----------------------------------------------------------------------------------


@for_both
def test_what_comes_later_does_not_change_an_answer(estimator, y):
    model = model_of(estimator).fit(cut(X), cut(y))
    assert_same_bits(model.predict(X[:, :3]), np.ascontiguousarray(model.predict(X)[:, :3]))


def test_the_table_of_forms():
    table = X[:, :, 0]
    two = np.stack([LEVEL, -LEVEL], axis=2)
    for given, n_timesteps in ((table, None), (np.tile(table, 2), 8), (X, None)):
        regressor = model_of(LSTMRegressor, n_timesteps=n_timesteps)
        assert regressor.fit(given, LEVEL).predict(given).shape == (60, 8)
        assert regressor.fit(given, two).predict(given).shape == (60, 8, 2)
        classifier = model_of(LSTMClassifier, n_timesteps=n_timesteps).fit(given, LABELS)
        assert classifier.predict(given).shape == (60, 8)
        assert classifier.predict_proba(given).shape == (60, 8, 2)
        assert classifier.decision_function(given).shape == (60, 8)
    for y in (LEVEL, two):
        answers = model_of(LSTMRegressor).fit(padded(X), y).predict(padded(X))
        assert (np.isnan(answers).reshape(60, 8, -1).any(axis=2) == ~EXISTS).all()
        answers = model_of(LSTMRegressor).fit(cut(X), cut(y)).predict(cut(X))
        assert [each.shape for each in answers] == [each.shape for each in cut(y)]
    classifier = model_of(LSTMClassifier).fit(cut(X), cut(LABELS))
    assert [p.shape for p in classifier.predict_proba(cut(X))] == [(n, 2) for n in LENGTHS]
    three = model_of(LSTMClassifier).fit(X, np.digitize(LEVEL, [-1, 1]))
    assert three.decision_function(X).shape == three.predict_proba(X).shape == (60, 8, 3)


@for_both
def test_all_forms_give_the_same_fit(estimator, y):
    model = model_of(estimator).fit(cut(X), cut(y))
    assert_same_bits(model_of(estimator).fit(padded(X), padded(y))._weights, model._weights)
    assert_same_bits(model_of(estimator).fit(padded(X), y)._weights, model._weights)


def test_nan_needs_room_in_a_padded_array_and_none_in_a_list():
    for y, kind in ((LABELS, "O"), (LEVEL > 0, "f"), (np.digitize(LEVEL, [0]), "f")):
        model = model_of(LSTMClassifier).fit(cut(X), cut(y))
        assert model.predict(padded(X)).dtype.kind == kind
        assert {each.dtype for each in model.predict(cut(X))} == {y.dtype}


def test_whole_numbers_of_a_padded_array_are_exact_up_to_2_to_the_53():
    for low, exact in ((2**53 - 1, True), (2**53, False)):
        y = np.where(LEVEL > 0, low + 1, low)
        model = model_of(LSTMClassifier).fit(cut(X), cut(y))
        np.testing.assert_array_equal(model.classes_, [low, low + 1])
        known = np.concatenate(model.predict(cut(X)))
        assert {*known} == {low, low + 1}
        came_back = model.predict(padded(X))[EXISTS].astype(np.int64)
        assert (came_back == known).all() == exact


def test_one_recording_is_enough():
    recording, labels = X[:5].reshape(40, 1), LABELS[:5].ravel()
    for estimator, y in ((LSTMRegressor, LEVEL[:5].ravel()), (LSTMClassifier, labels)):
        one = model_of(estimator).fit([recording], [y])
        other = model_of(estimator).fit(recording[np.newaxis], y[np.newaxis])
        assert_same_bits(one._weights, other._weights)
        model_of(estimator).fit([recording], [y], X_val=[recording], y_val=[y])


# --- Missing labels, weights ----------------------------------------------------------------


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA], ids=["NaN", "None", "pandas.NA"])
@pytest.mark.parametrize("y", [LABELS, LEVEL > 0, np.digitize(LEVEL, [-1, 1])])
def test_what_stands_for_a_missing_label(missing, y):
    gaps = y.astype(object)
    gaps[~SOME] = missing
    model = model_of(LSTMClassifier).fit(X, gaps)
    assert_same_bits(model.classes_, np.unique(y))
    assert_same_bits(model._weights, model_of(LSTMClassifier).fit(X, y, SOME)._weights)


def test_numpy_makes_a_word_of_nan_unless_told_otherwise():
    def classes(labels):
        return model_of(LSTMClassifier).fit(X[:, :3], np.tile(labels, (60, 1))).classes_.tolist()

    assert classes(np.array(["a", np.nan, "b"])) == ["a", "b", "nan"]
    assert classes(np.array(["a", None, "b"])) == ["a", "b"]
    assert classes(np.array(["a", np.nan, "b"], dtype=object)) == ["a", "b"]


def test_of_several_targets_a_step_has_all_or_none():
    two = np.stack([LEVEL, -LEVEL], axis=2)
    two[0, 0] = np.nan
    model_of(LSTMRegressor).fit(X, two)
    two[1, 1, 0] = np.nan
    with pytest.raises(ValueError, match="all of its outputs, or none"):
        model_of(LSTMRegressor).fit(X, two)


def test_a_recording_without_any_label_is_as_if_it_were_not_there():
    gaps = LEVEL.copy()
    gaps[50:] = np.nan
    # In the same minibatches.
    one, other = (model_of(LSTMRegressor, batch_size=60) for _ in range(2))
    one.fit(X, gaps), other.fit(X[:50], LEVEL[:50])
    np.testing.assert_allclose(one._weights, other._weights, rtol=1e-9)


def test_a_weight_is_a_repetition():
    times = RNG.randint(1, 4, 60)
    one, other = (model_of(LSTMRegressor, batch_size=999) for _ in range(2))
    one.fit(X, LEVEL, times), other.fit(np.repeat(X, times, axis=0), np.repeat(LEVEL, times, 0))
    np.testing.assert_allclose(one._weights, other._weights, rtol=1e-9)


def test_balanced_counts_labelled_steps():
    y = np.where(SOME, LABELS, None)
    share = np.mean(LABELS[SOME] == "above")
    weight = {"above": 0.5 / share, "below": 0.5 / (1 - share)}
    models = (model_of(LSTMClassifier, class_weight=each) for each in ("balanced", weight))
    one, other = (model.fit(X, y)._weights for model in models)
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_long_recording_counts_more_unless_weights_say_otherwise():
    # X says nothing: what fits best is one number.
    given = [np.zeros((1, 1)), np.zeros((9, 1))]
    y = [np.zeros(1), np.ones(9)]
    settings = {"max_iter": 400, "learning_rate_init": 0.05, "alpha": 0, "n_iter_no_change": 50}
    model = LSTMRegressor(2, pooling=None, random_state=0, **settings)
    first = model.fit(given, y).predict(given)[0][0]
    even = model.fit(given, y, sample_weight=[1 / len(each) for each in y]).predict(given)[0][0]
    # At the first step, 0 and 1 are seen: each once, or by the weights 1 and 1/9.
    assert first == pytest.approx(0.5, abs=0.05)
    assert even == pytest.approx(0.1, abs=0.05)


def test_a_minibatch_is_of_sequences():
    model = model_of(LSTMRegressor).fit(X, LEVEL)
    assert model.t_ == 5 * len(X)
    assert model._steps == 5 * 2  # 60 sequences, 32 at once


# --- Scores, a horizon, streams -------------------------------------------------------------


@for_both
def test_each_labelled_step_is_a_sample_of_the_score(estimator, y):
    gaps = np.where(SOME, y, None)
    model = model_of(estimator).fit(X, gaps)
    metric = r2_score if estimator is LSTMRegressor else accuracy_score
    assert model.score(X, gaps) == pytest.approx(metric(y[SOME], model.predict(X)[SOME]))


def test_the_pooling_tells_a_horizon_from_a_step():
    for pooling in ("last", "mean", "max"):
        assert LSTMRegressor(pooling=pooling, max_iter=1).fit(X, LEVEL).n_outputs_ == 8
    assert LSTMRegressor(pooling=None, max_iter=1).fit(X, LEVEL).n_outputs_ == 1


@for_both
def test_a_stream_answers_as_predict_does_for_the_newest_step(estimator, y):
    model = model_of(estimator).fit(cut(X), cut(y))
    stream = StreamingPredictor(model, 60)
    for t in range(8):
        newest = model.predict(X[:, : t + 1])[:, -1]
        assert_same_bits(stream.predict(X[:, t]), np.ascontiguousarray(newest))
    both = model_of(estimator, bidirectional=True).fit(cut(X), cut(y))
    with pytest.raises(ValueError, match="bidirectional"):
        StreamingPredictor(both)


# --- Cross-validation -----------------------------------------------------------------------


@for_both
@pytest.mark.parametrize("form", [np.asarray, cut], ids=["an array", "a list"])
def test_what_works(estimator, y, form):
    for cv in (KFold(3), TimeSeriesSplit(3)):
        cross_val_score(model_of(estimator), form(X), form(y), cv=cv, error_score="raise")
    GridSearchCV(model_of(estimator), {"alpha": [0, 1]}, cv=KFold(3)).fit(form(X), form(y))
    parts = train_test_split(form(X), form(y))
    model_of(estimator).fit(parts[0], parts[2]).score(parts[1], parts[3])


def fails(function, *arguments, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((TypeError, ValueError)):
            function(*arguments, **keywords)


def test_what_fails_and_what_to_do_instead():
    classifier, regressor = model_of(LSTMClassifier), model_of(LSTMRegressor)
    gaps = np.where(SOME, LABELS, None)
    scores = {"error_score": "raise", "cv": KFold(5)}
    for form in (np.asarray, list):
        for cv in (5, None):
            fails(cross_val_score, classifier, form(X), form(gaps), cv=cv, error_score="raise")
        assert cross_val_score(classifier, form(X), form(gaps), **scores).shape == (5,)
    for y in (LABELS, np.digitize(LEVEL, [-1, 1])):
        fails(cross_val_score, classifier, X, y, scoring="accuracy", **scores)
    two = np.stack([LEVEL, -LEVEL], axis=2)
    for given, y in ((X, np.where(SOME, LEVEL, np.nan)), (cut(X), cut(LEVEL)), (X, two)):
        fails(cross_val_score, regressor, given, y, scoring="r2", **scores)
        assert cross_val_score(regressor, given, y, **scores).shape == (5,)
    by_name = cross_val_score(regressor, X, LEVEL, scoring="r2", **scores)
    model = regressor.fit(X[12:], LEVEL[12:])
    each = [r2_score(LEVEL[:12, t], model.predict(X[:12])[:, t]) for t in range(8)]
    assert by_name[0] == pytest.approx(np.mean(each))
    fails(cross_val_predict, regressor, cut(X), cut(LEVEL))
    assert cross_val_predict(regressor, padded(X), padded(LEVEL)).shape == (60, 8)
    fails(cross_val_predict, classifier, X, LABELS, method="predict_proba")
    fails(train_test_split, X, LABELS, stratify=LABELS)


@pytest.mark.parametrize("form", [np.asarray, list], ids=["an array", "a list"])
@pytest.mark.parametrize(
    "y",
    [LEVEL > 0, *(np.where(LEVEL > 0, high, low) for low, high in ((0, 1), (-1, 1), (1, 2)))],
    ids=["bools", "0 and 1", "-1 and 1", "1 and 2"],
)
def test_two_classes_that_are_bools_or_whole_numbers_pass_for_labels_of_a_sequence(form, y):
    model = model_of(LSTMClassifier)
    given = {"X": form(X), "y": form(y), "cv": KFold(3), "error_score": "raise"}
    right = model.fit(X[20:], y[20:]).predict(X[:20]) == y[:20]
    by_name = cross_val_score(model, scoring="accuracy", **given)
    assert by_name[0] == pytest.approx(right.all(axis=1).mean())
    assert cross_val_score(model, **given)[0] == pytest.approx(right.mean())
    said = ""
    try:
        f1 = cross_val_score(model, scoring="f1_macro", **given)
    except ValueError as error:
        said = str(error)
    # Older versions of scikit-learn refuse it, but for 0 and 1.
    always_1 = "Unknown label type" in said if said else (f1 == 1).all()
    assert always_1 == (y != 0).all()


@pytest.mark.filterwarnings("ignore:Scoring failed")
def test_so_it_is_where_a_fold_has_only_two_of_more_classes():
    y = np.where(LEVEL > 0, 1, 0)
    y[0, 0] = y[30, 0] = 2
    scores = cross_val_score(model_of(LSTMClassifier), X, y, scoring="accuracy", cv=KFold(3))
    assert np.isnan(scores).tolist() == [True, True, False]
    right = model_of(LSTMClassifier).fit(X[:40], y[:40]).predict(X[40:]) == y[40:]
    assert scores[2] == pytest.approx(right.all(axis=1).mean())


def test_a_scorer_of_steps():
    def f1_of_steps(model, X, y):
        return f1_score(np.concatenate(y), np.concatenate(model.predict(X)), average="macro")

    for form in (np.asarray, cut):
        scores = cross_val_score(
            model_of(LSTMClassifier), form(X), form(LABELS), scoring=f1_of_steps, cv=KFold(3)
        )
        assert (scores > 0.2).all()


def test_a_transformer_gets_the_targets_of_a_list_step_by_step():
    seen = []

    def note(X, y):
        seen.append(np.shape(y))
        return np.ones(X.shape[1])

    select = TimestepTransformer(SelectKBest(note, k=1))
    select.fit(cut(X), cut(LEVEL))
    assert seen == [(LENGTHS.sum(),)]


# --- The example ----------------------------------------------------------------------------


def test_the_page_says_what_the_example_does():
    page = re.sub(r"\s+", " ", PAGE.read_text(encoding="utf-8"))
    code = (PAGE.parents[2] / "examples" / "label_each_step.py").read_text(encoding="utf-8")
    assert "they last 25 to 69 steps" in page
    assert "rng.integers(25, 70," in code
    assert "learns from 200 recordings" in page
    assert "run(rng, 200), run(rng, 100)" in code
    assert "choose 10, 40, 80 or 160 steps" in page
    assert "for n in (10, 40, 80, 160)" in code
    assert "are 60 extremely randomised trees" in page
    assert "ExtraTreesClassifier(60," in code
    assert "LSTMClassifier(32, pooling=None)" in page
