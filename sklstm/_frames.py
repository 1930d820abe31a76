"""What data frames and series of pandas and polars say of themselves, without importing either."""

import datetime
import re
from numbers import Integral

import numpy as np

from sklstm._messages import follows_a_transformer, warn_user

TIMES = np.datetime64, np.timedelta64, datetime.date, datetime.time, datetime.timedelta
# Rows that tell whether columns are alike; of fewer, lags may look as unlike as features do.
_ENOUGH_ROWS, _FEW_ROWS = 10_000, 30


def refuse_column(X, name):
    """Refuse X if it has a column that is not numbers, which an error should call by its name.

    Parameters
    ----------
    X : object
        Of what is neither a data frame nor a series, times alone are refused: NumPy would turn
        them into numbers.
    name : str
        What the user calls X.
    """
    column = non_numeric_column(X)
    if column is None:
        return
    label = getattr(column, "name", None)
    where = "" if label is None else f" in column {quoted(label)}"
    got = f"dtype {column.dtype}" if hasattr(column, "dtype") else type(column).__name__
    if _kind(column) in "mM":
        mend = "take numbers from the times, such as the hour, or leave them out"
    else:
        mend = "encode them, for example with OneHotEncoder or OrdinalEncoder, or leave them out"
    raise ValueError(f"{name} must be numbers, got {got}{where}: {mend}.")


def non_numeric_column(X):
    """The first column of a data frame that is not numbers, or X itself if it is a series.

    Parameters
    ----------
    X : object

    Returns
    -------
    column : series, ndarray, time or None
        Its `name` may be None, or missing if X is a time or an array of times. None: all are
        numbers, or can be read as such, as strings and categories of digits can.
    """
    return next((column for column in _columns(X) if _kind(column) not in "biufc"), None)


def _columns(X):
    if hasattr(X, "iter_columns"):  # of polars
        return X.iter_columns()
    if hasattr(X, "columns") and hasattr(X, "items"):  # of pandas, where names may be repeated
        return (column for _, column in X.items())
    is_series = hasattr(X, "name") and hasattr(X, "dtype")
    are_times = isinstance(X, TIMES) or (isinstance(X, np.ndarray) and X.dtype.kind in "mM")
    return [X] if is_series or are_times else []


def _kind(column):
    """NumPy's letter for the type of a column; that of floats for what can be read as floats."""
    if isinstance(column, TIMES):
        return "M"
    kind = getattr(column.dtype, "kind", "O")  # types of polars have none
    if kind != "O":
        return kind
    array = np.asarray(column)
    if array.dtype.kind not in "OSU":
        return array.dtype.kind
    if any(issubclass(kind, TIMES) for kind in set(map(type, array.flat))):
        return "M"
    try:
        array.astype(np.float64)
    except (TypeError, ValueError):
        return array.dtype.kind
    return "f"


def warn_of_unlike_columns(X, values):
    """Warn if X is a data frame whose columns are not lags of one feature, by their numbers.

    Parameters
    ----------
    X : object
        As the user gave it. Nothing is said of an array, whose columns have no names of their own,
        nor of what a transformer made.
    values : ndarray of shape (n_rows, n_columns)
        Its numbers.
    """
    if not hasattr(X, "columns") or values.shape[1] < 2 or len(values) < _FEW_ROWS:
        return
    some = np.asarray(values[:_ENOUGH_ROWS], np.float64)
    if _are_numbered(list(X.columns)) or _are_shifted(some) or _are_alike(some):
        return
    if follows_a_transformer():
        return
    warn_user(
        "columns are read as time steps of one feature; if they are features, cut the rows into "
        f"sequences first, as sliding_windows does, or set n_timesteps (n_timesteps=1 reads a row "
        f"as one time step of {values.shape[1]} features).",
        once=True,
    )


def _are_numbered(names):
    """Whether names tell columns apart by a number alone: 0, 1, 2 or lag_24, lag_23."""
    return len({re.sub(r"\d+", "", str(name)) for name in names}) == 1


def _are_shifted(values):
    """Whether most rows are the one before, moved by one place: lags in the order of time."""
    forward, back = values[:-1], values[1:]
    later = (forward[:, 1:] == back[:, :-1]).all(axis=1)
    earlier = (forward[:, :-1] == back[:, 1:]).all(axis=1)
    return max(later.mean(), earlier.mean()) > 1 / 2


def _are_alike(values):
    """Whether columns have nearly the same mean and deviation, as lags do whatever their order."""
    means, deviations = values.mean(axis=0), values.std(axis=0)
    apart = np.ptp(means) > 2 * deviations.max()
    return not (apart or deviations.max() > 3 * deviations.min())


def place(X, row, column):
    """Where an entry of X is: its row, with the label if it has another one, and its column.

    Parameters
    ----------
    X : array-like of shape (n_rows,) or (n_rows, n_columns)
    row, column : int
        Positions.

    Returns
    -------
    words : str
    """
    words = f"row {row}"
    if hasattr(X, "iloc") and not _is_position(label := X.index[row], row):
        words += f" (index {quoted(label)})"
    if hasattr(X, "columns"):
        name = list(X.columns)[column]
    else:
        name = column if np.ndim(X) == 2 else getattr(X, "name", None)
    return words if name is None else f"{words}, column {quoted(name)}"


def _is_position(label, row):
    # A default index counts rows; so does one that agrees with it.
    return isinstance(label, Integral) and label == row


def quoted(label):
    """A label of a row or a column in a sentence: strings in quotes, others as they print."""
    if isinstance(label, tuple):
        return f"({', '.join(map(quoted, label))})"
    return repr(label) if isinstance(label, str) else str(label)
