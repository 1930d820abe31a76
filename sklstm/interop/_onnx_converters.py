"""register_converters: let skl2onnx convert pipelines that have parts of sklstm."""

from dataclasses import replace

import numpy as np

from sklstm._classifier import LSTMClassifier
from sklstm._regressor import LSTMRegressor
from sklstm._targets import refuse_without_deviation
from sklstm.interop._net import SORTED, read_net
from sklstm.interop._onnx_graph import Graph
from sklstm.interop._onnx_net import (
    DEVIATION,
    LABEL,
    PREDICTION,
    PROBABILITIES,
    answers_of_sequences,
    label_type,
    standardised,
)
from sklstm.interop._onnx_transformers import transformed
from sklstm.interop._packages import needed
from sklstm.preprocessing import TimestepTransformer

# Options of skl2onnx, with their defaults.
_OPTIONS = {"return_std": False, "zipmap": True, "nocl": False}


def register_converters() -> None:
    """Let skl2onnx convert LSTMRegressor, LSTMClassifier and TimestepTransformer.

    Then `skl2onnx.to_onnx` converts whole pipelines, ensembles and searches of these beside all
    that it knows of scikit-learn. Calling it again does no harm.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    to_onnx : Without skl2onnx, for sequences of different lengths, and for streams.

    Notes
    -----
    X may be 2-D, in whose rows steps are columns or blocks of columns as in `predict`, or 3-D:
    `skl2onnx.to_onnx(model, X[:1])` reads it from an example. Double input is computed in float64,
    all other in float32. Outputs have the names, types and shapes of skl2onnx: a regressor's is
    `variable`, of shape (n_samples, 1) for one output; a classifier's are `output_label` and
    `output_probability`, a dict a row, or with the option zipmap=False `label` and `probabilities`.
    With the option return_std=True, a net of loss="gaussian" has the output `std`, too.

    Examples
    --------
    >>> import numpy as np
    >>> import skl2onnx  # doctest: +SKIP
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklstm import LSTMClassifier
    >>> from sklstm.interop import register_converters
    >>> X = np.random.RandomState(0).normal(size=(100, 12)).astype(np.float32)
    >>> model = make_pipeline(StandardScaler(), LSTMClassifier(8, tol=1e-3))
    >>> model = model.fit(X, X[:, -1] > 0)
    >>> register_converters()  # doctest: +SKIP
    >>> onnx_model = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False})  # doctest: +SKIP
    """
    update = needed("skl2onnx", "register_converters").update_registered_converter
    update(
        LSTMRegressor, "SklstmLSTMRegressor", _shape_of_predictions, _convert_net,
        parser=_declare_regressor, options={"return_std": [False, True]},
    )  # fmt: skip
    update(
        LSTMClassifier, "SklstmLSTMClassifier", _shape_of_classes, _convert_net,
        options={
            "zipmap": [True, False, "columns"], "output_class_labels": [False, True],
            "nocl": [True, False],
        },
    )  # fmt: skip
    update(TimestepTransformer, "SklstmTimestepTransformer", _shape_of_steps, _convert_transformer)


def _types():
    return needed("skl2onnx.common.data_types", "register_converters")


def _option(scope, model, name):
    """What the user chose."""
    # skl2onnx writes into the defaults that it is given.
    return scope.get_options(model, {name: _OPTIONS[name]})[name]


def _declare_regressor(scope, model, inputs, custom_parsers=None):
    """The outputs of a regressor, before there are shapes."""
    operator = scope.declare_local_operator("SklstmLSTMRegressor", model)
    operator.inputs = inputs
    names = [PREDICTION]
    if _option(scope, model, "return_std"):
        refuse_without_deviation(model)
        names.append(DEVIATION)
    for name in names:
        of_type = _types().guess_tensor_type(inputs[0].type)
        operator.outputs.append(scope.declare_local_variable(name, of_type))
    return operator.outputs


def _shape_of_predictions(operator):
    net, rows = read_net(operator.raw_operator), _rows(operator)
    shape = [*rows, net.n_outputs] if len(rows) == 1 or net.has_axis_of_outputs else rows
    for output in operator.outputs:
        output.type.shape = shape
    if net.link == SORTED:
        axes = [net.n_outputs] * net.has_axis_of_outputs
        operator.outputs[0].type.shape = [*rows, *axes, net.n_quantiles]


def _shape_of_classes(operator):
    classes = _classes(operator.scope_inst, operator.raw_operator)
    rows, types = _rows(operator), _types()
    of_labels = types.StringTensorType if label_type(classes) is str else types.Int64TensorType
    operator.outputs[0].set_type(of_labels(rows))
    operator.outputs[1].type.shape = [*rows, len(classes)]


def _classes(scope, model):
    """Of a classifier, or their numbers with the option nocl."""
    without = _option(scope, model, "nocl")
    return np.arange(len(model.classes_)) if without else model.classes_


def _rows(operator):
    """The first axes of what a net answers."""
    net, shape = read_net(operator.raw_operator), _shape_of_input(operator)
    if net.pooling is not None:
        return [shape[0]]
    n_timesteps = shape[1] if len(shape) == 3 else shape[1] and shape[1] // net.n_features
    return [shape[0], n_timesteps]


def _shape_of_steps(operator):
    *leading, _ = _shape_of_input(operator)
    operator.outputs[0].type.shape = [*leading, None]


def _shape_of_input(operator):
    name = type(operator.raw_operator).__name__
    if len(operator.inputs) != 1:
        raise ValueError(
            f"{name} wants one input with all of X, got {len(operator.inputs)}: give initial_types "
            f"one entry, not one a column."
        )
    shape = operator.inputs[0].type.shape
    if len(shape) not in (2, 3):
        raise ValueError(
            f"{name} wants an input of shape [None, n_columns] or [None, None, n_features], got "
            f"{shape}."
        )
    return shape


def _convert_net(scope, operator, container):
    """Write the nodes of an estimator."""
    graph, dtype, x = _begin(scope, operator, container)
    net = read_net(operator.raw_operator).as_type(dtype)
    if len(operator.inputs[0].type.shape) == 2:
        x = graph.add("Reshape", x, np.array([0, -1, net.n_features]))
    if net.classes is not None:
        net = replace(net, classes=_classes(scope, operator.raw_operator))
        _refuse_zipmap(scope, operator.raw_operator, net)
    answers = answers_of_sequences(graph, net, x)
    names = [PREDICTION, DEVIATION] if net.classes is None else [LABEL, PROBABILITIES]
    for name, output in zip(names, operator.outputs, strict=False):
        value = answers[name]
        axis = -2 if net.link == SORTED else -1
        # Of one output skl2onnx keeps the axis, but where there is another beside that of samples.
        has_more = net.pooling is None or net.link == SORTED
        if net.classes is None and not net.has_axis_of_outputs and has_more:
            value = graph.squeeze(value, axis)
        graph.add_named("Identity", [value], [output.full_name])
    _hand_over(graph, operator, scope, container)


def _refuse_zipmap(scope, model, net):
    zipmap = _option(scope, model, "zipmap")
    reason = None
    if net.pooling is None and zipmap is not False:
        reason = "With pooling=None there are probabilities for each step, which are no dict a row"
    elif net.dtype == np.float64 and zipmap is True:
        reason = "ONNX has dicts (ZipMap) of float32 alone, and the input is double"
    if reason is not None:
        raise ValueError(f"{reason}: pass options={{'zipmap': False}}.")


def _convert_transformer(scope, operator, container):
    """Write the nodes of a TimestepTransformer: rows that are steps, and back."""
    graph, dtype, x = _begin(scope, operator, container)
    transformer, shape = operator.raw_operator, _shape_of_input(operator)
    if len(shape) == 2:
        x = graph.add("Reshape", x, np.array([0, -1, transformer._n_step_features]))
    x, waiting = transformed(graph, dtype, [transformer], x)
    x = standardised(graph, x, waiting, dtype)
    like = [0, -1] if len(shape) == 2 else [0, 0, -1]
    graph.add_named("Reshape", [x, np.array(like)], [operator.outputs[0].full_name])
    _hand_over(graph, operator, scope, container)


def _dtype_of(input_type):
    return np.float64 if isinstance(input_type, _types().DoubleTensorType) else np.float32


def _begin(scope, operator, container):
    """An empty graph, the type that it computes in, and its input in this type."""
    _shape_of_input(operator)
    kind = type(operator.raw_operator).__name__
    graph = Graph(container.target_opset, scope.get_unique_operator_name(kind) + "_")
    (variable,) = operator.inputs
    dtype = _dtype_of(variable.type)
    return graph, dtype, graph.cast(variable.full_name, dtype)


def _hand_over(graph, operator, scope, container):
    """Let skl2onnx have the nodes and constants of a graph."""
    onnx = needed("onnx", "register_converters")
    numpy_helper = needed("onnx.numpy_helper", "register_converters")
    graph.leave_out_idle_nodes([output.full_name for output in operator.outputs])
    for tensor in graph.constants:
        # What skl2onnx takes: texts, or a tensor of raw bytes.
        content = list(tensor.string_data) or numpy_helper.from_array(numpy_helper.to_array(tensor))
        container.add_initializer(tensor.name, tensor.data_type, tuple(tensor.dims), content)
    for node in graph.nodes:
        schema = onnx.defs.get_schema(node.op_type, graph.opsets[node.domain], domain=node.domain)
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        container.add_node(
            node.op_type, list(node.input), list(node.output), op_domain=node.domain,
            op_version=schema.since_version, name=scope.get_unique_operator_name(node.name),
            **attributes,
        )  # fmt: skip
