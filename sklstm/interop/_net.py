"""A fitted net as it is exchanged: its numbers, and what they mean, in sklstm's own terms.

It knows nothing of other libraries: the order of their gates, their names and their shapes are
known in the file of each alone.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from sklstm._base import BaseLSTM
from sklstm._classifier import LSTMClassifier
from sklstm._fitted_state import expected_after_fit
from sklstm._network.parameters import architecture_of, fold_scaling, named_views
from sklstm._scaling import no_scaling
from sklstm._targets import fitted_loss
from sklstm._training.losses import Gaussian, Loss, Poisson, Quantile
from sklstm._typing import Floats

# How raw outputs become a prediction.
IDENTITY, EXP, SORTED, NORMAL, LOGIT, SOFTMAX = (
    "identity", "exp", "sorted", "normal", "logit", "softmax"
)  # fmt: skip
_LINKS = {
    Loss.inverse_link: IDENTITY,
    Poisson.inverse_link: EXP,
    Quantile.inverse_link: SORTED,
    Gaussian.inverse_link: NORMAL,
}


class Cell(NamedTuple):
    """A layer in one direction. Rows are gates: input, forget, candidate, output, `units` each.

    Parameters
    ----------
    input_weights : ndarray of shape (4 units, inputs)
    recurrent_weights : ndarray of shape (4 units, units)
    bias : ndarray of shape (4 units,)
    """

    input_weights: Floats
    recurrent_weights: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class Net:
    """What a fitted estimator computes.

    Features, less `mean` and times `scale`, go through the layers; a dense head reads the last, the
    mean, the greatest or every hidden state of the top one, as `pooling` says; `link` makes
    predictions of its raw outputs.

    Parameters
    ----------
    layers : list of list of Cell
        Bottom to top; of each layer the forward direction, then the backward one, if there is one.
    pooling : {"last", "mean", "max"} or None
    output_weights : ndarray of shape (n_raw, n_directions * units)
        The head's, in the units of y.
    output_bias : ndarray of shape (n_raw,)
    mean, scale : ndarray of shape (n_features,)
        Always float64: what is subtracted from features, and what multiplies them then.
    link : {"identity", "exp", "sorted", "normal", "logit", "softmax"}
        Raw outputs are predictions; their logarithms; `n_raw // n_outputs` quantiles of each output
        one after the other, yet to be sorted; mean and log of the deviation of each output, in
        turns; the logit of the second class; or what softmax makes probabilities of.
    n_outputs : int
        Of a regressor, columns of y; of a classifier, classes.
    classes : ndarray of shape (n_outputs,) or None
        Of a classifier.
    n_timesteps : int or None
        Steps of the sequences seen in fit; None if they varied.
    reads_columns : bool
        Whether the fit has seen 2-D X, whose rows are sequences of `n_timesteps` steps.
    """

    layers: list[list[Cell]]
    pooling: str | None
    output_weights: Floats
    output_bias: Floats
    mean: Floats
    scale: Floats
    link: str
    n_outputs: int
    classes: Any
    n_timesteps: int | None
    reads_columns: bool

    @property
    def dtype(self):
        """float32 or float64, of the weights."""
        return self.output_bias.dtype

    @property
    def n_features(self):
        """Numbers of a step of X."""
        return len(self.mean)

    @property
    def units(self):
        """Of each layer, bottom to top."""
        return tuple(layer[0].recurrent_weights.shape[1] for layer in self.layers)

    @property
    def bidirectional(self):
        """Whether each layer also reads backwards."""
        return len(self.layers[0]) == 2

    @property
    def n_raw(self):
        """Raw outputs of the head."""
        return len(self.output_bias)

    @property
    def n_quantiles(self):
        """Of each output; 1 unless there are several."""
        return self.n_raw // self.n_outputs if self.link == SORTED else 1

    @property
    def standardises(self):
        """Whether features are not taken as they are."""
        return bool(self.mean.any() or (self.scale != 1).any())

    @property
    def has_axis_of_outputs(self):
        """Whether a prediction has an axis of outputs, which a y of one column leaves out."""
        return self.n_outputs > 1

    def as_type(self, dtype):
        """The same with weights of another type, as `predict` makes of X of that type.

        Raises ValueError if it cannot hold them.
        """
        with np.errstate(all="ignore"):
            layers = [
                [Cell(*(part.astype(dtype) for part in cell)) for cell in layer]
                for layer in self.layers
            ]
            head = self.output_weights.astype(dtype), self.output_bias.astype(dtype)
            scaling = self.mean.astype(dtype), self.scale.astype(dtype)
        arrays = [*(part for layer in layers for cell in layer for part in cell), *head, *scaling]
        is_normal = (np.abs(scaling[1]) >= np.finfo(dtype).tiny).all()
        if not (is_normal and all(np.isfinite(array).all() for array in arrays)):
            raise ValueError(
                f"{np.dtype(dtype)} cannot hold the weights or scales of this net: X or y has "
                f"numbers too large or too small; scale them, or take float64."
            )
        return replace(self, layers=layers, output_weights=head[0], output_bias=head[1])


def read_net(estimator: BaseLSTM, *, folded: bool = False) -> Net:
    """A fitted estimator as a `Net`; its arrays are copies.

    Parameters
    ----------
    estimator : LSTMRegressor or LSTMClassifier
        Fitted: `take_apart` checks it.
    folded : bool, default=False
        Whether the scale of features is folded into the weights of the first layer, as in
        `input_weights_` and `biases_`: `mean` is then 0 and `scale` 1. With offsets that are large
        beside the deviations, products cancel, which costs float32 its digits.

    Returns
    -------
    net : Net

    Raises
    ------
    ValueError
        If the loss turns raw outputs into predictions in a way of its own.
    """
    architecture = architecture_of(estimator._shape)
    weights, scaling = estimator._weights.copy(), estimator._scaling.astype(np.float64)
    if folded:
        with np.errstate(all="ignore"):
            weights = fold_scaling(architecture, weights, scaling)
        scaling = no_scaling(architecture.n_features)
    views = named_views(architecture, weights)
    cells = [
        Cell(*parts)
        for parts in zip(
            views["input_weights"], views["recurrent_weights"], views["biases"], strict=True
        )
    ]
    n = architecture.n_directions
    return Net(
        layers=[cells[first : first + n] for first in range(0, len(cells), n)],
        pooling=architecture.pooling,
        output_weights=views["output_weights"],
        output_bias=views["output_bias"],
        mean=scaling[0],
        scale=scaling[1],
        **_meaning(estimator),
        n_timesteps=estimator.n_timesteps_,
        reads_columns=bool(expected_after_fit(estimator).same_columns),
    )


def _meaning(estimator):
    """What raw outputs mean."""
    if isinstance(estimator, LSTMClassifier):
        classes = estimator.classes_
        link = LOGIT if len(classes) == 2 else SOFTMAX
        return {"link": link, "n_outputs": len(classes), "classes": classes.copy()}
    inverse_link = type(fitted_loss(estimator)).inverse_link
    if inverse_link not in _LINKS:
        raise ValueError(
            f"loss={estimator._fitted_loss!r} makes predictions of raw outputs by an inverse_link "
            f"of its own, which only sklstm can run."
        )
    link = _LINKS[inverse_link]
    if link == SORTED and not isinstance(estimator._fitted_quantile, tuple):
        link = IDENTITY
    return {"link": link, "n_outputs": estimator.n_outputs_, "classes": None}
