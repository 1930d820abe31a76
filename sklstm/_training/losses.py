"""Losses: value and gradient on the raw output, and the inverse link to a prediction.

The objective of a minibatch is the mean of the values over outputs and, by sample weight, over
samples. A new loss is one class here and one line in `LOSSES`.

The losses here compute in a kernel, where training calls them for a shard at a time. One that is
written with NumPy instead is trained with too, but all shards of a minibatch wait for it.
"""

from abc import ABC, abstractmethod

import numpy as np

from sklstm._kernels import losses
from sklstm._machine.undisturbed import interrupts_held_back


class Loss(ABC):
    """What a loss has to say, and what losses share unless they say otherwise."""

    # The loss's number in the kernels, if it has one, and the parameter that goes with it.
    kernel: int | None = None
    parameter = 0.0
    # Whether targets may be standardised: the optimum moves and stretches with y.
    equivariant = True
    # Whether the loss of a sample is the mean of its outputs', or their sum.
    averages_outputs = True

    @abstractmethod
    def value(self, raw, y):
        """The loss of each entry, of the shape of `raw`."""

    @abstractmethod
    def gradient(self, raw, y):
        """The derivative of each value with respect to `raw`."""

    def check(self, y):
        """Raise ValueError for targets that the loss is not made for."""
        return

    def baseline(self, y, sample_weight):
        """The raw output of each column of y that training starts from."""
        return np.zeros(y.shape[1])

    def inverse_link(self, raw):
        """The prediction that a raw output stands for."""
        return raw

    def score(self, raw, y, sample_weight):
        """What validation compares, the higher the better: minus the mean loss."""
        return -float(np.average(self.value(raw, y).mean(axis=1), weights=sample_weight))


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
        value, slope = np.empty(raw.shape), np.empty_like(raw)
        losses.evaluate(self.kernel, self.parameter, raw, y, value, slope)
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
        self.parameter = delta


class Quantile(KernelLoss):
    """The pinball loss, whose minimum is the quantile (Koenker & Bassett 1978)."""

    kernel = losses.QUANTILE

    def __init__(self, quantile):
        self.parameter = quantile


class Poisson(KernelLoss):
    """exp(raw) - y raw: the Poisson deviance with a log link, up to a term in y alone."""

    kernel = losses.POISSON
    equivariant = False

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


class BinaryLogLoss(KernelLoss):
    """The log loss of a logit, for y of 0 and 1."""

    kernel = losses.BINARY_LOG

    def score(self, raw, y, sample_weight):
        """Accuracy."""
        return float(np.average((raw[:, 0] > 0) == y[:, 0], weights=sample_weight))


class MultinomialLogLoss(KernelLoss):
    """The log loss of the softmax of one raw output a class, for one-hot y."""

    kernel = losses.MULTINOMIAL_LOG
    averages_outputs = False

    def score(self, raw, y, sample_weight):
        """Accuracy."""
        return float(np.average(raw.argmax(axis=1) == y.argmax(axis=1), weights=sample_weight))


# The regressor's; the settings that a loss takes are parameters of the estimator.
LOSSES = {
    "squared_error": lambda estimator: SquaredError(),
    "absolute_error": lambda estimator: AbsoluteError(),
    "huber": lambda estimator: Huber(float(estimator.huber_delta)),
    "quantile": lambda estimator: Quantile(float(estimator.quantile)),
    "poisson": lambda estimator: Poisson(),
}
