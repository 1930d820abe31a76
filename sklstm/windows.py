"""A series cut into windows and the targets that follow them."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

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


@keeps_type(
    validate_params(
        {
            "series": ["array-like"],
            "n_timesteps": [Interval(Integral, 1, None, closed="left")],
            "horizon": [Interval(Integral, 1, None, closed="left")],
            "step": [Interval(Integral, 1, None, closed="left")],
            "target": [Integral, str, "array-like", None],
            "exog": ["array-like", None],
        },
        prefer_skip_nested_validation=True,
    )
)
def sliding_windows(
    series: ArrayLike,
    n_timesteps: int,
    horizon: int = 1,
    *,
    step: int = 1,
    target: int | str | Sequence[int | str] | NDArray[Any] | None = None,
    exog: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Cut a series into windows X and the values y that follow each.

    Window i is the `n_timesteps` rows of the series from row `i * step` on; its targets are the
    `horizon` rows after these. Windows overlap, and are not copied: X and y are read-only views of
    arrays of the series' length; of `series` itself if it is an array of floats without `exog`.

    Parameters
    ----------
    series : array-like of shape (n,) or (n, n_features)
        Numbers in the order of time, at equal distances. The index of a Series or DataFrame is not
        looked at.
    n_timesteps : int
        Rows of a window.
    horizon : int, default=1
        Rows to forecast.
    step : int, default=1
        Rows between the starts of two windows.
    target : int, str, list of these or None, default=None
        Columns of the series to forecast: positions, or names if it is a DataFrame. None: all.
    exog : array-like of shape (n,) or (n, n_exog), default=None
        Covariates that are known in advance, such as calendar features: row t belongs to row t of
        the series. A window shows those of the rows `horizon` later, see Notes.

    Returns
    -------
    X : ndarray of shape (n_windows, n_timesteps, n_features + n_exog)
        The windows, float32 if series and exog are, else float64.
    y : ndarray of shape (n_windows,) or (n_windows, horizon * n_targets)
        What follows each window: all targets of its first row, then those of the next. One
        dimension if that is one number.

    Raises
    ------
    ValueError
        If series or exog has NaN or infinity, or a column that is not numbers, if they differ in
        length, if the series is shorter than `n_timesteps + horizon`, or has no column `target`.

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
    """
    values = _as_columns(series, "series")
    targets = _targets(series, values, target)
    if len(values) < n_timesteps + horizon:
        raise ValueError(
            f"series has {len(values)} rows, but a window of n_timesteps={n_timesteps} and its "
            f"targets of horizon={horizon} need {n_timesteps + horizon}."
        )
    inputs = values if exog is None else _with_exog(values, exog, horizon)
    X = _windows(inputs[: len(values) - horizon], n_timesteps, step)
    y = _windows(targets[n_timesteps:], horizon, step).reshape(len(X), -1)
    return X, y[:, 0] if y.shape[1] == 1 else y


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
        columns = [_position(column, names) for column in wanted]
        if len(columns) == 1:
            return values[:, columns[0], np.newaxis]
        values = values[:, columns]
    return values if values.shape[1] == 1 else np.ascontiguousarray(values)


def _position(column, names):
    if isinstance(column, Integral) and -len(names) <= int(column) < len(names):
        return int(column)
    if isinstance(column, str) and names.count(column) == 1:
        return names.index(column)
    raise ValueError(f"target must name columns of series, which has {names}, got {column!r}.")


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
