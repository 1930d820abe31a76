"""TimestepTransformer: what it refuses, and that a refusal changes nothing."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits, small_net
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

from sklstm.preprocessing import TimestepTransformer

X3 = np.random.RandomState(0).normal(size=(20, 6, 2))
X2 = X3.reshape(20, 12)
PAD = ((0, 0), (0, 2), (0, 0))
COUNT = "X has {} features, but TimestepTransformer is expecting {} features as input"

BAD_X = {
    "1-D": (X2[0], "Expected 2D array, got 1D array instead"),
    "4-D": (X3[np.newaxis], "Found array with dim 4"),
    "no rows": (X2[:0], r"Found array with 0 sample\(s\)"),
    "no rows in 3-D": (X3[:0], r"Found array with 0 sample\(s\)"),
    "no steps": (X3[:, :0], r"Found array with 0 sample\(s\)"),
    "no features": (X3[:, :, :0], r"Found array with 0 sample\(s\)|X has 0 features"),
    "an empty list": ([], "Expected 2D array, got 1D array instead"),
    "rows of different lengths": ([[1.0, 2.0], [3.0]], "got rows of different lengths"),
    "complex": (X2 + 1j, "Complex data not supported"),
    "complex 3-D": (X3 + 1j, "Complex data not supported"),
    "complex list": ([*X3[:2], X3[0] + 1j], "Complex data not supported"),
    "strings": ([["a"] * 12] * 20, "could not convert string to float: 'a'|dtype='numeric'"),
    "inf": (np.where(X3 > 2, np.inf, X3), "Input X contains infinity"),
    "features that disagree": (
        [X3[0], X3[1], X3[2, :, :1]], r"X\[2\] has 1 features, but X\[0\] has 2 features",
    ),
}  # fmt: skip


def refused(model, call, error, match):
    """The call raises this error and leaves the model as it was."""
    before = copy.deepcopy(vars(model))
    with pytest.raises(error, match=match):
        call()
    assert vars(model).keys() == before.keys()
    for name in vars(model).keys() - {"transformer", "transformer_"}:
        assert_same_bits(vars(model)[name], before[name])
    for name in vars(model).keys() & {"transformer", "transformer_"}:
        assert_same_bits(vars(vars(model)[name]), vars(before[name]))


@pytest.fixture(params=["unfitted", "fitted on a frame", "fitted on sequences"])
def model(request):
    model = TimestepTransformer(StandardScaler(), n_timesteps=6)
    if request.param == "fitted on a frame":
        model.fit(pd.DataFrame(X2).add_prefix("lag "))
    elif request.param == "fitted on sequences":
        model.fit(X3)
    return model


@pytest.mark.parametrize(("bad", "match"), BAD_X.values(), ids=BAD_X)
@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_fit_refuses_bad_x_and_changes_nothing(model, method, bad, match):
    model.set_params(n_timesteps=None)
    refused(model, lambda: getattr(model, method)(bad), ValueError, match)


@pytest.mark.parametrize(("bad", "match"), BAD_X.values(), ids=BAD_X)
def test_transform_refuses_bad_x(bad, match):
    model = TimestepTransformer(StandardScaler()).fit(X3)
    refused(model, lambda: model.transform(bad), ValueError, match)


def test_sparse_x_is_refused(model):
    refused(model, lambda: model.fit(sparse.csr_matrix(X2)), TypeError, "Sparse data was passed")


def test_n_timesteps_must_fit_x(model):
    model.set_params(n_timesteps=5)
    match = "X has 12 columns, which n_timesteps=5 does not divide"
    refused(model, lambda: model.fit(X2), ValueError, match)
    match = r"X\[0\] has 6 timesteps, but TimestepTransformer was given n_timesteps=5"
    refused(model, lambda: model.fit(X3), ValueError, match)
    match = r"X\[1\] has 4 timesteps, but TimestepTransformer was given n_timesteps=5"
    refused(model, lambda: model.fit([X3[0, :5], X3[1, :4]]), ValueError, match)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"n_timesteps": 0}, "'n_timesteps' parameter of TimestepTransformer .* Got 0"),
        ({"transformer": None}, "'transformer' parameter of TimestepTransformer .* Got None"),
        ({"transformer": small_net()}, "'transformer' parameter .* implementing .*'transform'"),
    ],
)
def test_bad_parameters_are_refused(parameters, match):
    model = TimestepTransformer(StandardScaler()).set_params(**parameters)
    with pytest.raises(ValueError, match=match):
        model.fit(X3)


OTHER_FEATURES = {
    "2-D": (X2, X2[:, 1:], COUNT.format(11, 12)),
    "3-D": (X3, X3[:, :, :1], COUNT.format(1, 2)),
    "list": (list(X3), list(X3[:, :, :1]), COUNT.format(1, 2)),
    "3-D after 2-D": (X2, X3, COUNT.format(2, 1)),
    "2-D after 3-D": (X3, X2, COUNT.format(1, 2)),
}


@pytest.mark.parametrize(("seen", "other", "match"), OTHER_FEATURES.values(), ids=OTHER_FEATURES)
def test_transform_refuses_other_features_than_in_fit(seen, other, match):
    model = TimestepTransformer(StandardScaler()).fit(seen)
    refused(model, lambda: model.transform(other), ValueError, match)


class OtherRows(TransformerMixin, BaseEstimator):
    """Returns zeros in one method, as many rows as it is told, and what it is given in others."""

    def __init__(self, method="", n_rows=0):
        self.method = method
        self.n_rows = n_rows

    def fit(self, X, y=None):
        return self

    def fit_transform(self, X, y=None):
        return self._rows("fit_transform", X)

    def transform(self, X):
        return self._rows("transform", X)

    def inverse_transform(self, X):
        return self._rows("inverse_transform", X)

    def _rows(self, method, X):
        return np.zeros((self.n_rows, 2)) if method == self.method else X


FORMS = {"2-D": X2, "3-D": X3, "list": list(X3), "padded": np.pad(X3, PAD, constant_values=np.nan)}


# 60 and 240 rows could be cut into 20 sequences, which would be other ones.
@pytest.mark.parametrize("n_rows", [0, 60, 119, 240])
@pytest.mark.parametrize("method", ["fit_transform", "transform", "inverse_transform"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_transformer_must_return_a_row_for_each_step(form, method, n_rows):
    model = TimestepTransformer(OtherRows(method, n_rows))
    model.set_params(n_timesteps=6 if form is X2 else None).fit(form)
    match = f"transformer=OtherRows was given 120 rows, .* and returned {n_rows}: "
    refused(model, lambda: getattr(model, method)(form), ValueError, match)


def test_y_and_weights_have_an_entry_for_each_sequence(model):
    match = r"inconsistent numbers of samples: \[20, 19\]"
    refused(model, lambda: model.fit(X3, np.ones(19)), ValueError, match)
    refused(model, lambda: model.fit(X3, sample_weight=np.ones(19)), ValueError, match)


def test_a_fit_parameter_that_the_transformer_does_not_have_is_refused(model):
    model.set_params(transformer=PCA())
    call = lambda: model.fit(X3, sample_weight=np.ones(20))  # noqa: E731
    refused(model, call, TypeError, "unexpected keyword argument 'sample_weight'")


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_before_fit_it_says_what_to_call(method):
    model = TimestepTransformer(StandardScaler())
    match = "This TimestepTransformer instance is not fitted yet. Call 'fit'"
    refused(model, lambda: getattr(model, method)(X3), NotFittedError, match)


def test_fitting_again_forgets_names(model):
    model.fit(pd.DataFrame(X2).add_prefix("lag "))
    assert not hasattr(model.fit(X3), "feature_names_in_")
    assert not hasattr(model.fit(X2), "feature_names_in_")


def test_the_given_transformer_is_not_fitted():
    scaler = StandardScaler()
    model = TimestepTransformer(scaler).fit(X3)
    assert not hasattr(scaler, "mean_")
    assert model.transformer is scaler
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.transformer_.transform(X3[0])
