"""A series, or many, cut into windows and the targets that follow them."""

import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from numbers import Integral
from typing import Any, overload

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.validation import check_array

from sklstm._forms import FLOATS
from sklstm._frames import place
from sklstm._numbers import refuse_non_numeric
from sklstm._typing import Floats, keeps_type
from sklstm._windows import Windows

__all__ = ["Windows", "sliding_windows"]


@overload
def sliding_windows(
    series: Mapping[Any, ArrayLike] | Sequence[NDArray[Any]],
    n_timesteps: int,
    horizon: int = 1,
    *,
    step: int = 1,
    target: int | str | Sequence[int | str] | NDArray[Any] | None = None,
    exog: Mapping[Any, ArrayLike] | Sequence[ArrayLike] | None = None,
) -> tuple[Windows, Floats]: ...


@overload
def sliding_windows(
    series: ArrayLike,
    n_timesteps: int,
    horizon: int = 1,
    *,
    step: int = 1,
    target: int | str | Sequence[int | str] | NDArray[Any] | None = None,
    exog: ArrayLike | None = None,
) -> tuple[Floats, Floats]: ...


@keeps_type(
    validate_params(
        {
            "series": ["array-like", Mapping],
            "n_timesteps": [Interval(Integral, 1, None, closed="left")],
            "horizon": [Interval(Integral, 1, None, closed="left")],
            "step": [Interval(Integral, 1, None, closed="left")],
            "target": [Integral, str, "array-like", None],
            "exog": ["array-like", Mapping, None],
        },
        prefer_skip_nested_validation=True,
    )
)
def sliding_windows(
    series: Any,
    n_timesteps: int,
    horizon: int = 1,
    *,
    step: int = 1,
    target: int | str | Sequence[int | str] | NDArray[Any] | None = None,
    exog: Any = None,
) -> tuple[Any, Floats]:
    """Cut a series, or many, into windows X and the values y that follow each.

    Window i is the `n_timesteps` rows of the series from row `i * step` on; its targets are the
    `horizon` rows after these. Windows overlap, and are not copied: X and y are read-only views of
    arrays of the series' length; of `series` itself if it is an array of floats without `exog`.

    Parameters
    ----------
    series : array-like of shape (n,) or (n, n_features), or list or dict of these
        Numbers in the order of time, at equal distances. The index of a Series or DataFrame is not
        looked at. A list of arrays, Series or DataFrames is many series, of different lengths;
        a list of numbers, or of lists, is one.
    n_timesteps : int
        Rows of a window.
    horizon : int, default=1
        Rows to forecast.
    step : int, default=1
        Rows between the starts of two windows.
    target : int, str, list of these or None, default=None
        Columns of the series to forecast: positions, or names if it is a DataFrame. None: all.
    exog : array-like of shape (n,) or (n, n_exog), or list or dict of these, default=None
        Covariates that are known in advance, such as calendar features: row t belongs to row t of
        the series. A window shows those of the rows `horizon` later, see Notes. Of many series, one
        for each, in a list or under the same keys.

    Returns
    -------
    X : ndarray or Windows of shape (n_windows, n_timesteps, n_features + n_exog)
        The windows, float32 if series and exog are, else float64. Of many series all windows of the
        first, then those of the next: no array, but an object that is indexed like one, over the
        memory of the series, which estimators and scikit-learn take as X. Its `groups`
        (n_windows,) are what `GroupKFold` splits series by.
    y : ndarray of shape (n_windows,) or (n_windows, horizon * n_targets)
        What follows each window: all targets of its first row, then those of the next. One
        dimension if that is one number.

    Raises
    ------
    ValueError
        If series or exog has NaN or infinity, or a column that is not numbers, if they differ in
        length, if the series is shorter than `n_timesteps + horizon`, or has no column `target`.
        Of many series, the one at fault is named.

    Notes
    -----
    **Split before you cut.** Neighbouring windows share rows, so a random split would put into the
    test part what the training part has seen. With `train = series[:n]`, take
    `test = series[n - n_timesteps :]`: the first test window is then the end of the training part,
    known when its forecast is made, and its targets begin at row n, where those of the training
    windows have ended.

    **The gap of TimeSeriesSplit.** Neighbours share `horizon - 1` rows of targets, so windows that
    are cut already need `TimeSeriesSplit(gap=horizon - 1)` (in general
    `gap=ceil(horizon / step) - 1`): the last target of a training part is then the row just before
    the first target of the test part. Inputs of test windows do contain targets of training
    windows, which is as it should be: these rows have passed by then.

    **Covariates known in advance.** Time step t of a window has the columns
    `[series[t], exog[t + horizon]]`: its last `horizon` steps carry the covariates of the rows to
    forecast, in their order, and the steps before those of the window's own rows. With fewer
    timesteps than `horizon` the covariates of the first rows to forecast are not seen, so choose
    `n_timesteps >= horizon`. To forecast what follows the series' end, give the model
    `np.column_stack([series[-n_timesteps:], exog[-n_timesteps:]])[np.newaxis]`, with an `exog` that
    ends `horizon` rows after the series.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import sliding_windows
    >>> X, y = sliding_windows(np.arange(6.0), n_timesteps=3)
    >>> X[:, :, 0]
    array([[0., 1., 2.],
           [1., 2., 3.],
           [2., 3., 4.]])
    >>> y
    array([3., 4., 5.])

    Two rows ahead, split before cutting. All training targets are below 14, all test targets are
    not:

    >>> series = np.arange(20.0)
    >>> X_train, y_train = sliding_windows(series[:14], n_timesteps=4, horizon=2)
    >>> X_test, y_test = sliding_windows(series[14 - 4 :], n_timesteps=4, horizon=2)
    >>> float(y_train.max()), float(y_test.min())
    (13.0, 14.0)

    The same with windows that are cut already:

    >>> from sklearn.model_selection import TimeSeriesSplit
    >>> X, y = sliding_windows(series, n_timesteps=4, horizon=2)
    >>> for train, test in TimeSeriesSplit(n_splits=2, gap=2 - 1).split(X):
    ...     print(float(y[train].max()), float(y[test].min()))
    8.0 9.0
    13.0 14.0

    Covariates that are known in advance, here of the rows 4 and 5 at the end of the first window:

    >>> X, y = sliding_windows(series, n_timesteps=4, horizon=2, exog=100 + series)
    >>> X[0]
    array([[  0., 102.],
           [  1., 103.],
           [  2., 104.],
           [  3., 105.]])
    >>> y[0]
    array([4., 5.])

    Many series. No test window is of a series that was trained on:

    >>> from sklearn.model_selection import GroupKFold
    >>> X, y = sliding_windows({"a": series, "b": series[:10], "c": -series[:15]}, n_timesteps=4)
    >>> X.shape, y.shape
    ((33, 4, 1), (33,))
    >>> train, test = next(GroupKFold(n_splits=3).split(X, y, groups=X.groups))
    >>> set(X[train].groups.tolist()) & set(X[test].groups.tolist())
    set()
    """
    if isinstance(series, Mapping) or is_many(series):
        return _of_many(series, n_timesteps, horizon, step, target, exog)
    inputs, targets = _rows_of(series, n_timesteps, horizon, target, exog)
    X = _windows(inputs, n_timesteps, step)
    y = _windows(targets[n_timesteps:], horizon, step).reshape(len(X), -1)
    return X, y[:, 0] if y.shape[1] == 1 else y


def is_many(series):
    """Whether this is a list of series, and not of numbers or rows."""
    return isinstance(series, list | tuple) and any(getattr(each, "shape", ()) for each in series)


def _of_many(series, n_timesteps, horizon, step, target, exog):
    keys = list(series) if isinstance(series, Mapping) else range(len(series))
    covariates = _for_each(exog, series, keys)
    if len(keys) == 0:
        raise ValueError("series must hold at least one series, got none.")
    all_inputs: list[Floats] = []
    all_targets: list[Floats] = []
    for key, known in zip(keys, covariates, strict=True):
        if np.ndim(series[key]) == 0:
            raise ValueError(
                f"series[{key!r}] must be an array of numbers, as others are, got {series[key]!r}."
            )
        with _speaking_of_one(key):
            inputs, targets = _rows_of(series[key], n_timesteps, horizon, target, known)
            _refuse_unlike(inputs, targets, all_inputs, all_targets)
        all_inputs.append(inputs)
        all_targets.append(targets[n_timesteps:])
    dtype, y_dtype = np.result_type(*all_inputs), np.result_type(*all_targets)
    counts = [(len(rows) - n_timesteps) // step + 1 for rows in all_inputs]
    y = np.empty((sum(counts), horizon * all_targets[0].shape[1]), y_dtype)
    ends = np.cumsum(counts)
    for rows, end, count in zip(all_targets, ends, counts, strict=True):
        y[end - count : end] = _windows(rows, horizon, step).reshape(count, -1)
    X = Windows(
        [np.asarray(rows, dtype) for rows in all_inputs], n_timesteps, counts, step,
        _labels_of(keys) if isinstance(series, Mapping) else None,
    )  # fmt: skip
    return X, y[:, 0] if y.shape[1] == 1 else y


def _for_each(exog, series, keys):
    """The covariates of each series, in their order."""
    if exog is None:
        return [None] * len(keys)
    if isinstance(series, Mapping):
        if isinstance(exog, Mapping) and set(exog) == set(keys):
            return [exog[key] for key in keys]
        raise ValueError(
            f"exog must be a dict with the keys of series, {keys}, got "
            f"{list(exog) if isinstance(exog, Mapping) else type(exog).__name__}."
        )
    if isinstance(exog, list | tuple) and len(exog) == len(keys):
        return exog
    raise ValueError(
        f"exog must be a list with an entry for each of {len(keys)} series, got "
        + (f"{len(exog)}." if isinstance(exog, list | tuple) else f"{type(exog).__name__}.")
    )


def _labels_of(keys):
    """Keys as an array of labels, one each, whatever they are."""
    if {type(key) for key in keys} in ({str}, {int}):
        return np.array(keys)
    labels = np.empty(len(keys), object)
    labels[:] = keys
    return labels


@contextmanager
def _speaking_of_one(key):
    """Let errors about a series speak of it: of `series['a']`, of the exog that is for it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        message = re.sub(r"\b(series|exog)\b(?=[ ,:]|$)", rf"\1[{key!r}]", str(error), count=1)
        if message == str(error):
            message = f"series[{key!r}]: {message}"
        raise type(error)(message) from error


def _refuse_unlike(inputs, targets, all_inputs, all_targets):
    for rows, others, what in (inputs, all_inputs, "columns"), (targets, all_targets, "targets"):
        if others and rows.shape[1] != others[0].shape[1]:
            raise ValueError(
                f"series has {rows.shape[1]} {what}, those of exog included, but the first has "
                f"{others[0].shape[1]}: all must have the same."
            )


def _rows_of(series, n_timesteps, horizon, target, exog):
    """The rows that windows are cut of, and all rows of the targets."""
    values = _as_columns(series, "series")
    targets = _targets(series, values, target)
    if len(values) < n_timesteps + horizon:
        raise ValueError(
            f"series has {len(values)} rows, but a window of n_timesteps={n_timesteps} and its "
            f"targets of horizon={horizon} need {n_timesteps + horizon}."
        )
    inputs = values if exog is None else _with_exog(values, exog, horizon)
    return inputs[: len(values) - horizon], targets


def _as_columns(values, name):
    """A series or covariates as finite floats of shape (n, n_columns)."""
    refuse_non_numeric(values, name)
    array = check_array(
        values, dtype=FLOATS, ensure_2d=False, ensure_all_finite=False, input_name=name
    )
    columns = array.reshape(len(array), -1)
    try:
        assert_all_finite(columns)
    except ValueError:
        raise ValueError(_what_is_not_finite(values, columns, name)) from None
    return columns


def _what_is_not_finite(given, columns, name):
    finite = np.isfinite(columns)
    row = np.argmin(finite.all(axis=1))
    column = np.argmin(finite[row])
    where = place(given, row, column)
    if np.isnan(columns[row, column]):
        return (
            f"Input {name} contains NaN, first in {where}: fill gaps before cutting, for example "
            f"with interpolate() of pandas or an imputer of sklearn.impute; afterwards it is too "
            f"late, as y would hold them too."
        )
    return f"Input {name} contains infinity, first in {where}: replace it before cutting."


def _targets(series, values, target):
    """The columns to forecast, so laid out that the targets of all windows are a view of them."""
    if target is not None:
        wanted = [target] if isinstance(target, Integral | str) else list(target)
        if not wanted:
            raise ValueError("target must name at least one column of series, got none.")
        names = list(getattr(series, "columns", range(values.shape[1])))
        columns = [position_of(column, names, "series") for column in wanted]
        if len(columns) == 1:
            return values[:, columns[0], np.newaxis]
        values = values[:, columns]
    return values if values.shape[1] == 1 else np.ascontiguousarray(values)


def position_of(column, names, whose):
    """Where a column is that `target` names, among `names` of what the user calls `whose`."""
    if isinstance(column, Integral) and -len(names) <= int(column) < len(names):
        return int(column)
    if isinstance(column, str) and names.count(column) == 1:
        return names.index(column)
    meant = get_close_matches(str(column), [str(name) for name in names], n=1)
    guess = f": did you mean {meant[0]!r}?" if meant and isinstance(column, str) else "."
    raise ValueError(
        f"target must name columns of {whose}, which has {names}, got {column!r}{guess}"
    )


def _with_exog(values, exog, horizon):
    """Beside each row of the series the covariates of the row `horizon` later."""
    exog = _as_columns(exog, "exog")
    if len(exog) != len(values):
        raise ValueError(
            f"exog must have as many rows as series, which has {len(values)}, got {len(exog)}."
        )
    return np.column_stack([values[:-horizon], exog[horizon:]])


def _windows(rows, n_timesteps, step):
    """A view (n_windows, n_timesteps, n_columns) of rows."""
    return sliding_window_view(rows, n_timesteps, axis=0)[::step].transpose(0, 2, 1)
