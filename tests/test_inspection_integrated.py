"""integrated_gradients: they add up, and agree with a fine rule and with Captum."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from inspected import (
    FEATURES,
    FORMS,
    STEPS,
    assert_adds_up,
    fitted,
    in_form,
    numbers,
    padded,
)
from numpy.polynomial.legendre import leggauss
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    FunctionTransformer,
    PowerTransformer,
    StandardScaler,
)

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.inspection import _adding_up, _blocks, input_gradients, integrated_gradients
from sklstm.inspection._smooth import smooth

pytestmark = ignores_convergence
for_each_form = pytest.mark.parametrize("form", FORMS)
for_each_pooling = pytest.mark.parametrize("pooling", ["last", "mean", "max"])
BAND = {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}


@for_each_form
@for_each_pooling
@pytest.mark.parametrize("bidirectional", [False, True])
def test_attributions_add_up_to_the_difference(form, pooling, bidirectional):
    model = fitted(form, pooling=pooling, bidirectional=bidirectional)
    assert_adds_up(model, form, model.predict)
    assert_adds_up(model, form, model.predict, baseline=[0.5, 2, -7])


@pytest.mark.parametrize("pooling", ["last", "max"])
@pytest.mark.parametrize("normalize_X", [True, False])
def test_what_nets_of_large_weights_miss_is_told(pooling, normalize_X):
    model = fitted(hidden_layer_sizes=20, pooling=pooling, normalize_X=normalize_X)
    model._weights = 3 * model._weights
    with pytest.warns(UserWarning, match=r"raise n_points \(was 3\)"):
        integrated_gradients(model, numbers(), n_points=3)
    assert_adds_up(model, "3-D", model.predict, n_points=1000)


@for_each_pooling
@pytest.mark.filterwarnings("error:Attributions miss")
def test_what_more_points_cannot_mend_is_not_told(pooling):
    X = numbers()
    model = fitted(pooling=pooling)
    attributions = integrated_gradients(model, X, baseline=X + 1e-13)
    assert 0 < np.abs(attributions).max() < 1e-11
    # Predictions near a billion are rounded by 1e-7, at each of the points.
    model = LSTMRegressor(6, pooling=pooling, max_iter=3, random_state=0).fit(X, X[:, 0, 0] + 1e9)
    attributions = integrated_gradients(model, X)
    assert 0 < np.abs(attributions.sum(axis=(1, 2))).max() < 1


@pytest.mark.filterwarnings("error:Attributions miss")
def test_a_sequence_alone_adds_up_though_its_attributions_cancel_out():
    X = np.random.RandomState(0).normal(size=(80, 9, 2))
    cancelled = 0
    for seed in range(5):
        model = LSTMRegressor(4, max_iter=3, random_state=seed).fit(X, X[:, -1, 0])
        nothing = model.predict(np.broadcast_to(X.mean(axis=(0, 1)), (1, 9, 2)))
        for x in X:
            attributions = integrated_gradients(model, x[np.newaxis])
            difference = model.predict(x[np.newaxis]) - nothing
            np.testing.assert_allclose(attributions.sum(), difference, rtol=1e-6)
            cancelled += abs(attributions.sum()) < np.abs(attributions).sum() / 100
        # From one to another whose difference has the other sign, to where it is nearly none.
        low, high = X[np.argmin(model.predict(X))], X[np.argmax(model.predict(X))]
        for _ in range(14):
            between = (low + high) / 2
            above = model.predict(between[np.newaxis]) > nothing
            low, high = (low, between) if above else (between, high)
        attributions = integrated_gradients(model, between[np.newaxis])
        difference = model.predict(between[np.newaxis]) - nothing
        assert abs(difference) < np.abs(attributions).sum() / 1000
        np.testing.assert_allclose(attributions.sum(), difference, rtol=1e-6)
    assert cancelled > 5


@for_each_pooling
@pytest.mark.parametrize(
    ("parameters", "output", "place"),
    [
        ({"loss": "poisson"}, 0, ()),
        ({"loss": "gaussian", "n_outputs": 2}, 1, (1,)),
        # Where quantiles would cross, the gradient jumps.
        (BAND, 2, (2,)),
        (BAND | {"n_outputs": 2}, (1, 0), (1, 0)),
    ],
)
def test_they_add_up_for_each_output(parameters, output, place, pooling):
    model = fitted(pooling=pooling, **parameters)
    assert_adds_up(model, "3-D", lambda X: model.predict(X)[:, *place], output)


@pytest.mark.parametrize("form", ["3-D", "list"])
def test_they_add_up_for_quantiles_that_cross_at_steps(form):
    model = fitted(form, pooling=None, **BAND)
    assert_adds_up(
        model, form, lambda X: np.array([np.nansum(y, axis=0)[1] for y in model.predict(X)]),
        ("sum", 1),
    )  # fmt: skip
    assert_adds_up(model, form, lambda X: np.array([y[0, 2] for y in model.predict(X)]), (0, 2))


@pytest.mark.parametrize("form", ["3-D", "list"])
def test_they_add_up_for_classes_and_for_steps(form):
    model = fitted(form, estimator=LSTMClassifier)
    assert_adds_up(model, form, lambda X: -model.decision_function(X), "a")
    model = fitted(form, pooling=None)
    assert_adds_up(model, form, lambda X: np.array([np.nansum(y) for y in model.predict(X)]), "sum")
    assert_adds_up(model, form, lambda X: np.array([y[0] for y in model.predict(X)]), 0)


@for_each_form
def test_float32_is_float64_but_for_the_rounding_of_what_is_returned(form):
    model = fitted(form, np.float32)
    X = numbers(dtype=np.float32)
    single = integrated_gradients(model, in_form(X, form))
    double = integrated_gradients(model, in_form(X.astype(np.float64), form))
    assert padded(single).dtype == np.float32
    # A list is read in the net's own type.
    np.testing.assert_allclose(padded(single), padded(double), rtol=1e-6)


def mean_gradient(model, X, output, n_points=4000):
    """Its share in each number, by the middles of many equal parts."""
    start = model._scaling[0]
    points = (np.arange(n_points) + 0.5) / n_points
    path = start + points[:, np.newaxis, np.newaxis, np.newaxis] * (X - start)
    gradients = input_gradients(model, path.reshape(-1, STEPS, FEATURES), output=output)
    return gradients.reshape(path.shape).mean(axis=0) * (X - start)


@for_each_pooling
@pytest.mark.parametrize(("parameters", "output"), [({}, 0), (BAND, 1), ({"loss": "poisson"}, 0)])
def test_they_are_the_mean_gradient_times_the_difference(pooling, parameters, output):
    model, X = fitted(pooling=pooling, **parameters), numbers()
    expected = mean_gradient(model, X, output)
    found = integrated_gradients(model, X, output=output)
    # Each time that the gradient jumps, half of one of 4000 parts may be wrong by all of it.
    tolerance = 1e-3 if pooling == "max" or parameters == BAND else 1e-6
    assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()


@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("larger", [1, 4])
@pytest.mark.parametrize("baseline", [None, [3.0, -5, 9]])
def test_each_attribution_is_that_of_a_much_finer_rule(pooling, larger, baseline):
    model, X = fitted(hidden_layer_sizes=20, pooling=pooling), numbers()
    model._weights = larger * model._weights
    start = model._scaling[0] if baseline is None else np.array(baseline)
    expected = np.zeros(X.shape)
    # 20 points of Gauss and Legendre in each of 160 parts, which are equal, as ours are not.
    within, weights = leggauss(20)
    for part in range(160):
        points = (part + (within + 1) / 2) / 160
        path = start + points[:, np.newaxis, np.newaxis, np.newaxis] * (X - start)
        gradients = input_gradients(model, path.reshape(-1, STEPS, FEATURES)).reshape(path.shape)
        expected += np.tensordot(weights / 320, gradients, axes=1)
    expected *= X - start
    found = integrated_gradients(model, X, baseline=baseline)
    # All that a sequence's attributions may miss together.
    sizes = np.abs(expected).sum(axis=(1, 2), keepdims=True)
    assert (np.abs(found - expected) <= 1e-7 * sizes).all()


def test_the_default_through_a_scaler_is_that_of_the_net_alone():
    plain, model = fitted(), fitted(transformers=[StandardScaler()])
    X = numbers()
    found = integrated_gradients(model, X)
    start = model[0].transformer_.inverse_transform(model[1]._scaling[:1])[0]
    np.testing.assert_allclose(start, plain._scaling[0], rtol=1e-12, atol=1e-12)
    expected = integrated_gradients(model[1], model[0].transform(X))
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@for_each_form
def test_a_baseline_may_have_the_form_that_was_given(form):
    model, X = fitted(form), in_form(numbers(), form)
    vector = np.array([0.5, 2, -7])
    whole = np.broadcast_to(vector, (9, STEPS, FEATURES))
    expected = integrated_gradients(model, X, baseline=vector)
    assert_same_bits(integrated_gradients(model, X, baseline=in_form(whole, form)), expected)
    if form == "padded":
        assert_same_bits(integrated_gradients(model, X, baseline=whole), expected)
    itself = integrated_gradients(model, X, baseline=X)
    assert np.nanmax(np.abs(padded(itself))) == 0


@pytest.mark.parametrize("pooling", ["last", "mean", "max", None])
@pytest.mark.parametrize("transformers", [(), [StandardScaler()], [PowerTransformer(), PCA(3)]])
def test_threads_change_no_bit(monkeypatch, pooling, transformers):
    model = fitted("padded", pooling=pooling, transformers=transformers)
    X = in_form(numbers(100), "padded")
    expected = integrated_gradients(model, X, n_points=8)
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(_blocks, "available_threads", lambda n=n_threads: n)
        assert_same_bits(integrated_gradients(model, X, n_points=8), expected)
    # Nor do the other rows.
    assert_same_bits(integrated_gradients(model, X[7:8], n_points=8), expected[7:8])


@pytest.mark.filterwarnings("ignore:Attributions miss")
def test_where_points_are_too_few_more_are_taken(monkeypatch):
    model, X = fitted(hidden_layer_sizes=20), numbers()
    model._weights = 4 * model._weights
    expected = integrated_gradients(model, X, n_points=250)
    assert np.abs(integrated_gradients(model, X, n_points=100) - expected).max() < 1e-5
    coarse = integrated_gradients(model, X, n_points=16)
    monkeypatch.setattr(_adding_up, "MOST", 1)
    alone = integrated_gradients(model, X, n_points=16)
    assert np.abs(coarse - expected).max() < np.abs(alone - expected).max() / 10


@pytest.mark.filterwarnings("ignore:Attributions miss")
@pytest.mark.parametrize(
    ("n_points", "counts", "of_parts"),
    [
        (64, {12, 24, 48}, {4, 8, 16, 32, 64}),
        (96, {12, 24, 48, 96}, {4, 8, 16, 32, 64}),
        (20, {20}, {4, 8, 16}),
    ],
)
def test_points_are_doubled_and_paths_are_cut_as_long_as_there_are_points(
    monkeypatch, n_points, counts, of_parts
):
    model, X = fitted(hidden_layer_sizes=20), numbers()
    model._weights = 4 * model._weights
    points, of_rows = {True: set(), False: set()}, np.zeros(len(X), int)

    def never_enough(way, parts, *arguments):
        found = smooth.find(way, parts, *arguments)
        points[parts.are_whole].update(found.n_read.tolist())
        np.add.at(of_rows, parts.rows, found.n_read)
        return replace(found, enough=np.zeros_like(found.enough))

    rule = replace(smooth, find=never_enough)
    monkeypatch.setattr("sklstm.inspection._integrated.smooth", rule)
    integrated_gradients(model, X, n_points=n_points)
    # One more is read, at the end.
    assert points[True] <= {n + 1 for n in counts}
    assert points[False] <= {n + 1 for n in of_parts}
    assert (of_rows > 3 * max(counts)).all()
    assert (of_rows <= 128 * n_points).all()


@pytest.mark.filterwarnings("ignore:Attributions miss")
@pytest.mark.parametrize("n_points", [1, 2, 3, 5])
def test_few_points_are_made_up_for_by_cuts(n_points):
    model, X = fitted(hidden_layer_sizes=20), numbers()
    model._weights = 2 * model._weights
    expected = integrated_gradients(model, X)
    sizes = np.abs(expected).sum(axis=(1, 2), keepdims=True)
    found = integrated_gradients(model, X, n_points=n_points)
    assert (np.abs(found - expected) < 1e-2 * sizes).all()


def test_they_agree_with_captum():
    torch = pytest.importorskip("torch")
    attr = pytest.importorskip("captum.attr")
    model, X = fitted(hidden_layer_sizes=8, n_outputs=2), numbers()
    lstm = torch.nn.LSTM(FEATURES, 8, batch_first=True, dtype=torch.float64)
    head = torch.nn.Linear(8, 2, dtype=torch.float64)
    values = [model.input_weights_[0], model.recurrent_weights_[0], model.biases_[0]]
    values += [np.zeros(32), model.output_weights_, model.output_bias_]
    with torch.no_grad():
        for parameter, value in zip([*lstm.parameters(), *head.parameters()], values, strict=True):
            parameter.copy_(torch.from_numpy(np.array(value)))
    torch.set_num_threads(1)
    explainer = attr.IntegratedGradients(lambda x: head(lstm(x)[0][:, -1]))
    baseline = np.broadcast_to([0.5, 2, -7], X.shape)
    expected = explainer.attribute(
        *map(torch.from_numpy, (X, baseline.copy())), target=1, n_steps=64, method="gausslegendre"
    )
    found = integrated_gradients(model, X, baseline=[0.5, 2, -7], output=1)
    expected = expected.numpy()
    # As little as they may fail to add up by.
    sizes = np.abs(expected).sum(axis=(1, 2), keepdims=True)
    assert (np.abs(found - expected) < 3e-8 * sizes).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_points": 0}, "n_points must be an int of at least 1, got 0"),
        ({"n_points": 2.5}, "n_points must be an int"),
        ({"baseline": [1, 2]}, r"of shape \(3,\).* of that of X, \(9, 7, 3\), got shape \(2,\)"),
        ({"baseline": np.zeros((9, 6, 3))}, r"got shape \(9, 6, 3\)"),
        ({"baseline": [0, np.nan, 0]}, "baseline must have finite numbers"),
        ({"baseline": "mean"}, "baseline must be numbers"),
        ({"output": 1}, "the index of one of 1 outputs"),
    ],
)
def test_what_there_is_not_is_refused_in_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        integrated_gradients(fitted(), numbers(), **options)


def test_a_baseline_for_a_list_must_have_its_lengths():
    model, X = fitted("list"), in_form(numbers(), "list")
    with pytest.raises(ValueError, match="a list of such"):
        integrated_gradients(model, X, baseline=X[::-1])
    with pytest.raises(ValueError, match="a list of such"):
        integrated_gradients(model, X, baseline=np.zeros((9, STEPS, FEATURES)))


def test_a_pipeline_that_cannot_go_back_asks_for_a_baseline():
    model = fitted(transformers=[StandardScaler(), SimpleImputer()])
    X = numbers()
    with pytest.raises(ValueError, match=r"SimpleImputer has no inverse_transform.*3 numbers"):
        integrated_gradients(model, X)
    assert integrated_gradients(model, X, baseline=np.zeros(3)).shape == X.shape
    # It says that it goes back, and hands on what it is given.
    model = fitted(transformers=[StandardScaler(), FunctionTransformer(np.exp)])
    with pytest.raises(ValueError, match=r"FunctionTransformer has no inverse_transform"):
        integrated_gradients(model, X)
    model = fitted(transformers=[StandardScaler(), SimpleImputer()])
    X[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="X has NaN, to which there is no path"):
        integrated_gradients(model, X, baseline=np.zeros(3))


def test_a_function_that_names_its_inverse_can_go_back():
    forward = FunctionTransformer(np.arcsinh, np.sinh)
    model = fitted(transformers=[forward])
    assert_adds_up(model, "3-D", model.predict, transformers=[forward])
