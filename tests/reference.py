"""A slow, plain NumPy LSTM: the oracle that the fast code is tested against.

It imports nothing of sklstm, so a mistake cannot be shared. The network loops over samples and
time steps and writes each equation as the mathematics does; float64 unless the inputs are float32.

One cell (one direction of one layer) reads its input ``x`` step by step, from ``h = c = 0``::

    z = W x[t] + U (m * h[t-1]) + b     m: the recurrent mask, drawn once a sequence
    i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of the four blocks of z, in this order
    c[t] = f * c[t-1] + i * g
    h[t] = o * tanh(c[t])

A backward direction is the same cell reading from a sequence's own last step to step 0, so "t-1"
is then the step after t. Wherever a network is stored, its cells are in layer-major order with the
forward direction first: for two bidirectional layers [l0 fwd, l0 bwd, l1 fwd, l1 bwd].
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# --- Elementary operations ------------------------------------------------------------------


def sigmoid(x):
    """Return 1 / (1 + exp(-x)), elementwise."""
    # exp of a negative number cannot overflow, whatever the sign of x
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def gemm(a, b, c=None):
    """Return the matrix product a @ b, plus c if given."""
    product = a @ b
    return product if c is None else product + c


def orthonormalize(a):
    """Return the rows of a, each less its projections on those above, and of length 1."""
    rows = []
    for row in a:
        rest = row - sum((row @ above) * above for above in rows)
        rows.append(rest / np.sqrt(rest @ rest))
    return np.array(rows)


# --- Network --------------------------------------------------------------------------------


def forward(
    X,
    weights,
    *,
    bidirectional=False,
    pooling="last",
    lengths=None,
    input_masks=None,
    recurrent_masks=None,
):
    """Run the network.

    Parameters
    ----------
    X : array of shape (samples, timesteps, features)
    weights : dict
        "input_weights", "recurrent_weights", "biases": lists with one array a cell, of shapes
        (4 * units, inputs), (4 * units, units), (4 * units,). The inputs of an upper layer are the
        hidden states of the layer below at the same step, [forward, backward].
        "output_weights" (outputs, head_inputs) and "output_bias" (outputs,).
    bidirectional : bool
    pooling : {"last", "mean", "max"} or None
        What the head reads of each direction of the top layer: its final hidden state (forward at
        a sequence's last step, backward at step 0), or the mean or the largest over the
        sequence's own steps. None: each step, so that there is an output for each.
    lengths : array of shape (samples,) or None
        Only the first ``lengths[i]`` steps of ``X[i]`` exist; the others are never read.
    input_masks : list or None
        Factors on the input of each layer, (samples, inputs of that layer), the same at every step
        and for both directions, then one on the input of the head, (samples, head_inputs).
    recurrent_masks : list or None
        Factors on the previous hidden state of each cell, (samples, units).

    Returns
    -------
    raw : array of shape (samples, outputs), or with pooling=None (samples, timesteps, outputs)
        NaN past a sequence's end.
    trace : dict
        What `backward` needs. ``trace["cells"]`` has a dict for each cell: "i", "f", "g", "o" (the
        gates after their activation), "c" and "h", all of shape (samples, timesteps, units) and
        indexed by the step of X, for the backward direction too. Steps past a sequence's end are
        NaN.
        ``trace["layer_inputs"]`` (one a layer) and ``trace["head_input"]`` are already masked.
    """
    n_directions = 2 if bidirectional else 1
    n_layers = len(weights["recurrent_weights"]) // n_directions
    n_samples, n_timesteps, _ = X.shape

    dtype = np.result_type(X, weights["output_weights"])
    if lengths is None:
        lengths = np.full(n_samples, n_timesteps)
    if input_masks is None:
        input_masks = [dtype.type(1)] * n_layers + [np.ones((1, 1), dtype)]
    else:
        # a mask of a layer is the same at every step
        input_masks = [mask[:, np.newaxis, :] for mask in input_masks[:-1]] + [input_masks[-1]]
    if recurrent_masks is None:
        recurrent_masks = [
            np.ones((n_samples, U.shape[1]), dtype) for U in weights["recurrent_weights"]
        ]

    cells, layer_inputs = [], []
    below = X
    for layer in range(n_layers):
        layer_inputs.append(below * input_masks[layer])
        for direction in range(n_directions):
            index = layer * n_directions + direction
            cells.append(
                _cell_forward(
                    layer_inputs[layer],
                    weights["input_weights"][index],
                    weights["recurrent_weights"][index],
                    weights["biases"][index],
                    lengths,
                    direction,
                    recurrent_masks[index],
                )
            )
        below = np.concatenate([cell["h"] for cell in cells[-n_directions:]], axis=2)

    if pooling is None:
        head_input = below * input_masks[-1][:, np.newaxis]
    else:
        pooled = [
            _pool(cell["h"], lengths, direction, pooling)
            for direction, cell in enumerate(cells[-n_directions:])
        ]
        head_input = np.concatenate(pooled, axis=1) * input_masks[-1]
    raw = gemm(head_input, weights["output_weights"].T, weights["output_bias"])

    trace = {
        "cells": cells,
        "layer_inputs": layer_inputs,
        "head_input": head_input,
        "weights": weights,
        "n_directions": n_directions,
        "pooling": pooling,
        "lengths": lengths,
        "input_masks": input_masks,
        "recurrent_masks": recurrent_masks,
    }
    return raw, trace


def backward(trace, d_raw, bptt_steps=None):
    """Return the gradient of a loss whose derivative on the raw outputs is ``d_raw``.

    Parameters
    ----------
    trace : dict
        As `forward` returned it.
    d_raw : array of the shape of the raw outputs
    bptt_steps : int or None
        Each cell's steps, counted from the one that it reads last, are chunks of so many: what h
        and c of one chunk are to the next is taken as a constant.

    Returns
    -------
    gradient : dict
        The same keys and shapes as ``weights``.
    """
    return _backward(trace, d_raw, bptt_steps)[0]


def input_gradient(trace, d_raw):
    """Return the derivative of the same loss on X, of the shape of X; 0 on padding."""
    return _backward(trace, d_raw)[1]


def _backward(trace, d_raw, bptt_steps=None):
    weights, cells = trace["weights"], trace["cells"]
    n_directions, lengths = trace["n_directions"], trace["lengths"]
    n_layers = len(cells) // n_directions

    head_input, mask = trace["head_input"], trace["input_masks"][-1]
    if trace["pooling"] is None:
        exists = np.arange(d_raw.shape[1]) < np.asarray(lengths)[:, np.newaxis]
        d_rows, head_rows, mask = d_raw[exists], head_input[exists], mask[:, np.newaxis]
    else:
        d_rows, head_rows = d_raw, head_input

    gradient = {
        "input_weights": [None] * len(cells),
        "recurrent_weights": [None] * len(cells),
        "biases": [None] * len(cells),
        "output_weights": gemm(d_rows.T, head_rows),
        "output_bias": d_rows.sum(axis=0),
    }

    d_pooled = gemm(d_raw, weights["output_weights"]) * mask
    d_hidden = np.split(d_pooled, n_directions, axis=-1)
    if trace["pooling"] is not None:
        d_hidden = [
            _pool_backward(part, cell["h"], lengths, direction, trace["pooling"])
            for direction, (part, cell) in enumerate(
                zip(d_hidden, cells[-n_directions:], strict=True)
            )
        ]
    for layer in reversed(range(n_layers)):
        d_layer_input = 0
        for direction in range(n_directions):
            index = layer * n_directions + direction
            d_x, d_W, d_U, d_b = _cell_backward(
                d_hidden[direction],
                cells[index],
                trace["layer_inputs"][layer],
                weights["input_weights"][index],
                weights["recurrent_weights"][index],
                lengths,
                direction,
                trace["recurrent_masks"][index],
                bptt_steps,
            )
            gradient["input_weights"][index] = d_W
            gradient["recurrent_weights"][index] = d_U
            gradient["biases"][index] = d_b
            d_layer_input = d_layer_input + d_x
        d_below = d_layer_input * trace["input_masks"][layer]
        if layer > 0:
            d_hidden = np.split(d_below, n_directions, axis=2)
    return gradient, d_below


def _steps(length, direction):
    """Return the time steps of one sequence in the order in which a cell reads them."""
    forwards = list(range(length))
    return forwards if direction == 0 else forwards[::-1]


def _cell_forward(x, W, U, b, lengths, direction, mask):
    n_samples, n_timesteps, _ = x.shape
    units = U.shape[1]
    dtype = np.result_type(x, W)

    # NaN, so that any use of a step that does not exist shows in the result
    cell = {name: np.full((n_samples, n_timesteps, units), np.nan, dtype) for name in "ifgoch"}
    for sample in range(n_samples):
        h = np.zeros(units, dtype)
        c = np.zeros(units, dtype)
        for t in _steps(lengths[sample], direction):
            z = gemm(W, x[sample, t]) + gemm(U, mask[sample] * h) + b
            z_i, z_f, z_g, z_o = np.split(z, 4)
            i = sigmoid(z_i)
            f = sigmoid(z_f)
            g = np.tanh(z_g)
            o = sigmoid(z_o)
            c = f * c + i * g
            h = o * np.tanh(c)
            for name, value in zip("ifgoch", (i, f, g, o, c, h), strict=True):
                cell[name][sample, t] = value
    return cell


def _cell_backward(d_hidden, cell, x, W, U, lengths, direction, mask, bptt_steps):
    """Return the derivatives on x, W, U and b.

    ``d_hidden`` is the derivative on h from outside the cell; what comes back through later steps
    of the cell itself is added here.
    """
    units = U.shape[1]
    dtype = np.result_type(x, W)

    # zeros where a step does not exist: the products below never reach those
    d_x = np.zeros_like(x)
    d_W, d_U, d_b = np.zeros_like(W), np.zeros_like(U), np.zeros(4 * units, dtype)
    for sample in range(len(x)):
        i, f, g, o, c, h = (cell[name][sample] for name in "ifgoch")
        steps = _steps(lengths[sample], direction)
        d_h_later = np.zeros(units, dtype)
        d_c_later = np.zeros(units, dtype)
        for k in reversed(range(len(steps))):
            t = steps[k]
            h_before = h[steps[k - 1]] if k > 0 else np.zeros(units, dtype)
            c_before = c[steps[k - 1]] if k > 0 else np.zeros(units, dtype)

            d_h = d_hidden[sample, t] + d_h_later
            d_c = d_c_later + d_h * o[t] * (1 - np.tanh(c[t]) ** 2)
            d_i = d_c * g[t]
            d_f = d_c * c_before
            d_g = d_c * i[t]
            d_o = d_h * np.tanh(c[t])
            d_z = np.concatenate(
                [
                    d_i * i[t] * (1 - i[t]),
                    d_f * f[t] * (1 - f[t]),
                    d_g * (1 - g[t] ** 2),
                    d_o * o[t] * (1 - o[t]),
                ]
            )

            d_W += np.outer(d_z, x[sample, t])
            d_U += np.outer(d_z, mask[sample] * h_before)
            d_b += d_z
            d_x[sample, t] = gemm(W.T, d_z)
            d_h_later = mask[sample] * gemm(U.T, d_z)
            d_c_later = d_c * f[t]
            if bptt_steps is not None and (len(steps) - k) % bptt_steps == 0:
                # of the chunk before
                d_h_later = np.zeros(units, dtype)
                d_c_later = np.zeros(units, dtype)
    return d_x, d_W, d_U, d_b


def _pool(h, lengths, direction, pooling):
    pooled = np.empty((h.shape[0], h.shape[2]), h.dtype)
    for sample, length in enumerate(lengths):
        if pooling == "last":
            pooled[sample] = h[sample, _steps(length, direction)[-1]]
        elif pooling == "mean":
            pooled[sample] = h[sample, :length].mean(axis=0)
        elif pooling == "max":
            pooled[sample] = h[sample, :length].max(axis=0)
        else:
            raise ValueError(f"pooling must be 'last', 'mean' or 'max', got {pooling!r}.")
    return pooled


def _pool_backward(d_pooled, h, lengths, direction, pooling):
    d_h = np.zeros_like(h)
    for sample, length in enumerate(lengths):
        if pooling == "last":
            d_h[sample, _steps(length, direction)[-1]] = d_pooled[sample]
        elif pooling == "max":
            # argmax is the first of equal ones
            first = h[sample, :length].argmax(axis=0)
            d_h[sample, first, np.arange(len(first))] = d_pooled[sample]
        else:
            # a Python int: a NumPy one would turn float32 into float64
            d_h[sample, :length] = d_pooled[sample] / int(length)
    return d_h


# --- Losses ---------------------------------------------------------------------------------


class Loss(NamedTuple):
    """A loss of the raw output and its derivative on the raw output.

    Both are elementwise and take (raw, y), "huber" also ``delta`` and "quantile" also ``quantile``.
    Of several quantiles raw has a column for each, those of one column of y side by side; and
    "gaussian" has a mean and the log of a deviation for each, but one value for both.
    "multinomial_log_loss" takes raw (samples, classes) and integer labels (samples,): its value is
    (samples,) and its gradient (samples, classes). Where a loss has a kink, at raw == y, the
    gradient is 0, which is a subgradient.
    """

    value: Callable
    gradient: Callable


def _squared_error(raw, y):
    return 0.5 * (raw - y) ** 2


def _squared_error_gradient(raw, y):
    return raw - y


def _absolute_error(raw, y):
    return np.abs(raw - y)


def _absolute_error_gradient(raw, y):
    return np.sign(raw - y)


def _huber(raw, y, delta=1.35):
    error = np.abs(raw - y)
    return np.where(error <= delta, 0.5 * error**2, delta * (error - 0.5 * delta))


def _huber_gradient(raw, y, delta=1.35):
    return np.clip(raw - y, -delta, delta)


def _for_each_raw(raw, y, quantile):
    """The target and the quantile of each raw output."""
    n = np.size(quantile)
    return np.repeat(y, n, axis=-1), np.resize(quantile, raw.shape[-1:]).astype(raw.dtype)


def _quantile(raw, y, quantile=0.5):
    y, quantile = _for_each_raw(raw, y, quantile)
    return np.where(raw < y, quantile * (y - raw), (1 - quantile) * (raw - y))


def _quantile_gradient(raw, y, quantile=0.5):
    y, quantile = _for_each_raw(raw, y, quantile)
    # -quantile below y, 1 - quantile above; through the sign, so that NaN and float32 are kept
    sign = np.sign(raw - y)
    return np.where(sign < 0, quantile * sign, (1 - quantile) * sign)


def _poisson(raw, y):
    return np.exp(raw) - y * raw


def _poisson_gradient(raw, y):
    return np.exp(raw) - y


def _gaussian(raw, y):
    # without log(2 pi) / 2
    mean, log_deviation = raw[..., ::2], raw[..., 1::2]
    return log_deviation + 0.5 * ((y - mean) / np.exp(log_deviation)) ** 2


def _gaussian_gradient(raw, y):
    mean, variance = raw[..., ::2], np.exp(2 * raw[..., 1::2])
    gradient = np.empty_like(raw)
    gradient[..., ::2] = (mean - y) / variance
    gradient[..., 1::2] = 1 - (mean - y) ** 2 / variance
    return gradient


def _binary_log_loss(raw, y):
    # log(1 + exp(raw)) without overflow
    return np.maximum(raw, 0) + np.log1p(np.exp(-np.abs(raw))) - y * raw


def _binary_log_loss_gradient(raw, y):
    return sigmoid(raw) - y


def _multinomial_log_loss(raw, y):
    # shifting all scores of a row changes no probability and keeps exp finite
    shifted = raw - raw.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(raw)), y]


def _multinomial_log_loss_gradient(raw, y):
    e = np.exp(raw - raw.max(axis=1, keepdims=True))
    gradient = e / e.sum(axis=1, keepdims=True)
    gradient[np.arange(len(raw)), y] -= 1
    return gradient


LOSSES = {
    "squared_error": Loss(_squared_error, _squared_error_gradient),
    "absolute_error": Loss(_absolute_error, _absolute_error_gradient),
    "huber": Loss(_huber, _huber_gradient),
    "quantile": Loss(_quantile, _quantile_gradient),
    "poisson": Loss(_poisson, _poisson_gradient),
    "gaussian": Loss(_gaussian, _gaussian_gradient),
    "binary_log_loss": Loss(_binary_log_loss, _binary_log_loss_gradient),
    "multinomial_log_loss": Loss(_multinomial_log_loss, _multinomial_log_loss_gradient),
}


# --- Optimizers -----------------------------------------------------------------------------
# Each takes (theta, gradient, state, **settings) and returns a new theta. The state is a dict, {}
# before the first step, and is updated in place. The formulas are those of torch.optim.


def adam(theta, gradient, state, *, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    """torch.optim.Adam (betas, eps)."""
    # epsilon is added after the bias correction, in scikit-learn's MLPRegressor before it
    step = state["step"] = state.get("step", 0) + 1
    mean = state["mean"] = beta_1 * state.get("mean", 0) + (1 - beta_1) * gradient
    square = state["square"] = beta_2 * state.get("square", 0) + (1 - beta_2) * gradient**2
    mean = mean / (1 - beta_1**step)
    square = square / (1 - beta_2**step)
    return theta - learning_rate * mean / (np.sqrt(square) + epsilon)


def adamw(theta, gradient, state, *, learning_rate=1e-3, decay=0.01, **settings):
    """torch.optim.AdamW (weight_decay); ``decay`` may be an array, so that biases can be spared."""
    theta = theta * (1 - learning_rate * decay)
    return adam(theta, gradient, state, learning_rate=learning_rate, **settings)


def sgd(theta, gradient, state, *, learning_rate=1e-3, momentum=0.9, nesterov=True):
    """torch.optim.SGD (lr, momentum, nesterov) without dampening."""
    # the velocity is in units of the gradient, in scikit-learn's MLPRegressor in units of theta:
    # the two differ once the learning rate changes
    velocity = state["velocity"] = momentum * state.get("velocity", 0) + gradient
    direction = gradient + momentum * velocity if nesterov else velocity
    return theta - learning_rate * direction


def rmsprop(theta, gradient, state, *, learning_rate=1e-3, rho=0.99, epsilon=1e-8):
    """torch.optim.RMSprop (alpha, eps), not centred, without momentum."""
    square = state["square"] = rho * state.get("square", 0) + (1 - rho) * gradient**2
    return theta - learning_rate * gradient / (np.sqrt(square) + epsilon)


OPTIMIZERS = {"adam": adam, "adamw": adamw, "sgd": sgd, "rmsprop": rmsprop}


def clip(gradient, max_norm):
    """Return the gradient scaled by min(1, max_norm / norm), norm being its Euclidean norm."""
    norm = np.sqrt(np.sum(gradient**2))
    if norm <= max_norm:
        return gradient
    return gradient * (max_norm / norm)
