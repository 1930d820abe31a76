"""to_onnx: a fitted net as a model of ONNX."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sklstm import __version__
from sklstm._parts import take_apart
from sklstm.interop._affine import refuse_other_steps, scaled_after
from sklstm.interop._net import SORTED, read_net
from sklstm.interop._onnx_graph import Graph
from sklstm.interop._onnx_net import (
    LABEL,
    PREDICTION,
    answers_of_sequences,
    answers_of_step,
    label_type,
)
from sklstm.interop._onnx_transformers import transformed
from sklstm.interop._packages import needed

# What ONNX Runtime 1.14 and later read: of March 2023.
OPSET, IR_VERSION = 18, 8


def to_onnx(
    estimator: Any,
    *,
    lengths: bool = False,
    streaming: bool = False,
    dtype: DTypeLike | None = None,
) -> Any:
    """Make a model of ONNX of a fitted estimator.

    What runs ONNX gives the predictions of the estimator, without Python if need be.

    Parameters
    ----------
    estimator : LSTMRegressor, LSTMClassifier or Pipeline
        A fitted estimator, or a pipeline of `TimestepTransformer` and one.
    lengths : bool, default=False
        Whether the model has a second input, the steps of each sequence. What comes after these is
        padding, and may be anything.
    streaming : bool, default=False
        Whether the model reads a single step of each series, with states as inputs and outputs.
    dtype : {"float32", "float64"} or dtype, default=None
        The type of X and of all that is computed. None: that of the fit.

    Returns
    -------
    model : onnx.ModelProto
        Its first input is X of shape (n_samples, n_timesteps, n_features); all sizes but the last
        are free. With `lengths`, the second is lengths, int64 of shape (n_samples,). The outputs of
        a regressor are `variable`, of the shape that `predict` gives, and of loss="gaussian" also
        `std`. Those of a classifier are `label` and `probabilities`: int64 or texts of shape
        (n_samples,), and numbers of shape (n_samples, n_classes). With pooling=None there is one
        for each step, NaN on padding, where labels mean nothing.

        With `streaming`, X has the shape (n_series, n_features). Behind it come hidden_0 and
        cell_0 of shape (n_series, units), hidden_1 and so on, and of pooling="mean" or "max"
        pooled, of the shape of the top layer's, and steps, int64 of shape (n_series,); a series
        begins with zeros for all of these. What they are after the step comes behind the other
        outputs in the same order, as next_hidden_0 and so on.

    Raises
    ------
    ImportError
        If onnx is not installed; or skl2onnx, and a transformer of the pipeline needs it.
    NotFittedError
        If a part is not fitted.
    TypeError, ValueError
        If the estimator is of another kind, or something of it does not exist in ONNX.

    See Also
    --------
    register_converters : Let skl2onnx convert pipelines with these estimators.

    Notes
    -----
    In float32 a layer is ONNX's own operator. ONNX Runtime does not run that in float64, so there
    it is a loop of simple operators, exact to 1e-10 but several times slower: with
    dtype="float32" a net that was fitted in float64 runs faster.

    Features are standardised before they are multiplied, in two steps, so that large offsets do
    not cost float32 its digits.

    Examples
    --------
    >>> import numpy as np
    >>> import onnxruntime  # doctest: +SKIP
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.interop import to_onnx
    >>> X = np.random.RandomState(0).normal(size=(50, 12, 2)).astype(np.float32)
    >>> model = LSTMRegressor(8, tol=1e-3, random_state=0).fit(X, X[:, -1, 0])
    >>> file = to_onnx(model).SerializeToString()  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession(file)  # doctest: +SKIP
    >>> (y,) = session.run(None, {"X": X})  # doctest: +SKIP
    >>> np.allclose(y, model.predict(X), atol=1e-5)  # doctest: +SKIP
    True
    """
    transformers, fitted = take_apart(estimator, "estimator")
    net = read_net(fitted)
    refuse_other_steps(transformers, net)
    net = net.as_type(_read_dtype(dtype, net.dtype))
    _check_form(net, lengths, streaming)
    graph = Graph(OPSET)
    n_features = transformers[0]._n_step_features if transformers else net.n_features
    write = _write_step if streaming else _write_sequences
    inputs, outputs = write(graph, net, transformers, n_features, lengths)
    helper = needed("onnx.helper", "to_onnx")
    return helper.make_model(
        graph.as_proto(type(fitted).__name__, inputs, outputs),
        opset_imports=[helper.make_opsetid(*each) for each in graph.opsets.items()],
        ir_version=IR_VERSION,
        producer_name="sklstm",
        producer_version=__version__,
    )


def _read_dtype(dtype, own):
    if dtype is None:
        return own
    try:
        read = np.dtype(dtype)
    except TypeError:
        read = None
    if read not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32, float64 or None, got {dtype!r}.")
    return read


def _check_form(net, lengths, streaming):
    for name, value in {"lengths": lengths, "streaming": streaming}.items():
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{name} must be True or False, got {value!r}.")
    if streaming and lengths:
        raise ValueError("lengths=True is of whole sequences: with streaming=True, leave it out.")
    if streaming and net.bidirectional:
        raise ValueError(
            "streaming=True wants a net with bidirectional=False: the backward direction starts "
            "with the last step, which a stream does not know yet."
        )


def _write_sequences(graph, net, transformers, n_features, lengths):
    """The inputs and outputs of a model that reads sequences, once their nodes are added."""
    inputs = [("X", net.dtype, ["n_samples", "n_timesteps", n_features])]
    if lengths:
        inputs.append(("lengths", np.int64, ["n_samples"]))
    x, waiting = transformed(graph, net.dtype, transformers, "X")
    net = scaled_after(net, waiting)
    answers = answers_of_sequences(graph, net, x, "lengths" if lengths else None)
    rows = ["n_samples"] if net.pooling is not None else ["n_samples", "n_timesteps"]
    return inputs, _named_answers(graph, net, answers, rows)


def _write_step(graph, net, transformers, n_features, lengths):
    """As `_write_sequences`, of a model that reads a step."""
    rows, units = ["n_series"], net.units
    states = [(f"hidden_{layer}", f"cell_{layer}") for layer in range(len(units))]
    inputs = [
        (name, net.dtype, [*rows, size])
        for names, size in zip(states, units, strict=True)
        for name in names
    ]
    pooled = steps = None
    if net.pooling in ("mean", "max"):
        pooled, steps = "pooled", "steps"
        inputs += [(pooled, net.dtype, [*rows, units[-1]]), (steps, np.int64, rows)]
    x, waiting = transformed(graph, net.dtype, transformers, "X")
    net = scaled_after(net, waiting)
    answers, states, pooled, steps = answers_of_step(graph, net, x, states, pooled, steps)
    after = [each for pair in states for each in pair] + [pooled, steps] * (pooled is not None)
    outputs = _named_answers(graph, net, answers, rows)
    for (name, dtype, shape), value in zip(inputs, after, strict=True):
        graph.add_named("Identity", [value], [f"next_{name}"])
        outputs.append((f"next_{name}", dtype, shape))
    return [("X", net.dtype, [*rows, n_features]), *inputs], outputs


def _named_answers(graph, net, answers, rows):
    """The outputs that users see, in the shapes that the estimator's methods give."""
    outputs = []
    for name, value in answers.items():
        shape, dtype = [*rows, net.n_outputs], net.dtype
        if name == LABEL:
            shape, dtype = rows, label_type(net.classes)
        elif name == PREDICTION and net.link == SORTED:
            shape = [*shape, net.n_quantiles]
        if net.classes is None and not net.has_axis_of_outputs:
            value = graph.squeeze(value, -2 if net.link == SORTED else -1)
            del shape[len(rows)]
        graph.add_named("Identity", [value], [name])
        outputs.append((name, dtype, shape))
    return outputs
