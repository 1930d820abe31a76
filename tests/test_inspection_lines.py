"""integrated_gradients through transformers: they add up, each its own, wherever a path bends."""

import numpy as np
import pytest
from conftest import ignores_convergence
from inspected import COMPLETE, FEATURES, FORMS, STEPS, assert_adds_up, fitted, numbers, sums
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)

from sklstm import LSTMRegressor
from sklstm.inspection import input_gradients, integrated_gradients
from sklstm.preprocessing import TimestepTransformer

pytestmark = ignores_convergence
for_each_form = pytest.mark.parametrize("form", FORMS)
BAND = {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}


@for_each_form
@pytest.mark.parametrize(
    "transformers",
    [[StandardScaler()], [StandardScaler(), PCA(3)]],
    ids=["scaler", "two"],
)
def test_through_a_pipeline_they_add_up_too(form, transformers):
    model = fitted(form, transformers=transformers)
    parts = [step.transformer_ for _, step in model.steps[:-1]]
    assert_adds_up(model, form, model.predict, transformers=parts)
    assert_adds_up(model, form, model.predict, baseline=[0.5, 3, -7])


# Those that bend, that have corners, that jump, and that make inputs of several features.
BENT = {
    "power": [PowerTransformer()],
    "quantiles": [QuantileTransformer(n_quantiles=20)],
    "splines": [SplineTransformer()],
    "corners": [FunctionTransformer(np.abs)],
    "products": [StandardScaler(), PolynomialFeatures(3)],
    "mixed": [QuantileTransformer(n_quantiles=20), PCA(2)],
}
STEPPED = [KBinsDiscretizer(5, encode="ordinal", strategy="uniform", subsample=None)]
BASELINE = [0.5, 3, -7]


@for_each_form
@pytest.mark.parametrize("transformers", [*BENT.values(), STEPPED], ids=[*BENT, "jumps"])
def test_through_transformers_that_bend_they_add_up_too(form, transformers):
    model = fitted(form, transformers=transformers)
    assert_adds_up(model, form, model.predict, baseline=BASELINE)


@pytest.mark.parametrize("transformers", [BENT["quantiles"], BENT["products"], STEPPED])
@pytest.mark.parametrize("parameters", [{"pooling": "max"}, BAND, {"bidirectional": True}])
def test_so_they_do_where_gradients_jump(transformers, parameters):
    model = fitted(transformers=transformers, **parameters)
    of_band = 1 if "loss" in parameters else 0

    def chosen(X):
        return model.predict(X).reshape(len(X), -1)[:, of_band]

    assert_adds_up(model, "3-D", chosen, of_band, baseline=BASELINE)


def on_many_lines(model, X, baseline, n):
    """The mean gradients on lines, times what each feature changes on them."""
    result = np.zeros_like(X)
    move = (X - baseline) / n
    for line in range(n):
        middle = baseline + (line + 0.5) * move
        slope = input_gradients(model[-1], model[:-1].transform(middle))
        for feature in range(X.shape[2]):
            half = np.zeros_like(X)
            half[..., feature] = move[..., feature] / 2
            above, below = (model[:-1].transform(middle + way * half) for way in (1, -1))
            result[..., feature] += (slope * (above - below)).sum(axis=2)
    return result


@pytest.mark.parametrize("transformers", BENT.values(), ids=BENT)
def test_of_a_path_that_bends_each_attribution_is_that_on_many_lines(transformers):
    model, X = fitted(transformers=transformers), numbers()
    expected = on_many_lines(model, X, np.array(BASELINE), 400)
    sizes = np.abs(expected).sum(axis=(1, 2), keepdims=True)
    # Of twice as many points, a fourth.
    for n_points, share in ((64, 5e-4), (128, 1.25e-4)):
        found = integrated_gradients(model, X, baseline=BASELINE, n_points=n_points)
        assert (np.abs(found - expected) < share * sizes).all()


def test_what_comes_back_to_where_it_was_has_its_own_attribution():
    model, X = fitted(transformers=BENT["corners"]), numbers()
    baseline = X * [0, -1, 0]
    expected = on_many_lines(model, X, baseline, 400)
    found = integrated_gradients(model, X, baseline=baseline)
    assert np.abs(expected[..., 1]).max() > 1e-3
    sizes = np.abs(expected).sum(axis=(1, 2), keepdims=True)
    assert (np.abs(found - expected) < 5e-4 * sizes).all()


def test_features_that_make_a_product_share_what_it_adds():
    product = FunctionTransformer(_product)
    model, X = fitted(transformers=[product]), numbers()
    X[:3, :, 1] = 0
    found = integrated_gradients(model, X, baseline=[0, 0, 0])
    assert (found[:3] == 0).all()
    assert (found[3:] != 0).all()
    np.testing.assert_allclose(found, found[..., :1].repeat(FEATURES, axis=2), rtol=1e-9)
    # What does not change has no share.
    found = integrated_gradients(model, X, baseline=np.where([1, 0, 1], 0.0, X))
    assert (found[3:, :, 1] == 0).all()
    assert (found[3:, :, [0, 2]] != 0).all()


def _product(X):
    return X.prod(axis=1, keepdims=True)


# Inputs of two features, of one and the size of another, and of one that is odd.
MIXED = {
    "product": (lambda X: X[:, :2] * X[:, 1:], lambda X: 1 - X),
    "sum": (lambda X: X[:, :2] + np.abs(X[:, 1:]), lambda X: X * [0, -1, 0]),
    "odd": (lambda X: np.c_[X, X**3], lambda X: -X),
}


@pytest.mark.parametrize(("function", "baseline"), MIXED.values(), ids=MIXED)
def test_what_an_input_adds_is_of_the_features_that_change_it_on_the_way(function, baseline):
    model, X = fitted(transformers=[FunctionTransformer(function)]), numbers()
    expected = on_many_lines(model, X, baseline(X), 400)
    found = integrated_gradients(model, X, baseline=baseline(X), n_points=128)
    sizes = np.abs(expected).sum(axis=(1, 2), keepdims=True)
    assert (np.abs(found - expected) < 5e-4 * sizes).all()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_where_a_transformer_has_no_answer_off_the_path_features_share():
    model, X = fitted(transformers=[StandardScaler()]), numbers()
    model.steps[0] = ("log", TimestepTransformer(FunctionTransformer(_log)).fit(X))
    X[..., 0] = X[..., 1] + np.abs(X[..., 0]) + 0.1
    found = integrated_gradients(model, X, baseline=X - 100)
    difference = model.predict(X) - model.predict(X - 100)
    assert np.abs(sums(found) - difference).max() < COMPLETE * np.abs(difference).max()


def _log(X):
    return np.c_[X[:, 0], np.log(X[:, 0] - X[:, 1]), X[:, 2]]


def test_a_transformer_that_refuses_what_is_between_is_named():
    X = np.random.RandomState(0).randint(3, size=(40, STEPS, 2)).astype(float)
    encoder = TimestepTransformer(OneHotEncoder(sparse_output=False))
    model = make_pipeline(encoder, LSTMRegressor(3, max_iter=2)).fit(X, X[:, 0, 0])
    with pytest.raises(ValueError, match=r"no path from the baseline .* with the words: Found"):
        integrated_gradients(model, X, baseline=[0.0, 0.0])
