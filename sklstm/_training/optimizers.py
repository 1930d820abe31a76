"""Stochastic optimizers: settings apart from state, on the flat vector of weights.

`init` makes the state, a dict of arrays; `step` writes weights and state. Step sequences are those
of torch.optim. A new optimizer is one class here and one line in `OPTIMIZERS`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from sklstm._kernels import updates


class Optimizer(ABC):
    """What optimizers share: the names of their state's arrays, which start at zero."""

    moments: tuple = ()
    # Whether the penalty shrinks the weights apart from the gradient.
    decoupled = False

    def init(self, weights):
        """The state before the first step."""
        return {name: np.zeros_like(weights) for name in self.moments}

    @abstractmethod
    def step(self, weights, gradient, state, step, learning_rate):
        """Take step number `step`, from 1: writes weights and state."""


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba 2015), with epsilon after the bias correction."""

    beta_1: float
    beta_2: float
    epsilon: float
    moments = ("mean", "square")

    def step(self, weights, gradient, state, step, learning_rate):
        """Take a step."""
        updates.adam(
            weights, gradient, state["mean"], state["square"], step, learning_rate,
            self.beta_1, self.beta_2, self.epsilon,
        )  # fmt: skip


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    decoupled = True


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent with momentum (Sutskever et al. 2013)."""

    momentum: float
    nesterov: bool
    moments = ("velocity",)

    def step(self, weights, gradient, state, step, learning_rate):
        """Take a step."""
        updates.sgd(
            weights, gradient, state["velocity"], learning_rate, self.momentum, self.nesterov
        )


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton 2012)."""

    beta_2: float
    epsilon: float
    moments = ("square",)

    def step(self, weights, gradient, state, step, learning_rate):
        """Take a step."""
        updates.rmsprop(
            weights, gradient, state["square"], learning_rate, self.beta_2, self.epsilon
        )


# The settings that an optimizer takes are parameters of the estimator.
OPTIMIZERS = {
    "adam": lambda e: Adam(float(e.beta_1), float(e.beta_2), float(e.epsilon)),
    "adamw": lambda e: AdamW(float(e.beta_1), float(e.beta_2), float(e.epsilon)),
    "sgd": lambda e: SGD(float(e.momentum), bool(e.nesterovs_momentum and e.momentum > 0)),
    "rmsprop": lambda e: RMSprop(float(e.beta_2), float(e.epsilon)),
}
