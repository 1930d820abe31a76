"""A net as a functional model of Keras alone, so that a file of it is read without sklstm."""

import numpy as np

from sklstm.interop._net import EXP, LOGIT, NORMAL, SOFTMAX, SORTED

# What a model is called says what its layers do not.
_BETWEEN = "--"
_OWN, _EACH_STEP, _CLASSES, _ONE, _SEVERAL = "sklstm", "each_step", "classes", "of", "in_a_list"


def build_model(keras, net, loss, quantile):
    """A functional model that predicts what the net does.

    Parameters
    ----------
    keras : module
    net : Net
    loss : str or None
        Of a regressor.
    quantile : float, tuple of float or None

    Returns
    -------
    model : keras.Model
    """
    options = {"dtype": net.dtype.name}
    x = keras.Input((None, net.n_features), name="X", dtype=net.dtype.name)
    real = keras.ops.logical_not(keras.ops.all(keras.ops.isnan(x), axis=-1))
    hidden = _filled(keras, _standardized(keras, net, x, options), real, 0)
    cells = []
    for number, layer in enumerate(net.layers):
        top = number == len(net.layers) - 1
        lstm = keras.layers.LSTM(
            layer[0].recurrent_weights.shape[1],
            return_sequences=not (top and net.pooling == "last"), name=f"lstm_{number}", **options,
        )  # fmt: skip
        if net.bidirectional:
            lstm = keras.layers.Bidirectional(lstm, name=f"bidirectional_{number}", **options)
        hidden = lstm(hidden, mask=real)
        cells.append(lstm)
    head = keras.layers.Dense(
        2 if net.link == LOGIT else net.n_raw, name="head", activation=_ACTIVATIONS.get(net.link),
        **options,
    )  # fmt: skip
    raw = head(_pooled(keras, net, hidden, real, options))
    answers = _answers(keras, net, raw)
    if net.pooling is None:
        answers = [_filled(keras, each, real, np.nan) for each in answers]
    name = model_name(net.pooling, loss, quantile)
    model = keras.Model(x, answers[0] if len(answers) == 1 else answers, name=name)
    for lstm, layer in zip(cells, net.layers, strict=True):
        lstm.set_weights([part for cell in layer for part in as_keras(cell)])
    head.set_weights(_head(net))
    return model


# The head's own, where Keras has one.
_ACTIVATIONS = {EXP: "exponential", LOGIT: "softmax", SOFTMAX: "softmax"}


def as_keras(cell):
    """The arrays of a cell: gates are in the order i, f, c, o, in columns."""
    return [cell.input_weights.T, cell.recurrent_weights.T, cell.bias]


def _standardized(keras, net, x, options):
    if not net.standardises:
        return x
    high = net.mean.astype(net.dtype).astype(np.float64)
    # Two layers: one subtraction in float32 would lose the digits of a large mean.
    for number, (scale, offset) in enumerate(
        [(np.ones(net.n_features), -high), (net.scale, (high - net.mean) * net.scale)]
    ):
        layer = keras.layers.Rescaling(scale, offset, name=f"standardize_{number}", **options)
        x = layer(x)
    return x


def _pooled(keras, net, hidden, real, options):
    if net.pooling == "mean":
        return keras.layers.GlobalAveragePooling1D(name="mean", **options)(hidden, mask=real)
    if net.pooling == "max":
        hidden = _filled(keras, hidden, real, -np.inf)
        return keras.layers.GlobalMaxPooling1D(name="max", **options)(hidden)
    return hidden


def _head(net):
    weights, bias = net.output_weights.T, net.output_bias
    if net.link != LOGIT:
        return [weights, bias]
    # The softmax of 0 and a logit are the probabilities of both classes.
    zeros = np.zeros_like(weights)
    return [np.hstack([zeros, weights]), np.concatenate([[0], bias])]


def _answers(keras, net, raw):
    """What the estimator predicts; of a normal distribution also the deviation."""
    if net.link == SORTED:
        starts = range(0, net.n_raw, net.n_quantiles)
        each = [raw[..., start : start + net.n_quantiles] for start in starts]
        each = each[0] if len(each) == 1 else keras.ops.stack(each, axis=-2)
        return [keras.ops.sort(each, axis=-1)]
    if net.link == NORMAL:
        answers = [raw[..., ::2], keras.ops.exp(raw[..., 1::2])]
    else:
        answers = [raw]
    if net.classes is None and net.n_outputs == 1:
        answers = [keras.ops.squeeze(each, axis=-1) for each in answers]
    return answers


def _filled(keras, steps, real, number):
    """The same at real steps, and a number at those of padding."""
    axes = tuple(range(2, len(steps.shape)))
    real = keras.ops.expand_dims(real, axes) if axes else real
    return keras.ops.where(real, steps, keras.ops.cast(number, steps.dtype))


def model_name(pooling, loss, quantile):
    """What a model is called, so that it can be read back."""
    words = [_OWN, pooling or _EACH_STEP, loss or _CLASSES]
    if loss == "quantile":
        several = isinstance(quantile, tuple)
        words += [_SEVERAL if several else _ONE, *map(repr, quantile if several else [quantile])]
    return _BETWEEN.join(words)


def read_name(name):
    """The pooling, the loss or None, and the quantile that a name says; None of a foreign one."""
    own, *words = name.split(_BETWEEN)
    if own != _OWN or len(words) < 2:
        return None
    pooling, loss, *quantiles = words
    quantile: float | tuple[float, ...] = 0.5
    if quantiles:
        numbers = tuple(map(float, quantiles[1:]))
        quantile = numbers if quantiles[0] == _SEVERAL else numbers[0]
    return (
        None if pooling == _EACH_STEP else pooling, None if loss == _CLASSES else loss, quantile
    )  # fmt: skip
