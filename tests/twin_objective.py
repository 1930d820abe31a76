"""What a fit minimises, by the slow twin, and what a fit begins with."""

from unittest import mock

import numpy as np
import pytest
import reference
from sklearn.base import clone

import sklstm._base
from sklstm._network.parameters import named_views
from sklstm._training.dropout import Dropout


class _CaughtError(Exception):
    """Ends a fit before its first step."""


def start_of(model, *data):
    """What a fit begins with: its architecture, flat vector, and source of masks."""
    patched = mock.patch.object(sklstm._base, "train", side_effect=_CaughtError)
    with patched as train, pytest.raises(_CaughtError):
        clone(model).fit(*data)
    fit = train.call_args.kwargs
    return fit["architecture"], fit["progress"].weights, fit["bit_generator"]


def draw_masks(architecture, rows, *rest):
    """The first masks that such a `Dropout` draws."""
    return Dropout(architecture, rows, *rest).draw(rows)


def as_lists(architecture, masks):
    """Masks as the twin takes them: one for each layer and the head, and one for each cell."""
    inputs, recurrent = architecture.mask_sizes
    parts = np.split(masks, np.cumsum([*inputs, *recurrent])[:-1], axis=1)
    return parts[: len(inputs)], parts[len(inputs) :]


def twin_objective(
    architecture, flat, X, y, *, alpha=0.0, sample_weight=None, loss="squared_error", settings=None,
    masks=None, lengths=None, bptt_steps=None,
):  # fmt: skip
    """The penalised mean loss, and its gradient on the flat vector, by the slow twin.

    y has a last axis of outputs or, one-hot, of classes; what has no weight is not looked at.
    """
    kind, settings = reference.LOSSES[loss], settings or {}
    inputs, recurrent = (None, None) if masks is None else as_lists(architecture, masks)
    raw, trace = reference.forward(
        X, named_views(architecture, flat), bidirectional=architecture.bidirectional,
        pooling=architecture.pooling, lengths=lengths, input_masks=inputs,
        recurrent_masks=recurrent,
    )  # fmt: skip
    weight = np.ones(y.shape[:-1]) if sample_weight is None else sample_weight
    # With pooling=None, these are steps.
    some = weight > 0
    raw, d_raw, y = raw[some], np.zeros_like(raw), y[some]
    share = (weight[some] / weight.sum())[:, np.newaxis]
    if loss == "multinomial_log_loss":
        y = y.argmax(axis=1)
        value = share[:, 0] @ kind.value(raw, y)
    else:
        values = kind.value(raw, y, **settings)
        share = share / values.shape[1]
        value = (share * values).sum()
    d_raw[some] = share * kind.gradient(raw, y, **settings)
    gradient, penalised = np.zeros_like(flat), flat.copy()
    views = named_views(architecture, gradient)
    pieces = reference.backward(trace, d_raw, bptt_steps)
    for name in ("input_weights", "recurrent_weights", "biases"):
        for view, piece in zip(views[name], pieces[name], strict=True):
            view[:] = piece
    for name in ("output_weights", "output_bias"):
        views[name][:] = pieces[name]
    # Biases are spared.
    views = named_views(architecture, penalised)
    for bias in (*views["biases"], views["output_bias"]):
        bias[:] = 0
    penalised *= alpha / weight.sum()
    return value + penalised @ flat / 2, gradient + penalised
