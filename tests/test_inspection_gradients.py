"""input_gradients: numerical derivatives of what the model says, in every form, by each output."""

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from inspected import (
    FORMS,
    LABELS,
    STEPS,
    fitted,
    in_form,
    lengths_of,
    numbers,
    numerical_gradient,
    padded,
)
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    StandardScaler,
)

from sklstm import LSTMClassifier, LSTMRegressor, TimestepTransformer
from sklstm.inspection import (
    _blocks,
    gate_activations,
    input_gradients,
    integrated_gradients,
    memory_spans,
)

pytestmark = ignores_convergence
for_each_form = pytest.mark.parametrize("form", FORMS)
for_each_pooling = pytest.mark.parametrize("pooling", ["last", "mean", "max"])
POISSON, GAUSSIAN = {"loss": "poisson"}, {"loss": "gaussian"}
BAND = {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}


def assert_gradient(model, form, function, output=0, X=None, tolerance=1e-8):
    """The gradient is that of a function of 3-D numbers, by differences of about 1e-10."""
    X = numbers() if X is None else X
    exists = np.arange(STEPS) < lengths_of(form, len(X))[:, np.newaxis]
    found = input_gradients(model, in_form(X, form), output=output)
    assert isinstance(found, list) == (form == "list")
    if form != "list":
        assert found.shape == in_form(X, form).shape
    found = padded(found)
    expected = numerical_gradient(lambda X: function(in_form(X, form)), X, exists)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    error, size = np.nanmax(np.abs(found - expected)), np.nanmax(np.abs(expected))
    assert error <= tolerance * max(size, 1e-3)


@for_each_form
@for_each_pooling
@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_is_the_numerical_derivative(form, pooling, bidirectional):
    model = fitted(form, pooling=pooling, bidirectional=bidirectional)
    assert_gradient(model, form, model.predict)


@pytest.mark.parametrize("form", ["3-D", "padded"])
def test_of_features_that_are_not_normalised_too(form):
    model = fitted(form, normalize_X=False, hidden_layer_sizes=(5, 4, 3))
    assert_gradient(model, form, model.predict)


@for_each_pooling
@pytest.mark.parametrize("form", ["3-D", "list"])
def test_float32_is_float64_but_for_rounding(form, pooling):
    model = fitted(form, np.float32, pooling=pooling)
    single = padded(input_gradients(model, in_form(numbers(dtype=np.float32), form)))
    X = numbers(dtype=np.float32).astype(np.float64)
    double = np.asarray(padded(input_gradients(model, in_form(X, "padded"))))
    assert single.dtype == np.float32
    if form == "3-D":
        double = padded(input_gradients(model, X))
    assert np.nanmax(np.abs(single - double)) < 1e-5 * np.nanmax(np.abs(double))


# --- Which number is derived ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "outputs"),
    [
        ({"n_outputs": 3}, {0: 0, 2: 2, -1: 2, (1,): 1}),
        (POISSON, {0: ()}),
        (POISSON | {"n_outputs": 2}, {0: 0, 1: 1}),
        (GAUSSIAN, {0: ()}),
        (GAUSSIAN | {"n_outputs": 2}, {1: 1}),
        (BAND, {0: 0, 2: 2, (0, 1): 1}),
        (BAND | {"n_outputs": 2}, {(0, 2): (0, 2), (1, 0): (1, 0)}),
        ({"loss": "quantile", "n_outputs": 2}, {1: 1}),
    ],
)
def test_of_a_regressor_it_is_an_output_or_a_quantile(parameters, outputs):
    model = fitted(**parameters)
    for output, place in outputs.items():
        place = place if isinstance(place, tuple) else (place,)
        assert_gradient(model, "3-D", lambda X, p=place: model.predict(X)[:, *p], output)


@pytest.mark.parametrize("form", ["3-D", "list"])
def test_of_two_classes_it_is_the_logit_of_one(form):
    model = fitted(form, estimator=LSTMClassifier)
    assert_gradient(model, form, model.decision_function, "b")
    assert_gradient(model, form, lambda X: -model.decision_function(X), LABELS[0])


def test_of_several_classes_it_is_the_raw_output_of_one():
    model = fitted(estimator=LSTMClassifier, n_outputs=3)
    for n, label in enumerate("abc"):
        assert_gradient(model, "3-D", lambda X, n=n: model.decision_function(X)[:, n], label)


def of_steps(answers, step):
    """What was answered at a step of each sequence, or the sum over its steps."""
    answers = [np.asarray(each)[np.isfinite(each)] for each in answers]
    return np.array([each.sum() if step == "sum" else each[step] for each in answers])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_with_an_output_at_each_step_it_is_that_of_a_step_or_the_sum(form, bidirectional):
    model = fitted(form, pooling=None, bidirectional=bidirectional)
    steps = [0, -1, "sum", (0, 0)] + ([3, -2] if form in ("3-D", "2-D") else [])
    for step in steps:
        at = step[0] if isinstance(step, tuple) else step
        assert_gradient(model, form, lambda X, at=at: of_steps(model.predict(X), at), step)


def test_at_a_step_there_are_outputs_and_quantiles_and_classes():
    model = fitted(pooling=None, **BAND, n_outputs=2)
    assert_gradient(model, "3-D", lambda X: model.predict(X)[:, 4, 1, 2], (4, (1, 2)))
    assert_gradient(model, "3-D", lambda X: model.predict(X)[:, 4, 0, 0], 4)
    model = fitted(pooling=None, estimator=LSTMClassifier, n_outputs=3)
    expected = "sum", "c"
    assert_gradient(model, "3-D", lambda X: model.decision_function(X)[..., 2].sum(1), expected)
    model = fitted(pooling=None, estimator=LSTMClassifier)
    assert_gradient(model, "3-D", lambda X: model.decision_function(X)[:, -1], -1)
    assert_gradient(model, "3-D", lambda X: -model.decision_function(X)[:, 2], (2, "a"))


def test_sorted_quantiles_are_derived_where_they_stand():
    model = fitted(**BAND)
    # Let them cross: the first one is always the highest.
    bias = model._weights[-3:]
    bias[0] += 100
    assert (np.diff(model.predict(numbers())) > 0).all()
    for place in range(3):
        assert_gradient(model, "3-D", lambda X, p=place: model.predict(X)[:, p], place)


# --- Through pipelines ----------------------------------------------------------------------

TRANSFORMERS = {
    "scaler": [StandardScaler()],
    "range": [MinMaxScaler((1000, 1001))],
    "fewer": [PCA(2)],
    "bent": [StandardScaler(), FunctionTransformer(np.tanh), PCA(2)],
    "power": [PowerTransformer()],
    "columns": [ColumnTransformer([("one", StandardScaler(), [2, 0])], remainder="drop")],
    "inner": [make_pipeline(StandardScaler(), PCA(3))],
}


@for_each_form
@pytest.mark.parametrize("transformers", TRANSFORMERS.values(), ids=TRANSFORMERS)
def test_through_a_pipeline_it_is_by_the_numbers_that_go_in(form, transformers):
    model = fitted(form, transformers=transformers)
    assert_gradient(model, form, model.predict, tolerance=1e-7)


def test_features_of_any_size_and_offset_are_derived_in_their_units():
    X = numbers() * [1e-8, 1, 1e8] + [0, 1e5, -1e9]
    for transformer in (StandardScaler(), MinMaxScaler((1000, 1001))):
        model = make_pipeline(TimestepTransformer(transformer), LSTMRegressor(5, max_iter=3))
        model.fit(X, X[:, 0, 0])
        inner = model[0].transformer_
        slope = inner.scale_ if isinstance(inner, MinMaxScaler) else 1 / inner.scale_
        expected = input_gradients(model[1], model[0].transform(X))
        found = input_gradients(model, X) / slope
        assert np.abs(found - expected).max() < 1e-6 * np.abs(expected).max()


def test_what_was_missing_and_put_in_has_no_influence():
    model = fitted(transformers=[SimpleImputer(), StandardScaler()])
    X = numbers()
    X[2, 3, 1] = np.nan
    found = input_gradients(model, X)
    assert found[2, 3, 1] == 0
    assert (found[2, 3, [0, 2]] != 0).all()


def test_a_step_that_is_left_out_of_a_pipeline_changes_nothing():
    model = fitted(transformers=[StandardScaler()])
    expected = input_gradients(model, numbers())
    model.steps.insert(1, ("nothing", "passthrough"))
    assert_same_bits(input_gradients(model, numbers()), expected)


def test_categories_have_no_derivative():
    X = np.random.RandomState(0).randint(3, size=(40, STEPS, 2)).astype(float)
    encoder = TimestepTransformer(OneHotEncoder(sparse_output=False))
    model = make_pipeline(encoder, LSTMRegressor(3, max_iter=2)).fit(X, X[:, 0, 0])
    with pytest.raises(ValueError, match="no derivative by feature 0"):
        input_gradients(model, X)


# --- The same bits, and what is refused -----------------------------------------------------


@pytest.mark.parametrize("transformers", [(), [StandardScaler()]])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", None])
def test_blocks_and_threads_change_no_bit(monkeypatch, transformers, pooling):
    model, X = fitted("padded", transformers=transformers, pooling=pooling), numbers(200)
    X = in_form(X, "padded")
    expected = input_gradients(model, X)
    for n_threads, size in ((1, 1e4), (2, 1e4), (3, 1e5), (3, 1e9)):
        monkeypatch.setattr(_blocks, "TAPE_BYTES", size)
        monkeypatch.setattr(_blocks, "available_threads", lambda n=n_threads: n)
        assert_same_bits(input_gradients(model, X), expected)


@pytest.mark.filterwarnings("ignore:Attributions miss")
def test_what_numpy_was_told_of_errors_changes_nothing(monkeypatch):
    model, X = fitted(loss="poisson", hidden_layer_sizes=4), numbers(60)
    # Predictions overflow for one row, and vanish for another.
    X[0, -1], X[1, -1] = 1e300, 1e-300
    model._weights = 300 * model._weights
    monkeypatch.setattr(_blocks, "available_threads", lambda: 2)
    monkeypatch.setattr(_blocks, "MOST_ROWS", 16)
    functions = input_gradients, gate_activations, memory_spans, integrated_gradients
    expected = [function(model, X) for function in functions]
    with np.errstate(all="raise"):
        assert_same_bits([function(model, X) for function in functions], expected)


@pytest.mark.parametrize(
    ("parameters", "output", "message"),
    [
        ({}, 1, r"^output must be the index of one of 1 outputs, 0 to 0, got 1\.$"),
        ({"n_outputs": 2}, (0, 1), "the index of one of 2 outputs, 0 to 1"),
        ({"n_outputs": 2}, 0.5, "the index of one of 2 outputs"),
        (BAND, 3, "the index of one of 3 quantiles, 0 to 2, got 3"),
        (BAND | {"n_outputs": 2}, 0, r"pair of indices \(output, quantile\), of 2 outputs and 3"),
        ({"estimator": LSTMClassifier}, 0, r"one of the classes \['a', 'b'\], got 0"),
        ({"estimator": LSTMClassifier}, ("a",), r"one of the classes \['a', 'b'\]"),
        ({"pooling": None}, 7, r"names step 7, but X\[0\] has 7 timesteps.*from -7 to 6, or 'sum'"),
        ({"pooling": None}, -8, "names step -8"),
        ({"pooling": None}, "mean", "output must be a step, 'sum' over all steps, or a pair"),
        ({"pooling": None}, (0, 1), "the index of one of 1 outputs"),
        ({"pooling": None}, (0, 1, 2), "a pair of one of these"),
        ({"pooling": None, "estimator": LSTMClassifier, "n_outputs": 3}, 0, "a pair of a step"),
    ],
)
def test_an_output_that_there_is_not_is_refused_in_a_sentence(parameters, output, message):
    with pytest.raises(ValueError, match=message):
        input_gradients(fitted(**parameters), numbers(), output=output)


def test_a_step_that_a_sequence_lacks_is_refused_with_its_name():
    with pytest.raises(ValueError, match=r"names step 1, but X\[0\] has 1 timesteps"):
        input_gradients(fitted("list", pooling=None), in_form(numbers(), "list"), output=1)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
def test_it_is_the_gradient_of_torch(bidirectional, depth):
    torch = pytest.importorskip("torch")
    model = fitted(hidden_layer_sizes=(6,) * depth, bidirectional=bidirectional, n_outputs=2)
    X = torch.from_numpy(numbers()).requires_grad_()
    torch.set_num_threads(1)
    lstm = torch.nn.LSTM(
        3, 6, depth, batch_first=True, bidirectional=bidirectional, dtype=torch.float64
    )
    cells = zip(model.input_weights_, model.recurrent_weights_, model.biases_, strict=True)
    with torch.no_grad():
        for of_cell, values in zip(lstm.all_weights, cells, strict=True):
            for parameter, value in zip(of_cell, (*values, np.zeros(24)), strict=True):
                parameter.copy_(torch.from_numpy(np.array(value)))
    hidden, _ = lstm(X)
    last = torch.cat([hidden[:, -1, :6], hidden[:, 0, 6:]], axis=1)
    (last @ torch.from_numpy(np.array(model.output_weights_[1]))).sum().backward()
    found = input_gradients(model, numbers(), output=1)
    # Folded weights sum in another order.
    np.testing.assert_allclose(found, X.grad.numpy(), rtol=1e-9, atol=1e-12)
