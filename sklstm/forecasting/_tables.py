"""Tables as users have them, of pandas, polars or arrays, one or many: columns and times."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from sklstm._forms import FLOATS
from sklstm._numbers import refuse_non_numeric
from sklstm.forecasting._times import PandasTimes, PolarsTimes, Positions
from sklstm.windows import is_many


@dataclass(frozen=True, eq=False)
class Table:
    """One table.

    Parameters
    ----------
    name : str
        What the user calls it: X, X['Oslo'], exog[3].
    given : object
        As the user has it.
    labels : list
        What its columns are called; positions, if they have no names.
    columns : list
        What is in them: pandas or polars Series, or columns of an array.
    times : Positions, PandasTimes or PolarsTimes
        When its rows are.
    """

    name: str
    given: Any
    labels: list
    columns: list
    times: Any

    def __len__(self):
        return len(self.times)

    @property
    def array(self):
        """The whole as it lies in memory, if it is an array; else None."""
        return self.given if isinstance(self.given, np.ndarray) else None


class Tables:
    """One table or many, and the container that they came in.

    Parameters
    ----------
    given : array-like, Series, DataFrame, or list or dict of these
    name : str
        What the user calls it.
    """

    def __init__(self, given, name):
        self._given = given
        self.are_many = isinstance(given, Mapping) or is_many(given)
        if self.are_many:
            keys = list(given) if isinstance(given, Mapping) else range(len(given))
            if len(keys) == 0:
                raise ValueError(f"{name} must hold at least one table, got none.")
            self.keys = list(keys)
            self.tables = [read_table(given[key], f"{name}[{key!r}]") for key in keys]
        else:
            self.keys = [None]
            self.tables = [read_table(given, name)]

    def __iter__(self):
        return iter(self.tables)

    def __len__(self):
        return len(self.tables)

    def in_container(self, answers):
        """An answer for each table, in the container that the tables came in."""
        if not self.are_many:
            return answers[0]
        if isinstance(self._given, Mapping):
            return dict(zip(self.keys, answers, strict=True))
        return list(answers)


def covariates_of(exog, tables):
    """The table of covariates of each table, or None for each.

    Parameters
    ----------
    exog : object or None
        One for each, in the container of the tables; or one for all, if it has times.
    tables : Tables
    """
    if exog is None:
        return [None] * len(tables)
    known = Tables(exog, "exog")
    if known.keys == tables.keys:
        return known.tables
    if known.are_many and set(known.keys) == set(tables.keys):
        return [known.tables[known.keys.index(key)] for key in tables.keys]
    (shared, *more) = known.tables
    if more or known.are_many or isinstance(shared.times, Positions):
        wanted = f"one table for each of X, under {tables.keys}" if tables.are_many else "one table"
        raise ValueError(
            f"exog must be {wanted}, "
            + ("or one with times for all, " if tables.are_many else "")
            + f"got {known.keys if known.are_many else 'one without times'}."
        )
    return [shared] * len(tables)


def read_table(given, name):
    """One table as `Table`."""
    if hasattr(given, "iloc"):
        return _from_pandas(given, name)
    if type(given).__module__.split(".")[0] == "polars":
        return _from_polars(given, name)
    refuse_non_numeric(given, name)
    if np.ndim(given) not in (1, 2):
        what = f"shape {np.shape(given)}" if np.ndim(given) else repr(given)
        raise ValueError(
            f"{name} must be a table, one row a time step: a DataFrame, a Series, an array "
            f"(n_rows,) or (n_rows, n_columns), or a list or dict of these; got {what}."
        )
    array = check_array(
        given, dtype=FLOATS, ensure_2d=False, ensure_all_finite=False, input_name=name
    )
    array = array.reshape(len(array), -1)
    labels = list(range(array.shape[1]))
    return Table(name, array, labels, list(array.T), Positions(len(array)))


def _from_pandas(given, name):
    times = PandasTimes(given.index)
    if len(given) == 0:
        raise ValueError(f"{name} has no rows.")
    if not hasattr(given, "columns"):
        label = _name_of(given, name)
        return Table(name, given, [label], [given], times)
    labels = list(given.columns)
    _refuse_repeated(labels, name)
    columns = [given.iloc[:, i] for i in range(len(labels))]
    dates = [label for label, c in zip(labels, columns, strict=True) if _is_time(c)]
    if dates:
        raise ValueError(
            f"{name} must have its times in the index, got them in column {dates[0]!r}: call "
            f"set_index({dates[0]!r}) first, or take numbers from them, such as the hour."
        )
    return Table(name, given, labels, columns, times)


def _name_of(series, name):
    """What a Series calls its numbers, or what they are."""
    if series.name not in (None, ""):
        return series.name
    return "exog" if name.startswith("exog") else "forecast"


def _is_time(column):
    return getattr(column.dtype, "kind", "O") in "mM"


def _from_polars(given, name):
    if hasattr(given, "collect"):
        raise ValueError(f"{name} must be a DataFrame, got a LazyFrame: call collect() first.")
    if len(given) == 0:
        raise ValueError(f"{name} has no rows.")
    if not hasattr(given, "get_columns"):
        label = _name_of(given, name)
        return Table(name, given, [label], [given], Positions(len(given), of_polars=True))
    columns = given.get_columns()
    dates = [column for column in columns if column.dtype.is_temporal()]
    if len(dates) > 1:
        raise ValueError(
            f"{name} must have one column of times, got {[column.name for column in dates]}: take "
            "numbers from the others, such as the hour, or leave them out."
        )
    times = PolarsTimes(dates[0]) if dates else Positions(len(given), of_polars=True)
    columns = [column for column in columns if not column.dtype.is_temporal()]
    return Table(name, given, [column.name for column in columns], columns, times)


def _refuse_repeated(labels, name):
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ValueError(f"{name} must have columns of different names, got {twice!r} twice.")
