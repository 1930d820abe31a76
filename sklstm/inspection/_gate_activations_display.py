"""GateActivationsDisplay: the gates of a layer over the steps of one sequence."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from sklstm._network.parameters import architecture_of
from sklstm._parts import take_apart
from sklstm._typing import SequencesLike
from sklstm.inspection._drawing import (
    BLUE,
    axes_to_draw_on,
    import_pyplot,
    panels_below_each_other,
    refuse_unknown,
    styled,
    whole_numbers,
)
from sklstm.inspection._gates import GateActivations, gate_activations
from sklstm.inspection._one_sequence import one_of

KINDS = "units", "mean"
# What there is to draw, what it does, and between which values it lies, if that is known.
PARTS = {
    "input": ("input gate: how much is written", (0, 1)),
    "forget": ("forget gate: how much is kept", (0, 1)),
    "candidate": ("candidate: what may be written", (-1, 1)),
    "output": ("output gate: how much is shown", (0, 1)),
    "cell": ("cell: what is held", None),
    "hidden": ("hidden state: what is shown", (-1, 1)),
}
# Both grow lighter from end to end, so that they can be printed without colour; the second has its
# grey in the middle, at 0.
OPEN_OR_SHUT, SIGNED = "viridis", "cividis"
# The share of units that a mean is drawn with, from and to.
SPREAD = 0.1, 0.9


class GateActivationsDisplay:
    """What the gates of a layer do over the steps of one sequence, a panel a gate.

    It is best made by `from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    activations : GateActivations
        Of one sequence: arrays of shape (n_timesteps, units).
    title : str, default=None
        Which layer and direction this is; None if there is but one.

    Attributes
    ----------
    images_ : dict of str to AxesImage
        With kind="units", of each gate.
    lines_ : dict of str to Line2D
        With kind="mean", the mean over units of each gate.
    bands_ : dict of str to FillBetweenPolyCollection
        With kind="mean", the spread of each gate, if there are several units.
    axes_ : ndarray of Axes, of shape (n_gates,)
        The panels.
    ax_ : Axes
        The frame around them.
    figure_ : Figure

    See Also
    --------
    gate_activations : The numbers that are drawn.
    memory_spans : How long each cell remembers.

    References
    ----------
    .. [1] Karpathy, Johnson & Fei-Fei (2016), Visualizing and understanding recurrent networks.
       ICLR workshop.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.inspection import GateActivationsDisplay
    >>> X = np.random.RandomState(0).normal(size=(100, 12, 2))
    >>> model = LSTMRegressor(8, max_iter=5, tol=1, random_state=0).fit(X, X[:, 0, 0])
    >>> display = GateActivationsDisplay.from_estimator(model, X, sample=3)
    >>> list(display.images_)
    ['input', 'forget', 'output']
    >>> display.images_["forget"].get_array().shape
    (8, 12)
    """

    images_: dict[str, Any]
    lines_: dict[str, Any]
    bands_: dict[str, Any]
    axes_: Any
    ax_: Any
    figure_: Any

    def __init__(self, *, activations: GateActivations, title: str | None = None) -> None:
        self.activations = activations
        self.title = title

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: SequencesLike,
        *,
        sample: int = 0,
        layer: int = 0,
        direction: str = "forward",
        gates: Sequence[str] = ("input", "forget", "output"),
        kind: str = "units",
        sort_units: bool = False,
        ax: Any = None,
        im_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        fill_between_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Let a fitted net read one sequence, and draw its gates.

        Parameters
        ----------
        estimator : LSTMRegressor, LSTMClassifier or Pipeline
            Fitted; or a pipeline of `TimestepTransformer` and one.
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
                list of array-like of shape (n_timesteps_i, n_features)
            The sequences, in any form that `estimator.predict` takes.
        sample : int, default=0
            Which of them is read; negative: counted from the end.
        layer : int, default=0
            Which layer: 0 is the one that reads X, -1 the top one.
        direction : {"forward", "backward"}, default="forward"
            Which direction of a bidirectional layer. The backward one has read the last step first.
        gates : sequence of str, default=("input", "forget", "output")
            What is drawn: "input", "forget", "candidate", "output", "cell" and "hidden".
        kind : {"units", "mean"}, default="units"
            Each unit as a row of colours; or the mean over units as a line, in a band from the
            10% to the 90% quantile of the units.
        sort_units : bool, default=False
            Whether rows of units are in the order of their mean forget gate, with those that forget
            most at the bottom, and not in the order of the net.
        ax : Axes, default=None
            Where to draw; None: in a new figure.
        im_kw, line_kw, fill_between_kw : dict, default=None
            Keywords for `Axes.imshow`, `Axes.plot` and `Axes.fill_between`.

        Returns
        -------
        display : GateActivationsDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If it is of another kind, X cannot be read, or there is no such sample, layer,
            direction, gate or kind.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        _, net = take_apart(estimator, "estimator")
        # What cannot be drawn is refused before anything is computed.
        _check_drawn(gates, kind)
        architecture = architecture_of(net._shape)
        place = _place_of_cell(architecture, layer, direction)
        one, _ = one_of(X, sample)
        found = gate_activations(estimator, one)
        display = cls(
            activations=GateActivations(*(_real_steps(each[0]) for each in found[place])),
            title=_title(architecture, place, direction),
        )
        return display.plot(
            ax, gates=gates, kind=kind, sort_units=sort_units, im_kw=im_kw, line_kw=line_kw,
            fill_between_kw=fill_between_kw,
        )  # fmt: skip

    def plot(
        self,
        ax: Any = None,
        *,
        gates: Sequence[str] = ("input", "forget", "output"),
        kind: str = "units",
        sort_units: bool = False,
        im_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        fill_between_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None: in a new figure. It becomes an empty frame around the panels.
        gates : sequence of str, default=("input", "forget", "output")
            What is drawn: "input", "forget", "candidate", "output", "cell" and "hidden".
        kind : {"units", "mean"}, default="units"
            Each unit as a row of colours; or the mean over units as a line, in a band from the
            10% to the 90% quantile of the units.
        im_kw, line_kw, fill_between_kw : dict, default=None
            Keywords for `Axes.imshow`, `Axes.plot` and `Axes.fill_between`.

        Returns
        -------
        self : GateActivationsDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            If there is no such gate or kind.
        """
        gates = _check_drawn(gates, kind)
        caller = f"{type(self).__name__}.plot"
        ax = axes_to_draw_on(ax, caller, height=max(2.4, 0.7 + 1.1 * len(gates)))
        self.axes_ = panels_below_each_other(ax, [PARTS[gate][0] for gate in gates])
        self.images_, self.lines_, self.bands_ = {}, {}, {}
        forget = np.asarray(self.activations.forget)
        order = forget.mean(axis=0).argsort(kind="stable") if sort_units else slice(None)
        for panel, gate in zip(self.axes_, gates, strict=True):
            values = np.asarray(getattr(self.activations, gate))
            limits = PARTS[gate][1] or _symmetric(values)
            if kind == "units":
                self.images_[gate] = _draw_units(panel, values[:, order], limits, im_kw)
                panel.set_ylabel("sorted\nunits" if sort_units else "unit", fontsize="small")
            else:
                self._draw_mean(panel, gate, limits, line_kw, fill_between_kw)
        self.axes_[-1].set_xlabel("time step")
        whole_numbers(self.axes_[-1].xaxis, 8)
        if self.bands_:
            _explain(ax, next(iter(self.lines_.values())), next(iter(self.bands_.values())))
        if self.title is not None:
            # Above the words on mean and spread.
            ax.set_title(self.title, pad=18 if self.bands_ else 6)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_mean(self, panel, gate, limits, line_kw, fill_between_kw):
        values = np.asarray(getattr(self.activations, gate))
        steps = np.arange(len(values))
        few = {"marker": "o", "markersize": 3} if len(values) <= 30 else {}
        look = {"color": BLUE, "linewidth": 1.2, **few}
        (self.lines_[gate],) = panel.plot(steps, values.mean(axis=1), **styled(look, line_kw))
        if values.shape[1] > 1:
            low, high = np.quantile(values, SPREAD, axis=1)
            look = {"color": BLUE, "alpha": 0.25, "linewidth": 0, **(fill_between_kw or {})}
            self.bands_[gate] = panel.fill_between(steps, low, high, **look)
        margin = 0.04 * (limits[1] - limits[0])
        panel.set_ylim(limits[0] - margin, limits[1] + margin)
        panel.margins(x=0.01)
        panel.grid(axis="y", linewidth=0.5, alpha=0.5)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)


def _draw_units(panel, values, limits, im_kw):
    """Units from bottom to top, steps from left to right."""
    n_timesteps, units = values.shape
    look = {
        "cmap": OPEN_OR_SHUT if limits[0] == 0 else SIGNED,
        "vmin": limits[0],
        "vmax": limits[1],
        "aspect": "auto",
        "origin": "lower",
        "extent": (-0.5, n_timesteps - 0.5, -0.5, units - 0.5),
        # Where there are more numbers than pixels, a colour is that of their mean.
        "interpolation": "antialiased",
        "interpolation_stage": "data",
        **(im_kw or {}),
    }
    image = panel.imshow(values.T, **look)
    whole_numbers(panel.yaxis, 4)
    bar = panel.figure.colorbar(image, cax=panel.inset_axes((1.02, 0, 0.02, 1)))
    if tuple(limits) == (0, 1):
        bar.set_ticks([0, 1], labels=["0 shut", "1 open"])
    else:
        bar.set_ticks(
            [limits[0], 0, limits[1]], labels=[f"{limits[0]:.3g}", "0", f"{limits[1]:.3g}"]
        )
    bar.ax.tick_params(labelsize="small")
    return image


def _explain(ax, line, band):
    """Say what line and band are, above the panels and beside their first title."""
    ax.legend(
        [line, band], ["mean of units", "10% to 90% of units"], loc="upper right",
        bbox_to_anchor=(1.01, 1.02), ncols=2, frameon=False, fontsize="small", borderaxespad=0,
    )  # fmt: skip


def _symmetric(values):
    """Limits around 0; a cell that holds nothing has some too."""
    largest = float(np.abs(values).max(initial=0)) or 1.0
    return -largest, largest


def _check_drawn(gates, kind):
    """Refuse what cannot be drawn; returns the gates as a list."""
    gates = [gates] if isinstance(gates, str) else list(gates)
    if not gates:
        raise ValueError("gates must name at least one of " + ", ".join(map(repr, PARTS)) + ".")
    for gate in gates:
        refuse_unknown("gates", gate, list(PARTS))
    refuse_unknown("kind", kind, KINDS)
    return gates


def _place_of_cell(architecture, layer, direction):
    """Which entry of `gate_activations` a layer and direction are."""
    refuse_unknown("direction", direction, ("forward", "backward"))
    n_layers, n_directions = len(architecture.units), architecture.n_directions
    try:
        place = range(n_layers)[layer]
    except (IndexError, TypeError) as error:
        raise ValueError(
            f"layer must be an int from {-n_layers} to {n_layers - 1}, of {n_layers}, got "
            f"{layer!r}."
        ) from error
    if direction == "backward" and n_directions == 1:
        raise ValueError("direction must be 'forward': the net has bidirectional=False.")
    return place * n_directions + (direction == "backward")


def _title(architecture, place, direction):
    """Which layer and direction is drawn, if there are several."""
    n_layers, n_directions = len(architecture.units), architecture.n_directions
    layer, words = place // n_directions, []
    if n_layers > 1:
        where = {0: ", which reads X", n_layers - 1: ", the top one"}.get(layer, "")
        words.append(f"layer {layer}{where}")
    if n_directions > 1:
        words.append("forward" if direction == "forward" else "backward: it reads from the right")
    return "; ".join(words) or None


def _real_steps(values):
    """Without the steps of padding."""
    return values[~np.isnan(values[:, 0])]
