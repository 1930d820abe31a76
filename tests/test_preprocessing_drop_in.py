"""TimestepTransformer in scikit-learn: its checks, targets and weights, pipelines and searches."""

import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, small_net
from cut_sequences import LENGTHS, cut, objects, padded
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm.preprocessing import TimestepTransformer

# --- scikit-learn's checks ------------------------------------------------------------------

CHECKED = [
    TimestepTransformer(StandardScaler()),
    TimestepTransformer(MinMaxScaler(), n_timesteps=1),
    TimestepTransformer(PCA()),
    TimestepTransformer(SimpleImputer()),
    TimestepTransformer(PolynomialFeatures(), n_timesteps=1),
]


@parametrize_with_checks(CHECKED)
def test_scikit_learn_check(estimator, check):
    check(estimator)


# Checks that scikit-learn runs on its own transformers alone.
@pytest.mark.filterwarnings("ignore:X has feature names, but")
@pytest.mark.filterwarnings("ignore:X does not have valid feature names, but")
@pytest.mark.parametrize("estimator", CHECKED, ids=str)
@pytest.mark.parametrize(
    "check",
    [
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_global_output_transform_pandas",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_transformer_preserve_dtypes",
    ],
)
def test_scikit_learn_check_of_transformers(estimator, check):
    getattr(estimator_checks, check)("TimestepTransformer", estimator)


# --- Targets and weights --------------------------------------------------------------------


class Recorder(TransformerMixin, BaseEstimator):
    """Remembers what fit was given."""

    def fit(self, X, y=None, sample_weight="not given", flag=None):
        self.given_ = {"X": X, "y": y, "sample_weight": sample_weight, "flag": flag}
        return self

    def transform(self, X):
        return X


def test_y_and_weights_are_repeated_for_each_step(X3, y):
    weight = np.arange(40)
    rows = np.repeat(np.arange(40), LENGTHS)
    for form in (padded(X3), cut(X3)):
        model = TimestepTransformer(Recorder()).fit(form, y, sample_weight=weight, flag="a")
        given = model.transformer_.given_
        assert_array_equal(given["X"], np.concatenate(cut(X3)))
        assert_array_equal(given["y"], y[rows])
        assert_array_equal(given["sample_weight"], weight[rows])
        assert given["flag"] == "a"
    two = np.column_stack([y, -y])
    model = TimestepTransformer(Recorder()).fit(cut(X3), pd.DataFrame(two))
    assert_array_equal(model.transformer_.given_["y"], two[rows])
    assert model.transformer_.given_["sample_weight"] == "not given"
    model = TimestepTransformer(Recorder()).fit(cut(X3), sample_weight=None)
    assert model.transformer_.given_["y"] is None
    assert model.transformer_.given_["sample_weight"] == "not given"


def test_a_weight_is_a_repetition(X3):
    weight = np.arange(40) % 3
    weighted = TimestepTransformer(StandardScaler()).fit(X3, sample_weight=weight)
    repeated = TimestepTransformer(StandardScaler()).fit(np.repeat(X3, weight, axis=0))
    assert_allclose(weighted.transform(X3), repeated.transform(X3), rtol=1e-12, atol=1e-12)


def test_a_transformer_that_learns_from_y_gets_it(X3):
    y = X3[:, :, 1].mean(axis=1)
    best = TimestepTransformer(SelectKBest(f_regression, k=1))
    assert_same_bits(best.fit_transform(X3, y), X3[:, :, 1:])


class CrossFitted(Recorder):
    """As an encoder of targets, it transforms the data that it is fitted on in another way."""

    def fit_transform(self, X, y=None, **fit_params):
        return -self.fit(X, y, **fit_params).transform(X)


def test_fit_transform_is_that_of_the_transformer(X3, y):
    for form in (X3, padded(X3)):
        model = TimestepTransformer(CrossFitted())
        assert_array_equal(model.fit_transform(form, y, flag="a"), -form)
        assert model.transformer_.given_["flag"] == "a"
        assert_array_equal(model.transform(form), form)


# --- In pipelines ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", [np.array, padded, cut, lambda X3: objects(cut(X3))])
def test_sequences_are_scaled_inside_a_pipeline(X3, y, form):
    X = form(1000 + 50 * X3)
    pipeline = make_pipeline(TimestepTransformer(StandardScaler()), small_net())
    scaled = TimestepTransformer(StandardScaler()).fit_transform(X)
    by_hand = small_net().fit(scaled, y)
    assert_same_bits(pipeline.fit(X, y).predict(X), by_hand.predict(scaled))
    assert np.isfinite(cross_val_score(pipeline, X, y, cv=2)).all()
    choices = {"timesteptransformer__transformer": [StandardScaler(), MinMaxScaler()]}
    assert GridSearchCV(pipeline, choices, cv=2).fit(X, y).predict(X).shape == (40,)
    reloaded = pickle.loads(pickle.dumps(pipeline))
    assert_same_bits(reloaded.predict(X), pipeline.predict(X))


def test_2d_x_goes_through_a_pipeline_by_the_same_n_timesteps(X, X3, y):
    flat = make_pipeline(
        TimestepTransformer(StandardScaler(), n_timesteps=6), small_net(n_timesteps=6)
    )
    native = make_pipeline(TimestepTransformer(StandardScaler()), small_net())
    assert_same_bits(flat.fit(X, y).predict(X), native.fit(X3, y).predict(X3))


def test_a_pipeline_scales_the_validation_data_too(X3, y):
    X = 1000 + 50 * X3
    with config_context(enable_metadata_routing=True):
        net = small_net().set_fit_request(X_val=True, y_val=True, sample_weight=False)
        scaler = TimestepTransformer(StandardScaler().set_fit_request(sample_weight=True))
        pipeline = make_pipeline(scaler, net, transform_input=["X_val"])
        weight = np.arange(40.0)
        pipeline.fit(X, y, X_val=X[:10], y_val=y[:10], sample_weight=weight)
        direct = TimestepTransformer(StandardScaler().set_fit_request(sample_weight=True))
        assert_same_bits(
            direct.fit(X, sample_weight=weight).transform(X), pipeline[:-1].transform(X)
        )
    scaled = TimestepTransformer(StandardScaler()).fit(X, sample_weight=weight).transform(X)
    assert_same_bits(pipeline[:-1].transform(X), scaled)
    by_hand = small_net().fit(scaled, y, X_val=scaled[:10], y_val=y[:10])
    assert_same_bits(pipeline[-1].validation_scores_, by_hand.validation_scores_)


def test_it_may_stand_in_a_pipeline_of_sparse_encoders(X3):
    digits = np.rint(X3[:, :, :1]).clip(-1, 1)
    output = TimestepTransformer(OneHotEncoder()).fit_transform(digits)
    assert output.shape == (40, 6, 3)
    assert_array_equal(output.argmax(axis=2) - 1, digits[:, :, 0])


def test_tags_are_those_of_the_transformer():
    assert get_tags(TimestepTransformer(SimpleImputer())).input_tags.allow_nan
    assert not get_tags(TimestepTransformer(PCA())).input_tags.allow_nan
    assert get_tags(TimestepTransformer(PCA())).input_tags.three_d_array
    assert not get_tags(TimestepTransformer(PCA())).input_tags.sparse
    assert get_tags(TimestepTransformer(TargetEncoder())).target_tags.required
