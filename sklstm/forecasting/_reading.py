"""Tables as a forecaster reads them: rows that windows are cut of, and the targets in them."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sklstm._windows import Windows
from sklstm.forecasting._columns import ColumnEncoder
from sklstm.forecasting._tables import Table, Tables, covariates_of
from sklstm.forecasting._times import Positions
from sklstm.windows import position_of


@dataclass(frozen=True, eq=False)
class Rows:
    """One table as numbers.

    Parameters
    ----------
    table : Table
        With times that are checked.
    inputs : ndarray of shape (n_rows, n_inputs)
        What the net sees at each step: all columns of the table, and the covariates `horizon` rows
        later; NaN where there is none.
    targets : ndarray of shape (n_rows, n_targets)
    """

    table: Table
    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self):
        return len(self.inputs)


@dataclass(frozen=True, eq=False)
class Reader:
    """How tables are read: decided by those of fit.

    Parameters
    ----------
    n_timesteps, horizon : int
    encoder : ColumnEncoder
        Of the tables.
    exog_encoder : ColumnEncoder or None
        Of covariates, if there are any.
    distance : object
        What lies between two rows.
    targets : list
        The labels of the columns to forecast.
    """

    n_timesteps: int
    horizon: int
    encoder: ColumnEncoder
    exog_encoder: ColumnEncoder | None
    distance: Any
    targets: list

    @classmethod
    def of(cls, tables, covariates, n_timesteps, horizon, target, handle_unknown):
        """What is to be known of the tables of fit."""
        encoder = ColumnEncoder(tables.tables, handle_unknown)
        known = [table for table in covariates if table is not None]
        exog_encoder = ColumnEncoder(known, handle_unknown) if known else None
        first = tables.tables[0]
        distance = first.times.check(first.name).distance
        targets = _target_labels(first, target, encoder)
        reader = cls(n_timesteps, horizon, encoder, exog_encoder, distance, targets)
        if known:
            reader.refuse_short_windows("exog")
        return reader

    def refuse_short_windows(self, what):
        """Refuse windows with fewer steps than there are rows to forecast, one at each."""
        if self.n_timesteps < self.horizon:
            raise ValueError(
                f"n_timesteps must be at least horizon={self.horizon} with {what}, as each of the "
                f"last steps is for one of the rows to forecast, got {self.n_timesteps}."
            )

    @property
    def categories(self):
        """The words of each column that is read one-hot."""
        ahead = {} if self.exog_encoder is None else self.exog_encoder.categories
        return {**self.encoder.categories, **ahead}

    @property
    def input_names(self):
        """What the net reads at each step."""
        ahead = [] if self.exog_encoder is None else self.exog_encoder.names
        return [*self.encoder.names, *(f"{name}(+{self.horizon})" for name in ahead)]

    def whole(self, n_rows):
        """The rows whose covariates have to be there if a table is cut into windows."""
        return self.horizon, n_rows

    def last(self, n_rows):
        """The same if what follows the table is forecast."""
        return max(self.horizon, n_rows + self.horizon - self.n_timesteps), n_rows + self.horizon

    def read(self, tables, covariates, needed):
        """The rows of each table.

        Parameters
        ----------
        tables : Tables
        covariates : list of Table or None
        needed : function
            Of the number of rows of a table; tells the first and, not included, the last whose
            covariates have to be there.

        Returns
        -------
        rows : list of Rows
        """
        if self.exog_encoder is not None and covariates[0] is None:
            raise ValueError(
                "exog must be given as in fit, got None: the values that are known in advance, "
                f"also of the rows to forecast (horizon={self.horizon})."
            )
        if self.exog_encoder is None and covariates[0] is not None:
            raise ValueError("exog must be given to fit too, if it is to be used, which had none.")
        return [
            self._rows(table, known, needed)
            for table, known in zip(tables, covariates, strict=True)
        ]

    def _rows(self, table, known, needed):
        times = table.times.check(table.name, self.distance)
        table = Table(table.name, table.given, table.labels, table.columns, times)
        matrix = self.encoder.matrix(table)
        places = [self.encoder.place(label) for label in self.targets]
        targets = matrix if places == list(range(matrix.shape[1])) else matrix[:, places]
        if known is None or self.exog_encoder is None:
            return Rows(table, matrix, targets)
        n, ahead = len(table), np.arange(self.horizon, len(table) + self.horizon)
        first, last = needed(n)
        by_place = type(known.times) is not type(times) or isinstance(times, Positions)
        # Else the end of a table would be taken for its start.
        if by_place and not last <= len(known) <= n + self.horizon:
            after = f" and {self.horizon} after it" * (last > n)
            raise ValueError(
                f"{known.name} must have {last} rows, {n} of {table.name}{after}, as they have no "
                f"times in common to be found by, got {len(known)}."
            )
        found = table.times.found_in(known.times, ahead)
        missing = found[first - self.horizon : last - self.horizon] < 0
        if missing.any():
            row = first + int(np.argmax(missing))
            raise ValueError(
                f"{known.name} must have a row for each of {table.name}"
                f"{f' and for {self.horizon} rows after it' * (last > len(table))}, got none for "
                f"{table.times.label(row)}."
            )
        covariates = self.exog_encoder.matrix(known)
        later = covariates[found]
        later[found < 0] = np.nan
        return Rows(table, np.column_stack([matrix, later]), targets)

    def windows(self, rows, step):
        """All windows that are followed by `horizon` rows, and their targets; none holds NaN.

        Returns
        -------
        X : Windows
        y : ndarray of shape (n_windows, horizon, n_targets)
        n_left_out : int
            How many windows hold NaN.
        """
        self.refuse_short(rows)
        inputs = [each.inputs[: len(each) - self.horizon] for each in rows]
        followed = [each.targets[self.n_timesteps :] for each in rows]
        whole = [
            (_whole(these, self.n_timesteps) & _whole(those, self.horizon))[::step]
            for these, those in zip(inputs, followed, strict=True)
        ]
        X = _windows(inputs, self.n_timesteps, [len(kept) for kept in whole], step)
        if not all(kept.all() for kept in whole):
            X = X.choose(whole)
        y = np.concatenate([
            sliding_window_view(those, self.horizon, axis=0)[::step].transpose(0, 2, 1)[kept]
            for those, kept in zip(followed, whole, strict=True)
        ])  # fmt: skip
        n_left_out = sum(map(len, whole)) - len(y)
        if len(y) == 0:
            raise ValueError(
                f"{rows[0].table.name} must have rows without gaps, got NaN in each of "
                f"{n_left_out} windows of {self.n_timesteps} + {self.horizon} rows: fill them, "
                "for example with interpolate() of pandas."
            )
        return X, y, n_left_out

    def windows_before(self, rows, origins):
        """The windows that end before given rows, and which of them hold no NaN.

        Parameters
        ----------
        rows : list of Rows
        origins : list of ndarray of int
            Of each table; row numbers of at least `n_timesteps`.

        Returns
        -------
        X : Windows
            Of those without NaN.
        whole : ndarray of bool, of shape (n_origins,)
            Of all tables, one below the other.
        """
        inputs = [each.inputs for each in rows]
        counts = [len(each) - self.n_timesteps + 1 for each in inputs]
        kept = [np.zeros(count, bool) for count in counts]
        whole = []
        for these, mask, before in zip(inputs, kept, origins, strict=True):
            good = _whole(these, self.n_timesteps)[before - self.n_timesteps]
            mask[before[good] - self.n_timesteps] = True
            whole.append(good)
        return _windows(inputs, self.n_timesteps, counts, 1).choose(kept), np.concatenate(whole)

    def refuse_without_window(self, rows):
        """Refuse tables whose last window is not there, or holds NaN."""
        for each in rows:
            if len(each) < self.n_timesteps:
                raise ValueError(
                    f"{each.table.name} has {len(each)} rows, but a window has n_timesteps="
                    f"{self.n_timesteps}."
                )
            missing = np.isnan(each.inputs[-self.n_timesteps :])
            if missing.any():
                row, column = np.argwhere(missing)[-1]
                at = len(each) - self.n_timesteps + int(row)
                raise ValueError(
                    f"{each.table.name} must have no gaps in its last n_timesteps="
                    f"{self.n_timesteps} rows, got NaN for {each.table.times.label(at)}, input "
                    f"{self.input_names[column]!r}: fill them, for example with ffill() of pandas."
                )

    def refuse_short(self, rows):
        """Refuse tables that have no room for a window and what follows it."""
        for each in rows:
            if len(each) < self.n_timesteps + self.horizon:
                raise ValueError(
                    f"{each.table.name} has {len(each)} rows, but a window of n_timesteps="
                    f"{self.n_timesteps} and its targets of horizon={self.horizon} need "
                    f"{self.n_timesteps + self.horizon}."
                )


def _windows(inputs, n_timesteps, counts, step):
    dtype = np.result_type(*inputs)
    return Windows([np.asarray(each, dtype) for each in inputs], n_timesteps, counts, step)


def _whole(rows, n):
    """Whether each window of n rows is without NaN."""
    missing = np.concatenate([[0], np.cumsum(np.isnan(rows).any(axis=1))])
    return missing[n:] == missing[:-n]


def _target_labels(table, target, encoder):
    labels = encoder.labels
    if target is None:
        wanted = list(labels)
    else:
        is_one = isinstance(target, str | Integral) or (
            isinstance(target, tuple) and target in labels
        )
        given = [target] if is_one else list(target)
        if not given:
            raise ValueError("target must name at least one column of X, got none.")
        wanted = [
            label if label in labels else labels[position_of(label, labels, table.name)]
            for label in given
        ]
    words = [label for label in wanted if label in encoder.categories]
    if words:
        raise ValueError(
            f"target must name columns of numbers, but {words[0]!r} of {table.name} holds words: "
            "name the columns to forecast, the others are seen as well."
        )
    return wanted


def read_tables(X, exog):
    """Tables and, for each, its covariates or None."""
    tables = Tables(X, "X")
    return tables, covariates_of(exog, tables)
