"""A model and X, as the model reads it; and answers for its steps, in the form of X."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sklstm._fitted_state import expected_after_fit, seen_in_fit
from sklstm._network.parameters import Architecture, architecture_of
from sklstm._parts import take_apart
from sklstm._sequences import Sequences, check_agreement, check_numbers, read_shape
from sklstm._steps import as_sequences
from sklstm.preprocessing import TimestepTransformer


@dataclass(frozen=True, eq=False)
class Given:
    """A model and sequences for it.

    Parameters
    ----------
    net : LSTMRegressor or LSTMClassifier
    transformers : list of TimestepTransformer
        What X goes through before the net reads it.
    sequences : Sequences
        What the net reads.
    shape : tuple or None
        That of X, unless it was a list.
    raw : object or None
        The steps of X as the first transformer reads them; None without transformers.
    """

    net: Any
    transformers: list[TimestepTransformer]
    sequences: Sequences
    shape: tuple[int, ...] | None
    raw: Any

    @cached_property
    def architecture(self) -> Architecture:
        """Of the net."""
        return architecture_of(self.net._shape)

    @cached_property
    def lengths(self):
        """The steps of each sequence."""
        return self.sequences.records["length"]

    @cached_property
    def starts(self):
        """Where each sequence starts, with all steps of all in a row; at last their number."""
        return np.concatenate([[0], np.cumsum(self.lengths)])

    @property
    def n_features(self):
        """Features of X at a step."""
        return self.net._shape[0] if self.raw is None else self.raw.rows.shape[1]

    def places(self, rows):
        """Where the steps of some sequences are, with all steps of all in a row."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        return np.repeat(self.starts[rows] - ends + lengths, lengths) + np.arange(ends[-1])

    def steps_of(self, rows):
        """The steps of X in some sequences, one below the other, in float64."""
        if self.raw is not None:
            return self.raw.rows[self.places(rows)].astype(np.float64)
        source = self.sequences.source
        return np.concatenate([source[row][: self.lengths[row]] for row in rows], dtype=np.float64)

    @cached_property
    def weights(self):
        """Of the net; a copy, since kernels would be compiled anew for what cannot be written."""
        return self.net._weights.astype(self.sequences.dtype)

    def in_form_of_x(self, steps):
        """What there is of each feature at each step, as X was given.

        Parameters
        ----------
        steps : ndarray of shape (n_steps, n_features)
            All steps of all sequences.
        """
        if self.raw is not None:
            return self.raw.restore(steps)
        answers = as_sequences(steps, self.sequences)
        return answers if self.shape is None else answers.reshape(self.shape)


def read_given(estimator, X):
    """Take a model apart, and read X for it.

    Parameters
    ----------
    estimator : LSTMRegressor, LSTMClassifier or Pipeline
    X : array-like or list of array-like
        In any form that `estimator.predict` takes.

    Returns
    -------
    given : Given
    """
    transformers, net = take_apart(estimator, "estimator")
    raw = None
    if transformers:
        first = transformers[0]
        raw = first._read(
            X, n_timesteps=first.n_timesteps, in_fit=False, same_columns=first._fitted_on_2d
        )
    for transformer in transformers:
        X = transformer.transform(X)
    expected = expected_after_fit(net, list_dtype=net._weights.dtype)
    form = read_shape(X, expected)
    sequences = check_numbers(form, expected, net._scaling)
    check_agreement(form, expected, *seen_in_fit(net))
    return Given(net, transformers, sequences, _shape_of(form if raw is None else raw.form), raw)


def _shape_of(form):
    """The shape that X had; None of a list."""
    if type(form.source) is list:
        return None
    n_samples, n_timesteps, n_features = form.source.shape
    return (n_samples, n_timesteps * n_features) if form.from_2d else form.source.shape
