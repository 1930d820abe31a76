"""The oracle itself is right: its net, against PyTorch and numerical derivatives."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
import reference
from conftest import EXACT
from problems import numerical_gradient
from reference import backward, forward, sigmoid
from scipy.special import expit

N_SAMPLES, N_TIMESTEPS, N_FEATURES, N_OUTPUTS = 3, 5, 2, 2
LENGTHS = np.array([2, 5, 1])

# Of numerical gradients.
NUMERICAL = {"rtol": 1e-7, "atol": 1e-8}


def random_sequences(rng):
    return rng.normal(size=(N_SAMPLES, N_TIMESTEPS, N_FEATURES))


def random_weights(rng, hidden_layer_sizes, bidirectional):
    n_directions = 2 if bidirectional else 1
    weights = {"input_weights": [], "recurrent_weights": [], "biases": []}
    inputs = N_FEATURES
    for units in hidden_layer_sizes:
        for _ in range(n_directions):
            weights["input_weights"].append(rng.normal(size=(4 * units, inputs)))
            weights["recurrent_weights"].append(rng.normal(size=(4 * units, units)))
            weights["biases"].append(rng.normal(size=4 * units))
        inputs = units * n_directions
    weights["output_weights"] = rng.normal(size=(N_OUTPUTS, inputs))
    weights["output_bias"] = rng.normal(size=N_OUTPUTS)
    return weights


def random_masks(rng, hidden_layer_sizes, bidirectional):
    """Factors of any size, not only the 0 and 1 / (1 - rate) of dropout."""
    n_directions = 2 if bidirectional else 1
    widths = [N_FEATURES] + [units * n_directions for units in hidden_layer_sizes]
    return {
        "input_masks": [rng.normal(size=(N_SAMPLES, width)) for width in widths],
        "recurrent_masks": [
            rng.normal(size=(N_SAMPLES, units))
            for units in hidden_layer_sizes
            for _ in range(n_directions)
        ],
    }


def arrays(weights):
    """List the arrays of weights or of a gradient, which have the same structure."""
    return [
        *weights["input_weights"],
        *weights["recurrent_weights"],
        *weights["biases"],
        weights["output_weights"],
        weights["output_bias"],
    ]


# --- Elementary operations ------------------------------------------------------------------


def test_imports_nothing_but_numpy():
    imported = set()
    for node in ast.walk(ast.parse(Path(reference.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    assert {name.split(".")[0] for name in imported} - sys.stdlib_module_names == {"numpy"}


def test_sigmoid_is_accurate_and_never_overflows():
    x = np.concatenate([np.linspace(-50, 50, 1001), [-1e4, 1e4, -np.inf, np.inf]])
    with np.errstate(over="raise"):
        np.testing.assert_allclose(sigmoid(x), expit(x), rtol=1e-15)
    assert np.isnan(sigmoid(np.nan))


def test_gemm_adds_c():
    a, b, c = np.arange(6.0).reshape(2, 3), np.ones((3, 2)), np.eye(2)
    np.testing.assert_array_equal(reference.gemm(a, b), [[3, 3], [12, 12]])
    np.testing.assert_array_equal(reference.gemm(a, b, c), [[4, 3], [12, 13]])


# --- Network --------------------------------------------------------------------------------


def torch_network(torch, X, weights, hidden_layer_sizes, bidirectional, pooling, lengths):
    """Return raw outputs, the top layer's hidden states and the parameters, as PyTorch has them."""
    n_directions = 2 if bidirectional else 1

    # nn.LSTM has one size for all layers: stacks of unequal layers are chains of nn.LSTM
    if len(set(hidden_layer_sizes)) == 1:
        groups = [(hidden_layer_sizes[0], len(hidden_layer_sizes))]
    else:
        groups = [(units, 1) for units in hidden_layer_sizes]

    cells = list(
        zip(weights["input_weights"], weights["recurrent_weights"], weights["biases"], strict=True)
    )
    parameters = {"input_weights": [], "recurrent_weights": [], "biases": []}
    sequences = torch.tensor(X)
    if lengths is not None:
        sequences = torch.nn.utils.rnn.pack_padded_sequence(
            sequences, torch.tensor(lengths), batch_first=True, enforce_sorted=False
        )
    inputs = X.shape[2]
    for units, depth in groups:
        lstm = torch.nn.LSTM(
            inputs,
            units,
            depth,
            bidirectional=bidirectional,
            batch_first=True,
            dtype=torch.float64,
        )
        for w_input, w_recurrent, bias, second_bias in lstm.all_weights:
            W, U, b = cells.pop(0)
            with torch.no_grad():
                w_input.copy_(torch.tensor(W))
                w_recurrent.copy_(torch.tensor(U))
                bias.copy_(torch.tensor(b))
                second_bias.zero_()
            parameters["input_weights"].append(w_input)
            parameters["recurrent_weights"].append(w_recurrent)
            parameters["biases"].append(bias)
        sequences, (h_final, _) = lstm(sequences)
        inputs = units * n_directions
    assert not cells

    if lengths is None:
        hidden, n_steps = sequences, torch.full((len(X),), X.shape[1])
    else:
        hidden, n_steps = torch.nn.utils.rnn.pad_packed_sequence(
            sequences, batch_first=True, total_length=X.shape[1]
        )
    if pooling is None:
        pooled = hidden
    elif pooling == "last":
        pooled = torch.cat(list(h_final[-n_directions:]), dim=1)
    elif pooling == "max":
        padding = torch.arange(X.shape[1]) >= n_steps[:, None]
        pooled = hidden.masked_fill(padding[:, :, None], -2.0).max(dim=1).values
    else:
        pooled = hidden.sum(dim=1) / n_steps[:, None]

    for name in ("output_weights", "output_bias"):
        parameters[name] = torch.tensor(weights[name], requires_grad=True)
    raw = pooled @ parameters["output_weights"].T + parameters["output_bias"]
    return raw, hidden, arrays(parameters)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", None])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("hidden_layer_sizes", [(4,), (4, 4), (4, 4, 4), (4, 2, 3)], ids=str)
def test_network_equals_torch(hidden_layer_sizes, bidirectional, pooling, lengths):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    X = random_sequences(rng)
    weights = random_weights(rng, hidden_layer_sizes, bidirectional)
    raw, trace = forward(X, weights, bidirectional=bidirectional, pooling=pooling, lengths=lengths)
    exists = ~np.isnan(raw)
    d_raw = rng.normal(size=raw.shape) * exists
    gradient = backward(trace, d_raw)

    torch_raw, torch_hidden, parameters = torch_network(
        torch, X, weights, hidden_layer_sizes, bidirectional, pooling, lengths
    )
    torch_gradient = torch.autograd.grad(torch_raw, parameters, torch.tensor(d_raw))

    np.testing.assert_allclose(raw[exists], torch_raw.detach().numpy()[exists], **EXACT)
    n_directions = 2 if bidirectional else 1
    hidden = np.concatenate([cell["h"] for cell in trace["cells"][-n_directions:]], axis=2)
    # the trace marks missing steps with NaN, PyTorch pads with 0
    np.testing.assert_allclose(np.nan_to_num(hidden), torch_hidden.detach().numpy(), **EXACT)
    for ours, theirs in zip(arrays(gradient), torch_gradient, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs.numpy(), **EXACT)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", None])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "bidirectional"])
def test_gradient_with_masks_and_lengths_equals_central_differences(bidirectional, pooling):
    rng = np.random.default_rng(1)
    sizes = (2, 1)
    X = random_sequences(rng)
    weights = random_weights(rng, sizes, bidirectional)
    steps = (N_TIMESTEPS,) if pooling is None else ()
    d_raw = rng.normal(size=(N_SAMPLES, *steps, N_OUTPUTS))
    options = {
        "bidirectional": bidirectional,
        "pooling": pooling,
        "lengths": np.array([2, 3, 1]),
        **random_masks(rng, sizes, bidirectional),
    }

    def loss():
        return np.nansum(forward(X, weights, **options)[0] * d_raw)

    gradient = backward(forward(X, weights, **options)[1], d_raw)
    for ours, array in zip(arrays(gradient), arrays(weights), strict=True):
        np.testing.assert_allclose(ours, numerical_gradient(loss, array), **NUMERICAL)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "bidirectional"])
def test_masks_multiply_where_they_should(bidirectional):
    # central differences would accept a mask in the wrong place if both ways have it there, so
    # here autograd runs a loop over LSTMCell, which takes any previous state
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    sizes = (3, 2)
    X = random_sequences(rng)
    weights = random_weights(rng, sizes, bidirectional)
    masks = random_masks(rng, sizes, bidirectional)
    d_raw = rng.normal(size=(N_SAMPLES, N_OUTPUTS))
    n_directions = 2 if bidirectional else 1

    parameters = {
        name: [torch.tensor(array, requires_grad=True) for array in weights[name]]
        for name in ("input_weights", "recurrent_weights", "biases")
    }
    for name in ("output_weights", "output_bias"):
        parameters[name] = torch.tensor(weights[name], requires_grad=True)
    below = torch.tensor(X)
    for layer, units in enumerate(sizes):
        below = below * torch.tensor(masks["input_masks"][layer])[:, None]
        hidden, final = [], []
        for direction in range(n_directions):
            index = layer * n_directions + direction
            mask = torch.tensor(masks["recurrent_masks"][index])
            W, U, b = (
                parameters[name][index] for name in ("input_weights", "recurrent_weights", "biases")
            )
            cell = torch.nn.LSTMCell(below.shape[2], units, dtype=torch.float64)
            own = {"weight_ih": W, "weight_hh": U, "bias_ih": b, "bias_hh": torch.zeros_like(b)}
            h = c = torch.zeros(N_SAMPLES, units, dtype=torch.float64)
            states = []
            sequence = below.flip(1) if direction == 1 else below
            for x in sequence.unbind(1):
                h, c = torch.func.functional_call(cell, own, (x, (h * mask, c)))
                states.append(h)
            hidden.append(torch.stack(states[::-1] if direction == 1 else states, dim=1))
            final.append(h)
        below = torch.cat(hidden, dim=2)
    head_input = torch.cat(final, dim=1) * torch.tensor(masks["input_masks"][-1])
    torch_raw = head_input @ parameters["output_weights"].T + parameters["output_bias"]
    torch_gradient = torch.autograd.grad(torch_raw, arrays(parameters), torch.tensor(d_raw))

    raw, trace = forward(X, weights, bidirectional=bidirectional, **masks)
    np.testing.assert_allclose(raw, torch_raw.detach().numpy(), **EXACT)
    for ours, theirs in zip(arrays(backward(trace, d_raw)), torch_gradient, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), **EXACT)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", None])
def test_steps_past_the_end_of_a_sequence_are_never_read(pooling):
    rng = np.random.default_rng(3)
    X = random_sequences(rng)
    weights = random_weights(rng, (3, 2), bidirectional=True)
    steps = (N_TIMESTEPS,) if pooling is None else ()
    d_raw = np.ones((N_SAMPLES, *steps, N_OUTPUTS))
    missing = np.arange(N_TIMESTEPS) >= LENGTHS[:, np.newaxis]
    options = {"bidirectional": True, "pooling": pooling}

    raw, trace = forward(X, weights, lengths=LENGTHS, **options)
    gradient = backward(trace, d_raw)
    X[missing] = np.nan
    raw_nan, trace_nan = forward(X, weights, lengths=LENGTHS, **options)

    np.testing.assert_array_equal(raw_nan, raw)
    for with_nan, without in zip(arrays(backward(trace_nan, d_raw)), arrays(gradient), strict=True):
        np.testing.assert_array_equal(with_nan, without)
    for cell in trace["cells"]:
        for values in cell.values():
            np.testing.assert_array_equal(
                np.isnan(values), np.broadcast_to(missing[..., None], values.shape)
            )
    # each sequence alone gives the same as in a padded batch
    for i, length in enumerate(LENGTHS):
        alone, _ = forward(X[i : i + 1, :length], weights, **options)
        own = raw[i] if pooling is not None else raw[i, :length]
        np.testing.assert_allclose(alone[0], own, **EXACT)


def test_trace_holds_the_equations_of_the_cell():
    rng = np.random.default_rng(4)
    X = random_sequences(rng)
    weights = random_weights(rng, (3,), bidirectional=True)
    _, trace = forward(X, weights, bidirectional=True)

    assert len(trace["cells"]) == 2
    for index, cell in enumerate(trace["cells"]):
        assert list(cell) == list("ifgoch")
        start = np.zeros((N_SAMPLES, 1, 3))
        if index == 0:
            h_before, c_before = (np.concatenate([start, cell[n][:, :-1]], axis=1) for n in "hc")
        else:
            h_before, c_before = (np.concatenate([cell[n][:, 1:], start], axis=1) for n in "hc")
        z = (
            X @ weights["input_weights"][index].T
            + h_before @ weights["recurrent_weights"][index].T
            + weights["biases"][index]
        )
        z_i, z_f, z_g, z_o = np.split(z, 4, axis=2)
        np.testing.assert_allclose(cell["i"], expit(z_i), **EXACT)
        np.testing.assert_allclose(cell["f"], expit(z_f), **EXACT)
        np.testing.assert_allclose(cell["g"], np.tanh(z_g), **EXACT)
        np.testing.assert_allclose(cell["o"], expit(z_o), **EXACT)
        np.testing.assert_allclose(cell["c"], cell["f"] * c_before + cell["i"] * cell["g"], **EXACT)
        np.testing.assert_allclose(cell["h"], cell["o"] * np.tanh(cell["c"]), **EXACT)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", None])
def test_float32_in_float32_out(pooling):
    rng = np.random.default_rng(5)
    X = random_sequences(rng)
    weights = random_weights(rng, (3, 2), bidirectional=True)
    masks = random_masks(rng, (3, 2), bidirectional=True)
    steps = (N_TIMESTEPS,) if pooling is None else ()
    d_raw = np.ones((N_SAMPLES, *steps, N_OUTPUTS))

    def run(dtype, masks):
        def cast(value):
            return (
                [v.astype(dtype) for v in value] if isinstance(value, list) else value.astype(dtype)
            )

        raw, trace = forward(
            X.astype(dtype),
            {name: cast(value) for name, value in weights.items()},
            bidirectional=True,
            pooling=pooling,
            lengths=LENGTHS,
            **{name: cast(value) for name, value in masks.items()},
        )
        return [raw, *trace["cells"][0].values(), *arrays(backward(trace, d_raw.astype(dtype)))]

    for some_masks in ({}, masks):
        singles, doubles = run(np.float32, some_masks), run(np.float64, some_masks)
        for single, double in zip(singles, doubles, strict=True):
            assert single.dtype == np.float32
            assert double.dtype == np.float64
            np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)


def test_unknown_pooling_is_refused():
    rng = np.random.default_rng(6)
    weights = random_weights(rng, (2,), bidirectional=False)
    with pytest.raises(ValueError, match="pooling"):
        forward(random_sequences(rng), weights, pooling="sum")
