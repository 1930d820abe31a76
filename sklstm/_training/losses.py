"""Losses: value and gradient on the raw output, and the inverse link to a prediction.

The objective of a minibatch is the mean of the values over raw outputs and, by sample weight, over
samples. A new loss is one class here and one line in `LOSSES`.

The losses here compute in a kernel, where training calls them for a shard at a time. One that is
written with NumPy instead is trained with too, but all shards of a minibatch wait for it.
"""

from abc import ABC, abstractmethod
from itertools import pairwise
from numbers import Real

import numpy as np

from sklstm._kernels import losses
from sklstm._machine.undisturbed import interrupts_held_back
from sklstm._scaling import mean_and_deviation


class Loss(ABC):
    """What a loss has to say, and what losses share unless they say otherwise."""

    # The loss's number in the kernels, if it has one, and its settings: one for each raw output of
    # a target.
    kernel: int | None = None
    settings: tuple = (0.0,)
    # Whether targets may be standardised: the optimum moves and stretches with y.
    equivariant = True
    # What a raw output is: a net goes on only with a loss for which it is the same.
    link = "identity"

    @abstractmethod
    def value(self, raw, y):
        """The loss of each entry, of the shape of `raw`."""

    @abstractmethod
    def gradient(self, raw, y):
        """The derivative of each value with respect to `raw`."""

    @property
    def meaning(self):
        """What the raw outputs of a target are."""
        return self.link, len(self.settings)

    def n_terms(self, n_targets):
        """By what the values of a sample's raw outputs are divided: the loss is their mean."""
        return n_targets * len(self.settings)

    def check(self, y):
        """Raise ValueError for targets that the loss is not made for."""
        return

    def baseline(self, y, sample_weight):
        """The raw outputs of all columns of y that training starts from."""
        return np.zeros(y.shape[1] * len(self.settings))

    def unscaled(self, mean, deviation):
        """What multiplies raw outputs, and is added then, if targets were standardised by these."""
        n = len(self.settings)
        return np.repeat(deviation, n), np.repeat(mean, n)

    @property
    def predicts_raw(self):
        """Whether raw outputs are predictions as they are."""
        return type(self).inverse_link is Loss.inverse_link

    def inverse_link(self, raw):
        """The prediction that raw outputs (n_samples, n_raw) stand for: an entry a target."""
        return raw

    def slope(self, raw, entry):
        """The derivative of an entry of the prediction by each raw output, of the shape of `raw`.

        `entry` is its index behind the first axis, (target,) or what `inverse_link` has.
        """
        if self.predicts_raw:
            return _ones_at(raw, entry[0])
        return _slope_by_differences(self.inverse_link, raw, entry)

    def mean(self, raw, y, sample_weight):
        """The mean loss, as it is minimised but without the penalty."""
        values = self.value(raw, y).sum(axis=1) / self.n_terms(y.shape[1])
        return float(np.average(values, weights=sample_weight))

    def score(self, raw, y, sample_weight):
        """What validation compares, the higher the better: minus the mean loss."""
        return -self.mean(raw, y, sample_weight)


class KernelLoss(Loss):
    """A loss that a kernel computes, unless a subclass says otherwise in NumPy."""

    def __init_subclass__(cls, **settings):
        super().__init_subclass__(**settings)
        if {"value", "gradient"} & vars(cls).keys():
            cls.kernel = None

    def value(self, raw, y):
        """The loss of each entry, of the shape of `raw`."""
        return self._evaluate(raw, y)[0]

    def gradient(self, raw, y):
        """The derivative of each value with respect to `raw`."""
        return self._evaluate(raw, y)[1]

    def _evaluate(self, raw, y):
        raw = np.ascontiguousarray(raw)
        y = np.ascontiguousarray(y, raw.dtype)
        wanted = len(y), y.shape[1] * len(self.settings)
        if raw.shape != wanted:
            raise ValueError(f"Raw outputs must have shape {wanted} for these y, got {raw.shape}.")
        value, slope = np.empty(raw.shape), np.empty_like(raw)
        losses.evaluate(self.kernel, self.settings, raw, y, value, slope)
        return value.astype(raw.dtype, copy=False), slope


class SquaredError(KernelLoss):
    """(raw - y)^2 / 2, whose minimum is the mean."""

    kernel = losses.SQUARED_ERROR

    def score(self, raw, y, sample_weight):
        """R2, which does not depend on the units of y."""
        # Imported here, since it takes as long as all of sklstm.
        with interrupts_held_back():
            from sklearn.metrics import r2_score

        return float(r2_score(y, raw, sample_weight=sample_weight))


class AbsoluteError(KernelLoss):
    """|raw - y|, whose minimum is the median."""

    kernel = losses.ABSOLUTE_ERROR


class Huber(KernelLoss):
    """Squared error up to an error of `delta`, and linear beyond (Huber 1964)."""

    kernel = losses.HUBER

    def __init__(self, delta):
        self.settings = (delta,)


class Quantile(KernelLoss):
    """The pinball loss, whose minimum is the quantile (Koenker & Bassett 1978); or of several.

    Parameters
    ----------
    quantile : float or tuple of float
    """

    kernel = losses.QUANTILE

    def __init__(self, quantile):
        self._several = isinstance(quantile, tuple)
        self.settings = quantile if self._several else (quantile,)

    @property
    def meaning(self):
        """What the raw outputs of a target are."""
        return (*super().meaning, "in a list") if self._several else super().meaning

    def inverse_link(self, raw):
        """The quantiles; of several (n_samples, n_targets, n_quantiles), in ascending order.

        What the net says may cross. Sorted, it is never further from the true quantiles
        (Chernozhukov, Fernandez-Val & Galichon 2010).
        """
        if not self._several:
            return raw
        return np.sort(self._by_target(raw), axis=2)

    def slope(self, raw, entry):
        """That of the raw output which stands at the place of a quantile after sorting."""
        if not self._several:
            return _ones_at(raw, entry[0])
        target, place = entry
        order = np.argsort(self._by_target(raw)[:, target], axis=1, kind="stable")
        return _ones_at(raw, target * len(self.settings) + order[:, place])

    def _by_target(self, raw):
        return raw.reshape(len(raw), -1, len(self.settings))


def read_quantile(quantile):
    """The parameter `quantile` as a float, or as a tuple of several."""
    if isinstance(quantile, Real):
        return float(quantile)
    several = quantile if isinstance(quantile, tuple) else np.asarray(quantile, object).tolist()
    is_vector = isinstance(several, list | tuple) and all(isinstance(q, Real) for q in several)
    if not (is_vector and several and all(a < b for a, b in pairwise((0, *several, 1)))):
        raise ValueError(
            f"quantile must be a number between 0 and 1, or several in ascending order, got "
            f"{quantile!r}."
        )
    return tuple(map(float, several))


class Poisson(KernelLoss):
    """exp(raw) - y raw: the Poisson deviance with a log link, up to a term in y alone."""

    kernel = losses.POISSON
    equivariant = False
    link = "log"

    def check(self, y):
        """Raise ValueError unless targets can be counts."""
        if (y < 0).any():
            raise ValueError(f"loss='poisson' wants y of at least 0, got a minimum of {y.min():g}.")

    def baseline(self, y, sample_weight):
        """The log of the mean."""
        # Shares first: y times a weight may overflow.
        share = sample_weight / sample_weight.sum(dtype=np.float64)
        mean = (share[:, np.newaxis] * y).sum(axis=0)
        if (mean <= 0).any():
            raise ValueError("loss='poisson' wants y of at least 0 with a positive sum, got zeros.")
        return np.log(mean)

    def inverse_link(self, raw):
        """The mean that a raw output stands for."""
        return np.exp(raw)

    def slope(self, raw, entry):
        """The mean itself."""
        return _ones_at(raw, entry[0]) * np.exp(raw)


class Gaussian(KernelLoss):
    """Minus the log-likelihood of a normal distribution (Nix & Weigend 1994), but a constant.

    A target has two raw outputs: the mean, and the log of the standard deviation.
    """

    kernel = losses.GAUSSIAN
    settings = (0.0, 0.0)
    link = "mean and log of the deviation"

    def n_terms(self, n_targets):
        """By what the values of a sample's raw outputs are divided: those of a target add up."""
        return n_targets

    def baseline(self, y, sample_weight):
        """The mean and the log of the deviation of each column."""
        mean, deviation = mean_and_deviation(y, sample_weight)
        return np.stack([mean, np.log(deviation)], axis=1).ravel()

    def unscaled(self, mean, deviation):
        """What multiplies raw outputs, and is added then, if targets were standardised by these."""
        one = np.ones_like(deviation)
        return (
            np.stack([deviation, one], axis=1).ravel(),
            np.stack([mean, np.log(deviation)], axis=1).ravel(),
        )

    def inverse_link(self, raw):
        """The means, apart from the deviations that lie between them."""
        return np.ascontiguousarray(raw[:, ::2])

    def slope(self, raw, entry):
        """1 for the raw output that is the mean."""
        return _ones_at(raw, 2 * entry[0])

    def deviation(self, raw):
        """The standard deviations."""
        return np.exp(raw[:, 1::2])


class BinaryLogLoss(KernelLoss):
    """The log loss of a logit, for y of 0 and 1."""

    kernel = losses.BINARY_LOG

    def score(self, raw, y, sample_weight):
        """Accuracy."""
        return float(np.average((raw[:, 0] > 0) == y[:, 0], weights=sample_weight))


class MultinomialLogLoss(KernelLoss):
    """The log loss of the softmax of one raw output a class, for one-hot y."""

    kernel = losses.MULTINOMIAL_LOG

    def n_terms(self, n_targets):
        """1: the loss of a sample is the sum over classes."""
        return 1

    def score(self, raw, y, sample_weight):
        """Accuracy."""
        return float(np.average(raw.argmax(axis=1) == y.argmax(axis=1), weights=sample_weight))


def _ones_at(raw, column):
    """1 in a column, which may be another one in each row, and 0 elsewhere."""
    slope = np.zeros_like(raw)
    slope[np.arange(len(raw)), column] = 1
    return slope


def _slope_by_differences(function, raw, entry):
    """Central differences, in float64."""
    raw = raw.astype(np.float64)
    slope, step = np.empty_like(raw), np.cbrt(np.finfo(np.float64).eps)
    for column in range(raw.shape[1]):
        below, above = raw.copy(), raw.copy()
        width = step * np.maximum(1, np.abs(raw[:, column]))
        below[:, column] -= width
        above[:, column] += width
        rise = function(above)[:, *entry] - function(below)[:, *entry]
        slope[:, column] = rise / (above - below)[:, column]
    return slope


# The regressor's; the settings that a loss takes are parameters of the estimator, and `quantile` is
# as `read_quantile` reads it.
LOSSES = {
    "squared_error": lambda estimator: SquaredError(),
    "absolute_error": lambda estimator: AbsoluteError(),
    "huber": lambda estimator: Huber(float(estimator.huber_delta)),
    "quantile": lambda estimator: Quantile(estimator.quantile),
    "poisson": lambda estimator: Poisson(),
    "gaussian": lambda estimator: Gaussian(),
}
