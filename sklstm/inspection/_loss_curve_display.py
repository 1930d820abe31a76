"""LossCurveDisplay: how the loss fell, and which epoch was the best."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklstm.inspection._drawing import (
    BLUE,
    INK,
    ORANGE,
    axes_to_draw_on,
    import_pyplot,
    styled,
    whole_numbers,
)

# Losses that span more than this are drawn on a scale of their logarithms.
_WIDE = 20
# So many epochs have a marker each.
_FEW = 25


class LossCurveDisplay:
    """The loss of training and of validation after each epoch, with the best epoch marked.

    It is best made by `from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        The loss of training.
    validation_loss_curve : array-like of shape (n_epochs,), default=None
        The loss of validation, NaN for epochs that were not validated.
    best_epoch : int, default=None
        The best one, counted from 0. None: that of the lowest loss of validation, or of training
        if there is no validation.

    Attributes
    ----------
    train_line_ : Line2D
        The loss of training.
    validation_line_ : Line2D or None
        The loss of validation.
    best_line_ : Line2D
        The vertical line at the best epoch.
    best_point_ : Line2D
        The mark where it meets the loss of validation, or of training if there is none.
    ax_ : Axes
    figure_ : Figure

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores for more and more rows.

    References
    ----------
    .. [1] Prechelt (1998), Early stopping, but when? Neural Networks: Tricks of the Trade.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.inspection import LossCurveDisplay
    >>> X = np.random.RandomState(0).normal(size=(200, 12, 2))
    >>> model = LSTMRegressor(
    ...     8, early_stopping=True, max_iter=20, n_iter_no_change=np.inf, random_state=0
    ... ).fit(X, X[:, -1, 0])
    >>> display = LossCurveDisplay.from_estimator(model)
    >>> display.best_line_.get_label()
    'best epoch: 20'
    """

    train_line_: Any
    validation_line_: Any
    best_line_: Any
    best_point_: Any
    ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        loss_curve: ArrayLike,
        validation_loss_curve: ArrayLike | None = None,
        best_epoch: int | None = None,
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Any = None,
        yscale: str | None = None,
        line_kw: dict[str, Any] | None = None,
        validation_line_kw: dict[str, Any] | None = None,
        best_line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the losses that a fitted estimator has kept.

        The best epoch is the one whose weights were kept, that of the highest validation score;
        without validation, the one of the lowest loss.

        Parameters
        ----------
        estimator : LSTMRegressor, LSTMClassifier or Pipeline
            Fitted; of a pipeline its last step. Other estimators that have a `loss_curve_`, such as
            `MLPRegressor`, are drawn too.
        ax : Axes, default=None
            Where to draw; None: in a new figure.
        yscale : {"linear", "log"}, default=None
            None: "log" if losses are positive and the highest is more than 20 times the lowest.
        line_kw, validation_line_kw, best_line_kw : dict, default=None
            Keywords for `Axes.plot` of the losses, and for `Axes.axvline` at the best epoch.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            If the estimator has kept no losses.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        net = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        if not getattr(net, "loss_curve_", None):
            raise ValueError(
                f"estimator must be fitted and have a loss_curve_, got {type(net).__name__} "
                "without one: call fit first."
            )
        display = cls(**_curves(net))
        return display.plot(
            ax, yscale=yscale, line_kw=line_kw, validation_line_kw=validation_line_kw,
            best_line_kw=best_line_kw,
        )  # fmt: skip

    def plot(
        self,
        ax: Any = None,
        *,
        yscale: str | None = None,
        line_kw: dict[str, Any] | None = None,
        validation_line_kw: dict[str, Any] | None = None,
        best_line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None: in a new figure.
        yscale : {"linear", "log"}, default=None
            None: "log" if losses are positive and the highest is more than 20 times the lowest.
        line_kw, validation_line_kw, best_line_kw : dict, default=None
            Keywords for `Axes.plot` of the losses, and for `Axes.axvline` at the best epoch.

        Returns
        -------
        self : LossCurveDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        ax = axes_to_draw_on(ax, f"{type(self).__name__}.plot")
        train = np.asarray(self.loss_curve, float)
        epochs = np.arange(1, len(train) + 1)
        few = {"marker": "o", "markersize": 4} if len(train) <= _FEW else {}
        look = {"color": BLUE, "linewidth": 1.2, "label": "training", **few}
        (self.train_line_,) = ax.plot(epochs, train, **styled(look, line_kw))
        self.validation_line_, watched = None, train
        if self.validation_loss_curve is not None:
            watched = np.asarray(self.validation_loss_curve, float)
            # Where a long curve is rough its dashes are not seen: some marks are.
            look = {"color": ORANGE, "linewidth": 1.5, "linestyle": "--", "label": "validation"}
            look |= {"marker": "s", "markersize": 4, "markerfacecolor": "white"}
            look["markevery"] = max(len(watched) // _FEW, 1)
            (self.validation_line_,) = ax.plot(epochs, watched, **styled(look, validation_line_kw))
        best = self.best_epoch
        if best is None:
            # Losses of a fit that diverged at once are all NaN.
            best = int(np.where(np.isnan(watched), np.inf, watched).argmin())
        look = {"color": INK, "linewidth": 1.2, "linestyle": ":", "zorder": 1}
        look["label"] = f"best epoch: {best + 1}"
        self.best_line_ = ax.axvline(best + 1, **styled(look, best_line_kw))
        look = {"color": self.best_line_.get_color(), "marker": "D", "markersize": 7}
        (self.best_point_,) = ax.plot(best + 1, watched[best], **look, linestyle="", zorder=3)
        ax.set(xlabel="epoch", ylabel="loss", yscale=yscale or _scale_of(train, watched))
        whole_numbers(ax.xaxis, 8)
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _curves(net):
    """The parameters of a display, as a fitted net has them."""
    validation = getattr(net, "validation_loss_curve_", None)
    scores = getattr(net, "validation_scores_", None)
    if hasattr(net, "_history"):
        # A warm start may have added epochs that were validated to others that were not.
        table = np.array(list(net._history), float).reshape(-1, 3)
        validation = table[:, 2] if validation else None
        scores = table[:, 1] if scores else None
    best = None
    if scores is not None and np.isfinite(scores).any():
        best = int(np.nanargmax(scores))
    return {
        "loss_curve": np.array(net.loss_curve_, float),
        "validation_loss_curve": validation,
        "best_epoch": best,
    }


def _scale_of(*curves):
    losses = np.concatenate(curves)
    losses = losses[np.isfinite(losses)]
    wide = len(losses) > 0 and losses.min() > 0 and losses.max() > _WIDE * losses.min()
    return "log" if wide else "linear"
