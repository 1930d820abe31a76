"""AttributionDisplay: what each number of a sequence has contributed, over the sequence itself."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklstm._parts import take_apart
from sklstm._targets import fitted_loss
from sklstm._typing import SequencesLike
from sklstm.inspection._attribution_panels import draw_heatmap, draw_series, in_bins
from sklstm.inspection._drawing import axes_to_draw_on, import_pyplot, refuse_unknown
from sklstm.inspection._given import read_given
from sklstm.inspection._gradients import input_gradients
from sklstm.inspection._integrated import integrated_gradients
from sklstm.inspection._one_sequence import feature_names_of, one_of

KINDS = "series", "heatmap"
METHODS = "integrated_gradients", "input_gradients"
# So many features have room, unless the user names those to draw.
MOST = {"series": 6, "heatmap": 40}


class AttributionDisplay:
    """What each number of a sequence has contributed to a prediction, over the sequence itself.

    It is best made by `from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    attributions : array-like of shape (n_timesteps, n_features)
        Of one sequence.
    X : array-like of shape (n_timesteps, n_features)
        The sequence.
    feature_names : sequence of str, default=None
        None: "feature 0" and so on.
    name : str, default="attribution"
        What the attributions are, for the bar of colours.

    Attributes
    ----------
    images_ : list of AxesImage
        Attributions as colours: with kind="series" of each feature that is drawn, with
        kind="heatmap" of all.
    lines_ : list of Line2D
        With kind="series", the numbers of each feature that is drawn.
    features_ : list of int
        The features that are drawn, from top to bottom.
    axes_ : ndarray of Axes
        The panels.
    ax_ : Axes
        The frame around them; with kind="heatmap" the only panel.
    figure_ : Figure

    See Also
    --------
    integrated_gradients : The numbers that are drawn.

    References
    ----------
    .. [1] Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.inspection import AttributionDisplay
    >>> X = np.random.RandomState(0).normal(size=(300, 6, 2))
    >>> model = LSTMRegressor(8, max_iter=5, tol=1, random_state=0).fit(X, X[:, -1, 1])
    >>> display = AttributionDisplay.from_estimator(
    ...     model, X, sample=3, feature_names=["wind", "temperature"]
    ... )
    >>> display.attributions.shape
    (6, 2)
    >>> [panel.get_title(loc="left") for panel in display.axes_]
    ['wind', 'temperature']
    """

    images_: list[Any]
    lines_: list[Any]
    features_: list[int]
    axes_: Any
    ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        attributions: ArrayLike,
        X: ArrayLike,
        feature_names: Sequence[str] | None = None,
        name: str = "attribution",
    ) -> None:
        self.attributions = attributions
        self.X = X
        self.feature_names = feature_names
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: SequencesLike,
        *,
        sample: int = 0,
        output: Any = None,
        method: str = "integrated_gradients",
        baseline: SequencesLike | None = None,
        n_points: int = 64,
        feature_names: Sequence[str] | None = None,
        features: Sequence[int | str] | None = None,
        kind: str = "series",
        ax: Any = None,
        im_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Attribute the prediction for one sequence to its numbers, and draw them.

        Parameters
        ----------
        estimator : LSTMRegressor, LSTMClassifier or Pipeline
            Fitted; or a pipeline of `TimestepTransformer` and one.
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
                list of array-like of shape (n_timesteps_i, n_features)
            The sequences, in any form that `estimator.predict` takes.
        sample : int, default=0
            Which of them is drawn; negative: counted from the end.
        output : int, tuple, str or label, default=None
            The prediction that is explained, as of `input_gradients`. None: of a regressor the
            first output, and of its quantiles the middle one; of a classifier the class that it
            predicts; with pooling=None that of the last step.
        method : {"integrated_gradients", "input_gradients"}, default="integrated_gradients"
            The function that attributes.
        baseline : array-like of shape (n_features,), or in the form of X, default=None
            As of `integrated_gradients`.
        n_points : int, default=64
            As of `integrated_gradients`.
        feature_names : sequence of str, default=None
            None: the columns of the sequence or those seen in fit, if they have names.
        features : sequence of int or str, default=None
            Which features are drawn, by index or name. None: all, or those to which most is
            attributed: 6 with kind="series", 40 with kind="heatmap".
        kind : {"series", "heatmap"}, default="series"
            A panel a feature, with its numbers as a line over the colours of its attributions; or
            all features as rows of colours.
        ax : Axes, default=None
            Where to draw; None: in a new figure.
        im_kw, line_kw : dict, default=None
            Keywords for `Axes.imshow` and `Axes.plot`.

        Returns
        -------
        display : AttributionDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If it is of another kind, X cannot be read, or there is no such sample, output, method,
            feature or kind.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        refuse_unknown("method", method, METHODS)
        refuse_unknown("kind", kind, KINDS)
        _, net = take_apart(estimator, "estimator")
        one, place = one_of(X, sample)
        given = read_given(estimator, one)
        if feature_names is None:
            feature_names = feature_names_of(estimator, one, given.n_features)
        # Features that are not there are refused before anything is computed.
        chosen_features(features, feature_names, np.zeros((1, given.n_features)), kind)
        if output is None:
            output = _default_output(estimator, net, given, one)
        if method == "input_gradients":
            found = input_gradients(estimator, one, output=output)
        else:
            found = integrated_gradients(
                estimator, one, baseline=_of_one(baseline, X, place), output=output,
                n_points=n_points,
            )  # fmt: skip
        attributions = np.asarray(found[0]).reshape(-1, given.n_features)
        display = cls(
            attributions=attributions[: given.lengths[0]],
            X=given.steps_of([0]),
            feature_names=feature_names,
            name=_name(method, net, output),
        )
        return display.plot(ax, features=features, kind=kind, im_kw=im_kw, line_kw=line_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        features: Sequence[int | str] | None = None,
        kind: str = "series",
        im_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw.

        What is below zero is hatched, so that the sign is seen without colour too. Of long
        sequences, neighbouring steps share a colour: that of the sum of their attributions.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None: in a new figure. With kind="series" it becomes an empty frame
            around the panels.
        features : sequence of int or str, default=None
            Which features are drawn, by index or name. None: all, or those to which most is
            attributed: 6 with kind="series", 40 with kind="heatmap".
        kind : {"series", "heatmap"}, default="series"
            A panel a feature, with its numbers as a line over the colours of its attributions; or
            all features as rows of colours.
        im_kw, line_kw : dict, default=None
            Keywords for `Axes.imshow` and `Axes.plot`.

        Returns
        -------
        self : AttributionDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            If there is no such feature or kind, or attributions and X are of different shapes.
        """
        refuse_unknown("kind", kind, KINDS)
        attributions, X = np.asarray(self.attributions, float), np.asarray(self.X, float)
        if attributions.ndim != 2 or attributions.shape != X.shape:
            raise ValueError(
                "attributions and X must be those of one sequence, both of shape (n_timesteps, "
                f"n_features), got {attributions.shape} and {X.shape}."
            )
        names = self.feature_names
        if names is None:
            names = [f"feature {feature}" for feature in range(X.shape[1])]
        names = [str(name) for name in names]
        chosen = chosen_features(features, names, attributions, kind)
        binned, edges = in_bins(attributions[:, chosen])
        labels, label = [names[feature] for feature in chosen], self.name
        caller = f"{type(self).__name__}.plot"
        if kind == "heatmap":
            height = float(np.clip(1.2 + 0.25 * len(chosen), 2.2, 6))
            ax = axes_to_draw_on(ax, caller, height)
            self.images_ = [draw_heatmap(ax, binned, edges, labels, label, im_kw)]
            self.lines_, self.axes_ = [], np.array([ax])
        else:
            ax = axes_to_draw_on(ax, caller, max(2.2, 0.7 + 0.95 * len(chosen)))
            found = draw_series(ax, (binned, edges), X[:, chosen], labels, label, (im_kw, line_kw))
            self.axes_, self.images_, self.lines_ = found
        if features is None and len(chosen) < X.shape[1]:
            note = f"{len(chosen)} of {X.shape[1]} features, to which most is attributed"
            ax.set_title(note, fontsize="medium")
        self.features_, self.ax_, self.figure_ = chosen, ax, ax.figure
        return self


def chosen_features(features, names, attributions, kind):
    """The indices of the features to draw."""
    n_features = attributions.shape[1]
    if len(names) != n_features:
        raise ValueError(
            f"feature_names must have a name for each of the {n_features} features, got "
            f"{len(names)}."
        )
    if features is None:
        if n_features <= MOST[kind]:
            return list(range(n_features))
        most = np.argsort(-np.abs(attributions).sum(axis=0), kind="stable")[: MOST[kind]]
        return most.tolist()
    features = [features] if isinstance(features, str | int) else features
    chosen = [_index_of(feature, list(names), n_features) for feature in features]
    if not chosen:
        raise ValueError("features must name at least one feature, or be None, got none.")
    return chosen


def _index_of(feature, names, n_features):
    if feature in names:
        return names.index(feature)
    try:
        return range(n_features)[feature]
    except (IndexError, TypeError) as error:
        raise ValueError(
            f"features must be indices from 0 to {n_features - 1}, or names as in {names[:5]}, got "
            f"{feature!r}."
        ) from error


def _of_one(baseline, X, place):
    """What of a baseline belongs to one sequence, if it was given in the form of X."""
    if baseline is None:
        return None
    shape = getattr(X, "shape", None)
    if shape is None and len(baseline) == len(X) and np.ndim(baseline[0]) == 2:
        return [baseline[place]]
    if shape is not None and np.shape(baseline) == tuple(shape):
        return np.asarray(baseline)[place : place + 1]
    return baseline


def _default_output(estimator, net, given, one):
    """What is explained, if nothing is said: what the net predicts, at the last step."""
    if hasattr(net, "classes_"):
        predicted = np.asarray(estimator.predict(one)[0]).reshape(-1)
        # Of the last step; those of padding have none.
        entry = predicted[given.lengths[0] - 1 if given.architecture.reads_each_step else 0]
        entry = entry.item() if isinstance(entry, np.generic) else entry
    else:
        shape = fitted_loss(net).inverse_link(np.zeros((1, net._shape[-1]))).shape[1:]
        entry = (0, shape[1] // 2) if len(shape) == 2 else 0
    return (-1, entry) if given.architecture.reads_each_step else entry


def _name(method, net, output):
    """What is drawn, in words that fit beside a bar of colours."""
    word = "attribution" if method == "integrated_gradients" else "gradient"
    what = output
    if isinstance(output, tuple) and net._shape[3] is None:
        step, what = output
        word += f" at step {step}" if step != "sum" else " over all steps"
    if hasattr(net, "classes_"):
        return f"{word} to {what!r}" if method == "integrated_gradients" else f"{word} of {what!r}"
    return word
