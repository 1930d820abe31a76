"""gate_activations and memory_spans: the twin's gates, in every form of X."""

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from inspected import FORMS, STEPS, fitted, in_form, lengths_of, numbers, padded, twin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.inspection import GateActivations, _blocks, gate_activations, memory_spans

pytestmark = ignores_convergence
for_each_form = pytest.mark.parametrize("form", FORMS)
for_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# Sums in another order, through seven steps of two layers.
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-12}


@for_each_form
@for_each_dtype
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("estimator", [LSTMRegressor, LSTMClassifier])
def test_the_gates_are_those_of_the_twin(form, dtype, bidirectional, estimator):
    net = fitted(form, dtype, estimator=estimator, bidirectional=bidirectional)
    # Else the scaled numbers of both differ in the last digits of float32.
    net._scaling = np.stack([np.zeros(3), np.ones(3)])
    X, lengths = numbers(dtype=dtype), lengths_of(form, 9)
    layers = gate_activations(net, in_form(X, form))
    assert len(layers) == (4 if bidirectional else 2)
    for found, expected in zip(layers, twin(net, X, lengths).trace["cells"], strict=True):
        assert isinstance(found, GateActivations)
        for name, symbol in zip(GateActivations._fields, "ifgoch", strict=True):
            ours = getattr(found, name)
            assert isinstance(ours, list) == (form == "list")
            ours = padded(ours) if form == "list" else ours
            assert ours.shape == (9, STEPS, expected[symbol].shape[2])
            assert ours.dtype == dtype
            exists = np.arange(STEPS) < lengths[:, np.newaxis]
            np.testing.assert_array_equal(np.isnan(ours).all(axis=2), ~exists)
            error = np.abs(ours[exists] - expected[symbol][exists]).max()
            assert error <= TOLERANCE[dtype]


def test_a_list_has_the_gates_of_the_padded_array():
    net, X = fitted("list"), numbers()
    for one, other in zip(
        gate_activations(net, in_form(X, "list")), gate_activations(net, in_form(X, "padded")),
        strict=True,
    ):  # fmt: skip
        for lists, arrays in zip(one, other, strict=True):
            assert [len(each) for each in lists] == lengths_of("list", 9).tolist()
            assert_same_bits(padded(lists), arrays)


@for_each_form
def test_a_pipeline_has_the_gates_of_its_net(form):
    model, X = fitted(form, transformers=[StandardScaler()]), in_form(numbers(), form)
    expected = gate_activations(model[-1], model[:-1].transform(X))
    assert_same_bits(gate_activations(model, X), expected)


def test_blocks_and_threads_change_no_bit(monkeypatch):
    net, X = fitted("padded"), in_form(numbers(200), "padded")
    expected = gate_activations(net, X), memory_spans(net, X)
    for n_threads, size in ((1, 1e4), (2, 1e4), (3, 1e9)):
        monkeypatch.setattr(_blocks, "TAPE_BYTES", size)
        monkeypatch.setattr(_blocks, "available_threads", lambda n=n_threads: n)
        assert_same_bits((gate_activations(net, X), memory_spans(net, X)), expected)


@for_each_form
def test_a_span_is_where_half_is_left(form):
    net, X = fitted(form, bidirectional=True), in_form(numbers(), form)
    spans, layers = memory_spans(net, X), gate_activations(net, X)
    assert [each.shape for each in spans] == [(6,), (6,), (5,), (5,)]
    for span, layer in zip(spans, layers, strict=True):
        forget = padded(layer.forget) if form == "list" else layer.forget
        kept = np.exp(np.nanmean(np.log(forget), axis=(0, 1)))
        np.testing.assert_allclose(kept**span, 0.5, rtol=1e-12)


def test_a_gate_that_forgets_nothing_or_all_has_a_span_without_end_or_none():
    net, X = fitted(hidden_layer_sizes=4), numbers(dtype=np.float32)
    weights = net._weights.copy()
    block = weights[: (3 + 1 + 4) * 16].reshape(8, 16)
    block[:, 4:8] = 0
    block[3, 4:8] = [1e3, -1e3, 0, np.log(3)]
    net._weights = weights
    (spans,) = memory_spans(net, X)
    assert spans[:2].tolist() == [np.inf, 0]
    np.testing.assert_allclose(spans[2:], [1, np.log(2) / np.log(4 / 3)], rtol=1e-6)


@pytest.mark.parametrize("function", [gate_activations, memory_spans])
def test_what_cannot_be_looked_into_is_refused(function):
    X = numbers()
    with pytest.raises(NotFittedError):
        function(LSTMRegressor(), X)
    with pytest.raises(TypeError, match=r"^estimator must be an LSTMRegressor or LSTMClassifier"):
        function(Ridge(), X)
    with pytest.raises(TypeError, match="wrap it in TimestepTransformer"):
        function(make_pipeline(StandardScaler(), LSTMRegressor()), X)
    with pytest.raises(ValueError, match="features"):
        function(fitted(), X[:, :, :2])
    with pytest.raises(ValueError, match="NaN"):
        function(fitted(), np.where(X < -10, np.nan, X))
