"""WindowForecaster: the next rows of tables, from windows of their past."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklstm._typing import keeps_type
from sklstm.forecasting._net import answers_each_step, forecast_names, predict, targets_for
from sklstm.forecasting._reading import Reader, read_tables


class WindowForecaster(MetaEstimatorMixin, BaseEstimator):
    """Forecast the next rows of a table, or of many, with a net that reads windows of the past.

    A table has one row a time step, in the order of time. Its columns are numbers, or words, which
    are read one-hot. The net sees the last `n_timesteps` rows of all columns, and says the next
    `horizon` rows of those that `target` names, all at once.

    Parameters
    ----------
    estimator : estimator
        An `LSTMRegressor`, or a pipeline or search that ends with one. It is cloned. With several
        quantiles or loss="gaussian" forecasts have a column for each, see `predict`.
    n_timesteps : int
        Rows of a window.
    horizon : int, default=1
        Rows to forecast.
    target : str, int, list of these or None, default=None
        Columns to forecast: names, or positions if there are none. None: all.
    step : int, default=1
        Rows between the starts of two windows in fit.
    handle_unknown : {"error", "ignore"}, default="error"
        What becomes of words that fit has not seen, as in scikit-learn's `OneHotEncoder`: they are
        refused, or read as none of those that it has.

    Attributes
    ----------
    estimator_ : estimator
        The fitted net.
    n_windows_ : int
        Windows that it was fitted on.
    n_windows_left_out_ : int
        Windows that were left out since they, or what follows them, hold NaN.
    categories_ : dict
        The words of each column that is read one-hot, those of `exog` too, in the order of inputs.
    input_names_ : list
        What the net reads at each step, in its order; covariates as "load(+24)".
    forecast_names_ : list
        The columns of a forecast.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if all are strings.

    See Also
    --------
    sklstm.sliding_windows : The windows alone, for estimators of your own.

    Notes
    -----
    **Tables.** A DataFrame or Series of pandas, whose index says when its rows are (times, periods
    or numbers, in order and at equal distances); one of polars, where a column of times does; or an
    array (n_rows,) or (n_rows, n_columns). A list or dict of such is many series, of any lengths:
    one net learns from all. The columns to forecast are seen as well, in the past.

    **What is known in advance** (`exog`: the calendar, prices, a weather forecast) has its rows for
    the same times, and `horizon` more. At each step of a window the net sees the row of the table,
    and beside it the covariates of the row `horizon` later. Of a window of 4 rows and a horizon of
    2, where rows 5 and 6 are to be forecast::

        step            1     2     3     4
        the table of    1     2     3     4
        exog of         3     4     5     6

    So the last `horizon` steps carry the covariates of the rows to forecast, in their order, which
    is why `n_timesteps` has to be at least `horizon` then. Rows are matched by their times, if both
    have them, and else by their positions.

    **An answer at each step.** A net with pooling=None says the rows to forecast at the last
    `horizon` steps, one at each, where it sees what is known of that row. With bidirectional=True
    each of these steps knows the whole window too: take both together. A net with another pooling
    says all rows at once.

    **Gaps.** Windows that hold NaN, or whose targets do, are left out, and counted. To forecast,
    the last `n_timesteps` rows have to be whole.

    **Searches.** `score` needs nothing but the rows that it is given, so that `GridSearchCV` with
    `TimeSeriesSplit` scores forecasts of rows that were not trained on, from rows that were not
    either. With `exog`, request it by scikit-learn's metadata routing.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.forecasting import WindowForecaster
    >>> wave = np.sin(0.3 * np.arange(300))
    >>> net = LSTMRegressor(16, learning_rate_init=0.01, max_iter=40, tol=0, random_state=0)
    >>> model = WindowForecaster(net, n_timesteps=20, horizon=3).fit(wave)
    >>> bool(np.allclose(model.predict(wave), np.sin(0.3 * np.arange(300, 303)), atol=0.1))
    True
    >>> model.backtest(wave, start=200, every=50).shape
    (2, 3)
    """

    estimator_: Any
    n_windows_: int
    n_windows_left_out_: int
    categories_: dict[Any, list[Any]]
    input_names_: list[Any]
    forecast_names_: list[Any]
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    _reader: Reader

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "n_timesteps": [Interval(Integral, 1, None, closed="left")],
        "horizon": [Interval(Integral, 1, None, closed="left")],
        "target": [Integral, str, "array-like", None],
        "step": [Interval(Integral, 1, None, closed="left")],
        "handle_unknown": [StrOptions({"error", "ignore"})],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        n_timesteps: int,
        horizon: int = 1,
        target: Any = None,
        step: int = 1,
        handle_unknown: str = "error",
    ) -> None:
        self.estimator = estimator
        self.n_timesteps = n_timesteps
        self.horizon = horizon
        self.target = target
        self.step = step
        self.handle_unknown = handle_unknown

    @keeps_type(_fit_context(prefer_skip_nested_validation=False))
    def fit(self, X: Any, y: None = None, *, exog: Any = None) -> Self:
        """Fit the net to all windows of a table, or of many.

        Parameters
        ----------
        X : DataFrame, Series, array-like of shape (n_rows,) or (n_rows, n_columns), or list or \
                dict of these
            The table, or one for each series.
        y : None
            Not used: targets are columns of X.
        exog : DataFrame, Series, array-like, or list or dict of these, default=None
            Covariates that are known in advance, for the rows of X. Of many tables one for each, or
            one with times for all.

        Returns
        -------
        self : object
            The fitted forecaster.

        Raises
        ------
        ValueError
            If the tables cannot be used: what is wrong is said, and of many tables with which. The
            forecaster is left as it was.
        """
        _refuse_y(y)
        tables, covariates = read_tables(X, exog)
        reader = Reader.of(
            tables, covariates, int(self.n_timesteps), int(self.horizon), self.target,
            self.handle_unknown,
        )  # fmt: skip
        if answers_each_step(self.estimator):
            reader.refuse_short_windows("a net that answers each step (pooling=None)")
        rows = reader.read(tables, covariates, reader.whole)
        windows, targets, n_left_out = reader.windows(rows, int(self.step))
        targets = targets_for(self.estimator, targets, reader.n_timesteps)
        fitted = clone(self.estimator).fit(windows, targets)
        # Not before all has gone well: a call that fails changes nothing.
        self.__dict__.pop("feature_names_in_", None)
        labels = reader.encoder.labels
        if tables.tables[0].array is None and all(isinstance(label, str) for label in labels):
            self.feature_names_in_ = np.array(labels, object)
        self.estimator_, self._reader, self.n_features_in_ = fitted, reader, len(labels)
        self.n_windows_, self.n_windows_left_out_ = len(windows), n_left_out
        self.categories_, self.input_names_ = reader.categories, reader.input_names
        self.forecast_names_ = forecast_names(reader.targets, fitted)
        return self

    def predict(self, X: Any, exog: Any = None) -> Any:
        """Forecast the `horizon` rows that follow a table, or each of many.

        Parameters
        ----------
        X : DataFrame, Series, array-like, or list or dict of these
            The table so far, of which the last `n_timesteps` rows are read. It need not be that of
            fit.
        exog : DataFrame, Series, array-like, or list or dict of these, default=None
            The covariates, also of the `horizon` rows to forecast.

        Returns
        -------
        forecast : DataFrame or ndarray, or list or dict of these
            One row a time step, by its time, and one column a target, under its name. With several
            quantiles there is one for each, such as "load_0.9"; with loss="gaussian" there are
            "load" and "load_std". For an array X an array of shape (horizon, n_columns), or
            (horizon,) if that is one column; `forecast_names_` says which is which.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the tables are not like those of fit, are too short, or hold NaN in the last window.
        """
        check_is_fitted(self)
        reader = self._reader
        tables, covariates = read_tables(X, exog)
        rows = reader.read(tables, covariates, reader.last)
        reader.refuse_without_window(rows)
        forecasts = self._forecasts(rows, [np.array([len(each)]) for each in rows])
        return tables.in_container([
            each.table.times.frame(
                np.arange(len(each), len(each) + reader.horizon), self.forecast_names_, forecast[0]
            )
            for each, forecast in zip(rows, forecasts, strict=True)
        ])  # fmt: skip

    def backtest(
        self, X: Any, exog: Any = None, *, start: Any = None, every: int | None = None
    ) -> Any:
        """Forecast from many origins in a table, each from the rows before it alone.

        The net is not fitted anew: for a fair test, `fit` it on the rows before `start`.

        Parameters
        ----------
        X : DataFrame, Series, array-like, or list or dict of these
            The table.
        exog : DataFrame, Series, array-like, or list or dict of these, default=None
            The covariates of its rows.
        start : int, time or None, default=None
            The first row to forecast: its position (from the end if negative), or its time. None:
            the first that has `n_timesteps` rows before it. Of many tables, one that begins later
            than a time is forecast from its own first such row on.
        every : int, default=None
            Rows between two origins. None: `horizon`, so that each row is forecast once.

        Returns
        -------
        forecasts : DataFrame or ndarray, or list or dict of these
            As of `predict`, those of each origin below those of the one before; and in columns
            "origin" the time of the last row that was known, in "step" how many rows ahead it is.
            For an array X an array of shape (n_origins, horizon, n_columns), without the last axis
            if that is one column. Where a window holds NaN, forecasts are NaN. Origins that are
            followed by less than `horizon` rows are left out.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the tables are not like those of fit, or too short.
        """
        check_is_fitted(self)
        reader = self._reader
        every = reader.horizon if every is None else every
        if not (hasattr(every, "__index__") and every >= 1):
            raise ValueError(f"every must be an int of at least 1 or None, got {every!r}.")
        tables, covariates = read_tables(X, exog)
        rows = reader.read(tables, covariates, reader.whole)
        reader.refuse_short(rows)
        origins = [
            np.arange(
                self._first_origin(each, start, tables.are_many),
                len(each) - reader.horizon + 1, every,
            )
            for each in rows
        ]  # fmt: skip
        if not any(map(len, origins)):
            raise ValueError(
                f"start={start!r} must leave horizon={reader.horizon} rows of "
                f"{rows[0].table.name} to forecast, which has {len(rows[0])}."
            )
        forecasts = self._forecasts(rows, origins)
        ahead = np.arange(reader.horizon)
        return tables.in_container([
            each.table.times.frame(its[:, np.newaxis] + ahead, self.forecast_names_, values, its)
            for each, its, values in zip(rows, origins, forecasts, strict=True)
        ])  # fmt: skip

    def score(self, X: Any, y: None = None, *, exog: Any = None) -> float:
        """How good forecasts inside of a table are, by the score of the net.

        It forecasts from every origin in the table that has `n_timesteps` rows before it and
        `horizon` rows behind it, and needs no other rows. The score is that of `estimator`: R2, or
        D2 of the pinball loss with loss="quantile", the mean over targets and rows ahead.

        Parameters
        ----------
        X : DataFrame, Series, array-like, or list or dict of these
            The table.
        y : None
            Not used.
        exog : DataFrame, Series, array-like, or list or dict of these, default=None
            The covariates of its rows.

        Returns
        -------
        score : float

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the tables are not like those of fit, or too short.
        """
        _refuse_y(y)
        check_is_fitted(self)
        tables, covariates = read_tables(X, exog)
        rows = self._reader.read(tables, covariates, self._reader.whole)
        windows, targets, _ = self._reader.windows(rows, 1)
        y = targets_for(self.estimator_, targets, self._reader.n_timesteps)
        return float(self.estimator_.score(windows, y))

    def _forecasts(self, rows, origins):
        """Those from the origins of each table: arrays (n_origins, horizon, n_columns)."""
        windows, whole = self._reader.windows_before(rows, origins)
        shape = len(whole), self._reader.horizon, len(self.forecast_names_)
        forecasts = np.full(shape, np.nan)
        if len(windows):
            predicted = predict(self.estimator_, windows, shape[1])
            forecasts = forecasts.astype(predicted.dtype)
            forecasts[whole] = predicted
        return np.split(forecasts, np.cumsum([len(its) for its in origins])[:-1])

    def _first_origin(self, rows, start, may_be_later):
        reader, table = self._reader, rows.table
        if start is None:
            return reader.n_timesteps
        if isinstance(start, Integral):
            origin = int(start) + len(rows) * (start < 0)
        else:
            origin = table.times.first_from(start, table.name)
            origin = max(origin, reader.n_timesteps * may_be_later)
        if not reader.n_timesteps <= origin:
            raise ValueError(
                f"start={start!r} must leave n_timesteps={reader.n_timesteps} rows of {table.name} "
                f"before it, got {origin}."
            )
        return origin


def _refuse_y(y):
    if y is not None:
        raise ValueError(
            "y must be None: the columns to forecast are columns of X, which target names; "
            "covariates that are known in advance are passed as exog=."
        )
