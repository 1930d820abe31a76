"""What fit and predict refuse, and what a refusal says."""

import copy

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, small_net
from scipy import sparse
from sklearn.exceptions import NotFittedError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def with_entry(array, value):
    array = np.array(array)
    array[(3, *(0,) * (array.ndim - 1))] = value
    return array


class Data:
    """Good data, to be spoiled in one place."""

    X = np.random.RandomState(0).normal(size=(20, 12))
    X3 = X.reshape(20, 6, 2)
    y = X[:, -1] - X[:, 3]
    ones = np.ones(20)


BAD_X = {
    "NaN": (with_entry(Data.X, np.nan), ValueError, "Input X contains NaN"),
    "inf": (with_entry(Data.X, np.inf), ValueError, "Input X contains infinity"),
    "-inf": (with_entry(Data.X, -np.inf), ValueError, "Input X contains infinity"),
    "NaN in 3-D": (with_entry(Data.X3, np.nan), ValueError, "Input X contains NaN"),
    "inf in 3-D": (with_entry(Data.X3, np.inf), ValueError, "Input X contains infinity"),
    "NaN in a frame": (
        pd.DataFrame(with_entry(Data.X, np.nan)), ValueError, "Input X contains NaN",
    ),
    "1-D": (Data.X[0], ValueError, "Expected 2D array, got 1D array instead"),
    "4-D": (Data.X.reshape(20, 3, 2, 2), ValueError, "Found array with dim 4"),
    "number": (3.0, ValueError, "Expected 2D array, got scalar array instead"),
    "sparse matrix": (sparse.csr_matrix(Data.X), TypeError, "Sparse data was passed for X"),
    "sparse array": (sparse.coo_array(Data.X), TypeError, "Sparse data was passed for X"),
    "complex": (Data.X + 1j, ValueError, "Complex data not supported"),
    "complex 3-D": (Data.X3 + 1j, ValueError, "Complex data not supported"),
    "strings": ([["a"] * 12] * 20, ValueError, "could not convert string to float: 'a'"),
    "no rows": (Data.X[:0], ValueError, r"Found array with 0 sample\(s\) \(shape=\(0, 12\)\)"),
    "no rows in 3-D": (Data.X3[:0], ValueError, r"Found array with 0 sample\(s\)"),
    "no columns": (Data.X[:, :0], ValueError, r"Found array with 0 feature\(s\)"),
    "no steps": (
        Data.X3[:, :0], ValueError,
        r"Found array with 0 timestep\(s\) and 2 feature\(s\) \(shape=\(20, 0, 2\)\)",
    ),
    "no features": (
        Data.X3[:, :, :0], ValueError,
        r"Found array with 6 timestep\(s\) and 0 feature\(s\) \(shape=\(20, 6, 0\)\)",
    ),
}  # fmt: skip

BAD_Y = {
    "too few": (Data.y[:-1], ValueError, r"inconsistent numbers of samples: \[20, 19\]"),
    "too many": ([*Data.y, 1.0], ValueError, r"inconsistent numbers of samples: \[20, 21\]"),
    "NaN": (with_entry(Data.y, np.nan), ValueError, "Input y contains NaN"),
    "inf": (with_entry(Data.y, np.inf), ValueError, "Input y contains infinity"),
    "missing": (None, ValueError, "requires y to be passed, but the target y is None"),
    "number": (3.0, TypeError, "Input should have at least 1 dimension|Singleton array"),
    "3-D": (np.ones((20, 2, 2)), ValueError, "Found array with dim 3"),
    "no columns": (np.ones((20, 0)), ValueError, r"Found array with 0 feature\(s\)"),
    "strings": (["a"] * 20, ValueError, "could not convert string to float: 'a'"),
    "complex": (Data.y + 1j, ValueError, "Complex data not supported"),
    "sparse": (sparse.csr_matrix(Data.X), TypeError, "Sparse data was passed for y"),
}

NEGATIVE = "Negative values in data passed to `sample_weight`"

BAD_SAMPLE_WEIGHT = {
    "one negative": (with_entry(Data.ones, -1), NEGATIVE),
    "negative number": (-1.0, NEGATIVE),
    "all zero": (0 * Data.ones, "(?i)sample.weight.* must .*(positive|non-zero)"),
    "zero": (0, "(?i)sample.weight.* must .*(positive|non-zero)"),
    "NaN": (with_entry(Data.ones, np.nan), "Input sample_weight contains NaN"),
    "inf": (with_entry(Data.ones, np.inf), "Input sample_weight contains infinity"),
    "too few": (Data.ones[1:], r"sample_weight.shape == \(19,\), expected \(20,\)"),
    "2-D": (Data.ones[:, np.newaxis], "Sample weights must be 1D array or scalar"),
}  # fmt: skip


def refused(model, call, error, match, capsys):
    """The call raises this error before an epoch has run, and leaves the model as it was."""
    before = copy.deepcopy(vars(model))
    capsys.readouterr()
    with pytest.raises(error, match=match):
        call()
    assert capsys.readouterr().out == ""
    assert_same_bits(vars(model), before)


@pytest.fixture(params=["unfitted", "fitted", "warm start"])
def model(request, capsys):
    """A net that tells of each epoch, before and after a fit."""
    net = small_net(verbose=True, warm_start=request.param == "warm start")
    if request.param == "unfitted":
        return net
    net.fit(pd.DataFrame(Data.X).add_prefix("lag "), Data.y)
    assert "Iteration 1" in capsys.readouterr().out
    return net


@pytest.mark.parametrize(("bad", "error", "match"), BAD_X.values(), ids=BAD_X)
def test_fit_refuses_bad_x(model, capsys, bad, error, match):
    refused(model, lambda: model.fit(bad, Data.y), error, match, capsys)


@pytest.mark.parametrize(("bad", "error", "match"), BAD_Y.values(), ids=BAD_Y)
def test_fit_refuses_bad_y(model, capsys, bad, error, match):
    refused(model, lambda: model.fit(Data.X, bad), error, match, capsys)
    refused(model, lambda: model.fit(Data.X3, bad), error, match, capsys)


@pytest.mark.parametrize(("bad", "match"), BAD_SAMPLE_WEIGHT.values(), ids=BAD_SAMPLE_WEIGHT)
def test_fit_refuses_bad_sample_weight(model, capsys, bad, match):
    refused(model, lambda: model.fit(Data.X, Data.y, bad), ValueError, match, capsys)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize(("bad", "error", "match"), BAD_X.values(), ids=BAD_X)
@pytest.mark.parametrize("method", ["predict", "score"])
def test_predict_and_score_refuse_bad_x(capsys, method, bad, error, match):
    model = small_net().fit(Data.X, Data.y)
    arguments = (bad,) if method == "predict" else (bad, Data.y)
    refused(model, lambda: getattr(model, method)(*arguments), error, match, capsys)


def test_fit_refuses_columns_that_n_timesteps_does_not_divide(model, capsys):
    model.set_params(n_timesteps=5)
    match = "X has 12 columns, which n_timesteps=5 does not divide"
    refused(model, lambda: model.fit(Data.X, Data.y), ValueError, match, capsys)


def test_fit_refuses_3d_x_that_contradicts_n_timesteps(model, capsys):
    model.set_params(n_timesteps=5)
    match = "X.* has 6 timesteps.*, but LSTMRegressor was given n_timesteps=5"
    refused(model, lambda: model.fit(Data.X3, Data.y), ValueError, match, capsys)


@pytest.mark.parametrize("X", [Data.X, Data.X3, None], ids=["2-D", "3-D", "None"])
def test_predict_before_fit_says_what_to_call(capsys, X):
    model = small_net()
    match = "This LSTMRegressor instance is not fitted yet. Call 'fit'"
    refused(model, lambda: model.predict(X), NotFittedError, match, capsys)


def steps_and_features(got, wanted):
    return "X has {} timesteps of {} features, but .* is expecting {} timesteps of {}".format(
        *got, *wanted
    )


# What was fitted, what was predicted with it, which n_timesteps was set before, the message.
OTHER_SHAPES = {
    "one column less": (Data.X, Data.X[:, 1:], None, "X has 11 features, but .* expecting 12"),
    "one column more": (
        Data.X[:, 1:], Data.X, None, "X has 12 features, but LSTMRegressor is expecting 11",
    ),
    "one step less": (Data.X3, Data.X3[:, 1:], None, steps_and_features((5, 2), (6, 2))),
    "one step more": (Data.X3[:, 1:], Data.X3, None, steps_and_features((6, 2), (5, 2))),
    "one feature less": (Data.X3, Data.X3[:, :, 1:], None, steps_and_features((6, 1), (6, 2))),
    "2-D after 3-D": (Data.X3, Data.X, None, steps_and_features((12, 1), (6, 2))),
    "3-D after 2-D": (Data.X, Data.X3, None, steps_and_features((6, 2), (12, 1))),
    "other n_timesteps": (Data.X, Data.X, 6, steps_and_features((6, 2), (12, 1))),
    "n_timesteps that does not divide": (Data.X, Data.X, 5, "n_timesteps=5 does not divide"),
    "n_timesteps that contradicts": (Data.X3, Data.X3, 5, "was given n_timesteps=5"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "other", "n_timesteps", "match"), OTHER_SHAPES.values(), ids=OTHER_SHAPES
)
def test_predict_refuses_other_steps_or_features_than_in_fit(
    capsys, seen, other, n_timesteps, match
):
    model = small_net().fit(seen, Data.y).set_params(n_timesteps=n_timesteps)
    refused(model, lambda: model.predict(other), ValueError, match, capsys)


REFUSED_ARGUMENTS = {
    "X": (with_entry(Data.X, np.nan), Data.y),
    "y": (Data.X, with_entry(Data.y, np.nan)),
    "negative sample_weight": (Data.X, Data.y, -1),
    "zero sample_weight": (Data.X, Data.y, 0 * Data.ones),
    "X_val": (Data.X, Data.y, None, with_entry(Data.X, np.nan), Data.y),
    "y_val": (Data.X, Data.y, None, Data.X, with_entry(Data.y, np.nan)),
}


@pytest.mark.parametrize("arguments", REFUSED_ARGUMENTS.values(), ids=REFUSED_ARGUMENTS)
def test_a_refused_fit_draws_nothing_from_the_random_state(capsys, arguments):
    model = small_net(random_state=np.random.RandomState(0))
    match = "NaN|(?i:sample.weight)"
    refused(model, lambda: model.fit(*arguments), ValueError, match, capsys)
