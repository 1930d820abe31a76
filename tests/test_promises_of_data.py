"""What docs/user_guide/data.md promises, in its words, of estimators as users construct them."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, ignores_convergence
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

from sklstm import LSTMClassifier, LSTMRegressor, TimestepTransformer, sliding_windows

pytestmark = ignores_convergence

N, STEPS, FEATURES = 60, 8, 2
X = np.random.RandomState(0).normal(size=(N, STEPS, FEATURES))
Y = X[:, -1, 0] + X[:, -2, 1]
LENGTHS = 1 + np.arange(N) % STEPS
IS_PADDING = np.arange(STEPS) >= LENGTHS[:, np.newaxis]
LIST = [rows[:length] for rows, length in zip(X, LENGTHS, strict=True)]
PADDED = np.where(IS_PADDING[:, :, np.newaxis], np.nan, X)


def fitted(X, y=Y, **parameters):
    return LSTMRegressor(random_state=0, **parameters).fit(X, y)


def assert_same_net(one, other):
    assert_same_bits(one._weights, other._weights)


# --- What you have, what you write ----------------------------------------------------------


def test_each_column_of_a_table_of_lags_is_a_time_step():
    table = X[:, :, 0]
    assert_same_net(fitted(table), fitted(table[:, :, np.newaxis]))


def test_a_row_of_a_table_is_blocks_of_features():
    table = pd.DataFrame(X.reshape(N, -1))
    assert_same_net(fitted(table, n_timesteps=STEPS), fitted(X))


def test_an_array_of_time_steps_first_is_transposed():
    steps_first = np.ascontiguousarray(X.transpose(1, 0, 2))
    assert_same_net(fitted(steps_first.transpose(1, 0, 2)), fitted(X))


def test_many_series_are_a_list_of_windows():
    one, other = np.sin(np.arange(50.0)), np.cos(np.arange(40.0))
    (windows_of_one, y), (windows_of_another, z) = (sliding_windows(s, 10) for s in (one, other))
    together = np.concatenate([windows_of_one, windows_of_another])
    y = np.concatenate([y, z])
    assert_same_net(fitted([*windows_of_one, *windows_of_another], y), fitted(together, y))


def test_a_long_table_says_of_which_sequence_each_row_is():
    features = ["load", "wind"]
    table = pd.DataFrame(np.concatenate(LIST), columns=features)
    table["id"] = np.repeat(np.arange(N), LENGTHS)
    sequences = [rows[features].to_numpy() for _, rows in table.groupby("id")]
    assert_same_net(fitted(sequences), fitted(LIST))


def test_padding_of_another_kind_is_set_to_nan():
    X, lengths = np.where(IS_PADDING[:, :, np.newaxis], -1.0, PADDED), LENGTHS
    X[np.arange(X.shape[1]) >= lengths[:, np.newaxis]] = np.nan
    assert_same_net(fitted(X), fitted(LIST))


def test_gaps_in_sequences_are_filled_in_a_pipeline():
    gaps = [steps.copy() for steps in LIST]
    gaps[7][3, 1] = np.nan
    model = make_pipeline(TimestepTransformer(SimpleImputer()), LSTMRegressor(random_state=0))
    filled = [steps.copy() for steps in LIST]
    filled[7][3, 1] = np.nanmean(np.concatenate(gaps)[:, 1])
    np.testing.assert_allclose(model.fit(gaps, Y)[0].transform(gaps)[7], filled[7], rtol=1e-12)
    assert np.isfinite(model.predict(gaps)).all()


def test_a_memory_map_is_fitted_as_the_array(tmp_path):
    np.save(tmp_path / "X.npy", X)
    assert_same_net(fitted(np.load(tmp_path / "X.npy", mmap_mode="r")), fitted(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, np.longdouble])
def test_float32_is_computed_in_float32_and_everything_else_in_float64(dtype):
    model = fitted((10 * X).astype(dtype))
    expected = np.float32 if dtype is np.float32 else np.float64
    assert model.input_weights_[0].dtype == expected
    assert model.predict((10 * X).astype(dtype)).dtype == expected


# --- Windows of a series --------------------------------------------------------------------


def test_all_steps_are_forecast_at_once():
    windows, y = sliding_windows(np.sin(np.arange(80.0)), n_timesteps=10, horizon=5)
    model = fitted(windows, y)
    assert model.output_bias_.shape == (5,)
    assert model.predict(windows).shape == y.shape == (66, 5)


def test_with_shuffle_scores_look_better_than_they_are():
    # Of ten seeds, the score on what comes later is lower by at least 0.4.
    walk = np.random.RandomState(0).normal(size=400).cumsum()
    (windows, y), later = (sliding_windows(part, 10, 20) for part in (walk[:200], walk[190:]))
    model = fitted(windows, y, early_stopping=True, learning_rate_init=0.01)
    assert model.best_validation_score_ > model.score(*later) + 0.2


# --- Scaling --------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [LSTMRegressor, LSTMClassifier])
def test_x_may_be_in_any_units(estimator):
    # Few epochs: what differs is rounding, which longer training amplifies.
    inputs, y = np.array([0.001, 1000.0]) * X, Y if estimator is LSTMRegressor else Y > 0
    model = estimator(max_iter=5, random_state=0)
    method = "predict" if estimator is LSTMRegressor else "predict_proba"
    in_other_units = getattr(model.fit(inputs, y), method)(inputs)
    np.testing.assert_allclose(in_other_units, getattr(model.fit(X, y), method)(X), rtol=1e-9)


def test_predictions_and_weights_are_in_the_units_that_you_gave():
    model, other = (LSTMRegressor(max_iter=5, random_state=0) for _ in range(2))
    inputs, y = np.array([0.001, 1000.0]) * X, 1000 + 7 * Y
    model.fit(X, Y), other.fit(inputs, y)
    np.testing.assert_allclose(other.predict(inputs), 1000 + 7 * model.predict(X), rtol=1e-9)
    in_units = other.input_weights_[0] * np.array([0.001, 1000.0])
    np.testing.assert_allclose(in_units, model.input_weights_[0], atol=1e-9)
    np.testing.assert_allclose(other.output_weights_, 7 * model.output_weights_, atol=1e-9)


def test_all_columns_of_a_table_of_lags_have_one_mean_and_one_deviation():
    # A rise over the lags stays a rise: it tells the rows apart, whose levels are alike.
    slopes = np.random.RandomState(0).uniform(-1, 1, size=100)
    table = 5 + slopes[:, np.newaxis] * np.linspace(-1, 1, 12) + 10 * np.linspace(-1, 1, 12)
    model = LSTMRegressor(random_state=0).fit(table[:70], slopes[:70])
    assert model.score(table[70:], slopes[70:]) > 0.9
    mean, deviation = table[:70].mean(), table[:70].std()
    scaled = LSTMRegressor(normalize_X=False, max_iter=5, random_state=0)
    scaled.fit((table[:70] - mean) / deviation, slopes[:70])
    model.set_params(max_iter=5).fit(table[:70], slopes[:70])
    expected = scaled.predict((table[70:] - mean) / deviation)
    np.testing.assert_allclose(model.predict(table[70:]), expected, atol=1e-9)


def test_the_standardising_inside_would_undo_a_robust_scaler():
    spoiled = X.copy()
    spoiled[3, 3] = 1e4
    for normalize_X in (True, False):
        net = LSTMRegressor(normalize_X=normalize_X, max_iter=5, random_state=0)
        alone = net.fit(spoiled, Y).predict(spoiled)
        scaled = make_pipeline(TimestepTransformer(RobustScaler()), net).fit(spoiled, Y)
        assert np.allclose(scaled.predict(spoiled), alone, atol=1e-6) == normalize_X


# --- Different lengths ----------------------------------------------------------------------

FORMS = {"list": LIST, "objects": None, "padded": PADDED}
FORMS["objects"] = np.empty(N, dtype=object)
FORMS["objects"][:] = LIST


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_list_and_a_padded_array_mean_the_same_bit_for_bit(dtype):
    listed = [steps.astype(dtype) for steps in LIST]
    model = fitted(listed)
    together = model.predict(listed)
    assert_same_net(fitted(PADDED.astype(dtype)), model)
    assert_same_bits(model.predict(PADDED.astype(dtype)), together)
    alone = [model.predict([steps]) for steps in listed]
    assert_same_bits(np.concatenate(alone), together)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_scikit_learn_splits_either_form(form):
    training, test, y, y_test = train_test_split(form, Y, random_state=0)
    assert len(training) == 45
    assert np.isfinite(fitted(training, y).score(test, y_test))
    net = LSTMRegressor(max_iter=5, random_state=0)
    assert_same_bits(cross_val_score(net, form, Y, cv=3), cross_val_score(net, LIST, Y, cv=3))
    search = GridSearchCV(net, {"alpha": [1e-4, 1]}, cv=2).fit(form, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_net_fitted_on_different_lengths_takes_any_length():
    model = fitted(LIST)
    assert model.n_timesteps_ is None
    longer = np.random.RandomState(1).normal(size=(3, 5 * STEPS, FEATURES))
    assert_same_bits(model.predict(longer), model.predict(list(longer)))


def test_a_net_fitted_on_one_length_takes_shorter_ones_in_a_list_or_padded_and_no_longer_one():
    model = fitted(X)
    assert model.n_timesteps_ == STEPS
    assert_same_bits(model.predict(LIST), model.predict(PADDED))
    longer = np.zeros((STEPS + 1, FEATURES))
    for refused in ([*LIST, longer], longer[np.newaxis], X[:, 1:]):
        with pytest.raises(ValueError, match=f"is expecting {STEPS} timesteps"):
            model.predict(refused)


# --- Memory ---------------------------------------------------------------------------------


def peak_of(call):
    """Bytes that Python and NumPy held at most while it ran, more than before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LARGE = np.random.RandomState(0).normal(size=(4000, 50, 4))
TARGETS = np.arange(4000.0)
COARSE = {"max_iter": 1, "random_state": 0}


@pytest.mark.parametrize("form", ["an array", "a list", "windows", "a memory map"])
def test_nothing_is_copied_whole(form, tmp_path):
    large = LARGE
    if form == "windows":
        large, _ = sliding_windows(LARGE.reshape(-1, 4)[:4050], n_timesteps=50)
    elif form == "a list":
        large = list(LARGE)
    elif form == "a memory map":
        np.save(tmp_path / "X.npy", LARGE)
        large = np.load(tmp_path / "X.npy", mmap_mode="r")

    def peak_of_a_fit(n):
        net = LSTMRegressor(**COARSE)
        return peak_of(lambda: net.fit(large[:n], TARGETS[:n]).predict(large[:n]))

    # What a minibatch needs is there for half of the rows, too.
    assert peak_of_a_fit(4000) - peak_of_a_fit(2000) < LARGE[2000:].nbytes / 3


def test_cross_validation_copies_rows_of_an_array_and_none_of_a_list():
    net, size = LSTMRegressor(8, **COARSE), LARGE.nbytes
    assert peak_of(lambda: cross_val_score(net, list(LARGE), TARGETS, cv=2)) < size / 3
    assert peak_of(lambda: cross_val_score(net, LARGE, TARGETS, cv=2)) > size / 3


def test_other_types_are_converted_which_is_a_copy():
    whole = (100 * LARGE).astype(np.int32)
    assert peak_of(lambda: LSTMRegressor(8, **COARSE).fit(whole, TARGETS)) > LARGE.nbytes / 3
