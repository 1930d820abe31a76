"""What fit and predict accept and refuse, and what a refusal says."""

import copy
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, small_net, weights
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.exceptions import DataConversionWarning, NotFittedError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- Accepted: any memory layout ------------------------------------------------------------


def strided(X, tmp_path):
    around = np.full([2 * n for n in X.shape], np.nan, X.dtype)
    around[tuple(slice(None, None, 2) for _ in X.shape)] = X
    return around[tuple(slice(None, None, 2) for _ in X.shape)]


def negative_strides(X, tmp_path):
    backwards = (slice(None, None, -1),) * X.ndim
    return np.ascontiguousarray(X[backwards])[backwards]


def read_only(X, tmp_path):
    X = X.copy()
    X.flags.writeable = False
    return X


def memory_mapped(X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def unaligned(X, tmp_path):
    # One byte after an aligned address.
    start = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:]
    X = start.view(X.dtype).reshape(X.shape)
    assert not X.flags.aligned
    return X


def field_of_records(X, tmp_path):
    records = np.zeros(X.shape, [("flag", np.int8), ("value", X.dtype)])
    records["value"] = X
    return records["value"]


LAYOUTS = {
    "C order": lambda X, tmp_path: np.ascontiguousarray(X),
    "Fortran order": lambda X, tmp_path: np.asfortranarray(X),
    "features first": lambda X, tmp_path: np.ascontiguousarray(np.moveaxis(X, -1, 0)).transpose(
        *range(1, X.ndim), 0
    ),
    "strided": strided,
    "negative strides": negative_strides,
    "read-only": read_only,
    "memory-mapped": memory_mapped,
    "unaligned": unaligned,
    "field of records": field_of_records,
}


@pytest.mark.parametrize("n_dimensions", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_any_memory_layout_gives_the_bits_of_a_contiguous_array(
    X, X3, y, tmp_path, layout, dtype, n_dimensions
):
    plain = (X if n_dimensions == 2 else X3).astype(dtype)
    other = layout(plain, tmp_path)
    net = small_net(n_timesteps=6, hidden_layer_sizes=(4, 3), bidirectional=True)
    model = net.fit(plain, y)
    prediction = model.predict(plain)
    assert_same_bits(model.predict(other), prediction)
    fitted_on_other = copy.deepcopy(model).fit(other, y)
    assert_same_bits(vars(fitted_on_other), vars(model))
    np.testing.assert_array_equal(other, plain)


SAME_NUMBERS = {
    "byte-swapped": lambda X: X.astype(X.dtype.newbyteorder()),
    "list": lambda X: X.tolist(),
    "list of arrays": list,
    "objects": lambda X: X.astype(object),
    "long double": lambda X: X.astype(np.longdouble),
}


@pytest.mark.parametrize("n_dimensions", [2, 3])
@pytest.mark.parametrize("convert", SAME_NUMBERS.values(), ids=SAME_NUMBERS)
def test_the_same_numbers_in_another_type_give_the_same_bits(X, X3, y, convert, n_dimensions):
    plain = X if n_dimensions == 2 else X3
    model = small_net(n_timesteps=6).fit(plain, y)
    assert_same_bits(model.predict(convert(plain)), model.predict(plain))
    fitted_on_other = small_net(n_timesteps=6).fit(convert(plain), y)
    assert_same_bits(weights(fitted_on_other), weights(model))
    assert_same_bits(fitted_on_other.loss_curve_, model.loss_curve_)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, bool, np.float16])
def test_integers_and_other_numbers_are_computed_in_float64(X3, y, dtype):
    numbers = (10 * np.abs(X3)).astype(dtype)
    model = small_net().fit(numbers, y)
    assert weights(model).dtype == np.float64
    assert_same_bits(vars(model), vars(small_net().fit(numbers.astype(np.float64), y)))
    assert_same_bits(model.predict(numbers), model.predict(numbers.astype(np.float64)))


def test_repeated_memory_is_read_as_repeated_numbers(X3, y):
    model = small_net().fit(X3, y)
    same_everywhere = np.broadcast_to(X3[:1], X3.shape)
    expected = np.repeat(model.predict(X3[:1]), len(X3))
    assert_same_bits(model.predict(same_everywhere), expected)


def test_overlapping_windows_are_not_copied():
    windows = np.lib.stride_tricks.sliding_window_view(np.sin(np.arange(20_000.0)), 100)
    copied = windows.nbytes
    y = np.zeros(len(windows))
    net = small_net(max_iter=1, hidden_layer_sizes=1)
    net.fit(windows[:20], y[:20]).predict(windows[:20])
    tracemalloc.start()
    try:
        net.fit(windows, y).predict(windows[..., np.newaxis])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < copied / 4


# --- Accepted: forms of X -------------------------------------------------------------------


@pytest.mark.parametrize("n_timesteps", [1, 2, 6, 12])
@pytest.mark.parametrize("order", ["C", "F"])
def test_n_timesteps_reads_a_row_as_blocks_of_features(X, y, n_timesteps, order):
    rows = np.array(X, order=order)
    blocks = X.reshape(len(X), n_timesteps, -1)
    flat = small_net(n_timesteps=n_timesteps).fit(rows, y)
    native = small_net().fit(blocks, y)
    assert_same_bits(weights(flat), weights(native))
    assert_same_bits(flat.predict(rows), native.predict(blocks))
    assert flat.n_timesteps_ == native.n_timesteps_ == n_timesteps
    assert flat.n_features_in_ == 12
    assert native.n_features_in_ == 12 // n_timesteps
    assert_same_bits(flat.predict(blocks), flat.predict(rows))


def test_without_n_timesteps_each_column_is_a_time_step(X, y):
    flat, native = small_net().fit(X, y), small_net().fit(X[:, :, np.newaxis], y)
    assert_same_bits(weights(flat), weights(native))
    assert_same_bits(flat.predict(X), native.predict(X[:, :, np.newaxis]))
    assert flat.n_timesteps_ == 12


def test_3d_x_agrees_with_n_timesteps_or_needs_none(X3, y):
    told = small_net(n_timesteps=6).fit(X3, y)
    assert_same_bits(weights(told), weights(small_net().fit(X3, y)))


def test_a_net_fitted_on_3d_x_predicts_2d_x_once_n_timesteps_is_set(X, X3, y):
    model = small_net().fit(X3, y)
    prediction = model.predict(X3)
    assert_same_bits(model.set_params(n_timesteps=6).predict(X), prediction)


def test_a_data_frame_gives_its_columns_their_names(X, y):
    frame = pd.DataFrame(X, columns=[f"lag {12 - i}" for i in range(12)])
    model = small_net(n_timesteps=6).fit(frame, pd.Series(y))
    assert model.feature_names_in_.tolist() == frame.columns.tolist()
    plain = small_net(n_timesteps=6).fit(X, y)
    assert not hasattr(plain, "feature_names_in_")
    assert_same_bits(weights(model), weights(plain))
    assert_same_bits(model.predict(frame), plain.predict(X))


def test_a_later_fit_without_names_forgets_them(X, X3, y):
    frame = pd.DataFrame(X).add_prefix("lag ")
    for unnamed in (X, X3):
        assert not hasattr(small_net().fit(frame, y).fit(unnamed, y), "feature_names_in_")


def test_columns_in_another_order_are_refused(X, y):
    frame = pd.DataFrame(X).add_prefix("lag ")
    model = small_net().fit(frame, y)
    with pytest.raises(ValueError, match="feature names should match those that were passed"):
        model.predict(frame[frame.columns[::-1]])


def test_an_array_for_a_net_fitted_with_names_warns_as_in_scikit_learn(X, y):
    model = small_net().fit(pd.DataFrame(X).add_prefix("lag "), y)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but LSTMRegressor"):
        model.predict(X)


def test_predict_and_score_change_nothing(X, y):
    model = small_net().fit(X, y)
    before = copy.deepcopy(vars(model))
    model.predict(X)
    model.score(X, y)
    assert_same_bits(vars(model), before)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_single_row_can_be_fitted(X3, kind):
    model = small_net(max_iter=50, alpha=0).fit(X3[:1].astype(kind), [3.5])
    assert model.t_ == model.n_iter_
    prediction = model.predict(X3[:1].astype(kind))
    assert prediction.shape == (1,)
    # One target is its own mean, which a net that starts near zero has to keep.
    assert_allclose(prediction, 3.5, atol=0.5)


def test_a_single_column_is_a_sequence_of_one_step(X, y):
    model = small_net().fit(X[:, :1], y)
    assert (model.n_timesteps_, model.n_features_in_) == (1, 1)
    assert model.predict(X[:, :1]).shape == (len(X),)
    assert_same_bits(model.predict(X[:, :1]), model.predict(X[:, :1, np.newaxis]))


# --- Accepted: dtypes -----------------------------------------------------------------------


def test_float32_x_keeps_weights_and_predictions_in_float32(X, y):
    model = small_net(hidden_layer_sizes=(4, 3), bidirectional=True).fit(X.astype(np.float32), y)
    groups = model.input_weights_, model.recurrent_weights_, model.biases_
    arrays = [*(array for group in groups for array in group)]
    for array in (*arrays, model.output_weights_, model.output_bias_):
        assert array.dtype == np.float32
    assert model.predict(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("fitted_in", [np.float32, np.float64])
def test_a_prediction_has_the_dtype_of_its_x(X, y, fitted_in):
    model = small_net().fit(X.astype(fitted_in), y)
    single, double = model.predict(X.astype(np.float32)), model.predict(X)
    assert single.dtype == np.float32
    assert double.dtype == np.float64
    # A few units in the last place of float32 along six steps.
    assert_allclose(single, double, rtol=1e-4, atol=1e-5)


def test_float32_and_float64_fits_agree_within_the_precision_of_float32(X, y):
    double, single = small_net().fit(X, y), small_net().fit(X.astype(np.float32), y)
    assert_allclose(weights(single), weights(double), rtol=1e-3, atol=1e-4)


# --- Accepted: forms of y -------------------------------------------------------------------


def test_y_as_one_column_warns_and_predicts_one_dimension_as_mlp_regressor_does(X, y):
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed when a 1d array"):
        column = small_net().fit(X, y[:, np.newaxis])
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataConversionWarning)
        flat = small_net().fit(X, y)
    assert column.predict(X).shape == (len(X),)
    assert_same_bits(vars(column), vars(flat))


@pytest.mark.parametrize("n_outputs", [2, 5])
def test_y_of_several_columns_is_predicted_in_one_call(X, y, n_outputs):
    targets = y[:, np.newaxis] * np.arange(1, n_outputs + 1) + 10 * np.arange(n_outputs)
    model = small_net(max_iter=50).fit(X, targets)
    prediction = model.predict(X)
    assert prediction.shape == targets.shape
    assert model.n_outputs_ == n_outputs
    # Columns keep their places: each is around its own mean.
    assert_allclose(prediction.mean(axis=0), targets.mean(axis=0), atol=n_outputs / 2)


def test_y_may_be_a_list_a_series_a_frame_or_integers(X, y):
    whole = np.rint(10 * y)
    expected = vars(small_net().fit(X, whole))
    for same in (whole.tolist(), pd.Series(whole), whole.astype(int), whole.astype(np.float32)):
        assert_same_bits(vars(small_net().fit(X, same)), expected)
    two = np.column_stack([y, -y])
    frame = pd.DataFrame(two, columns=["up", "down"])
    assert_same_bits(vars(small_net().fit(X, frame)), vars(small_net().fit(X, two)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("normalize_y", [True, False])
def test_constant_y_is_learned_as_a_constant(X, normalize_y, dtype):
    X = X.astype(dtype)
    net = small_net(max_iter=300, tol=0, normalize_y=normalize_y, learning_rate_init=0.02)
    assert_allclose(net.fit(X, np.full(len(X), 0.75)).predict(X), 0.75, atol=0.05)


def test_constant_y_is_predicted_where_it_is_however_large(X):
    # Without a spread to learn, the scale of y is taken as 1.
    prediction = small_net(max_iter=50).fit(X, np.full(len(X), 1e6)).predict(X)
    assert_allclose(prediction, 1e6, atol=1)


def test_fit_leaves_its_arguments_as_they_are(X, y):
    weight = np.linspace(1, 2, len(y))
    before = copy.deepcopy((X, y, weight))
    small_net().fit(X, y, sample_weight=weight).predict(X)
    assert_same_bits((X, y, weight), before)


# --- Refused --------------------------------------------------------------------------------


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
