"""What fit and predict accept: any memory layout, form and type of X and y."""

import copy
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, small_net, weights
from layouts import LAYOUTS
from numpy.testing import assert_allclose
from sklearn.exceptions import DataConversionWarning

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- Any memory layout ----------------------------------------------------------------------


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


# --- Forms of X -----------------------------------------------------------------------------


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


# --- dtypes ---------------------------------------------------------------------------------


def test_float32_x_keeps_weights_and_predictions_in_float32(X, y):
    model = small_net(hidden_layer_sizes=(4, 3), bidirectional=True).fit(X.astype(np.float32), y)
    groups = model.input_weights_, model.recurrent_weights_, model.biases_
    arrays = [*(array for group in groups for array in group)]
    for array in (*arrays, model.output_weights_, model.output_bias_):
        assert array.dtype == np.float32
    assert model.predict(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("form", ["2-D", "3-D", "a list"])
def test_the_byte_order_of_float32_does_not_matter(X, X3, y, form):
    as_given = {"2-D": (X, np.asarray), "3-D": (X3, np.asarray), "a list": (X3, list)}
    numbers, make = as_given[form]
    native = small_net().fit(make(numbers.astype(np.float32)), y)
    for order in "<>":
        swapped = make(numbers.astype(f"{order}f4"))
        model = small_net().fit(swapped, y)
        assert_same_bits(weights(model), weights(native))
        assert_same_bits(model.predict(swapped), native.predict(make(numbers.astype(np.float32))))


@pytest.mark.parametrize(("given", "native"), [(">f4", "f4"), (">f8", "f8")])
def test_nor_does_that_of_a_data_frame(X, y, given, native):
    pd = pytest.importorskip("pandas")
    swapped, plain = pd.DataFrame(X.astype(given)), pd.DataFrame(X.astype(native))
    models = small_net().fit(swapped, y), small_net().fit(plain, y)
    assert_same_bits(*map(weights, models))
    assert_same_bits(models[0].predict(swapped), models[0].predict(plain))


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


# --- Forms of y -----------------------------------------------------------------------------


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
