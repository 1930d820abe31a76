"""Optimizers: settings apart from state, on the flat vector of weights.

`init` makes the state, a dict of arrays; `step` updates weights and state in place. Step sequences
are those of torch.optim. A new optimizer is one class here and one line in `OPTIMIZERS`.
"""

from dataclasses import dataclass

import numpy as np

from sklstm._kernels import updates


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015), with epsilon after the bias correction."""

    beta_1: float
    beta_2: float
    epsilon: float

    def init(self, weights):
        """The state before the first step."""
        return {"mean": np.zeros_like(weights), "square": np.zeros_like(weights)}

    def step(self, weights, gradient, state, step, learning_rate):
        """Take step number `step`, from 1; writes weights and state."""
        updates.adam(
            weights, gradient, state["mean"], state["square"], step, learning_rate,
            self.beta_1, self.beta_2, self.epsilon,
        )  # fmt: skip


OPTIMIZERS = {"adam": Adam}
