"""The layers of a net as nodes of ONNX.

ONNX's own LSTM takes gates in the order input, output, forget, candidate, and two biases. Runtimes
have it for float32 alone (ONNX Runtime 1.32 says: "LSTM operator does not support double yet"), so
that in float64 a layer is a loop (Scan) of products, sigmoids and tanhs.
"""

import numpy as np

from sklstm._kernels.products import GATES
from sklstm._kernels.step import CANDIDATE, FORGET, INPUT, OUTPUT

_ORDER = [INPUT, OUTPUT, FORGET, CANDIDATE]


def read_layers(graph, net, steps, lengths=None, real=None):
    """Add all layers.

    Parameters
    ----------
    graph : Graph
    net : Net
        Its dtype is that of all numbers.
    steps : str
        Standardised features (n_timesteps, n_samples, n_features).
    lengths, real : str, default=None
        The steps of each sequence (n_samples,), in int64; and which steps exist, as bool of shape
        (n_timesteps, n_samples, 1).

    Returns
    -------
    hidden : str
        The top layer's hidden states (n_timesteps, n_samples, n_directions * units).
    last : str
        What each direction ends with (n_samples, n_directions * units).
    """
    if net.dtype == np.float32:
        lengths = None if lengths is None else graph.cast(lengths, np.int32)
        for layer in net.layers:
            steps, last = _operator(graph, layer, steps, lengths)
    else:
        for layer in net.layers:
            parts = [
                _loop(graph, cell, steps, real, reverse=bool(direction))
                for direction, cell in enumerate(layer)
            ]
            steps, last = (
                each[0] if len(each) == 1 else graph.add("Concat", *each, axis=-1)
                for each in zip(*parts, strict=True)
            )
    return steps, last


def read_step(graph, net, x, states):
    """Add all layers for one step of streams.

    Parameters
    ----------
    graph : Graph
    net : Net
        Of one direction.
    x : str
        Standardised features (n_series, n_features).
    states : list of (str, str)
        Hidden and cell state (n_series, units) of each layer.

    Returns
    -------
    states : list of (str, str)
        Those after the step.
    """
    after = []
    for (cell,), state in zip(net.layers, states, strict=True):
        if net.dtype == np.float32:
            first = [graph.unsqueeze(each, 0) for each in state]
            _, *last = graph.add(
                "LSTM", graph.unsqueeze(x, 0), *_parameters([cell]), None, *first,
                hidden_size=_units(cell), n_outputs=3,
            )  # fmt: skip
            hidden, memory = (graph.squeeze(each, 0) for each in last)
        else:
            hidden, memory = _step(graph, cell, _of_inputs(graph, cell, x), *state)
        after.append((hidden, memory))
        x = hidden
    return after


def _units(cell):
    return cell.recurrent_weights.shape[1]


def _parameters(layer):
    """W, R and B of ONNX's LSTM: an entry a direction."""
    inputs, recurrent, biases = zip(*layer, strict=True)
    bias = np.stack([_reordered(each) for each in biases])
    return (
        np.stack([_reordered(each) for each in inputs]),
        np.stack([_reordered(each) for each in recurrent]),
        np.concatenate([bias, np.zeros_like(bias)], axis=1),
    )


def _reordered(rows):
    """Rows of gates in the order of ONNX."""
    return rows.reshape(GATES, -1, *rows.shape[1:])[_ORDER].reshape(rows.shape)


def _operator(graph, layer, steps, lengths):
    """A layer as ONNX's LSTM."""
    hidden, last = graph.add(
        "LSTM", steps, *_parameters(layer), lengths, n_outputs=2, hidden_size=_units(layer[0]),
        direction="forward" if len(layer) == 1 else "bidirectional",
    )  # fmt: skip
    if len(layer) == 1:
        return graph.squeeze(hidden, 1), graph.squeeze(last, 0)
    width = len(layer) * _units(layer[0])
    # Of shape (n_timesteps, directions, n_samples, units); directions come side by side.
    hidden = graph.add("Transpose", hidden, perm=[0, 2, 1, 3])
    hidden = graph.add("Reshape", hidden, np.array([0, 0, width]))
    last = graph.add("Transpose", last, perm=[1, 0, 2])
    return hidden, graph.add("Reshape", last, np.array([0, width]))


def _loop(graph, cell, steps, real, reverse):
    """A layer in one direction as a loop."""
    body, units, dtype = graph.body("each_step"), _units(cell), cell.bias.dtype
    hidden, memory, gates, exists = (
        body.name(hint) for hint in ("hidden", "memory", "gates", "exists")
    )
    after = _step(body, cell, gates, hidden, memory)
    # In padding a state stays as it is.
    if real is not None:
        before = hidden, memory
        after = [body.add("Where", exists, *pair) for pair in zip(after, before, strict=True)]
    outputs = [body.add("Identity", each) for each in (*after, after[0])]
    vectors = [(name, dtype, [None, units]) for name in (hidden, memory)]
    proto = body.as_proto(
        body.name("body"),
        [
            *vectors,
            (gates, dtype, [None, GATES * units]),
            *([] if real is None else [(exists, bool, [None, 1])]),
        ],
        [(name, dtype, [None, units]) for name in outputs],
    )
    shape = graph.add("Concat", graph.size(steps, 1), np.array([units]), axis=0)
    zeros = graph.add("Expand", np.zeros((1, 1), dtype), shape)
    read = [_of_inputs(graph, cell, steps), *([] if real is None else [real])]
    last, _, hidden = graph.add(
        "Scan", zeros, zeros, *read, n_outputs=3, body=proto, num_scan_inputs=len(read),
        scan_input_directions=[int(reverse)] * len(read), scan_output_directions=[int(reverse)],
    )  # fmt: skip
    return hidden, last


def _of_inputs(graph, cell, x):
    """What the inputs add to the gates, the bias with it."""
    return graph.add("Add", graph.add("MatMul", x, cell.input_weights.T), cell.bias)


def _step(graph, cell, of_inputs, hidden, memory):
    """The states after a step; those before have the shape (n_samples, units)."""
    product = graph.add("MatMul", hidden, cell.recurrent_weights.T)
    gates = graph.add(
        "Split", graph.add("Add", of_inputs, product), np.full(GATES, _units(cell)), axis=-1,
        n_outputs=GATES,
    )  # fmt: skip
    enter, keep, candidate, leave = (
        graph.add("Tanh" if place == CANDIDATE else "Sigmoid", gate)
        for place, gate in enumerate(gates)
    )
    memory = graph.add("Add", graph.add("Mul", keep, memory), graph.add("Mul", enter, candidate))
    return graph.add("Mul", leave, graph.add("Tanh", memory)), memory
