"""A fitted estimator made of given weights: what `_net.py` reads, the other way."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from sklstm._base import BaseLSTM
from sklstm._classifier import LSTMClassifier
from sklstm._fit import Given
from sklstm._fitted_state import Known, fitted_state
from sklstm._network.parameters import Architecture, named_views
from sklstm._regressor import LSTMRegressor
from sklstm._scaling import no_scaling
from sklstm._training.state import Progress
from sklstm._typing import Floats
from sklstm.interop._net import Cell


class Head(NamedTuple):
    """The dense layer.

    Parameters
    ----------
    weights : ndarray of shape (n_raw, n_directions * units)
    bias : ndarray of shape (n_raw,)
    """

    weights: Floats
    bias: Floats


class Meaning(NamedTuple):
    """What the outputs of a net mean.

    Parameters
    ----------
    classes : array-like of shape (n_classes,) or None
        The labels in the order of the outputs, or of the lower and the higher values of a single
        output; None: predictions are numbers.
    loss : str
        Of a regressor: the loss whose inverse link makes predictions of outputs.
    quantile : float or array-like of float
        Those of loss="quantile".
    """

    classes: Any = None
    loss: str = "squared_error"
    quantile: Any = 0.5


def fitted_estimator(
    layers: list[list[Cell]],
    head: Head,
    pooling: str | None,
    meaning: Meaning,
    scaling: Floats | None = None,
) -> BaseLSTM:
    """An estimator that predicts with these weights, as if it had been fitted.

    Its parameters are those of the architecture and of the meaning; all others have their defaults.

    Parameters
    ----------
    layers : list of list of Cell
        Bottom to top; of each layer the forward direction, then the backward one, if there is one.
        Numbers are float32 or float64, the same throughout.
    head : Head
    pooling : {"last", "mean", "max"} or None
    meaning : Meaning
    scaling : ndarray of shape (2, n_features) of float64, default=None
        What is subtracted from features, and what multiplies them then; None: nothing.

    Returns
    -------
    estimator : LSTMRegressor or LSTMClassifier

    Raises
    ------
    ValueError
        If weights are not finite, or the outputs do not go with what they are said to mean.
    """
    estimator: BaseLSTM
    units = tuple(layer[0].recurrent_weights.shape[1] for layer in layers)
    shape: dict[str, Any] = {"bidirectional": len(layers[0]) == 2, "pooling": pooling}
    if meaning.classes is None:
        estimator = LSTMRegressor(units, loss=meaning.loss, quantile=meaning.quantile, **shape)
    else:
        estimator = LSTMClassifier(units, **shape)
        head = _head_of_classes(head, np.asarray(meaning.classes))
    estimator._validate_params()
    # As in a first call of partial_fit, which is told the classes and need not see all of y.
    given = Given(None, None, classes=meaning.classes, incremental=True)
    targets = estimator._targets.of(estimator, given, None)
    n_features, n_raw = layers[0][0].input_weights.shape[1], len(head.bias)
    n_outputs, n_odd = divmod(n_raw, len(targets.loss.settings))
    if n_odd:
        raise ValueError(
            f"loss={meaning.loss!r} has {len(targets.loss.settings)} outputs of the net for each "
            f"target, but there are {n_raw}."
        )
    architecture = Architecture(n_features, units, estimator.bidirectional, pooling, n_raw)
    known = Known(
        architecture,
        # As the weights are, so are predictions.
        replace(targets, mean=np.zeros(n_outputs), deviation=np.ones(n_outputs)),
        n_outputs,
        no_scaling(n_features) if scaling is None else scaling,
        {"n_features_in_": n_features},
        n_timesteps=None,
    )
    progress = Progress(_flat(architecture, layers, head), {})
    estimator.__setstate__(vars(estimator) | fitted_state(known, progress))
    return estimator


def _flat(architecture, layers, head):
    """All weights as one vector."""
    weights = np.empty(architecture.n_weights, head.bias.dtype)
    views = named_views(architecture, weights)
    for index, cell in enumerate(cell for layer in layers for cell in layer):
        views["input_weights"][index][...] = cell.input_weights
        views["recurrent_weights"][index][...] = cell.recurrent_weights
        views["biases"][index][...] = cell.bias
    views["output_weights"][...], views["output_bias"][...] = head
    if not np.isfinite(weights).all():
        raise ValueError("The weights of the net must be finite, got NaN or infinity among them.")
    return weights


def _head_of_classes(head, classes):
    """The head with raw outputs as those of a classifier: for sorted labels, and one for two."""
    labels = np.unique(classes)
    n_raw = len(head.bias)
    if classes.ndim != 1 or len(labels) != len(classes) or len(labels) < 2:
        raise ValueError(f"classes must be at least 2 labels, all different, got {classes!r}.")
    if len(labels) != (2 if n_raw == 1 else n_raw):
        wanted = "2 classes" if n_raw <= 2 else f"{n_raw} classes"
        raise ValueError(
            f"A net of {n_raw} outputs tells {wanted} apart, got {len(labels)}: {classes.tolist()}."
        )
    order = np.argsort(classes)
    if n_raw == 1:
        # The logit of the label that comes second, where labels are in ascending order.
        return head if order[0] == 0 else Head(-head.weights, -head.bias)
    weights, bias = (part[order] for part in head)
    if n_raw == 2:
        # What the softmax of two outputs depends on.
        return Head(np.diff(weights, axis=0), np.diff(bias))
    return Head(weights, bias)
