"""TimestepTransformer: each step is a row, and X comes back in the form it was given in."""

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits
from cut_sequences import LENGTHS, N_FEATURES, N_TIMESTEPS, cut, objects, padded
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    PolynomialFeatures,
    StandardScaler,
)

from sklstm.preprocessing import TimestepTransformer

TRANSFORMERS = {
    "StandardScaler": StandardScaler(),
    "MinMaxScaler": MinMaxScaler(),
    "PCA": PCA(1),
    "SimpleImputer": SimpleImputer(),
    "PolynomialFeatures": PolynomialFeatures(),
    "ColumnTransformer": ColumnTransformer(
        [("scale", StandardScaler(), [0])], remainder="passthrough"
    ),
    "Pipeline": make_pipeline(SimpleImputer(), StandardScaler(), PCA()),
    "sparse output": KBinsDiscretizer(3, strategy="uniform"),
}
for_each_transformer = pytest.mark.parametrize(
    "transformer", TRANSFORMERS.values(), ids=list(TRANSFORMERS)
)


def dense(X):
    return X.toarray() if sparse.issparse(X) else X


# --- Forms of X -----------------------------------------------------------------------------


@for_each_transformer
@pytest.mark.parametrize("n_timesteps", [None, 1, 6])
def test_2d_x_is_read_by_n_timesteps_as_the_estimators_read_it(X, transformer, n_timesteps):
    blocks = X.reshape(len(X), n_timesteps or X.shape[1], -1)
    rows = blocks.reshape(-1, blocks.shape[2])
    expected = dense(clone(transformer).fit(rows).transform(rows)).reshape(len(X), -1)
    model = TimestepTransformer(transformer, n_timesteps=n_timesteps).fit(X)
    assert_allclose(model.transform(X), expected, rtol=1e-12, atol=1e-12)
    assert_allclose(model.fit_transform(X), expected, rtol=1e-12, atol=1e-12)
    assert (model.n_features_in_, model.n_timesteps_) == (12, blocks.shape[1])


@for_each_transformer
def test_3d_x_stays_3d(X3, transformer):
    rows = X3.reshape(-1, N_FEATURES)
    expected = dense(clone(transformer).fit(rows).transform(rows)).reshape(*X3.shape[:2], -1)
    model = TimestepTransformer(transformer).fit(X3)
    assert_allclose(model.transform(X3), expected, rtol=1e-12, atol=1e-12)
    assert (model.n_features_in_, model.n_timesteps_) == (N_FEATURES, N_TIMESTEPS)
    assert not hasattr(model, "feature_names_in_")


@for_each_transformer
def test_padding_is_not_shown_to_the_transformer_and_stays_nan(X3, transformer):
    X = padded(X3)
    real = ~np.isnan(X).any(axis=2)
    expected = dense(clone(transformer).fit(X[real]).transform(X[real]))
    for output in (
        TimestepTransformer(transformer).fit(X).transform(X),
        TimestepTransformer(transformer).fit_transform(X),
    ):
        assert output.shape == (*X.shape[:2], expected.shape[1])
        assert_allclose(output[real], expected, rtol=1e-12, atol=1e-12)
        assert np.isnan(output[~real]).all()
    assert TimestepTransformer(transformer).fit(X).n_timesteps_ is None


@for_each_transformer
@pytest.mark.parametrize("container", [list, tuple, objects])
def test_a_list_of_sequences_stays_a_list(X3, transformer, container):
    sequences = cut(X3)
    rows = np.concatenate(sequences)
    expected = dense(clone(transformer).fit(rows).transform(rows))
    model = TimestepTransformer(transformer).fit(container(sequences))
    output = model.transform(container(sequences))
    assert isinstance(output, list)
    assert [len(sequence) for sequence in output] == LENGTHS.tolist()
    assert_allclose(np.concatenate(output), expected, rtol=1e-12, atol=1e-12)
    assert (model.n_features_in_, model.n_timesteps_) == (N_FEATURES, None)


@for_each_transformer
def test_padded_and_listed_sequences_give_the_same(X3, transformer):
    X, sequences = padded(X3), cut(X3)
    from_padded = TimestepTransformer(transformer).fit(X)
    from_list = TimestepTransformer(transformer).fit(sequences)
    for fitted in (from_padded, from_list):
        output = fitted.transform(X)
        listed = [row[:length] for row, length in zip(output, LENGTHS, strict=True)]
        assert_same_bits(listed, [np.array(row) for row in fitted.transform(sequences)])
    assert_same_bits(from_padded.transform(X), from_list.transform(X))


@pytest.mark.parametrize("n_timesteps", [None, 6])
def test_fitted_on_one_form_it_transforms_the_others(X, X3, n_timesteps):
    flat = TimestepTransformer(StandardScaler(), n_timesteps=6).fit(X)
    native = TimestepTransformer(StandardScaler(), n_timesteps=n_timesteps).fit(X3)
    assert_same_bits(flat.transform(X3), native.transform(X3))
    assert_same_bits(flat.transform(list(X3)), native.transform(list(X3)))
    if n_timesteps:
        assert_same_bits(native.transform(X), flat.transform(X))
    else:
        # Sequences of other lengths are as good.
        assert native.transform(X3[:, 1:]).shape == (40, 5, 2)


def test_nested_lists_are_lists_of_sequences(X3):
    model = TimestepTransformer(StandardScaler()).fit(X3)
    assert_same_bits(model.transform(X3.tolist()), list(map(np.array, model.transform(X3))))


def test_frames_in_a_list_are_read_as_arrays(X3):
    frames = [pd.DataFrame(sequence, columns=["a", "b"]) for sequence in cut(X3)]
    model = TimestepTransformer(StandardScaler())
    assert_same_bits(model.fit_transform(frames), model.fit_transform(cut(X3)))
    assert not hasattr(model, "feature_names_in_")


def test_missing_values_go_to_an_imputer(X3):
    X = padded(X3)
    X[7, 0] = np.nan  # a step in the middle, not padding: X[7] has 2 steps
    X[8, 1, 0] = np.nan
    output = TimestepTransformer(SimpleImputer()).fit_transform(X)
    real = np.arange(N_TIMESTEPS) < LENGTHS[:, np.newaxis]
    assert_array_equal(np.isnan(output).any(axis=2), ~real)
    means = np.nanmean(X[real], axis=0)
    assert_allclose(output[7, 0], means)
    assert_allclose(output[8, 1, 0], means[0])
    assert_same_bits(output[8, 1, 1], X[8, 1, 1])
    listed = TimestepTransformer(SimpleImputer()).fit_transform(
        [row[:length] for row, length in zip(X, LENGTHS, strict=True)]
    )
    assert_same_bits(np.concatenate(listed), output[real])


def test_nan_is_refused_where_the_transformer_refuses_it(X, X3):
    for spoiled in (X3.copy(), X.copy()):
        spoiled[3, 2] = np.nan
        with pytest.raises(ValueError, match="Input X contains NaN"):
            TimestepTransformer(PCA()).fit(spoiled)
        assert TimestepTransformer(SimpleImputer()).fit_transform(spoiled).shape == spoiled.shape


def test_an_all_nan_row_of_2d_x_is_not_padding(X):
    # 2-D X has sequences of one length: what is missing at its end is missing.
    X = X.copy()
    X[:, -2:] = np.nan
    imputer = TimestepTransformer(SimpleImputer(), n_timesteps=6)
    assert np.isfinite(imputer.fit_transform(X)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_type_where_the_transformer_keeps_it(X, X3, dtype):
    forms = X.astype(dtype), X3.astype(dtype), padded(X3).astype(dtype)
    for form in forms:
        model = TimestepTransformer(StandardScaler()).fit(form)
        assert model.transform(form).dtype == dtype
        assert model.fit_transform(form).dtype == dtype
        assert model.inverse_transform(model.transform(form)).dtype == dtype
    sequences = cut(X3.astype(dtype))
    assert {s.dtype for s in TimestepTransformer(PCA()).fit_transform(sequences)} == {
        np.dtype(dtype)
    }


def test_padding_turns_integers_into_floats(X3):
    signs = FunctionTransformer(lambda X: (X > 0).astype(np.int8))
    assert TimestepTransformer(signs).fit_transform(X3).dtype == np.int8
    output = TimestepTransformer(signs).fit_transform(padded(X3))
    assert set(np.unique(output[~np.isnan(output)])) == {0, 1}


def test_windows_are_left_as_they_are(X3):
    series = X3.reshape(-1, N_FEATURES)
    windows = np.lib.stride_tricks.sliding_window_view(series, 5, axis=0).transpose(0, 2, 1)
    before = series.copy()
    model = TimestepTransformer(StandardScaler()).fit(windows)
    assert_same_bits(model.transform(windows), model.transform(np.array(windows)))
    assert_same_bits(series, before)


# --- The way back ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "transformer",
    [StandardScaler(), PCA(), make_pipeline(MinMaxScaler(), StandardScaler())],
    ids=["StandardScaler", "PCA", "Pipeline"],
)
def test_inverse_transform_gives_back_every_form(X, X3, transformer):
    for n_timesteps, form in ((6, X), (None, X), (None, X3), (None, padded(X3))):
        model = TimestepTransformer(transformer, n_timesteps=n_timesteps).fit(form)
        back = model.inverse_transform(model.transform(form))
        assert_allclose(back, form, rtol=1e-12, atol=1e-12)
    model.fit(cut(X3))
    back = model.inverse_transform(model.transform(cut(X3)))
    for one, other in zip(back, cut(X3), strict=True):
        assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_timesteps", [None, 6])
def test_inverse_transform_knows_how_many_features_came_out(X, n_timesteps):
    X = X.copy()
    X[::3, ::2] = np.nan
    model = TimestepTransformer(SimpleImputer(add_indicator=True), n_timesteps=n_timesteps)
    output = model.fit_transform(X)
    assert output.shape[1] > X.shape[1]
    assert_array_equal(model.inverse_transform(output), X)


def test_inverse_transform_exists_where_the_transformer_has_it(X):
    assert hasattr(TimestepTransformer(StandardScaler()), "inverse_transform")
    assert not hasattr(TimestepTransformer(Binarizer()), "inverse_transform")
    chained = make_pipeline(StandardScaler(), Binarizer())
    assert not hasattr(TimestepTransformer(chained), "inverse_transform")
    with pytest.raises(AttributeError, match="no attribute 'inverse_transform'"):
        TimestepTransformer(Binarizer()).fit(X).inverse_transform(X)


# --- Names and containers -------------------------------------------------------------------


def test_2d_x_has_a_name_for_each_column(X):
    scaler = TimestepTransformer(StandardScaler(), n_timesteps=3).fit(X)
    names = [f"t{t}_x{k}" for t in range(3) for k in range(4)]
    assert scaler.get_feature_names_out().tolist() == names
    pca = TimestepTransformer(PCA(2), n_timesteps=3).fit(X)
    assert pca.get_feature_names_out().tolist() == [
        "t0_pca0", "t0_pca1", "t1_pca0", "t1_pca1", "t2_pca0", "t2_pca1",
    ]  # fmt: skip
    univariate = TimestepTransformer(StandardScaler()).fit(X[:, :2])
    assert univariate.get_feature_names_out().tolist() == ["t0_x0", "t1_x0"]


def test_named_columns_keep_their_names_where_features_are_kept(X):
    frame = pd.DataFrame(X).add_prefix("lag ")
    scaler = TimestepTransformer(StandardScaler(), n_timesteps=3).fit(frame)
    assert scaler.get_feature_names_out().tolist() == frame.columns.tolist()
    assert scaler.feature_names_in_.tolist() == frame.columns.tolist()
    assert scaler.get_feature_names_out(frame.columns).tolist() == frame.columns.tolist()
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        scaler.get_feature_names_out([f"other {i}" for i in range(12)])
    pca = TimestepTransformer(PCA(1), n_timesteps=3).fit(frame)
    assert pca.get_feature_names_out().tolist() == ["t0_pca0", "t1_pca0", "t2_pca0"]


def test_sequences_have_a_name_for_each_feature(X3):
    for form in (X3, padded(X3), cut(X3)):
        scaler = TimestepTransformer(StandardScaler()).fit(form)
        assert scaler.get_feature_names_out().tolist() == ["x0", "x1"]
        assert scaler.get_feature_names_out(["load", "sun"]).tolist() == ["load", "sun"]
        assert TimestepTransformer(PCA(1)).fit(form).get_feature_names_out().tolist() == ["pca0"]


def test_names_are_those_that_the_transformer_has(X):
    assert not hasattr(TimestepTransformer(FunctionTransformer()), "get_feature_names_out")
    with pytest.raises(NotFittedError, match="This TimestepTransformer instance is not fitted"):
        TimestepTransformer(StandardScaler()).get_feature_names_out()


@pytest.mark.parametrize("how", ["set_output", "set_config"])
def test_2d_x_may_come_out_as_a_frame(X, how):
    frame = pd.DataFrame(X, index=list("abcde" * 8)).add_prefix("lag ")
    model = TimestepTransformer(PCA(1), n_timesteps=6)
    expected = model.fit_transform(X)
    with config_context(transform_output="pandas" if how == "set_config" else "default"):
        if how == "set_output":
            model.set_output(transform="pandas")
        for output in (model.fit_transform(frame), model.fit(frame).transform(frame)):
            assert isinstance(output, pd.DataFrame)
            assert output.columns.tolist() == [f"t{t}_pca0" for t in range(6)]
            assert output.index.tolist() == frame.index.tolist()
            assert_array_equal(output, expected)


@pytest.mark.parametrize("how", ["set_output", "set_config"])
def test_other_forms_stay_what_they_are_whatever_the_container(X, X3, how):
    model = TimestepTransformer(StandardScaler())
    forms = X3, padded(X3), cut(X3)
    expected = [model.fit_transform(form) for form in forms]
    with config_context(transform_output="pandas" if how == "set_config" else "default"):
        if how == "set_output":
            model.set_output(transform="pandas")
        assert_same_bits([model.fit_transform(form) for form in forms], expected)
        assert_same_bits([model.fit(form).transform(form) for form in forms], expected)
        # 2-D X after these is a frame, with names.
        output = model.set_params(n_timesteps=6).transform(X)
        assert output.columns.tolist() == [f"t{t}_x{k}" for t in range(6) for k in range(2)]


def test_set_output_survives_a_clone_and_reaches_through_a_pipeline(X):
    pipeline = make_pipeline(
        TimestepTransformer(StandardScaler()), TimestepTransformer(FunctionTransformer())
    ).set_output(transform="pandas")
    frame = pd.DataFrame(X).add_prefix("lag ")
    # The last step cannot name its features, so what it returns stays an array.
    assert_array_equal(pipeline.fit_transform(frame), clone(pipeline).fit_transform(frame))
    first = clone(pipeline)[0].fit_transform(frame)
    assert first.columns.tolist() == frame.columns.tolist()


def test_set_output_refuses_a_container_that_does_not_exist(X):
    model = TimestepTransformer(StandardScaler()).set_output(transform="csv")
    with pytest.raises(ValueError, match="output config must be in"):
        model.fit_transform(X)
    assert_same_bits(
        model.set_output(transform="default").set_output().fit_transform(X),
        TimestepTransformer(StandardScaler()).fit_transform(X),
    )
