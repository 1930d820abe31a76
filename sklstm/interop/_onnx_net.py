"""A net as nodes of ONNX: from features to predictions."""

import numpy as np

from sklstm._kernels.shard import MOST
from sklstm.interop._affine import Affine, in_two_parts
from sklstm.interop._net import EXP, LOGIT, NORMAL, SOFTMAX, SORTED
from sklstm.interop._onnx_layers import read_layers, read_step

# What skl2onnx calls them.
PREDICTION, DEVIATION, LABEL, PROBABILITIES = "variable", "std", "label", "probabilities"


def answers_of_sequences(graph, net, x, lengths=None):
    """Add a net that reads whole sequences.

    Parameters
    ----------
    graph : Graph
    net : Net
        Its dtype is that of x.
    x : str
        The sequences (n_samples, n_timesteps, n_features).
    lengths : str, default=None
        Their own steps, in int64 of shape (n_samples,); None: all.

    Returns
    -------
    answers : dict of str
        Under the names of outputs: predictions and deviations, or labels and probabilities. An axis
        of outputs is always there.
    """
    real = None
    if lengths is not None:
        real = _real_steps(graph, x, lengths)
        # What is not there may be NaN.
        x = graph.add("Where", real, x, np.zeros((), net.dtype))
        real = graph.add("Transpose", real, perm=[1, 0, 2])
    steps = graph.add("Transpose", _standardised(graph, net, x), perm=[1, 0, 2])
    hidden, last = read_layers(graph, net, steps, lengths, real)
    raw = _head(graph, net, _pooled(graph, net, hidden, last, lengths, real))
    if net.pooling is None:
        raw = graph.add("Transpose", raw, perm=[1, 0, 2])
        if lengths is not None:
            real = graph.add("Transpose", real, perm=[1, 0, 2])
            raw = graph.add("Where", real, raw, np.array(np.nan, net.dtype))
    return _answers(graph, net, raw, n_rows=2 if net.pooling is None else 1)


def answers_of_step(graph, net, x, states, pooled, steps):
    """Add a net that reads one step of each series.

    Parameters
    ----------
    graph : Graph
    net : Net
        Of one direction.
    x : str
        The step (n_series, n_features).
    states : list of (str, str)
        Hidden and cell state of each layer (n_series, units).
    pooled, steps : str or None
        If the net pools by a mean or a maximum: the sum or the maximum of the hidden states so far
        (n_series, units), and how many these are, in int64 of shape (n_series,).

    Returns
    -------
    answers : dict of str
    states, pooled, steps : list of (str, str), str, str
        Those after the step.
    """
    states = read_step(graph, net, _standardised(graph, net, x), states)
    read, _ = states[-1]
    if pooled is not None:
        before, steps = steps, graph.add("Add", steps, np.array(1))
        if net.pooling == "mean":
            pooled = graph.add("Add", pooled, read)
            count = graph.cast(graph.unsqueeze(steps, 1), net.dtype)
            read = graph.add("Div", pooled, count)
        else:
            is_first = graph.unsqueeze(graph.add("Equal", before, np.array(0)), 1)
            pooled = read = graph.add("Where", is_first, read, graph.add("Max", pooled, read))
    answers = _answers(graph, net, _head(graph, net, read), n_rows=1)
    return answers, states, pooled, steps


def standardised(graph, x, affine, dtype):
    """x as an `Affine` makes it, in float32 as exact as in float64."""
    for part in in_two_parts(affine, dtype):
        if part.any():
            x = graph.add("Sub", x, part)
    scale = affine.scale.astype(dtype)
    return graph.add("Mul", x, scale) if (scale != 1).any() else x


def _standardised(graph, net, x):
    x = standardised(graph, x, Affine(net.mean, net.scale), net.dtype)
    most = np.array(MOST, net.dtype)
    return graph.add("Clip", x, -most, most)


def _real_steps(graph, x, lengths):
    """Which steps exist, as bool of shape (n_samples, n_timesteps, 1)."""
    n_timesteps = graph.squeeze(graph.size(x, 1), 0)
    step = graph.add("Range", np.array(0), n_timesteps, np.array(1))
    step = graph.add("Less", step, graph.unsqueeze(lengths, 1))
    return graph.unsqueeze(step, 2)


def _pooled(graph, net, hidden, last, lengths, real):
    """What the head reads of the top layer."""
    if net.pooling is None:
        return hidden
    if net.pooling == "last":
        return last
    if net.pooling == "max":
        if real is not None:
            hidden = graph.add("Where", real, hidden, np.array(-np.inf, net.dtype))
        return graph.reduce_max(hidden, 0)
    if real is not None:
        hidden = graph.add("Where", real, hidden, np.zeros((), net.dtype))
    count = graph.size(hidden, 0) if lengths is None else graph.unsqueeze(lengths, 1)
    return graph.add("Div", graph.sum(hidden, 0), graph.cast(count, net.dtype))


def _head(graph, net, read):
    return graph.add("Add", graph.add("MatMul", read, net.output_weights.T), net.output_bias)


def _answers(graph, net, raw, n_rows):
    """What raw outputs stand for; these have `n_rows` axes before that of outputs."""
    if net.link in (LOGIT, SOFTMAX):
        return _class_answers(graph, net, raw)
    if net.link == EXP:
        return {PREDICTION: graph.add("Exp", raw)}
    if net.link == SORTED:
        # 0 keeps the size of an axis.
        by_target = [0] * n_rows + [net.n_outputs, net.n_quantiles]
        raw = graph.add("Reshape", raw, np.array(by_target))
        ascending, _ = graph.add(
            "TopK", raw, np.array([net.n_quantiles]), n_outputs=2, axis=-1, largest=0, sorted=1
        )
        return {PREDICTION: ascending}
    if net.link == NORMAL:
        mean, log = (
            graph.add("Gather", raw, np.arange(first, net.n_raw, 2), axis=-1) for first in (0, 1)
        )
        return {PREDICTION: mean, DEVIATION: graph.add("Exp", log)}
    return {PREDICTION: raw}


def _class_answers(graph, net, raw):
    """Labels (...,) and probabilities (..., n_classes)."""
    if net.link == LOGIT:
        place = graph.cast(graph.add("Greater", raw, np.zeros((), net.dtype)), np.int64)
        place = graph.squeeze(place, -1)
        both = graph.add("Concat", graph.add("Neg", raw), raw, axis=-1)
        probabilities = graph.add("Sigmoid", both)
    else:
        place = graph.add("ArgMax", raw, axis=-1, keepdims=0)
        probabilities = graph.add("Softmax", raw, axis=-1)
    return {
        LABEL: graph.add("Gather", labels_of(net.classes), place),
        # They are never 0.
        PROBABILITIES: graph.add("Max", probabilities, np.finfo(net.dtype).tiny),
    }


def label_type(classes):
    """The type of labels in ONNX."""
    return str if labels_of(classes).dtype == object else np.int64


def labels_of(classes):
    """Classes in a type that ONNX has: int64, or texts."""
    entries = classes.tolist()
    if all(isinstance(entry, str) for entry in entries):
        return np.array(entries, object)
    # As skl2onnx, which has no other labels.
    whole = classes.dtype.kind != "S" and all(entry == int(entry) for entry in entries)
    if not whole or max(entries) > np.iinfo(np.int64).max:
        raise ValueError(f"ONNX has labels of texts and of whole numbers, got classes {entries}.")
    return np.array(entries, np.int64)
