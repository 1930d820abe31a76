"""A forecast taken apart: arrays, series and tables of pandas become times, a line and bands."""

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import ndtri


@dataclass(frozen=True, eq=False)
class Curve:
    """Numbers by time.

    Parameters
    ----------
    values : ndarray of shape (n,) or (n, n_quantiles)
    index : object or None
        Their times, as of pandas; None: they have none.
    name : str or None
        What they are.
    quantiles : list of float or None
        Of the columns.
    std : ndarray of shape (n,) or None
        The standard deviations beside them.
    """

    values: np.ndarray
    index: Any = None
    name: str | None = None
    quantiles: list[float] | None = None
    std: np.ndarray | None = None


def read_curve(data, name, target=None):
    """History or truth: one number a time.

    Parameters
    ----------
    data : array-like, Series or DataFrame
    name : str
        What the user calls it.
    target : label, default=None
        Of a table with several columns, the one to read.

    Returns
    -------
    curve : Curve
    """
    index, columns = getattr(data, "index", None), _columns(data)
    if columns is None:
        values, label = np.asarray(data, float), getattr(data, "name", None)
    else:
        column = _one_target(list(columns), target, name)
        values, label = np.asarray(data[column], float), column
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(f"{name} must have one number for each time, got shape {values.shape}.")
    return Curve(values, None if callable(index) else index, _named(label))


def read_forecast(data, quantiles=None, target=None):
    """A forecast: one number a time, or one for each quantile.

    Parameters
    ----------
    data : array-like of shape (horizon,) or (horizon, n_quantiles), Series or DataFrame
        A table has a column a quantile, whose name is a number; a column a target; or both, in
        two levels of columns, targets above quantiles, or in names such as "load_0.9". Beside
        "load", "load_std" is its standard deviation.
    quantiles : array-like of float, default=None
        Of the columns of an array.
    target : label, default=None
        Of a table with several targets, the one to read.

    Returns
    -------
    curve : Curve
    """
    columns = _columns(data)
    if columns is None:
        curve = _from_array(data, quantiles)
    elif getattr(columns, "nlevels", 1) > 1:
        targets = list(dict.fromkeys(label[0] for label in columns))
        column = _one_target(targets, target, "y_pred")
        curve = _from_array(data[column], _levels_of(data[column].columns), data.index, column)
    elif (levels := _levels_of(columns)) is not None:
        curve = _from_array(data, levels, data.index)
    elif (by_target := _quantiles_of(columns)) is not None:
        column = _one_target(list(by_target), target, "y_pred")
        levels = by_target[column]
        curve = _from_array(data[list(levels.values())], list(levels), data.index, column)
    elif quantiles is not None and target is None:
        curve = _from_array(data, quantiles, data.index)
    else:
        deviations = {f"{label}_std" for label in columns}
        column = _one_target([c for c in columns if c not in deviations], target, "y_pred")
        curve = _from_array(data[column], None, data.index, column)
        if f"{column}_std" in columns:
            curve = replace(curve, std=np.asarray(data[f"{column}_std"], float))
    return curve


def _quantiles_of(columns):
    """Names such as load_0.9 as {target: {quantile: name}}, or None if they are none."""
    found: dict[str, dict[float, str]] = {}
    for name in columns:
        target, _, quantile = str(name).rpartition("_")
        levels = _levels_of([quantile])
        if not target or levels is None:
            return None
        found.setdefault(target, {})[levels[0]] = name
    return found


def _from_array(data, quantiles, index=None, label=None):
    values = np.asarray(data, float)
    if values.ndim == 2 and values.shape[1] == 1 and quantiles is None:
        values = values[:, 0]
    if values.ndim == 1 and quantiles is not None and np.size(quantiles) == 1:
        values = values[:, np.newaxis]
    if values.ndim == 1 and quantiles is None:
        levels = None
    elif values.ndim == 2 and quantiles is not None and np.size(quantiles) == values.shape[1]:
        levels = [float(level) for level in np.ravel(quantiles)]
        order = np.argsort(levels)
        values, levels = values[:, order], [levels[n] for n in order]
        if levels[0] <= 0 or levels[-1] >= 1:
            raise ValueError(f"quantiles must be between 0 and 1, got {levels}.")
    else:
        got = "none" if quantiles is None else f"{np.size(quantiles)}"
        raise ValueError(
            "y_pred must have one number for each time, or a column for each of `quantiles`: got "
            f"shape {values.shape}, and {got} of quantiles."
        )
    if index is None:
        index = getattr(data, "index", None)
        index = None if callable(index) else index
        label = getattr(data, "name", None)
    return Curve(values, index, _named(label), levels)


def _columns(data):
    """Those of a table; None of an array or a series."""
    return data.columns if hasattr(data, "columns") and hasattr(data, "iloc") else None


def _levels_of(columns):
    """Names of columns as quantiles, or None if they are none."""
    try:
        levels = [float(name) for name in columns]
    except (TypeError, ValueError):
        return None
    return levels if all(0 < level < 1 for level in levels) else None


def _one_target(targets, target, name):
    if target is None and len(targets) == 1:
        return targets[0]
    if target in targets:
        return target
    raise ValueError(
        f"{name} has the columns {targets}: target must name the one to draw, got {target!r}."
    )


def _named(label):
    return None if label is None or isinstance(label, Real) else str(label)


def line_and_bands(curve, std=None, coverage=(0.5, 0.9)):
    """What is drawn of a forecast: a line, and bands from the widest to the narrowest.

    Parameters
    ----------
    curve : Curve
    std : array-like of shape (horizon,), default=None
        Of a normal distribution around the line.
    coverage : sequence of float
        The shares of that distribution that bands hold.

    Returns
    -------
    line : ndarray of shape (horizon,) or None
    what : str
        What the line is.
    bands : list of (ndarray, ndarray, str)
        Lower and upper ends, and what lies between them.
    """
    std = curve.std if std is None else std
    if curve.quantiles is None:
        bands = [] if std is None else _of_normal(curve.values, np.asarray(std, float), coverage)
        return curve.values, "forecast", bands
    levels, columns = curve.quantiles, curve.values.T
    pairs = [(n, len(levels) - 1 - n) for n in range(len(levels) // 2)]
    bands = [
        (columns[low], columns[high], f"{_percent(levels[low])} to {_percent(levels[high])}")
        for low, high in pairs
    ]
    if len(levels) % 2 == 0:
        return None, "", bands
    middle = levels[len(levels) // 2]
    what = "median" if middle == 0.5 else f"{_percent(middle)} quantile"
    return columns[len(levels) // 2], f"forecast ({what})", bands


def _of_normal(mean, std, coverage):
    if std.shape != mean.shape:
        raise ValueError(f"std must have the shape of y_pred, {mean.shape}, got {std.shape}.")
    coverage = sorted(np.atleast_1d(coverage).tolist(), reverse=True)
    if not all(0 < share < 1 for share in coverage):
        raise ValueError(f"coverage must be between 0 and 1, got {coverage}.")
    bands = []
    for share in coverage:
        width = ndtri((1 + share) / 2) * std
        ends = f"{_percent((1 - share) / 2)} to {_percent((1 + share) / 2)}"
        bands.append((mean - width, mean + width, ends))
    return bands


def _percent(level):
    return f"{100 * level:.4g}%"


def times_of(history, forecast, truth):
    """Where history, forecast and truth lie on the axis of time.

    Without times of their own, the first step of the forecast is 1, and the newest known one 0.
    What has none continues what has.

    Parameters
    ----------
    history, truth : Curve or None
    forecast : Curve

    Returns
    -------
    times : tuple of (ndarray or None)
        Of history, forecast and truth.
    labelled : bool
        Whether they are the user's.
    """
    past = None if history is None else history.index
    ahead = forecast.index if forecast.index is not None else getattr(truth, "index", None)
    n_past, n_ahead = 0 if history is None else len(history.values), len(forecast.values)
    if past is None and ahead is None:
        past_times, times = np.arange(1 - n_past, 1), np.arange(1, n_ahead + 1)
    elif past is None:
        times = _moments(ahead)
        past_times = _continued(times, -n_past)
    else:
        past_times = _moments(past)
        times = _continued(past_times, n_ahead) if ahead is None else _moments(ahead)
    times_of_truth = None
    if truth is not None:
        n_truth = len(truth.values)
        if truth.index is not None:
            times_of_truth = _moments(truth.index)
        elif n_truth <= n_ahead:
            times_of_truth = times[:n_truth]
        else:
            raise ValueError(
                f"y_true must have at most as many numbers as y_pred, {n_ahead}, got {n_truth}."
            )
    labelled = past is not None or ahead is not None
    return (None if history is None else past_times), times, times_of_truth, labelled


def _moments(index):
    """Times that matplotlib can draw: periods begin at their first moment."""
    if hasattr(index, "to_timestamp"):
        index = index.to_timestamp()
    elif getattr(index, "tz", None) is not None:
        # NumPy's times know no zone: those of the clock on the wall are drawn.
        index = index.tz_localize(None)
    moments = np.asarray(index)
    if moments.dtype.kind == "m":
        return moments / np.timedelta64(1, "h")
    if moments.dtype.kind not in "Mbiuf":
        raise ValueError(
            f"The index must hold times or numbers, got {moments.dtype}: pass y_pred.to_numpy(), "
            "or set an index of times."
        )
    return moments


def _continued(times, n):
    """So many times after the last one, or before the first if negative, at the usual distance."""
    if len(times) > 1:
        distances = np.diff(times)
        step = np.sort(distances)[len(distances) // 2]
    else:
        step = np.timedelta64(1, "D") if times.dtype.kind == "M" else 1
    return times[-1] + step * np.arange(1, n + 1) if n > 0 else times[0] + step * np.arange(n, 0)
