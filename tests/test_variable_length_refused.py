"""Sequences of different lengths: what is refused, by the sequence's index."""

import copy

import numpy as np
import pytest
from conftest import assert_same_bits, small_net
from numpy.testing import assert_array_equal
from ragged import FORMS, LENGTHS, LONGEST, N_FEATURES, STEPS, Y, for_each_form, in_a_list, padded

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def with_sequence(i, steps):
    sequences = list(STEPS)
    sequences[i] = np.asarray(steps)
    return sequences


def of_x_val(match):
    """What a refusal of X says where it is X_val that is refused."""
    return match.replace("X", "X_val")


def with_steps(i, t, value, feature=slice(None)):
    X = padded(STEPS)
    X[i, t, feature] = value
    return X


# Sequences of these lengths, to spoil.
SHORT, FULL = int(np.flatnonzero(LENGTHS == 3)[0]), int(np.flatnonzero(LENGTHS == LONGEST)[0])

REFUSED = {
    "no steps": (with_sequence(7, np.ones((0, 2))), r"X\[7\] has 0 timesteps"),
    "first without steps": (with_sequence(0, np.ones((0, 2))), r"X\[0\] has 0 timesteps"),
    "one feature less": (
        with_sequence(7, np.ones((3, 1))), r"X\[7\] has 1 features, but X\[0\] has 2 features",
    ),
    "one feature more": (
        with_sequence(39, np.ones((3, 3))), r"X\[39\] has 3 features, but X\[0\] has 2 features",
    ),
    "no features": ([np.ones((3, 0))] * 40, r"X\[0\] has 0 features"),
    "NaN": (with_sequence(7, [[1, 2], [3, np.nan]]), r"contains NaN: X\[7\], at timestep 1"),
    "NaN at the end of a list's sequence": (
        with_sequence(7, [[1, 2], [np.nan, np.nan]]), r"contains NaN: X\[7\], at timestep 1",
    ),
    "inf": (with_sequence(7, [[-np.inf, 2], [3, 4]]), r"contains infinity: X\[7\], at timestep 0"),
    "complex": (with_sequence(7, [[1j, 2]]), r"Complex data not supported: X\[7\]"),
    "strings": (with_sequence(7, [["a", "b"]]), r"X\[7\] must be numbers"),
    "a 1-D sequence": (with_sequence(7, [1.0, 2.0]), r"X\[7\] must be .*, got shape \(2,\)"),
    "a 1-D sequence at the start": (
        with_sequence(0, [1.0, 2.0]), r"X\[0\] must be .*, got shape \(2,\)",
    ),
    "a 3-D sequence": (
        with_sequence(7, [[[1.0, 2.0]]]), r"X\[7\] must be .*, got shape \(1, 1, 2\)",
    ),
    "a number": ([*STEPS[:7], 3.5, *STEPS[8:]], r"X\[7\] must be .*, got 3\.5"),
    "None": ([*STEPS[:7], None, *STEPS[8:]], r"X\[7\] must be .*, got None"),
    "all 1-D": (
        [steps[:, 0] for steps in STEPS], r"A sequence of one feature has the shape",
    ),
    "nothing but padding": (
        with_steps(SHORT, slice(None), np.nan), rf"X\[{SHORT}\] has 0 timesteps",
    ),
    "padding before the end": (
        with_steps(FULL, 2, np.nan), rf"contains NaN: X\[{FULL}\], at timestep 2",
    ),
    "padding at the start": (
        with_steps(SHORT, 0, np.nan), rf"contains NaN: X\[{SHORT}\], at timestep 0",
    ),
    "NaN in one feature": (
        with_steps(SHORT, 1, np.nan, 0), rf"contains NaN: X\[{SHORT}\], at timestep 1",
    ),
    "NaN in one feature of the last step": (
        with_steps(FULL, 5, np.nan, 1), rf"contains NaN: X\[{FULL}\], at timestep 5",
    ),
    "a number after padding": (
        with_steps(SHORT, 5, 1.0), rf"contains NaN: X\[{SHORT}\], at timestep 3",
    ),
    "inf in place of padding": (
        with_steps(SHORT, 3, np.inf), rf"contains infinity: X\[{SHORT}\], at timestep 3",
    ),
}  # fmt: skip


def refused(model, call, match):
    """The call raises a ValueError that says this, and leaves the model as it was."""
    before = copy.deepcopy(vars(model))
    with pytest.raises(ValueError, match=match):
        call()
    assert_same_bits(vars(model), before)


@pytest.mark.parametrize(("X", "match"), REFUSED.values(), ids=REFUSED)
def test_bad_sequences_are_refused_by_their_index(X, match):
    unfitted, fitted = small_net(), small_net().fit(STEPS, Y)
    refused(unfitted, lambda: unfitted.fit(X, Y), match)
    refused(unfitted, lambda: unfitted.partial_fit(X, Y), match)
    refused(fitted, lambda: fitted.fit(X, Y), match)
    refused(fitted, lambda: fitted.partial_fit(X, Y), match)
    refused(fitted, lambda: fitted.predict(X), match)
    refused(fitted, lambda: fitted.score(X, Y), match)
    refused(fitted, lambda: fitted.fit(STEPS, Y, X_val=X, y_val=Y), of_x_val(match))


def test_targets_must_be_as_many_as_sequences():
    model = small_net()
    for form in FORMS:
        match = r"inconsistent numbers of samples: \[40, 39\]"
        refused(model, lambda form=form: model.fit(form(STEPS), Y[1:]), match)


def test_sequences_must_have_n_timesteps_if_that_is_set():
    model = small_net(n_timesteps=LONGEST)
    first = int(np.flatnonzero(LENGTHS != LONGEST)[0])
    match = rf"X\[{first}\] has {LENGTHS[first]} timesteps, but .* n_timesteps={LONGEST}"
    for form in (in_a_list, padded):
        refused(model, lambda form=form: model.fit(form(STEPS), Y), match)


@for_each_form
def test_predict_refuses_other_features_than_in_fit(form):
    model = small_net().fit(STEPS, Y)
    one_feature = form([steps[:, :1] for steps in STEPS])
    match = "of 1 features, but LSTMRegressor is expecting any timesteps of 2 features"
    refused(model, lambda: model.predict(one_feature), match)
    refused(model, lambda: model.partial_fit(one_feature, Y), match)


def test_a_net_for_sequences_of_one_length_refuses_others():
    X = np.random.RandomState(0).normal(size=(10, LONGEST, N_FEATURES))
    model = small_net().fit(X, np.zeros(10))
    assert model.n_timesteps_ == LONGEST
    match = f"LSTMRegressor is expecting {LONGEST} timesteps of 2 features"
    longer = [*STEPS, np.zeros((LONGEST + 1, N_FEATURES))]
    refused(model, lambda: model.predict(longer), match)
    refused(model, lambda: model.predict(X[:, 1:]), match)
    assert_array_equal(model.predict(list(X)), model.predict(X))
    # Shorter ones are what the same array can hold, padded.
    assert_array_equal(model.predict(STEPS), model.predict(padded(STEPS)))
