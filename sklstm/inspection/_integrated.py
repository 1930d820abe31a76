"""What each number of X has contributed to a prediction: gradients along a path."""

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np

from sklstm._messages import warn_user
from sklstm._typing import Floats, SequencesLike
from sklstm.inspection._adding_up import whole_paths
from sklstm.inspection._blocks import blocks_of, run_blocks
from sklstm.inspection._given import read_given
from sklstm.inspection._jumps import of_maxima, of_ranks, opened
from sklstm.inspection._lines import lines_of
from sklstm.inspection._outputs import read_output
from sklstm.inspection._path import Way
from sklstm.inspection._smooth import BEND, smooth

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
        of the numbers that go into the pipeline.
    X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
            list of array-like of shape (n_timesteps_i, n_features)
        The sequences, in any form that `estimator.predict` takes, without NaN but padding.
    baseline : array-like of shape (n_features,), or in the form of X, default=None
        What stands for "nothing happens". None: the mean of the features that the net was fitted
        on, or 0 with normalize_X=False; in a pipeline, what its transformers make that of.
    output : int, tuple, str or label, default=0
        The prediction that is explained, as of `input_gradients`.
    n_points : int, default=64
        The most points on a path, of Clenshaw and Curtis, closer to each other near the default
        baseline, where nets bend most. From 24 on, 12 are taken first, and twice as many where that
        is not enough, and again, as often as `n_points` allows: 12, 24 or 48 by default, and 96
        with n_points=96. Where they are too few, so that attributions do not add up to 3e-8 of
        their sizes, or to 5e-7 of the difference where they cancel out, the path is cut where most
        is missing, and so are its parts, until each misses 4e-9 of the sizes or a sequence was read
        at 128 times `n_points`. In a pipeline, see the notes.

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
    With pooling="max", and where several quantiles cross, the gradient jumps along the path, as
    another step or quantile is read. These places are found, so that attributions add up as well.
    With pooling="max" that takes much longer, and memory for the hidden states at 33
    points. A step that is read for less than a hundredth of a path may be overlooked: what it adds
    is then said of another.

    What the transformers of a pipeline make of the path may bend, have corners or jump. In what
    the net reads, straight lines stand for it, one after the other: one if transformers scale or
    rotate, else as many as it takes, `n_points` / 2 at most, which takes longer. What an input adds
    is said of the features that it is made of. Of several, each has what it changes of the input,
    as the mean of its change before all others and after them. Single attributions are off by less
    than a thousandth of the sizes of all where a path bends gently, and by a fourth of that with
    twice as many points; by more where it jumps, or turns many times.

    Where predictions fall off a cliff, between two points however close, the gradient has one
    direction: that in which the net is pushed over. There, attributions are scaled to what is known
    to fall. Two cliffs between the first points, that fall as much as they rise, are not seen. If
    attributions still miss what they should add up to, by more than a millionth of the largest
    difference and the rounding of predictions, a warning says by how much: predictions may change
    so often on the path that points run out.

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
    if given.raw is not None and not np.isfinite(given.raw.rows.astype(np.float64)).all():
        raise ValueError(
            "X has NaN, to which there is no path from a baseline: impute it before, for "
            "example with TimestepTransformer(SimpleImputer()).transform."
        )
    way, rule = _rule(given, chosen, 0.0 if baseline is not None else BEND)
    attributions = np.empty((given.starts[-1], given.n_features), given.sequences.dtype)
    missing, differences, rounding = np.zeros((3, len(given.lengths)))

    def run(rows, stopped):
        for some, lines in lines_of(given, rows, start, way.bend, n_points, stopped):
            here = replace(way, n_lines=lines.n)
            found = whole_paths(here, rule, lines.ends, lines.lengths, n_points, stopped)
            gradients, differences[some], rounding[some] = found
            of_steps = lines.attributions(gradients)
            missing[some] = differences[some] - lines.sums(of_steps)
            attributions[given.places(some)] = of_steps

    run_blocks(run, blocks_of(given.architecture, np.dtype(np.float64), given.lengths))
    _tell_what_is_missing(np.abs(missing), np.abs(differences).max(), rounding, n_points)
    return given.in_form_of_x(attributions)


def _rule(given, chosen, bend):
    """The way on which gradients are, and the rule that adds them up."""
    way = Way(given, chosen, given.architecture, given.net._weights.astype(np.float64))
    if given.architecture.pooling == "max":
        return opened(way), of_maxima
    return (way, of_ranks) if chosen.is_sorted else (replace(way, bend=bend), smooth)


def _tell_what_is_missing(missing, largest, rounding, n_points):
    # More points do not help against rounding.
    if not (missing <= _TOLD * largest + rounding).all():
        warn_user(
            "Attributions miss the difference of predictions, which they should add up to, by up "
            f"to {missing.max():.2g}, where differences are up to {largest:.2g}: raise n_points "
            f"(was {n_points})."
        )


def _check_n_points(n_points):
    if not isinstance(n_points, Integral) or n_points < 1:
        raise ValueError(f"n_points must be an int of at least 1, got {n_points!r}.")


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
