"""Losses: value and gradient on the raw output, and the inverse link to a prediction.

The objective of a minibatch is the mean of the values over outputs and, by sample weight, over
samples. A new loss is one class here and one line in `LOSSES`.
"""

from abc import ABC, abstractmethod

import numpy as np
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import r2_score


class Loss(ABC):
    """What a loss has to say, and what losses share unless they say otherwise."""

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


class SquaredError(Loss):
    """(raw - y)^2 / 2, whose minimum is the mean."""

    def value(self, raw, y):
        """The loss of each entry, of the shape of `raw`."""
        return 0.5 * np.square(raw - y)

    def gradient(self, raw, y):
        """The derivative of each value with respect to `raw`."""
        return raw - y

    def score(self, raw, y, sample_weight):
        """R2, which does not depend on the units of y."""
        return float(r2_score(y, raw, sample_weight=sample_weight))


class AbsoluteError(Loss):
    """|raw - y|, whose minimum is the median."""

    def value(self, raw, y):
        """The loss of each entry, of the shape of `raw`."""
        return np.abs(raw - y)

    def gradient(self, raw, y):
        """The derivative of each value with respect to `raw`; 0 at the kink."""
        return np.sign(raw - y)


class Huber(Loss):
    """Squared error up to an error of `delta`, and linear beyond (Huber 1964)."""

    def __init__(self, delta):
        self.delta = delta

    def value(self, raw, y):
        """The loss of each entry, of the shape of `raw`."""
        error = np.abs(raw - y)
        inner = np.minimum(error, self.delta)
        return inner * (error - 0.5 * inner)

    def gradient(self, raw, y):
        """The derivative of each value with respect to `raw`."""
        return np.clip(raw - y, -self.delta, self.delta)


class Quantile(Loss):
    """The pinball loss, whose minimum is the quantile (Koenker & Bassett 1978)."""

    def __init__(self, quantile):
        self.quantile = quantile

    def value(self, raw, y):
        """The loss of each entry, of the shape of `raw`."""
        error = y - raw
        return np.maximum(self.quantile * error, (self.quantile - 1) * error)

    def gradient(self, raw, y):
        """The derivative of each value with respect to `raw`; 0 at the kink."""
        side = np.sign(raw - y)
        return 0.5 * side + (0.5 - self.quantile) * np.abs(side)


class Poisson(Loss):
    """exp(raw) - y raw: the Poisson deviance with a log link, up to a term in y alone."""

    equivariant = False

    def check(self, y):
        """Raise ValueError unless targets can be counts."""
        if (y < 0).any():
            raise ValueError(f"loss='poisson' wants y of at least 0, got a minimum of {y.min():g}.")

    def baseline(self, y, sample_weight):
        """The log of the mean."""
        mean = np.average(y, axis=0, weights=sample_weight)
        if (mean <= 0).any():
            raise ValueError("loss='poisson' wants y of at least 0 with a positive sum, got zeros.")
        return np.log(mean)

    def value(self, raw, y):
        """The loss of each entry, of the shape of `raw`."""
        return np.exp(raw) - y * raw

    def gradient(self, raw, y):
        """The derivative of each value with respect to `raw`."""
        return np.exp(raw) - y

    def inverse_link(self, raw):
        """The mean that a raw output stands for."""
        return np.exp(raw)


class BinaryLogLoss(Loss):
    """The log loss of a logit, for y of 0 and 1."""

    def value(self, raw, y):
        """The loss of each entry, of the shape of `raw`."""
        return np.maximum(raw, 0) + np.log1p(np.exp(-np.abs(raw))) - y * raw

    def gradient(self, raw, y):
        """The derivative of each value with respect to `raw`."""
        return expit(raw) - y

    def score(self, raw, y, sample_weight):
        """Accuracy."""
        return float(np.average((raw[:, 0] > 0) == y[:, 0], weights=sample_weight))


class MultinomialLogLoss(Loss):
    """The log loss of the softmax of one raw output a class, for one-hot y."""

    averages_outputs = False

    def value(self, raw, y):
        """The loss of each entry, which is 0 but for a sample's own class."""
        return -y * log_softmax(raw, axis=1)

    def gradient(self, raw, y):
        """The derivative of a sample's loss with respect to `raw`."""
        return softmax(raw, axis=1) - y

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
