"""What each number of X has contributed to a prediction: gradients along a path."""

from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import roots_legendre

from sklstm._kernels.shard import SEQUENCE
from sklstm._messages import warn_user
from sklstm._network.trace import Trace
from sklstm._sequences import Sequences
from sklstm._typing import Floats, SequencesLike
from sklstm.inspection._blocks import MOST_ROWS, blocks_of, gradient_on_x, run_blocks
from sklstm.inspection._chain import pull_back, transformed, widths
from sklstm.inspection._given import Given, read_given
from sklstm.inspection._outputs import Output, read_output

# The share of a sequence's attributions, sizes added up, by which they may miss what they should
# add up to; beyond, its path is cut into so many parts.
_TOLERANCE, _PARTS = 1e-7, (1, 4, 16)
# The share of the largest difference from which what is missing is told.
_TOLD = 1e-6


@np.errstate(all="ignore")
def integrated_gradients(
    estimator: Any,
    X: SequencesLike,
    *,
    baseline: SequencesLike | None = None,
    output: Any = 0,
    n_points: int = 64,
) -> Floats | list[Floats]:
    """What each number of X has contributed to a prediction, compared with a baseline.

    The gradient is averaged over the straight path from the baseline to X, and multiplied by the
    difference of the two [1]_. The attributions of a sequence add up to the prediction for it minus
    that for its baseline.

    Parameters
    ----------
    estimator : LSTMRegressor, LSTMClassifier or Pipeline
        Fitted; or a pipeline of `TimestepTransformer` and one. Then the path and attributions are
        of the numbers that go into the pipeline; derivatives of its transformers at each step are
        central differences, in float64.
    X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
            list of array-like of shape (n_timesteps_i, n_features)
        The sequences, in any form that `estimator.predict` takes, without NaN but padding.
    baseline : array-like of shape (n_features,), or in the form of X, default=None
        What stands for "nothing happens". None: the mean of the features that the net was fitted
        on, or 0 with normalize_X=False; in a pipeline, what its transformers make that of.
    output : int, tuple, str or label, default=0
        The prediction that is explained, as of `input_gradients`.
    n_points : int, default=64
        Points on the path, of Gauss and Legendre. Sequences for which they are too few, so that
        attributions do not add up in the seventh digit, are read at 4 or 16 times as many; not with
        pooling="max".

    Returns
    -------
    attributions : ndarray or list of ndarray
        In the form of X, in the units of the prediction; NaN on padding. float32 if the net reads
        float32, else float64; computed in float64.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError, ValueError
        If it is of another kind, X or the baseline cannot be read, there is no such output, or no
        default for the baseline.

    See Also
    --------
    input_gradients : What a small change of each number would change.
    permutation_importance : What the score loses without a feature, or a step.

    Notes
    -----
    If attributions then still miss what they should add up to, by more than a millionth of the
    largest difference, a warning says by how much. With pooling="max" that is usual, as the
    gradient jumps along the path: some times 1 / n_points of the whole is missing.

    References
    ----------
    .. [1] Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.inspection import integrated_gradients
    >>> X = np.random.RandomState(0).normal(size=(300, 6, 2))
    >>> model = LSTMRegressor(8, learning_rate_init=0.01, max_iter=30, tol=0, random_state=0)
    >>> model = model.fit(X, X[:, -1, 1])
    >>> nothing = np.zeros(2)
    >>> attributions = integrated_gradients(model, X, baseline=nothing)
    >>> attributions.shape
    (300, 6, 2)
    >>> difference = model.predict(X) - model.predict(np.zeros((1, 6, 2)))
    >>> bool(np.allclose(attributions.sum(axis=(1, 2)), difference))
    True
    """
    _check_n_points(n_points)
    given = read_given(estimator, X)
    chosen = read_output(given, output)
    start = _read_baseline(given, baseline)
    width = None
    if given.raw is not None:
        steps = given.raw.rows.astype(np.float64)
        if not np.isfinite(steps).all():
            raise ValueError(
                "X has NaN, to which there is no path from a baseline: impute it before, for "
                "example with TimestepTransformer(SimpleImputer()).transform."
            )
        width = widths(steps)
    way = _Way(given, chosen, given.net._weights.astype(np.float64), width)
    attributions = np.empty((given.starts[-1], given.n_features), given.sequences.dtype)
    missing, differences = np.zeros((2, len(given.lengths)))

    def run(rows, stopped):
        found = _attributions(way, rows, start(rows), n_points, stopped)
        attributions[given.places(rows)], missing[rows], differences[rows] = found

    run_blocks(run, blocks_of(given.architecture, np.dtype(np.float64), given.lengths))
    _tell_what_is_missing(np.abs(missing).max(), np.abs(differences).max(), n_points)
    return given.in_form_of_x(attributions)


def _tell_what_is_missing(missing, largest, n_points):
    if missing > _TOLD * largest:
        warn_user(
            "Attributions miss the difference of predictions, which they should add up to, by up "
            f"to {missing:.2g}, where differences are up to {largest:.2g}: raise n_points (was "
            f"{n_points})."
        )


def _check_n_points(n_points):
    if not isinstance(n_points, Integral) or n_points < 1:
        raise ValueError(f"n_points must be an int of at least 1, got {n_points!r}.")


@dataclass(frozen=True, eq=False)
class _Way:
    """What a prediction is made of, and its gradient.

    Parameters
    ----------
    given : Given
    output : Output
    weights : ndarray of shape (n_weights,), of float64
    width : ndarray of shape (n_features,) or None
        By which transformers are derived; None: there are none.
    """

    given: Given
    output: Output
    weights: np.ndarray
    width: Any


def _attributions(way, rows, start, n_points, stopped):
    """The attributions of some sequences, all steps in a row; what they miss; and of what."""
    given = way.given
    end, lengths = given.steps_of(rows), given.lengths[rows]
    result = np.zeros_like(end)
    missing, differences = np.zeros((2, len(rows)))
    todo = np.arange(len(rows))
    # Where the largest step changes, the gradient jumps: no number of points would be enough.
    for n_parts in _PARTS[:1] if given.architecture.pooling == "max" else _PARTS:
        here = np.repeat(np.isin(np.arange(len(rows)), todo), lengths)
        found = _along_the_path(
            way, start[here], end[here], lengths[todo], _rule(n_points, n_parts), stopped
        )
        if found is None:
            break
        mean_gradient, difference = found
        some = mean_gradient * (end[here] - start[here])
        begins = np.concatenate([[0], np.cumsum(lengths[todo])[:-1]])
        size = np.add.reduceat(np.abs(some).sum(axis=1), begins)
        result[here], differences[todo] = some, difference
        missing[todo] = difference - np.add.reduceat(some.sum(axis=1), begins)
        todo = todo[np.abs(missing[todo]) > _TOLERANCE * size]
        if len(todo) == 0:
            break
    return result, missing, differences


def _rule(n_points, n_parts):
    """Points between 0 and 1, those of Gauss and Legendre in each part, and their shares."""
    points, shares = _gauss_legendre(n_points)
    begins = np.arange(n_parts)[:, np.newaxis]
    return ((points + begins) / n_parts).ravel(), np.tile(shares / n_parts, n_parts)


@lru_cache(maxsize=4)
def _gauss_legendre(n_points):
    points, shares = roots_legendre(n_points)
    return (points + 1) / 2, shares / 2


def _along_the_path(way, start, end, lengths, rule, stopped):
    """The mean gradient between two states of some sequences, and what the prediction differs by.

    Parameters
    ----------
    way : _Way
    start, end : ndarray of shape (n_steps, n_features)
        All steps of all sequences in a row.
    lengths : ndarray of int, of shape (n_samples,)
    rule : (ndarray, ndarray)
        Points and their shares.
    stopped : callable
        Whether to give up; None is returned then.

    Returns
    -------
    gradient : ndarray of shape (n_steps, n_features)
    difference : ndarray of shape (n_samples,)
    """
    # The ends are seen for the difference alone.
    points, shares = np.append([0.0, 1.0], rule[0]), np.append([0.0, 0.0], rule[1])
    # Few sequences are read at several points together, so that there are enough rows.
    at_a_time = min(max(MOST_ROWS // len(lengths), 1), len(points))
    rest = -len(points) % at_a_time
    points, shares = np.append(points, np.zeros(rest)), np.append(shares, np.zeros(rest))
    path = _Path(way, np.tile(lengths, at_a_time))
    gradient, ends = np.zeros(end.shape), list[np.ndarray]()
    for first in range(0, len(points), at_a_time):
        if stopped():
            return None
        some = slice(first, first + at_a_time)
        steps = start + points[some, np.newaxis, np.newaxis] * (end - start)
        value, slope = path.value_and_gradient(steps.reshape(-1, end.shape[1]))
        for share, of_point in zip(shares[some], slope.reshape(steps.shape), strict=True):
            gradient += share * of_point
        ends.extend(value.reshape(at_a_time, -1) if first < 2 else [])
    return gradient, ends[1] - ends[0]


class _Path:
    """Sequences of given lengths, whose numbers change from point to point of a path."""

    def __init__(self, way, lengths):
        given = way.given
        n_features, dtype = given.architecture.n_features, np.dtype(np.float64)
        self._way, self._lengths = way, lengths
        self._exists = np.arange(lengths.max()) < lengths[:, np.newaxis]
        self._numbers = np.zeros((lengths.sum(), n_features))
        records = np.zeros(len(lengths), SEQUENCE)
        starts = np.cumsum(lengths) - lengths
        address = self._numbers.__array_interface__["data"][0]
        records["address"] = address + starts * self._numbers.strides[0]
        records["step_stride"], records["feature_stride"] = self._numbers.strides
        records["length"] = lengths
        scaling = given.sequences.scaling
        sequences = Sequences(records, dtype, n_features, self._numbers, scaling)
        self._trace = Trace(given.architecture, sequences, way.weights, states=False)

    def value_and_gradient(self, steps):
        """The prediction for each sequence, and its gradient on all their steps in a row."""
        way = self._way
        self._numbers[:] = transformed(way.given.transformers, steps)
        raw, _ = self._trace.forward()
        value, d_raw = way.output.value_and_slope(raw, self._lengths)
        slope = gradient_on_x(self._trace, d_raw)[self._exists]
        return value, pull_back(way.given.transformers, steps, slope, way.width)


def _read_baseline(given, baseline):
    """A function of rows, that gives the steps of their baselines, one below the other."""
    if baseline is None:
        baseline = _default_baseline(given)
    try:
        if given.shape is None and np.ndim(baseline[0]) == 2:
            parts = [np.asarray(part, np.float64) for part in baseline]
            wanted = [(length, given.n_features) for length in given.lengths.tolist()]
            if [part.shape for part in parts] == wanted:
                _refuse_not_finite(np.concatenate(parts))
                return lambda rows: np.concatenate([parts[row] for row in rows])
        numbers = np.asarray(baseline, np.float64)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{_wanted_shape(given)}, got {type(baseline).__name__}.") from error
    if numbers.shape == (given.n_features,):
        _refuse_not_finite(numbers)
        return lambda rows: np.tile(numbers, (given.lengths[rows].sum(), 1))
    if numbers.shape != given.shape:
        raise ValueError(f"{_wanted_shape(given)}, got shape {numbers.shape}.")
    numbers = numbers.reshape(len(given.lengths), -1, given.n_features)
    exists = np.arange(numbers.shape[1]) < given.lengths[:, np.newaxis]
    _refuse_not_finite(numbers[exists])
    return lambda rows: np.concatenate([numbers[row, : given.lengths[row]] for row in rows])


def _wanted_shape(given):
    like_X = "a list of such" if given.shape is None else f"{given.shape}"
    return (
        f"baseline must be numbers of shape ({given.n_features},), of the features of a step, or "
        f"of that of X, {like_X}"
    )


def _refuse_not_finite(baseline):
    if not np.isfinite(baseline).all():
        raise ValueError("baseline must have finite numbers at all steps that X has.")


def _default_baseline(given):
    """The mean of what the net was fitted on, as X was before the transformers."""
    steps = given.net._scaling[:1]
    for transformer in reversed(given.transformers):
        before = _before(transformer.transformer_, steps)
        if before is None:
            raise ValueError(
                f"{type(transformer.transformer_).__name__} has no inverse_transform to tell what "
                f"the mean was before it: pass baseline, {given.n_features} numbers, one a feature."
            )
        steps = before
    return steps[0]


def _before(transformer, steps):
    """What a transformer makes these steps of, or None if it cannot tell."""
    if not hasattr(transformer, "inverse_transform"):
        return None
    try:
        before = np.asarray(transformer.inverse_transform(steps), np.float64)
    except ValueError:
        # Some have the method, and refuse to be inverted as they are.
        return None
    # Others, such as FunctionTransformer, hand on what they were given.
    again = np.asarray(transformer.transform(before), np.float64)
    return before if np.allclose(again, steps, rtol=1e-3, atol=1e-3) else None
