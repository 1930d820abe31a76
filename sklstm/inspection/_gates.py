"""What the gates of a fitted net do at each step, and how long its cells remember."""

from typing import Any, NamedTuple

import numpy as np

from sklstm._steps import as_sequences
from sklstm._typing import Floats, SequencesLike
from sklstm.inspection._blocks import blocks_of, run_blocks, trace_of
from sklstm.inspection._given import read_given


class GateActivations(NamedTuple):
    """What the cells of a layer, in one direction, do at each step.

    Each is an array of shape (n_samples, n_timesteps, units), NaN on padding; or, if X was a list,
    a list of arrays (timesteps_i, units).

    Parameters
    ----------
    input : ndarray or list of ndarray
        The input gate, 0 to 1: how much of the candidate is written.
    forget : ndarray or list of ndarray
        The forget gate, 0 to 1: how much of the cell's state is kept.
    candidate : ndarray or list of ndarray
        What may be written, -1 to 1.
    output : ndarray or list of ndarray
        The output gate, 0 to 1: how much of the cell's state is shown.
    cell : ndarray or list of ndarray
        The cell's state: forget * (that of the step before) + input * candidate.
    hidden : ndarray or list of ndarray
        The hidden state, which the next step and the next layer read: output * tanh(cell).
    """

    input: Any
    forget: Any
    candidate: Any
    output: Any
    cell: Any
    hidden: Any


@np.errstate(all="ignore")
def gate_activations(estimator: Any, X: SequencesLike) -> list[GateActivations]:
    """The gates and states of a fitted net at each step of sequences.

    Parameters
    ----------
    estimator : LSTMRegressor, LSTMClassifier or Pipeline
        Fitted; or a pipeline of `TimestepTransformer` and one.
    X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
            list of array-like of shape (n_timesteps_i, n_features)
        The sequences, in any form that `estimator.predict` takes.

    Returns
    -------
    activations : list of GateActivations
        One a layer, bottom to top, and direction, forward before backward: named tuples of arrays
        `input`, `forget`, `candidate`, `output`, `cell` and `hidden` of shape (n_samples,
        n_timesteps, units), NaN on padding; or, if X is a list, of lists of arrays (timesteps_i,
        units). Those of a backward direction lie at the steps of X too: it read the last one first.
        They are float32 if X is, else float64.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError, ValueError
        If it is of another kind, or X cannot be read.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long short-term memory. Neural Computation 9(8).

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.inspection import gate_activations
    >>> X = np.random.RandomState(0).normal(size=(100, 12, 2))
    >>> model = LSTMRegressor((8, 4), max_iter=5, tol=1, random_state=0).fit(X, X[:, 0, 0])
    >>> bottom, top = gate_activations(model, X)
    >>> bottom.forget.shape, top.forget.shape
    ((100, 12, 8), (100, 12, 4))
    >>> bool(np.allclose(top.hidden, top.output * np.tanh(top.cell)))
    True
    """
    given = read_given(estimator, X)
    sequences, n_steps = given.sequences, given.starts[-1]
    flat = [
        GateActivations(*(np.empty((n_steps, units), sequences.dtype) for _ in range(6)))
        for _, units in given.architecture.cells
    ]

    def run(rows, stopped):
        trace = trace_of(given, rows)
        trace.forward()
        places, exists = given.places(rows), _exists(given, rows)
        for of_cell, steps in zip(flat, trace.steps(), strict=True):
            for all_steps, some in zip(of_cell, steps, strict=True):
                all_steps[places] = some[exists]

    run_blocks(run, blocks_of(given.architecture, sequences.dtype, given.lengths))
    return [
        GateActivations(*(as_sequences(steps, sequences) for steps in of_cell)) for of_cell in flat
    ]


@np.errstate(all="ignore")
def memory_spans(estimator: Any, X: SequencesLike) -> list[Floats]:
    """The steps after which each cell of a fitted net has lost half of what it held.

    At each step a cell keeps the share of its state that its forget gate says. Shares multiply, so
    that their logarithms are averaged: the span is log(1/2) divided by the mean logarithm of the
    forget gate, over all steps of all sequences.

    Parameters
    ----------
    estimator : LSTMRegressor, LSTMClassifier or Pipeline
        Fitted; or a pipeline of `TimestepTransformer` and one.
    X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
            list of array-like of shape (n_timesteps_i, n_features)
        The sequences, in any form that `estimator.predict` takes.

    Returns
    -------
    spans : list of ndarray of shape (units,)
        One a layer, bottom to top, and direction, forward before backward; in steps, in float64.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError, ValueError
        If it is of another kind, or X cannot be read.

    Notes
    -----
    What is lost from a cell may still be in others, which have read its hidden state: a span says
    how long one cell keeps a number by itself, not how far back a prediction can look.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long short-term memory. Neural Computation 9(8).
    .. [2] Tallec & Ollivier (2018), Can recurrent neural networks warp time? ICLR.

    Examples
    --------
    Before it has learnt anything, a cell with a forget gate of sigmoid(1) = 0.73 keeps a half for
    two steps:

    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.inspection import memory_spans
    >>> X = np.random.RandomState(0).normal(size=(100, 12, 2))
    >>> model = LSTMRegressor(8, learning_rate_init=1e-9, max_iter=5, tol=1, random_state=0)
    >>> spans, = memory_spans(model.fit(X, X[:, 0, 0]), X)
    >>> print(np.median(spans).round())
    2.0
    """
    given = read_given(estimator, X)
    sums = [np.empty((len(given.lengths), units)) for _, units in given.architecture.cells]

    def run(rows, stopped):
        trace = trace_of(given, rows)
        trace.forward()
        exists = _exists(given, rows)
        for of_cell, steps in zip(sums, trace.steps(), strict=True):
            logs = np.log(steps.forget, dtype=np.float64)
            logs[~exists] = 0
            of_cell[rows] = logs.sum(axis=1)

    run_blocks(run, blocks_of(given.architecture, given.sequences.dtype, given.lengths))
    # A gate that is 1 in all digits forgets nothing.
    return [np.log(2) / np.abs(each.sum(axis=0) / given.starts[-1]) for each in sums]


def _exists(given, rows):
    """Whether each of some sequences has each step of the longest."""
    lengths = given.lengths[rows]
    return np.arange(lengths.max()) < lengths[:, np.newaxis]
