"""pooling=None: y has a target for each step, and predict an answer."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, ignores_convergence
from each_step import (
    CLASSES,
    EXISTS,
    LENGTHS,
    LEVEL,
    THREE,
    WORDS,
    F,
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
from problems import use_threads
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, r2_score

from sklstm import LSTMClassifier, LSTMRegressor, StreamingPredictor

pytestmark = ignores_convergence
METHODS = "predict", "predict_proba", "predict_log_proba", "decision_function"


# --- Forms ----------------------------------------------------------------------------------

EQUAL = {
    "an array": lambda each: each,
    "an array in Fortran's order": np.asfortranarray,
    "a list of arrays": list,
    "a tuple": tuple,
    "lists": lambda each: each.tolist(),
    "an array of objects": lambda each: objects(list(each)),
}
RAGGED = {
    "a list of arrays": cut,
    "a tuple": lambda each: tuple(cut(each)),
    "lists": lambda each: [part.tolist() for part in cut(each)],
    "an array of objects": lambda each: objects(cut(each)),
    "padded": padded,
}


@for_each_case
@pytest.mark.parametrize("forms", [EQUAL, RAGGED], ids=["equal lengths", "different lengths"])
def test_every_form_gives_the_same_bits(estimator, y, forms):
    lengths = LENGTHS if forms is RAGGED else np.full(N, T)
    expected = net(estimator).fit(cut(X, lengths), cut(y, lengths))
    answers = np.concatenate(expected.predict(cut(X, lengths)))
    score = expected.score(cut(X, lengths), cut(y, lengths))
    for of_X in forms.values():
        for of_y in forms.values():
            model = net(estimator).fit(of_X(X), of_y(y))
            assert_same_bits(model._weights, expected._weights)
            assert model.score(of_X(X), of_y(y)) == score
        predicted = model.predict(of_X(X))
        assert isinstance(predicted, np.ndarray if of_X(X) is X else list | np.ndarray)
        assert (in_a_row(predicted, lengths) == answers).all()


@for_each_case
def test_an_array_is_answered_by_an_array(estimator, y):
    predicted = net(estimator).fit(X, y).predict(X)
    assert (predicted.shape, predicted.dtype) == (y.shape, y.dtype)


@for_each_case
@pytest.mark.parametrize("form", [list, objects], ids=["a list", "an array of objects"])
def test_a_list_is_answered_by_a_list_of_arrays(estimator, y, form):
    predicted = net(estimator).fit(cut(X), cut(y)).predict(form(cut(X)))
    assert type(predicted) is list
    assert [each.shape for each in predicted] == [each.shape for each in cut(y)]
    assert {each.dtype for each in predicted} == {y.dtype}


@for_each_case
def test_padding_is_answered_by_nan(estimator, y):
    predicted = net(estimator).fit(padded(X), padded(y)).predict(padded(X))
    assert (pd.isna(predicted).reshape(N, T, -1).all(axis=2) == ~EXISTS).all()
    # Where NaN has no place: words stand among objects, whole numbers and bools become floats.
    assert predicted.dtype == (object if y.dtype.kind == "U" else float) or y.dtype == bool


def test_padding_beyond_the_longest_is_answered_by_nan():
    model = net().fit(cut(X), cut(LEVEL))
    more = np.full((N, T + 2, F), np.nan)
    more[:, :T] = padded(X)
    predicted = model.predict(more)
    assert predicted.shape == (N, T + 2)
    assert_same_bits(predicted[:, :T], model.predict(padded(X)))
    assert np.isnan(predicted[:, T:]).all()


@for_both
@pytest.mark.parametrize("n_timesteps", [None, T])
@pytest.mark.parametrize("frame", [np.asarray, pd.DataFrame], ids=["array", "DataFrame"])
def test_rows_of_a_table_are_sequences(estimator, y, n_timesteps, frame):
    given = X[:, :, 0] if n_timesteps is None else X
    model = net(estimator).fit(given.reshape(N, T, -1), y)
    of_rows = net(estimator, n_timesteps=n_timesteps)
    rows = frame(given.reshape(N, -1))
    of_rows.fit(rows, frame(y))
    assert_same_bits(of_rows._weights, model._weights)
    assert_same_bits(of_rows.predict(rows), model.predict(given.reshape(N, T, -1)))
    assert of_rows.score(rows, frame(y)) == model.score(given.reshape(N, T, -1), y)


@for_both
def test_one_recording_is_enough(estimator, y):
    # One that goes up and down.
    i = int(np.argmin(np.abs((LEVEL > 0).sum(axis=1) - T / 2)))
    model = net(estimator).fit(X[i : i + 1], y[i : i + 1])
    assert model.predict(X[:1]).shape == (1, T)
    assert_same_bits(net(estimator).fit([X[i]], [y[i]])._weights, model._weights)


def test_a_last_axis_of_one_output_is_dropped_with_a_warning():
    expected = net().fit(X, LEVEL)
    with pytest.warns(
        DataConversionWarning, match=r"read as \(30, 6\), which is the shape of pred"
    ):
        model = net().fit(X, LEVEL[:, :, np.newaxis])
    assert_same_bits(model._weights, expected._weights)
    assert model.predict(X).shape == (N, T)


@for_both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_are_of_the_type_of_x(estimator, y, dtype):
    model = net(estimator).fit(X.astype(dtype), y)
    assert model._weights.dtype == dtype
    method = model.predict if estimator is LSTMRegressor else model.decision_function
    assert method(X.astype(dtype)).dtype == dtype
    assert {each.dtype.type for each in method(list(X.astype(dtype)))} == {dtype}
    assert method(padded(X).astype(dtype)).dtype == dtype


def test_both_types_learn_the_same():
    single, double = (net().fit(X.astype(t), LEVEL).predict(X) for t in (np.float32, np.float64))
    np.testing.assert_allclose(single, double, rtol=1e-3, atol=1e-4)


# --- Labels that are missing ----------------------------------------------------------------

SOME = np.random.RandomState(3).rand(N, T) < 0.7


def without(y, missing):
    """An array of objects that holds this where there is no label."""
    y = y.astype(object)
    y[~SOME] = missing
    return y


MISSING = {"None": None, "NaN": np.nan, "pandas.NA": pd.NA}


@pytest.mark.parametrize("missing", MISSING.values(), ids=MISSING)
@for_each_case
@pytest.mark.parametrize(
    "form",
    [lambda y: y, lambda y: y.tolist(), lambda y: objects(list(y)), cut],
    ids=["array", "lists", "objects", "cut"],
)
def test_a_step_may_lack_its_label(estimator, y, missing, form):
    given = cut(X) if form is cut else X
    unweighted = net(estimator).fit(given, y if given is X else cut(y), SOME)
    model = net(estimator).fit(given, form(without(y, missing)))
    assert_same_bits(model._weights, unweighted._weights)
    if estimator is LSTMClassifier:
        assert_same_bits(model.classes_, np.unique(y))


def test_numbers_may_be_floats_that_are_nan():
    gaps = np.where(SOME, LEVEL, np.nan)
    assert_same_bits(net().fit(X, gaps)._weights, net().fit(X, without(LEVEL, None))._weights)
    as_floats = np.where(SOME, CLASSES, np.nan)
    model = net(LSTMClassifier).fit(X, as_floats)
    other = net(LSTMClassifier).fit(X, without(CLASSES, None))
    assert_same_bits(model._weights, other._weights)
    assert_same_bits(model.classes_, np.arange(3.0))
    assert model.score(X, as_floats) == other.score(X, as_floats) == model.score(X, CLASSES, SOME)


@pytest.mark.parametrize("of_y", [cut, lambda y: cut(without(y, np.nan))], ids=["some", "most"])
@for_each_case
def test_a_recording_may_lack_all_of_its_labels(estimator, y, of_y):
    # As an array of NaN it is of another type than those beside it.
    y = of_y(y)
    parts = [np.full(len(part), np.nan) if i < 3 else part for i, part in enumerate(y)]
    if y[0].ndim == 2:
        parts[:3] = [np.full(part.shape, np.nan) for part in y[:3]]
    model = net(estimator, batch_size=N).fit(cut(X), parts)
    # It is as if it were not there, but for the order of sums.
    other = net(estimator, batch_size=N).fit(cut(X)[3:], y[3:])
    np.testing.assert_allclose(model._weights, other._weights, rtol=1e-9)
    if estimator is LSTMClassifier:
        assert len(model.classes_) == len(other.classes_)
    assert model.score(cut(X), parts) == pytest.approx(other.score(cut(X)[3:], y[3:]), abs=1e-9)


def test_what_stands_at_padding_is_not_read():
    expected = net().fit(padded(X), np.where(EXISTS, LEVEL, np.nan), np.where(EXISTS, 1.0, 0))
    model = net().fit(padded(X), np.where(EXISTS, LEVEL, np.inf), np.where(EXISTS, 1.0, np.nan))
    assert_same_bits(model._weights, expected._weights)
    words = np.where(EXISTS, WORDS, "nothing")
    assert net(LSTMClassifier).fit(padded(X), words).classes_.tolist() == ["down", "up"]


@for_each_case
def test_steps_without_a_label_at_the_end_may_as_well_be_removed(estimator, y):
    # If features are not standardised by them, and apart from the order of sums.
    gaps = padded(y)
    settings = {"normalize_X": False, "batch_size": N, "max_iter": 20}
    model = net(estimator, **settings).fit(X, gaps)
    other = net(estimator, **settings).fit(cut(X), cut(y))
    np.testing.assert_allclose(model._weights, other._weights, rtol=1e-9, atol=1e-12)


def test_they_are_seen_by_the_other_direction():
    settings = {"normalize_X": False, "bidirectional": True, "batch_size": N}
    model = net(**settings).fit(X, padded(LEVEL))
    other = net(**settings).fit(cut(X), cut(LEVEL))
    assert np.abs(model._weights - other._weights).max() > 1e-4


# --- Weights --------------------------------------------------------------------------------

WEIGHT = np.random.RandomState(4).uniform(0.5, 2, N)


@for_each_case
def test_weights_of_steps_that_are_equal_are_weights_of_sequences(estimator, y):
    expected = net(estimator).fit(cut(X), cut(y), WEIGHT)
    of_steps = np.repeat(WEIGHT[:, np.newaxis], T, axis=1)
    for weight in (of_steps, cut(of_steps), [w.tolist() for w in cut(of_steps)], WEIGHT.tolist()):
        model = net(estimator).fit(cut(X), cut(y), weight)
        assert_same_bits(model._weights, expected._weights)
        assert model.score(cut(X), cut(y), weight) == expected.score(cut(X), cut(y), WEIGHT)


@for_each_case
def test_a_weight_of_a_sequence_is_a_repetition(estimator, y):
    times = np.random.RandomState(5).randint(0, 4, N)
    settings = {"batch_size": 10 * N, "max_iter": 20, "alpha": 1.0}
    model = net(estimator, **settings).fit(cut(X), cut(y), times)
    rows = np.repeat(np.arange(N), times)
    other = net(estimator, **settings).fit([cut(X)[i] for i in rows], [cut(y)[i] for i in rows])
    # Sums in another order.
    np.testing.assert_allclose(model._weights, other._weights, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.loss_curve_, other.loss_curve_, rtol=1e-9)


@for_each_case
def test_a_step_of_weight_0_has_no_label(estimator, y):
    weighed = net(estimator).fit(X, y, SOME * WEIGHT[:, np.newaxis])
    model = net(estimator).fit(X, without(y, None), WEIGHT)
    assert_same_bits(model._weights, weighed._weights)
    score = weighed.score(X, y, SOME * WEIGHT[:, np.newaxis])
    assert model.score(X, without(y, None), WEIGHT) == pytest.approx(score, abs=1e-14)


def test_weights_of_steps_weigh_their_losses():
    # One constant fits best: the weighted mean.
    model = net(learning_rate_init=0.05, max_iter=300, tol=0, batch_size=N, alpha=0)
    weight = np.random.RandomState(6).exponential(size=(N, T))
    model.fit(np.zeros((N, T, 1)), np.repeat(LEVEL[:, :1], T, axis=1), weight)
    expected = np.average(LEVEL[:, 0], weights=weight.sum(axis=1))
    # The net may tell step 0 from step 5, whose weighted means are a little apart.
    predicted = model.predict(np.zeros((1, T, 1)))
    assert abs(np.average(predicted[0], weights=weight.sum(axis=0)) - expected) < 0.01


@pytest.mark.parametrize("y", [WORDS, CLASSES], ids=["two", "three"])
@pytest.mark.parametrize("form", [np.asarray, cut], ids=["an array", "a list"])
def test_balanced_is_by_labelled_steps(y, form):
    given, labels = form(X), form(without(y, None))
    model = net(LSTMClassifier, class_weight="balanced").fit(given, labels)
    some = SOME if form is np.asarray else SOME & EXISTS
    names, counts = np.unique(y[some], return_counts=True)
    by_class = dict(zip(names.tolist(), some.sum() / (len(names) * counts), strict=True))
    as_a_dict = net(LSTMClassifier, class_weight=by_class).fit(given, labels)
    assert_same_bits(as_a_dict._weights, model._weights)
    weight = np.vectorize(by_class.get)(y)
    weighed = net(LSTMClassifier).fit(given, labels, form(weight))
    assert_same_bits(weighed._weights, model._weights)


def test_a_class_of_weight_0_has_no_labels():
    model = net(LSTMClassifier, class_weight={0: 0}).fit(X, CLASSES)
    weight = np.where(CLASSES == 0, 5.0, 1.0)
    other = net(LSTMClassifier, class_weight={0: 0}).fit(X, CLASSES, weight)
    assert_same_bits(model._weights, other._weights)


# --- Predictions ----------------------------------------------------------------------------


@pytest.mark.parametrize("y", [WORDS, CLASSES], ids=["two", "three"])
@pytest.mark.parametrize("form", [np.asarray, cut, padded], ids=["array", "list", "padded"])
def test_all_that_a_classifier_answers_is_of_each_step(y, form):
    model = net(LSTMClassifier, max_iter=30).fit(form(X), form(y))
    label, p, log_p, raw = (getattr(model, method)(form(X)) for method in METHODS)
    lengths = LENGTHS if form is not np.asarray else np.full(N, T)
    label, p, log_p, raw = (in_a_row(each, lengths) for each in (label, p, log_p, raw))
    n_classes = len(model.classes_)
    assert p.shape == log_p.shape == (sum(lengths), n_classes)
    assert raw.shape == ((sum(lengths),) if n_classes == 2 else p.shape)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(log_p), p)
    assert (model.classes_[p.argmax(axis=1)] == label).all()
    assert ((raw > 0).astype(int) if n_classes == 2 else raw.argmax(axis=1)).tolist() == list(
        p.argmax(axis=1)
    )


def test_probabilities_of_padding_are_nan():
    model = net(LSTMClassifier).fit(padded(X), padded(CLASSES))
    for method in METHODS[1:]:
        answers = getattr(model, method)(padded(X))
        assert answers.shape == (N, T, 3)
        assert (np.isnan(answers) == ~EXISTS[:, :, np.newaxis]).all()


@for_each_case
@pytest.mark.parametrize("bidirectional", [False, True])
def test_an_answer_does_not_depend_on_the_other_rows(estimator, y, bidirectional):
    model = net(estimator, bidirectional=bidirectional).fit(cut(X), cut(y))
    together = model.predict(cut(X))
    for rows in ([7], [3, 20, 3], list(range(N))[::-1]):
        assert_same_bits(model.predict([cut(X)[i] for i in rows]), [together[i] for i in rows])


@for_each_case
def test_an_answer_does_not_depend_on_later_steps(estimator, y):
    model = net(estimator, hidden_layer_sizes=(5, 4)).fit(cut(X), cut(y))
    whole = model.predict(X)
    for t in range(1, T):
        assert_same_bits(model.predict(X[:, :t]), whole[:, :t])


def test_with_both_directions_it_does():
    model = net(bidirectional=True).fit(cut(X), cut(LEVEL))
    assert (model.predict(X[:, :2]) != model.predict(X)[:, :2]).all()


@for_both
@pytest.mark.parametrize("dropout", [0, 0.3])
def test_the_number_of_threads_is_not_seen(monkeypatch, estimator, y, dropout):
    fits, answers = [], []
    for n_threads in (1, 2, 3):
        use_threads(monkeypatch, n_threads)
        model = net(estimator, batch_size=N, dropout=dropout, recurrent_dropout=dropout)
        many = [*cut(X)] * 5
        fits.append(model.fit(many, [*cut(y)] * 5)._weights)
        answers.append(model.predict(many))
    for other in (1, 2):
        assert_same_bits(fits[other], fits[0])
        assert_same_bits(answers[other], answers[0])


@for_each_case
@pytest.mark.parametrize("depth", [(4,), (5, 3)])
def test_a_stream_says_what_predict_says_of_the_newest_step(estimator, y, depth):
    model = net(estimator, hidden_layer_sizes=depth).fit(cut(X), cut(y))
    methods = METHODS if estimator is LSTMClassifier else METHODS[:1]
    streams = {method: StreamingPredictor(model, N) for method in methods}
    for t in range(T):
        for method, stream in streams.items():
            newest = getattr(stream, method)(X[:, t])
            assert_same_bits(newest, np.ascontiguousarray(getattr(model, method)(X)[:, t]))


@for_each_case
def test_score_takes_each_labelled_step_as_a_sample(estimator, y):
    model = net(estimator, max_iter=20).fit(cut(X), cut(y))
    metric = r2_score if estimator is LSTMRegressor else accuracy_score
    weight = np.random.RandomState(7).uniform(size=(N, T))
    for missing in MISSING.values():
        gaps = without(y, missing)
        some = EXISTS & SOME
        predicted = padded(np.array(model.predict(X)))[some]
        truth, known = y[some], predicted.astype(y.dtype)
        assert model.score(cut(X), cut(gaps)) == pytest.approx(metric(truth, known), abs=1e-14)
        assert model.score(padded(X), gaps, weight) == pytest.approx(
            metric(truth, known, sample_weight=weight[some]), abs=1e-14
        )


@for_each_case
def test_a_pickle_and_a_copy_are_the_model(estimator, y):
    model = net(estimator).fit(cut(X), cut(y))
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_same_bits(vars(other), vars(model))
        assert_same_bits(other.predict(cut(X)), model.predict(cut(X)))
    assert clone(model).pooling is None
    assert_same_bits(clone(model).fit(cut(X), cut(y))._weights, model._weights)


@pytest.mark.parametrize("y", [LEVEL, THREE], ids=["one", "three"])
def test_quantiles_and_deviations_are_of_each_step_too(y):
    quantiles = net(loss="quantile", quantile=[0.1, 0.5, 0.9]).fit(cut(X), cut(y))
    in_a_list, of_array = quantiles.predict(cut(X)), quantiles.predict(padded(X))
    assert of_array.shape == (*y.shape, 3)
    assert_same_bits(np.concatenate(in_a_list), of_array[EXISTS])
    assert (np.diff(of_array[EXISTS]) >= 0).all()
    stream = StreamingPredictor(quantiles, N)
    newest = np.ascontiguousarray(quantiles.predict(X[:, :1])[:, 0])
    assert_same_bits(stream.predict(X[:, 0]), newest)
    gaussian = net(loss="gaussian").fit(cut(X), cut(y))
    mean, deviation = gaussian.predict(padded(X), return_std=True)
    assert mean.shape == deviation.shape == y.shape
    assert (deviation[EXISTS] > 0).all()
    assert np.isnan(deviation[~EXISTS]).all()
    assert_same_bits(np.concatenate(gaussian.predict(cut(X), return_std=True)[1]),
                     deviation[EXISTS])  # fmt: skip


# --- A horizon, or a step -------------------------------------------------------------------


def test_with_another_pooling_a_row_of_y_is_a_horizon_also_where_it_is_as_long_as_x():
    for pooling in ("last", "mean", "max"):
        horizon = net(pooling=pooling).fit(X, LEVEL)
        assert horizon.n_outputs_ == T
        assert horizon.output_weights_.shape == (T, 4)
        assert horizon.predict(X).shape == (N, T)
        assert horizon.predict(X[:3]).shape == (3, T)
    step = net().fit(X, LEVEL)
    assert (step.n_outputs_, step.output_weights_.shape) == (1, (1, 4))
    with pytest.raises(ValueError, match="NaN"):
        net(pooling="last").fit(X, np.where(SOME, LEVEL, np.nan))


# --- Errors ---------------------------------------------------------------------------------


def refused(match, y, given=X, error=ValueError, estimator=LSTMRegressor, **parameters):
    model = net(estimator, **parameters)
    before = copy.deepcopy(vars(model))
    with pytest.raises(error, match=match):
        model.fit(given, y)
    assert_same_bits(vars(model), before)


def test_y_of_another_form_is_refused_in_a_sentence():
    refused(r"in the form of X: an array \(30, 6\) or \(30, 6, n_outputs\)", LEVEL[:, :5])
    refused(r"got shape \(30,\). If y has one for each sequence, choose another", LEVEL[:, 0])
    refused(r"got a list of shape \(\). If y has one for each", LEVEL[:, 0].tolist())
    refused(r"if X is one sequence, pass X\[np.newaxis\] and y\[np.newaxis\]", LEVEL[0], X[0])
    refused(r"got shape \(30, 6, 1, 1\)", LEVEL[:, :, np.newaxis, np.newaxis])
    refused("requires y to be passed", None)
    refused(r"y\[1\] has 5 entries, but X\[1\] has 6 time steps", [LEVEL[0], *LEVEL[1:, :5]])
    refused(r"inconsistent numbers of samples: \[30, 29\]", list(LEVEL)[:29])
    refused(r"a list of shape \(6, 3\) and shape \(6,\)", [LEVEL[0], *THREE[1:]])
    refused("masked", np.ma.masked_greater(LEVEL, 0))


def test_labels_that_cannot_be_are_refused_in_a_sentence():
    partly = THREE.copy()
    partly[3, 2, 1] = np.nan
    refused("1 of 180; a step has all of its outputs, or none", partly)
    refused("y has no labels: all 180 entries are NaN or None", np.full((N, T), np.nan))
    refused("y has no labels", [[None] * T] * N, estimator=LSTMClassifier)
    refused("infinity", np.where(SOME, LEVEL, np.inf))
    refused("at least 0", LEVEL, loss="poisson")
    refused("At least 2 classes", np.where(SOME, "up", None), estimator=LSTMClassifier)
    mixed = without(WORDS, None)
    mixed[0, 0] = 3
    refused("(?i)mix|unknown label type", mixed, estimator=LSTMClassifier)
    refused("class", LEVEL, estimator=LSTMClassifier)


def test_weights_that_cannot_be_are_refused():
    for weight, match in (
        (np.ones((N, T - 1)), "With pooling=None, sample_weight must have"),
        (np.ones(N - 1), "sample_weight"),
        (-np.ones((N, T)), "Negative"),
        (np.full((N, T), np.nan), "NaN"),
        (np.zeros((N, T)), "positive, finite sum|non-zero"),
        (~SOME, "positive, finite sum"),
    ):
        with pytest.raises(ValueError, match=match):
            net().fit(X, np.where(SOME, LEVEL, np.nan), weight)


def test_targets_of_steps_are_refused_by_another_pooling():
    refused("only with pooling=None", THREE, pooling="last")
    refused("1d array", WORDS, estimator=LSTMClassifier, pooling="last")


def test_a_warm_start_does_not_change_the_pooling():
    model = net(warm_start=True).fit(X, LEVEL)
    before = copy.deepcopy(vars(model)) | {"pooling": "last"}
    with pytest.raises(ValueError, match=r"pooling='last' \(was None\)"):
        model.set_params(pooling="last").fit(X, LEVEL[:, 0])
    assert_same_bits(vars(model), before)
    other = net(pooling="last", warm_start=True).fit(X, LEVEL[:, 0]).set_params(pooling=None)
    with pytest.raises(ValueError, match=r"pooling=None \(was 'last'\)"):
        other.fit(X, LEVEL)


def test_a_new_pooling_takes_effect_with_the_next_fit():
    model = net().fit(X, LEVEL).set_params(pooling="last")
    assert model.predict(X).shape == model.fit(X, LEVEL).predict(X).shape == (N, T)
    assert model.n_outputs_ == T


def test_a_score_wants_labels():
    model = net().fit(X, LEVEL)
    with pytest.raises(ValueError, match="y has no labels"):
        model.score(X, np.full((N, T), np.nan))
    with pytest.raises(ValueError, match="With pooling=None, y must have"):
        model.score(X, LEVEL[:, 0])


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings = {"n_iter_no_change": np.inf}
        net(**settings).fit(padded(X), padded(LEVEL)).score(padded(X), padded(LEVEL))
        words = padded(WORDS)
        net(LSTMClassifier, **settings).fit(padded(X), words).score(padded(X), words)
