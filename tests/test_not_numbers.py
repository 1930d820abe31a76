"""Times, records and masked entries are refused wherever NumPy would read numbers."""

import copy
import datetime

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, ignores_convergence, small_net
from numpy.lib.recfunctions import structured_to_unstructured
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklstm import LSTMClassifier, TimestepTransformer, sliding_windows

pytestmark = ignores_convergence

X3 = np.random.RandomState(0).normal(size=(20, 6, 2))
X = X3.reshape(20, 12)
Y = np.abs(X[:, 0])
LABELS = np.arange(20) % 3


def masked(values):
    """All but the first masked, which lies over a number."""
    mask = np.zeros(values.shape, bool)
    mask.flat[0] = True
    return np.ma.masked_array(values, mask)


def dates(values):
    return np.datetime64("2024-01-01", "ns") + durations(values)


def durations(values):
    return (1e9 * values).astype(np.int64).astype("m8[ns]")


def records(values):
    """Of one field, which NumPy takes for its only number."""
    return values.view([("value", values.dtype)])


def records_of_two(values):
    return np.stack([values, values], axis=-1).view([("one", float), ("two", float)])[..., 0]


def void(values):
    return values.view("V8")


NOT_NUMBERS = {
    masked: r"must have no masked entries, got 1 of \d+: fill .*filled\(value\)",
    dates: r"must be numbers, got dtype datetime64\[ns\]: take numbers from the times",
    durations: r"must be numbers, got dtype timedelta64\[ns\]: take numbers from the times",
    records: r"must not be records, got dtype \[\('value', .*structured_to_unstructured",
    records_of_two: "must not be records, got dtype .*structured_to_unstructured",
    void: r"must not be records, got dtype \|?V8: ",
}
for_each_kind = pytest.mark.parametrize(
    ("make", "match"), NOT_NUMBERS.items(), ids=[make.__name__ for make in NOT_NUMBERS]
)


def in_an_array_of_objects(values):
    array = np.empty(len(values), object)
    array[:] = list(values)
    return array


# What X is made of, and what an error calls the part that is not numbers.
FORMS = {
    "2-D": (lambda make: make(X), "X"),
    "3-D": (lambda make: make(X3), "X"),
    "list of rows": (lambda make: [*X[:2], make(X[2]), *X[3:]], r"X\[2\]"),
    "list of sequences": (lambda make: [*X3[:2], make(X3[2]), *X3[3:]], r"X\[2\]"),
    "tuple of sequences": (lambda make: (*X3[:2], make(X3[2]), *X3[3:]), r"X\[2\]"),
    "array of sequences": (
        lambda make: in_an_array_of_objects([make(sequence) for sequence in X3]), r"X\[0\]",
    ),
    "lists of steps": (
        lambda make: [[make(step) for step in steps] for steps in X3], r"X\[0\]\[0\]",
    ),
}  # fmt: skip
for_each_form = pytest.mark.parametrize(("form", "name"), FORMS.values(), ids=FORMS)


def refused(call, match, model=None):
    """The call raises a ValueError of one sentence that says this, and changes nothing."""
    before = copy.deepcopy(vars(model)) if model else None
    with pytest.raises(ValueError, match=f"^{match}") as error:
        call()
    assert str(error.value).count(". ") == 0
    if model:
        assert_same_bits(vars(model), before)


@for_each_kind
@for_each_form
def test_x(form, name, make, match):
    bad, match = form(make), f"{name} {match}"
    fitted, new = small_net().fit(X3 if np.ndim(form(np.asarray)[0]) == 2 else X, Y), small_net()
    refused(lambda: new.fit(bad, Y), match, new)
    refused(lambda: new.partial_fit(bad, Y), match, new)
    refused(lambda: fitted.fit(bad, Y), match, fitted)
    refused(lambda: fitted.predict(bad), match, fitted)
    refused(lambda: fitted.fit(X, Y, X_val=bad, y_val=Y), match.replace("X", "X_val", 1), fitted)
    classifier = LSTMClassifier(2)
    refused(lambda: classifier.fit(bad, LABELS), match, classifier)


@for_each_kind
@for_each_form
def test_x_of_a_timestep_transformer(form, name, make, match):
    bad, match = form(make), f"{name} {match}"
    # This one takes all that it is given.
    model = TimestepTransformer(FunctionTransformer(validate=False))
    refused(lambda: model.fit(bad), match)
    refused(lambda: model.fit_transform(bad), match)
    model.fit(X3)
    refused(lambda: model.transform(bad), match)
    refused(lambda: model.inverse_transform(bad), match)


@for_each_kind
def test_targets_and_weights_of_samples(make, match):
    model = small_net()
    for bad in (make(Y), make(X)):
        refused(lambda bad=bad: model.fit(X, bad), f"y {match}", model)
        refused(lambda bad=bad: model.fit(X3, bad), f"y {match}", model)
        refused(lambda bad=bad: model.partial_fit(X, bad), f"y {match}", model)
        refused(lambda bad=bad: model.fit(X, Y, X_val=X, y_val=bad), f"y_val {match}", model)
        refused(lambda bad=bad: model.fit(X, Y, bad), f"sample_weight {match}", model)
        refused(lambda bad=bad: model.partial_fit(X, Y, bad), f"sample_weight {match}", model)
    classifier = LSTMClassifier(2)
    refused(lambda: classifier.fit(X, LABELS, make(Y)), f"sample_weight {match}", classifier)


def test_series_of_times():
    for times in (pd.Series(dates(Y)), pd.Series(durations(Y))):
        match = "must be numbers, got dtype .*: take numbers from the times"
        refused(lambda times=times: small_net().fit(X, times), f"y {match}")
        refused(lambda times=times: small_net().fit(X, Y, times), f"sample_weight {match}")


@for_each_kind
def test_series_and_covariates(make, match):
    for bad in (make(Y), make(X)):
        refused(lambda bad=bad: sliding_windows(bad, 3), f"series {match}")
        refused(lambda bad=bad: sliding_windows(Y, 3, exog=bad), f"exog {match}")
    refused(lambda: sliding_windows([make(row) for row in X], 3), rf"series\[0\] {match}")


TIMES = {
    "datetime64": (np.datetime64("2024-01-01", "s"), r"dtype datetime64\[s\]"),
    "timedelta64": (np.timedelta64(1, "D"), r"dtype timedelta64\[D\]"),
    "datetime": (datetime.datetime(2024, 1, 1), "datetime"),
    "date": (datetime.date(2024, 1, 1), "date"),
    "timedelta": (datetime.timedelta(1), "timedelta"),
    "Timestamp": (pd.Timestamp("2024-01-01"), "Timestamp"),
    "Timedelta": (pd.Timedelta(1), "Timedelta"),
    "NaT": (pd.NaT, "NaTType"),
}


@pytest.mark.parametrize(("time", "what"), TIMES.values(), ids=list(TIMES))
def test_times_among_numbers(time, what):
    match = f"must be numbers, got {what}: take numbers"
    rows, targets = X.tolist(), Y.tolist()
    rows[7][3] = targets[7] = time
    objects = X.astype(object)
    objects[7, 3] = time
    model = small_net()
    refused(lambda: model.fit(rows, Y), rf"X\[7\]\[3\] {match}")
    refused(lambda: model.fit(objects, Y), rf"X\[7\]\[3\] {match}")
    refused(lambda: model.fit(X, targets), rf"y\[7\] {match}")
    refused(lambda: model.fit(X, Y, targets), rf"sample_weight\[7\] {match}")
    refused(lambda: sliding_windows(targets, 3), rf"series\[7\] {match}")
    frame = pd.DataFrame(X).astype(object)
    frame[3] = frame[3].where(frame.index != 7, time)
    refused(lambda: model.fit(frame, Y), "X must be numbers, got dtype object in column 3: take")


def test_a_masked_entry_of_a_list():
    match = "must have no masked entries"
    rows, targets = X.tolist(), Y.tolist()
    rows[7][3] = targets[7] = np.ma.masked
    refused(lambda: small_net().fit(rows, Y), rf"X\[7\]\[3\] {match}")
    refused(lambda: small_net().fit(X, targets), rf"y\[7\] {match}")
    objects = masked(X.astype(object))
    refused(lambda: small_net().fit(objects, Y), f"X {match}")


def test_data_frames_in_a_list_are_looked_at_too():
    frames = [pd.DataFrame(steps, columns=["load", "when"]) for steps in X3]
    small_net().fit(frames, Y)
    frames[4] = frames[4].assign(when=dates(X3[4, :, 1]))
    match = r"X\[4\] must be numbers, got dtype datetime64\[ns\] in column 'when': take numbers"
    refused(lambda: small_net().fit(frames, Y), match)


# --- What is not refused ----------------------------------------------------------------------


@pytest.mark.parametrize("mask", [np.ma.nomask, False], ids=["no mask", "a mask of False"])
def test_a_masked_array_without_masked_entries_is_an_array(mask):
    def whole(values):
        return np.ma.masked_array(values, mask)

    model = small_net().fit(X3, Y, LABELS + 1)
    same = small_net().fit(whole(X3), whole(Y), whole(LABELS + 1))
    assert_same_bits(vars(same), vars(model))
    for form in (whole(X3), [whole(steps) for steps in X3]):
        assert_same_bits(model.predict(form), model.predict(X3))
    flat = small_net().fit(X, Y)
    assert_same_bits(flat.predict(whole(X)), flat.predict(X))
    for cut, expected in zip(sliding_windows(whole(Y), 3), sliding_windows(Y, 3), strict=True):
        assert_same_bits(cut, expected)
    scale = TimestepTransformer(StandardScaler()).fit(X3)
    assert_same_bits(scale.transform(whole(X3)), scale.transform(X3))


def test_fields_and_filled_arrays_pass_as_the_messages_say():
    padded = np.ma.masked_array(X3, np.zeros(X3.shape, bool))
    padded[3, 4:] = np.ma.masked
    small_net().fit(padded.filled(np.nan), Y)
    small_net().fit(records(X3)["value"], records(Y)["value"])
    columns = structured_to_unstructured(records_of_two(X3[:, :, 0]))
    small_net().fit(columns, Y)


# --- Labels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [dates(LABELS), durations(LABELS), list(dates(LABELS))])
def test_labels_may_be_times_as_in_scikit_learn(labels):
    model, peer = LSTMClassifier(2, max_iter=2).fit(X, labels), LogisticRegression().fit(X, labels)
    assert_same_bits(model.classes_, peer.classes_)
    assert set(model.predict(X)) <= set(peer.classes_)


@pytest.mark.parametrize("make", [masked, records, void])
def test_labels_must_be_neither_masked_nor_records(make):
    bad, match = make(LABELS), NOT_NUMBERS[make]
    model = LSTMClassifier(2, max_iter=2)
    refused(lambda: model.fit(X, bad), f"y {match}", model)
    refused(lambda: model.partial_fit(X, bad, classes=[0, 1, 2]), f"y {match}", model)
    refused(lambda: model.partial_fit(X, LABELS, classes=make(np.arange(3))), f"classes {match}")
    refused(lambda: model.fit(X, LABELS, X_val=X, y_val=bad), f"y_val {match}", model)
    words = masked(LABELS.astype(str))
    refused(lambda: model.fit(X, words), "y must have no masked entries", model)


def test_what_a_transformer_is_fitted_with_may_be_words_and_times_but_not_masked():
    model = TimestepTransformer(StandardScaler())
    model.fit(X3, dates(Y)).fit(X3, LABELS.astype(str))
    refused(lambda: model.fit(X3, masked(Y)), "y must have no masked entries")
    refused(lambda: model.fit(X3, sample_weight=masked(Y)), "sample_weight must have no masked")
