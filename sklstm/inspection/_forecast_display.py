"""ForecastDisplay: what was, what is forecast with its bands, and what came."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklstm._parts import take_apart
from sklstm._targets import fitted_loss
from sklstm._typing import SequencesLike
from sklstm.inspection._drawing import (
    BLUE,
    INK,
    SOFT,
    axes_to_draw_on,
    import_pyplot,
    light_edge,
    styled,
    whole_numbers,
)
from sklstm.inspection._forecast_parts import line_and_bands, read_curve, read_forecast, times_of
from sklstm.inspection._given import read_given
from sklstm.inspection._one_sequence import feature_names_of, one_of

# Of history, so many times the horizon is drawn, and at least so many steps.
_TIMES_HORIZON, _LEAST_HISTORY = 2, 20
# So many steps have a marker each; more than this, a thinner line.
_FEW, _MANY = 12, 1000
# Inches that an entry of the legend takes in a row, and the share of the height that a row takes.
_ENTRY, _ROW = 1.5, 0.1


class ForecastDisplay:
    """What was, the forecast with one or more bands, and what came.

    It is best made by `from_predictions` or `from_estimator`. All parameters are stored as
    attributes.

    Parameters
    ----------
    y_pred : array-like of shape (horizon,) or (horizon, n_quantiles), Series or DataFrame
        The forecast. A DataFrame has a column a quantile, whose name is that number; a column a
        target; or both, in two levels of columns, targets above quantiles.
    y_true : array-like of shape (horizon,), Series or DataFrame, default=None
        What came.
    history : array-like of shape (n,), Series or DataFrame, default=None
        What was known before.
    quantiles : array-like of shape (n_quantiles,), default=None
        Of the columns of `y_pred`, if their names do not say them.
    std : array-like of shape (horizon,), default=None
        The standard deviations of a normal distribution around `y_pred`.
    target : label, default=None
        The column to draw, of tables with several targets.

    Attributes
    ----------
    history_line_, forecast_line_, truth_line_ : Line2D or None
        None of what there is not. Of an even number of quantiles there is no line in the middle.
    bands_ : list of FillBetweenPolyCollection
        From the widest to the narrowest.
    ax_ : Axes
    figure_ : Figure

    See Also
    --------
    sklearn.metrics.PredictionErrorDisplay : Many predictions of one number each, against the truth.

    References
    ----------
    .. [1] Hyndman & Athanasopoulos (2021), Forecasting: principles and practice, 3rd edition.
       OTexts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.inspection import ForecastDisplay
    >>> wave = np.sin(np.arange(60) / 5)
    >>> forecast = wave[48:, np.newaxis] + [-0.2, 0.0, 0.2]
    >>> display = ForecastDisplay.from_predictions(
    ...     forecast, quantiles=[0.1, 0.5, 0.9], history=wave[:48], y_true=wave[48:]
    ... )
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['history', '10% to 90%', 'forecast (median)', 'truth']
    """

    history_line_: Any
    forecast_line_: Any
    truth_line_: Any
    bands_: list[Any]
    ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        y_pred: Any,
        y_true: Any = None,
        history: Any = None,
        quantiles: ArrayLike | None = None,
        std: ArrayLike | None = None,
        target: Any = None,
    ) -> None:
        self.y_pred = y_pred
        self.y_true = y_true
        self.history = history
        self.quantiles = quantiles
        self.std = std
        self.target = target

    @classmethod
    def from_predictions(
        cls,
        y_pred: Any,
        *,
        y_true: Any = None,
        history: Any = None,
        quantiles: ArrayLike | None = None,
        std: ArrayLike | None = None,
        target: Any = None,
        coverage: float | Sequence[float] = (0.5, 0.9),
        n_history: int | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
        history_line_kw: dict[str, Any] | None = None,
        truth_line_kw: dict[str, Any] | None = None,
        fill_between_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw a forecast that was made before.

        Parameters
        ----------
        y_pred : array-like of shape (horizon,) or (horizon, n_quantiles), Series or DataFrame
            The forecast. A DataFrame has a column a quantile, whose name is that number; a column
            a target; or both, as `WindowForecaster` names them ("load_0.9", and "load_std" beside
            "load"), or in two levels of columns, targets above quantiles. What has an index lies at
            its times; what has none continues what has.
        y_true : array-like of shape (horizon,), Series or DataFrame, default=None
            What came.
        history : array-like of shape (n,), Series or DataFrame, default=None
            What was known before.
        quantiles : array-like of shape (n_quantiles,), default=None
            Of the columns of `y_pred`, if their names do not say them. The outermost two are the
            ends of a band, then the next two; one in the middle is a line.
        std : array-like of shape (horizon,), default=None
            The standard deviations of a normal distribution around `y_pred`.
        target : label, default=None
            The column to draw, of tables with several targets.
        coverage : float or sequence of float, default=(0.5, 0.9)
            With `std`: the shares of the distribution that bands hold.
        n_history : int, default=None
            How much of the history is drawn. None: twice the horizon, but at least 20 steps.
        ax : Axes, default=None
            Where to draw; None: in a new figure.
        line_kw, history_line_kw, truth_line_kw, fill_between_kw : dict, default=None
            Keywords for `Axes.plot` of forecast, history and truth, and for `Axes.fill_between` of
            all bands.

        Returns
        -------
        display : ForecastDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            If shapes do not agree, there is no such target, or an index that is neither times nor
            numbers.
        """
        import_pyplot(f"{cls.__name__}.from_predictions")
        display = cls(
            y_pred=y_pred, y_true=y_true, history=history, quantiles=quantiles, std=std,
            target=target,
        )  # fmt: skip
        return display.plot(
            ax, coverage=coverage, n_history=n_history, line_kw=line_kw,
            history_line_kw=history_line_kw, truth_line_kw=truth_line_kw,
            fill_between_kw=fill_between_kw,
        )  # fmt: skip

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: SequencesLike,
        y: ArrayLike | None = None,
        *,
        sample: int = 0,
        feature: int | str | None = 0,
        coverage: float | Sequence[float] = (0.5, 0.9),
        n_history: int | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
        history_line_kw: dict[str, Any] | None = None,
        truth_line_kw: dict[str, Any] | None = None,
        fill_between_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Let a fitted regressor forecast what follows one sequence, and draw it.

        The outputs of y are taken for the steps ahead, as `sliding_windows` makes them. Several
        quantiles and the deviation of loss="gaussian" become bands.

        Parameters
        ----------
        estimator : LSTMRegressor or Pipeline
            Fitted; or a pipeline of `TimestepTransformer` and one.
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
                list of array-like of shape (n_timesteps_i, n_features)
            The sequences, in any form that `estimator.predict` takes.
        y : array-like of shape (n_samples,) or (n_samples, horizon), default=None
            What came.
        sample : int, default=0
            Which sequence is drawn; negative: counted from the end.
        feature : int, str or None, default=0
            Which feature of X is the history of the target, by index or name; None: none is.
        coverage : float or sequence of float, default=(0.5, 0.9)
            With loss="gaussian": the shares of the distribution that bands hold.
        n_history : int, default=None
            How much of the sequence is drawn. None: twice the horizon, but at least 20 steps.
        ax : Axes, default=None
            Where to draw; None: in a new figure.
        line_kw, history_line_kw, truth_line_kw, fill_between_kw : dict, default=None
            Keywords for `Axes.plot` of forecast, history and truth, and for `Axes.fill_between` of
            all bands.

        Returns
        -------
        display : ForecastDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If it is of another kind, X cannot be read, or there is no such sample or feature.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        forecast = _forecast_of(estimator, X, y, sample, feature)
        return cls.from_predictions(
            **forecast, coverage=coverage, n_history=n_history, ax=ax, line_kw=line_kw,
            history_line_kw=history_line_kw, truth_line_kw=truth_line_kw,
            fill_between_kw=fill_between_kw,
        )  # fmt: skip

    def plot(
        self,
        ax: Any = None,
        *,
        coverage: float | Sequence[float] = (0.5, 0.9),
        n_history: int | None = None,
        line_kw: dict[str, Any] | None = None,
        history_line_kw: dict[str, Any] | None = None,
        truth_line_kw: dict[str, Any] | None = None,
        fill_between_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None: in a new figure.
        coverage : float or sequence of float, default=(0.5, 0.9)
            With `std`: the shares of the distribution that bands hold.
        n_history : int, default=None
            How much of the history is drawn. None: twice the horizon, but at least 20 steps.
        line_kw, history_line_kw, truth_line_kw, fill_between_kw : dict, default=None
            Keywords for `Axes.plot` of forecast, history and truth, and for `Axes.fill_between` of
            all bands.

        Returns
        -------
        self : ForecastDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            As of `from_predictions`.
        """
        forecast = read_forecast(self.y_pred, self.quantiles, self.target)
        target = self.target if self.target is not None else forecast.name
        history, truth = (
            None if data is None else read_curve(data, name, target)
            for data, name in ((self.history, "history"), (self.y_true, "y_true"))
        )
        line, what, bands = line_and_bands(forecast, self.std, coverage)
        past, ahead, of_truth, labelled = times_of(history, forecast, truth)
        ax = axes_to_draw_on(ax, f"{type(self).__name__}.plot")
        self.history_line_ = self.forecast_line_ = self.truth_line_ = None
        if history is not None:
            if n_history is None:
                n_history = max(_TIMES_HORIZON * len(ahead), _LEAST_HISTORY)
            shown = slice(max(len(past) - n_history, 0), None)
            look = {"color": SOFT, "linewidth": 1.4, "label": "history"}
            self.history_line_ = _draw_line(ax, past[shown], history.values[shown], look,
                                            history_line_kw)  # fmt: skip
            ax.axvline(_between(past[-1:], ahead), color=SOFT, linewidth=0.8, linestyle=":")
        self.bands_ = _draw_bands(ax, ahead, bands, fill_between_kw)
        if line is not None:
            look = {"color": BLUE, "linewidth": 1.8, "linestyle": "--", "label": what}
            # Over the truth, and apart from it by a light edge.
            look |= {"zorder": 2.5, "path_effects": light_edge(3.2)}
            self.forecast_line_ = _draw_line(ax, ahead, line, look, line_kw, marker="o")
        if truth is not None:
            look = {"color": INK, "linewidth": 1.0, "label": "truth", "markerfacecolor": "white"}
            self.truth_line_ = _draw_line(ax, of_truth, truth.values, look, truth_line_kw, "s")
        curves = [curve for curve in (history, forecast, truth) if curve is not None]
        _label(ax, [curve.name for curve in curves], curves, labelled)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _draw_line(ax, times, values, look, given, marker=None):
    if marker is not None and len(times) <= _FEW:
        look = {**look, "marker": marker, "markersize": 4}
    elif len(times) == 1:
        look = {**look, "marker": "o", "markersize": 4}
    elif len(times) > _MANY:
        look = {**look, "linewidth": 0.6}
    return ax.plot(times, values, **styled(look, given))[0]


def _draw_bands(ax, times, bands, given):
    """The narrower, the darker: bands lie on each other."""
    if len(times) == 1:
        # A band of one step would have no width.
        half = _half_a_step(times)
        times = np.array([times[0] - half, times[0] + half])
        bands = [(np.repeat(low, 2), np.repeat(high, 2), words) for low, high, words in bands]
    drawn = []
    for number, (low, high, words) in enumerate(bands):
        lightness = 0.82 - 0.3 * number / max(len(bands) - 1, 1)
        look = {
            "facecolor": _blue(lightness),
            "edgecolor": BLUE,
            "linewidth": 0.6,
            "label": words,
            "zorder": 1.5 + 0.01 * number,
            **(given or {}),
        }
        drawn.append(ax.fill_between(times, low, high, **look))
    return drawn


def _blue(lightness):
    from matplotlib.colors import to_rgb

    return tuple(lightness + (1 - lightness) * np.array(to_rgb(BLUE)))


def _half_a_step(times):
    return np.timedelta64(12, "h") if times.dtype.kind == "M" else 0.3


def _between(last, ahead):
    """Where the known ends and the forecast begins."""
    return last[0] + (ahead[0] - last[0]) / 2


def _label(ax, names, curves, labelled):
    name = next((name for name in names if name is not None), None)
    if name is not None:
        ax.set_ylabel(name)
    if labelled:
        index = next(curve.index for curve in curves if curve.index is not None)
        if getattr(index, "name", None) is not None:
            ax.set_xlabel(str(index.name))
        _readable_dates(ax)
    else:
        ax.set_xlabel("steps ahead")
        whole_numbers(ax.xaxis, 8)
    ax.margins(x=0.01)
    # A legend that lies on nothing, whatever there is to draw.
    n_columns = max(int(ax.get_window_extent().width / ax.figure.dpi / _ENTRY), 1)
    n_rows = -(-len(ax.get_legend_handles_labels()[0]) // n_columns)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + n_rows * _ROW * (high - low))
    ax.legend(loc="upper left", ncols=n_columns, fontsize="small", frameon=False)


def _readable_dates(ax):
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if isinstance(ax.xaxis.get_major_locator(), AutoDateLocator):
        locator = AutoDateLocator(maxticks=8)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _forecast_of(estimator, X, y, sample, feature):
    """The arguments of `from_predictions` for one sequence."""
    _, net = take_apart(estimator, "estimator")
    if hasattr(net, "classes_"):
        raise TypeError("estimator must be a regressor, got a classifier: its classes are no path.")
    one, place = one_of(X, sample)
    given, loss = read_given(estimator, one), fitted_loss(net)
    last = given.lengths[0] - 1

    def path(answer):
        answer = np.asarray(answer[0])
        return np.atleast_1d(answer[last] if given.architecture.reads_each_step else answer)

    quantiles, std, y_true = None, None, None
    if hasattr(loss, "deviation"):
        y_pred, std = map(path, estimator.predict(one, return_std=True))
    else:
        y_pred = path(estimator.predict(one))
    if isinstance(net._fitted_quantile, tuple) and net._fitted_loss == "quantile":
        quantiles = net._fitted_quantile
        y_pred = y_pred.reshape(-1, len(quantiles))
    history, names = None, feature_names_of(estimator, one, given.n_features)
    if feature is not None:
        column = names.index(feature) if feature in names else feature
        try:
            history = given.steps_of([0])[:, column]
        except IndexError as error:
            raise ValueError(
                f"feature must be an index from 0 to {given.n_features - 1}, or one of "
                f"{names[:5]}, got {feature!r}."
            ) from error
    if y is not None:
        y = y if isinstance(y, list | tuple) else np.asarray(y)
        y_true = path([np.asarray(y[place])])
    return {
        "y_pred": y_pred, "y_true": y_true, "history": history, "quantiles": quantiles, "std": std,
    }  # fmt: skip
