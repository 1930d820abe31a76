"""Transformers of time steps as nodes of ONNX."""

import numpy as np

from sklstm.interop._affine import NOTHING, in_turn, shift_and_stretch
from sklstm.interop._onnx_net import standardised
from sklstm.interop._packages import needed

# Operators that skl2onnx may use beside ONNX's own.
_ML, _ML_OPSET = "ai.onnx.ml", 3


def transformed(graph, dtype, transformers, x):
    """Add the transformers of a pipeline.

    Those that shift and stretch features wait for others of their kind: together they round once.

    Parameters
    ----------
    graph : Graph
    dtype : dtype
        In which all is computed.
    transformers : list of TimestepTransformer
    x : str
        Of shape (..., n_features).

    Returns
    -------
    x : str
        Transformed step by step.
    waiting : Affine
        What is still to be done.
    """
    waiting = NOTHING
    for transformer in transformers:
        for inner in in_turn(transformer.transformer_):
            affine = shift_and_stretch(inner)
            if affine is not None:
                waiting = waiting.then(*affine)
            else:
                x = standardised(graph, x, waiting, dtype)
                x, waiting = _row_by_row(graph, inner, x, dtype), NOTHING
    return x, waiting


def _row_by_row(graph, transformer, x, dtype):
    n_features = transformer.n_features_in_
    rows = graph.add("Reshape", x, np.array([-1, n_features]))
    rows = _by_skl2onnx(graph, transformer, rows, n_features, dtype)
    leading = graph.add("Slice", graph.add("Shape", x), np.array([0]), np.array([-1]))
    shape = graph.add("Concat", leading, np.array([-1]), axis=0)
    return graph.add("Reshape", rows, shape)


def _by_skl2onnx(graph, transformer, rows, n_features, dtype):
    """Add what skl2onnx makes of a transformer; rows (n_rows, n_features) and back."""
    name = type(transformer).__name__
    skl2onnx = needed("skl2onnx", f"to_onnx of a pipeline with {name}")
    types = needed("skl2onnx.common.data_types", "to_onnx")
    compose = needed("onnx.compose", "to_onnx")
    of_type = types.FloatTensorType if dtype == np.float32 else types.DoubleTensorType
    try:
        model = skl2onnx.convert_sklearn(
            transformer,
            initial_types=[("rows", of_type([None, n_features]))],
            target_opset={_ML: _ML_OPSET, **graph.opsets},
        )
    except Exception as error:
        raise ValueError(
            f"skl2onnx cannot convert {name}, which estimator has in a TimestepTransformer: "
            f"{str(error).strip().splitlines()[0]}"
        ) from error
    prefix = graph.name(name.lower()) + "_"
    inner = compose.add_prefix_graph(model.graph, prefix)
    graph.add_named("Identity", [rows], [inner.input[0].name])
    graph.nodes.extend(inner.node)
    graph.constants.extend(inner.initializer)
    graph.opsets |= {each.domain: each.version for each in model.opset_import if each.domain}
    return graph.cast(inner.output[0].name, dtype)
