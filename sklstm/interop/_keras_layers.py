"""Models of Keras read layer by layer: what each must be, and what it means to a net."""

from typing import Any, NamedTuple

import numpy as np

from sklstm.interop._fitted import Head
from sklstm.interop._net import Cell

# Layers that pass numbers on as they are when a model predicts.
PASSING = (
    "InputLayer", "Masking", "Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise",
    "ActivityRegularization",
)  # fmt: skip
POOLING_LAYERS = {"GlobalAveragePooling1D": "mean", "GlobalMaxPooling1D": "max"}


class Parts(NamedTuple):
    """What the layers of a model are to a net.

    Parameters
    ----------
    layers : list of list of Cell
    head : Head
    activation : str
        What the head's outputs go through: "linear", "exponential", "sigmoid" or "softmax".
    pooling : {"last", "mean", "max"} or None
    scaling : ndarray of shape (2, n_features)
        What is subtracted from features, and what multiplies them then.
    """

    layers: list[list[Cell]]
    head: Head
    activation: str
    pooling: str | None
    scaling: Any


def read_parts(keras, chain):
    """The parts of a model whose layers follow one another.

    Parameters
    ----------
    keras : module
    chain : list of keras.Layer

    Returns
    -------
    parts : Parts

    Raises
    ------
    ValueError
        If a layer is of another kind, or in another place, or has another setting.
    """
    masked = any(_kind(layer) == "Masking" for layer in chain)
    rest = [layer for layer in chain if _kind(layer) not in PASSING]
    scaling_layers = _take(rest, ("Rescaling", "Normalization"))
    lstms = _take(rest, ("LSTM", "Bidirectional"))
    pools = _take(rest, tuple(POOLING_LAYERS))
    heads = _take(rest, ("Dense", "TimeDistributed"))
    ends = _take(rest, ("Activation", "Softmax"))
    if rest:
        raise ValueError(
            f"model has a layer {rest[0].name!r} of the kind {_kind(rest[0])} where it cannot be "
            "read: it must be Rescaling or Normalization, if any, then LSTM or "
            "Bidirectional(LSTM), then GlobalAveragePooling1D or GlobalMaxPooling1D, if any, then "
            "one Dense."
        )
    if not lstms or len(heads) != 1 or len(pools) > 1 or len(ends) > 1:
        raise ValueError(
            f"model must have LSTM layers, at most one pooling, and one Dense, got {len(lstms)}, "
            f"{len(pools)} and {len(heads)} of them."
        )
    layers = [_read_lstm(keras, layer) for layer in lstms]
    pooling = _read_pooling(lstms, pools, masked)
    dense = heads[0].layer if _kind(heads[0]) == "TimeDistributed" else heads[0]
    if _kind(dense) != "Dense":
        raise ValueError(f"TimeDistributed must be of a Dense layer, got {_kind(dense)}.")
    head = Head(*_dense_arrays(keras, dense))
    activation = _read_activation(keras, dense, ends)
    n_features = layers[0][0].input_weights.shape[1]
    return Parts(
        layers, head, activation, pooling, _read_scaling(keras, scaling_layers, n_features)
    )


def _kind(layer):
    """The name of a class of Keras; of others with their module, so that none passes for one."""
    cls = type(layer)
    own = cls.__module__.partition(".")[0] == "keras"
    return cls.__name__ if own else f"{cls.__module__}.{cls.__name__}"


def _take(rest, kinds):
    """Remove the layers of these kinds that come first."""
    taken = []
    while rest and _kind(rest[0]) in kinds:
        taken.append(rest.pop(0))
    return taken


def _array(keras, variable):
    array = np.array(keras.ops.convert_to_numpy(variable))
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"Weights must be of float32 or float64, got {array.dtype}.")
    return array


# --- LSTM -----------------------------------------------------------------------------------


def _read_lstm(keras, layer):
    """The cells of a layer."""
    if _kind(layer) == "LSTM":
        _check_lstm(keras, layer, backwards=False)
        return [_read_cell(keras, layer)]
    forward, backward = layer.forward_layer, layer.backward_layer
    if layer.merge_mode != "concat":
        raise ValueError(
            f"{layer.name!r} must have merge_mode='concat', got {layer.merge_mode!r}: sklstm "
            "concatenates both directions."
        )
    for each, backwards in ((forward, False), (backward, True)):
        if _kind(each) != "LSTM":
            raise ValueError(f"{layer.name!r} must be of LSTM layers, got {_kind(each)}.")
        _check_lstm(keras, each, backwards)
    if forward.units != backward.units:
        raise ValueError(
            f"{layer.name!r} must have the same units in both directions, got {forward.units} and "
            f"{backward.units}."
        )
    return [_read_cell(keras, forward), _read_cell(keras, backward)]


def _check_lstm(keras, layer, backwards):
    wanted = {
        "activation": keras.activations.tanh,
        "recurrent_activation": keras.activations.sigmoid,
        "go_backwards": backwards,
        "return_state": False,
        "stateful": False,
    }
    for name, value in wanted.items():
        got = getattr(layer, name)
        if got != value:
            value, got = (getattr(each, "__name__", each) for each in (value, got))
            raise ValueError(f"{layer.name!r} must have {name}={value!r}, got {got!r}.")


def _read_cell(keras, layer):
    """Gates are in the order i, f, c, o, as those of sklstm, but in columns."""
    cell = layer.cell
    kernel = _array(keras, cell.kernel)
    recurrent_kernel = _array(keras, cell.recurrent_kernel)
    bias = np.zeros(kernel.shape[1], kernel.dtype)
    if layer.use_bias:
        bias = _array(keras, cell.bias)
    return Cell(kernel.T, recurrent_kernel.T, bias)


# --- What follows ---------------------------------------------------------------------------


def _read_pooling(lstms, pools, masked):
    """What the head reads."""
    *below, top = lstms
    for layer in below:
        if not _returns_sequences(layer):
            raise ValueError(
                f"{layer.name!r} must have return_sequences=True, since {top.name!r} reads its "
                "steps."
            )
    if not _returns_sequences(top):
        if pools:
            raise ValueError(f"{top.name!r} must have return_sequences=True for {pools[0].name!r}.")
        return "last"
    if not pools:
        return None
    pooling = POOLING_LAYERS[_kind(pools[0])]
    one_direction = _kind(top) == "LSTM" and not top.zero_output_for_mask
    if masked and pooling == "max" and not one_direction:
        raise ValueError(
            f"{pools[0].name!r} of Keras also takes the zeros at masked steps, which sklstm leaves "
            "out: take Masking out of the model, or pool by the mean."
        )
    return pooling


def _returns_sequences(layer):
    return (
        layer.forward_layer.return_sequences
        if _kind(layer) == "Bidirectional"
        else (layer.return_sequences)
    )


def _dense_arrays(keras, dense):
    kernel = _array(keras, dense.kernel)
    bias = np.zeros(kernel.shape[1], kernel.dtype)
    return kernel.T, _array(keras, dense.bias) if dense.use_bias else bias


def _read_activation(keras, dense, ends):
    """The name of what outputs go through."""
    names = [_name_of(dense.activation)]
    for end in ends:
        names.append("softmax" if _kind(end) == "Softmax" else _name_of(end.activation))
    applied = [name for name in names if name != "linear"] or ["linear"]
    if len(applied) > 1 or applied[0] not in ("linear", "exponential", "sigmoid", "softmax"):
        raise ValueError(
            f"{dense.name!r} must end in no activation, or in 'exponential', 'sigmoid' or "
            f"'softmax', got {' and '.join(map(repr, applied))}."
        )
    return applied[0]


def _name_of(activation):
    return getattr(activation, "__name__", repr(activation))


def _read_scaling(keras, layers, n_features):
    """What Rescaling and Normalization do one after the other, as one mean and one scale."""
    mean, scale = np.zeros(n_features), np.ones(n_features)
    for layer in layers:
        if _kind(layer) == "Rescaling":
            factor = np.asarray(layer.scale, np.float64) * np.ones(n_features)
            shift = -np.asarray(layer.offset, np.float64) / factor
        else:
            factor, shift = _normalization(keras, layer, n_features)
        mean = mean + shift / scale
        scale = scale * factor
    if not (np.isfinite(mean).all() and np.isfinite(scale).all()):
        raise ValueError("The layers before the first LSTM must scale features by numbers.")
    return np.stack([mean, scale])


def _normalization(keras, layer, n_features):
    if layer.invert or tuple(layer.axis) not in ((-1,), (2,), ()):
        raise ValueError(
            f"{layer.name!r} must have axis=-1 and invert=False, got axis={layer.axis} and "
            f"invert={layer.invert}."
        )
    mean, variance = (
        np.array(keras.ops.convert_to_numpy(each), np.float64).ravel() * np.ones(n_features)
        for each in (layer.mean, layer.variance)
    )
    return 1 / np.maximum(np.sqrt(variance), keras.config.epsilon()), mean


# --- Which layers, in which order -----------------------------------------------------------


def read_chain(keras, model):
    """The layers of a model, one after the other.

    Raises
    ------
    TypeError
        If it is no Sequential or functional model.
    ValueError
        If it branches, or has operations that are no layers, or has no weights yet.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a keras.Model, got {_kind(model)}.")
    if not model.built:
        raise ValueError(
            "model has no weights yet: give it a keras.Input as the first layer, or call it once."
        )
    if isinstance(model, keras.Sequential):
        chain = list(model.layers)
    elif _is_functional(keras, model):
        chain = _functional_chain(model)
    else:
        raise TypeError(
            f"model must be a Sequential or functional model, got {_kind(model)}, whose layers "
            "have no order that could be read."
        )
    flat: list[Any] = []
    for layer in chain:
        flat += read_chain(keras, layer) if isinstance(layer, keras.Model) else [layer]
    return flat


def _is_functional(keras, model):
    # The class of functional models has no public name; `keras.Model` of a subclass has no graph.
    return _kind(model) == "Functional" and len(model.inputs) >= 1


def _functional_chain(model):
    """The layers of a functional model, each of which reads what the one before it made."""
    if len(model.outputs) != 1:
        raise ValueError(f"model must have one output, got {len(model.outputs)}.")
    kinds = {_kind(layer) for layer in model.layers}
    chain: list[Any] = []
    operations, is_masked = set(), False
    for entry in model.get_config()["layers"]:
        if entry["class_name"] not in kinds:
            operations.add(entry["class_name"])
            continue
        layer, nodes = model.get_layer(entry["name"]), entry["inbound_nodes"]
        is_masked |= any(True for node in nodes for _ in _sources(node["kwargs"].get("mask")))
        sources = [source for node in nodes for source in _sources(_without_mask(node))]
        if sources != [each.name for each in chain[-1:]]:
            raise ValueError(
                f"The layers of model must follow one another, but {layer.name!r} reads "
                f"{' and '.join(map(repr, sources)) or 'another input'}."
            )
        chain.append(layer)
    # What Masking is made of; it is handed from layer to layer by itself.
    of_masking = {"NotEqual", "Any"} if any(_kind(each) == "Masking" for each in chain) else set()
    if operations - of_masking or (is_masked and not of_masking):
        raise ValueError(
            f"model has operations between its layers, {sorted(operations)}, which cannot be read."
        )
    return chain


def _without_mask(node):
    kwargs = {name: value for name, value in node["kwargs"].items() if name != "mask"}
    return [node["args"], kwargs]


def _sources(part):
    """The names of the layers whose outputs are in a part of a configuration."""
    if isinstance(part, dict):
        if "keras_history" in part:
            yield part["keras_history"][0]
            return
        part = list(part.values())
    if isinstance(part, list | tuple):
        for each in part:
            yield from _sources(each)
