"""When the rows of a table are: in order, at equal distances, and which come next."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from sklstm._frames import quoted

# What distances of times are said in, from the coarsest on, by its nanoseconds.
_UNITS = {"D": 86_400 * 10**9, "h": 3600 * 10**9, "min": 60 * 10**9, "s": 10**9, "ms": 10**6}


@dataclass(frozen=True)
class Positions:
    """Rows of an array, or of a polars table without times.

    Parameters
    ----------
    n : int
    of_polars : bool
    """

    n: int
    of_polars: bool = False
    distance = None

    def __len__(self):
        return self.n

    def check(self, name, distance=None):
        """Arrays are in order by their own positions."""
        return self

    def first_from(self, label, name):
        """The first row that is not before a label."""
        raise ValueError(
            f"start must be the position of a row, as {name} has no times, got {label!r}."
        )

    def found_in(self, other, rows):
        """The rows of `other` that belong to these rows; -1 where there are none."""
        return np.where(rows < len(other), rows, -1)

    def label(self, row):
        """What a row is called."""
        return f"row {row}"

    def frame(self, rows, names, values, origins=None):
        """Forecasts: an array, without its last axis if that has one column."""
        if self.of_polars:
            before = None if origins is None else origins - 1
            return _frame_of_polars([], rows, names, values, origins, before)
        return values[..., 0] if len(names) == 1 else values


@dataclass(frozen=True)
class PandasTimes:
    """The index of a pandas table.

    Parameters
    ----------
    index : pandas.Index
    distance : pandas offset, number or None
        What lies between two rows, once it is checked.
    """

    index: Any
    distance: Any = None

    def __len__(self):
        return len(self.index)

    def check(self, name, distance=None):
        """The same with its distance; refuses times that are not in order and equally far apart.

        Parameters
        ----------
        name : str
            What the user calls the table.
        distance : object, default=None
            That of the tables of fit, which these times must have too.
        """
        values = self._values(name)
        steps = np.diff(values)
        _check_order(self, name, steps)
        if distance is not None and self._follows(distance):
            return PandasTimes(self.index, distance)
        own = self._own_distance(steps)
        if own is None and len(steps):
            mend = "reset_index(drop=True), if rows are what counts"
            if hasattr(self.index, "inferred_freq"):
                usual = _in_words(_most_frequent(steps))
                mend = (
                    f"add the missing rows, for example with asfreq({usual!r}), whose windows are "
                    f"left out as they hold NaN"
                )
            _refuse_irregular(self, name, steps, mend)
        if distance is not None and own is not None and len(steps):
            raise ValueError(
                f"{name} must have times as far apart as in fit, {_offset_in_words(distance)}, got "
                f"{_offset_in_words(own)}."
            )
        return PandasTimes(self.index, own if distance is None else distance)

    def _values(self, name):
        """Numbers that are as far apart as the labels."""
        index = self.index
        kind = getattr(index.dtype, "kind", "O")
        if index.nlevels > 1:
            raise ValueError(
                f"{name} must have an index of times alone, got levels {list(index.names)}: if one "
                "of them says which series a row is of, pass a dict, for example {key: "
                "rows.droplevel(0) for key, rows in table.groupby(level=0)}."
            )
        if hasattr(index, "asfreq") and kind == "O":  # periods
            return index.astype("int64").to_numpy()
        if kind not in "iufmM":
            raise ValueError(
                f"{name} must have an index of times or numbers, got dtype {index.dtype}: make "
                "times of it with pandas.to_datetime, or drop it with reset_index(drop=True)."
            )
        if index.hasnans:
            raise ValueError(f"{name} must have a time for each row, got {index.isna().sum()} NaT.")
        if kind == "M" and getattr(index, "tz", None) is not None:
            index = index.tz_convert("UTC").tz_localize(None)
        values = index.to_numpy()
        return values.astype(f"{kind}8[ns]").astype(np.int64) if kind in "mM" else values

    def _own_distance(self, steps):
        """What lies between two rows, None if it is not always the same."""
        import pandas as pd

        index = self.index
        if isinstance(index, pd.PeriodIndex):
            return index.freq if (steps == 1).all() else None
        if not isinstance(index, pd.DatetimeIndex):
            regular = len(steps) and np.allclose(steps, steps[0])
            return index[1] - index[0] if regular else None
        if index.freq is not None:
            return index.freq
        if len(steps) and (steps == steps[0]).all() and (index.tz is None or len(steps) < 2):
            return pd.tseries.frequencies.to_offset(pd.Timedelta(int(steps[0]), "ns"))
        return pd.DatetimeIndex(index, freq="infer").freq

    def _follows(self, distance):
        """Whether rows are so far apart; of a few rows it cannot be told what months are."""
        try:
            expected = self._from(self.index[0], len(self.index), distance)
        except (TypeError, ValueError):
            return False
        return len(expected) == len(self.index) and bool((expected == self.index).all())

    def _from(self, first, n, distance):
        """Labels from one on."""
        import pandas as pd

        if isinstance(self.index, pd.PeriodIndex):
            return pd.period_range(first, periods=n, freq=distance, name=self.index.name)
        if isinstance(self.index, pd.DatetimeIndex):
            return pd.date_range(first, periods=n, freq=distance, name=self.index.name)
        if isinstance(self.index, pd.TimedeltaIndex):
            return pd.timedelta_range(first, periods=n, freq=distance, name=self.index.name)
        return pd.Index(first + distance * np.arange(n), name=self.index.name)

    def labels(self, rows):
        """The labels of rows, of which the last may come after all that there are."""
        after = max(0, int(np.max(rows, initial=0)) + 1 - len(self.index))
        index = self.index
        if after:
            index = index.append(self._from(index[-1], after + 1, self.distance)[1:])
        return index[np.asarray(rows)]

    def label(self, row):
        """What a row is called."""
        return quoted(self.labels([row])[0])

    def first_from(self, label, name):
        """The first row that is not before a label."""
        import pandas as pd

        try:
            if isinstance(label, date):
                label = pd.Timestamp(label)
            return self.index.slice_indexer(label, None).start or 0
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(
                f"start must be a time of {name} or the position of a row, got {label!r}."
            ) from error

    def found_in(self, other, rows):
        """The rows of `other` that belong to these rows; -1 where there are none."""
        if not isinstance(other, PandasTimes):
            return np.where(rows < len(other), rows, -1)
        if not other.index.is_unique:
            twice = other.index[other.index.duplicated()][0]
            raise ValueError(f"exog must have one row a time, got {quoted(twice)} twice.")
        return other.index.get_indexer(self.labels(rows))

    def frame(self, rows, names, values, origins=None):
        """Forecasts: a DataFrame by time."""
        import pandas as pd

        rows, values = np.ravel(rows), values.reshape(-1, len(names))
        frame = pd.DataFrame(values, index=self.labels(rows), columns=names)
        if origins is not None:
            last = np.repeat(origins - 1, len(rows) // max(1, len(origins)))
            frame.insert(0, "origin", self.labels(last))
            frame.insert(1, "step", rows - last)
        return frame


@dataclass(frozen=True)
class PolarsTimes:
    """The column of a polars table that says when its rows are.

    Parameters
    ----------
    column : polars.Series
    distance : (int, str) or None
        How many "ns" or "M" lie between two rows, once it is checked.
    """

    column: Any
    distance: Any = None

    def __len__(self):
        return len(self.column)

    @property
    def _times(self):
        """In UTC, if they have a time zone."""
        return self.column.to_numpy().astype("M8[ns]")

    def check(self, name, distance=None):
        """As `PandasTimes.check`."""
        if self.column.null_count():
            raise ValueError(
                f"{name} must have a time for each row, got {self.column.null_count()} null in "
                f"column {self.column.name!r}."
            )
        steps = np.diff(self._times.astype(np.int64))
        _check_order(self, name, steps)
        own = self._own_distance(steps)
        if own is None and len(steps):
            mend = "add the missing rows, for example with upsample, whose windows are left out"
            _refuse_irregular(self, name, steps, mend)
        if distance is not None and own is not None and own != distance:
            raise ValueError(f"{name} must have times as far apart as in fit.")
        return PolarsTimes(self.column, own if distance is None else distance)

    def _own_distance(self, steps):
        if len(steps) and (steps == steps[0]).all():
            return int(steps[0]), "ns"
        months = self._times.astype("M8[M]")
        within = self._times - months
        apart = np.diff(months.astype(np.int64))
        if len(steps) and (within == within[0]).all() and (apart == apart[0]).all():
            return int(apart[0]), "M"
        return None

    def labels(self, rows):
        """As `PandasTimes.labels`."""
        times, rows = self._times, np.asarray(rows)
        after = max(0, int(np.max(rows, initial=0)) + 1 - len(times))
        if after:
            n, unit = self.distance
            coarse = times[-1].astype(f"M8[{unit}]")
            future = coarse + n * np.arange(1, after + 1) * np.timedelta64(1, unit)
            times = np.concatenate([times, future.astype("M8[ns]") + (times[-1] - coarse)])
        return self._as_given(times[rows], self.column.name)

    def _as_given(self, times, name):
        series, dtype = type(self.column)(name, times), self.column.dtype
        zone = getattr(dtype, "time_zone", None)
        if zone is not None:
            series = series.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
        return series.cast(dtype)

    def label(self, row):
        """What a row is called."""
        return str(self.labels([row])[0])

    def first_from(self, label, name):
        """The first row that is not before a label."""
        try:
            own = self.column.dtype
            wanted = type(self.column)("start", [label]).cast(own, strict=True)[0]
            return int((self.column < wanted).sum())
        except Exception as error:
            raise ValueError(
                f"start must be a time of {name} or the position of a row, got {label!r}."
            ) from error

    def found_in(self, other, rows):
        """The rows of `other` that belong to these rows; -1 where there are none."""
        if not isinstance(other, PolarsTimes):
            return np.where(rows < len(other), rows, -1)
        known, wanted = other._times, PolarsTimes(self.labels(rows))._times
        if len(np.unique(known)) < len(known):
            raise ValueError("exog must have one row a time, got a time twice.")
        order = np.argsort(known)
        places = np.searchsorted(known[order], wanted).clip(max=len(known) - 1)
        return np.where(known[order][places] == wanted, order[places], -1)

    def frame(self, rows, names, values, origins=None):
        """Forecasts: a DataFrame whose first column is the time."""
        before = None if origins is None else self.labels(origins - 1)
        return _frame_of_polars([self.labels(np.ravel(rows))], rows, names, values, origins, before)


def _frame_of_polars(columns, rows, names, values, origins, labels):
    import polars as pl

    rows, values = np.ravel(rows), values.reshape(-1, len(names))
    if origins is not None:
        each = len(rows) // max(1, len(origins))
        columns = [
            *columns,
            pl.Series("origin", labels).gather(np.repeat(np.arange(len(origins)), each)),
            pl.Series("step", rows - np.repeat(origins - 1, each)),
        ]
    return pl.DataFrame(
        columns + [pl.Series(str(n), v) for n, v in zip(names, values.T, strict=True)]
    )


def _check_order(times, name, steps):
    """Refuse times that come twice, or not in their order."""
    if (steps == 0).any():
        row = int(np.argmax(steps == 0)) + 1
        raise ValueError(
            f"{name} must have one row a time, got {times.label(row)} twice (row {row}): if there "
            "are many series in it, pass a dict or list with a table for each."
        )
    if (steps < 0).any():
        row = int(np.argmax(steps < 0)) + 1
        mend = "sort_index()" if isinstance(times, PandasTimes) else "sort()"
        raise ValueError(
            f"{name} must have its rows in the order of time, got {times.label(row)} after "
            f"{times.label(row - 1)} (row {row}): sort them, for example with {mend}."
        )


def _refuse_irregular(times, name, steps, mend):
    usual = _most_frequent(steps)
    row = int(np.argmax(steps != usual)) + 1
    apart = _in_words(usual) if _are_times(times) else usual
    apart = f"1{apart}" if apart in _UNITS else apart
    raise ValueError(
        f"{name} must have its rows at equal distances, got {times.label(row)} after "
        f"{times.label(row - 1)} (row {row}), where most are {apart} apart: {mend}."
    )


def _are_times(times):
    return isinstance(times, PolarsTimes) or hasattr(times.index, "inferred_freq")


def _most_frequent(steps):
    values, counts = np.unique(steps, return_counts=True)
    return values[np.argmax(counts)]


def _in_words(nanoseconds):
    for unit, size in _UNITS.items():
        if nanoseconds % size == 0:
            n = int(nanoseconds // size)
            return unit if n == 1 else f"{n}{unit}"
    return f"{nanoseconds}ns"


def _offset_in_words(distance):
    return getattr(distance, "freqstr", distance)
