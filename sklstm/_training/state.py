"""What the training code passes around."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from sklstm._network.layout import OF_MEMORY, OF_WEIGHTS, lined_up
from sklstm._network.order import Outputs
from sklstm._training.history import History
from sklstm._training.losses import Loss
from sklstm._training.solver import Solver


class End(Enum):
    """Why training ended."""

    PATIENCE = "no improvement"
    MAX_ITER = "max_iter reached"
    DIVERGED = "the loss became infinite or NaN"
    INTERRUPTED = "KeyboardInterrupt"
    CALLBACK = "a callback said so"
    MAX_FUN = "max_fun reached"


@dataclass(frozen=True, eq=False)
class Data:
    """What is learned from, or validated on.

    Parameters
    ----------
    sequences : Sequences
    targets : ndarray of shape (n_targets, n_columns)
    sample_weight : ndarray of shape (n_targets,)
    rows : ndarray of int
        The samples that take part.
    outputs : Outputs
        Which targets are a sample's: there are as many as samples, or as steps.
    """

    sequences: Any
    targets: np.ndarray
    sample_weight: np.ndarray
    rows: np.ndarray
    outputs: Outputs = field(default_factory=Outputs)

    @cached_property
    def row_weight(self):
        """What all targets of each sample weigh."""
        return self.outputs.add_up(self.sample_weight)


@dataclass(frozen=True, eq=False)
class Settings:
    """How it is learned; see the estimators' parameters."""

    loss: Loss
    solver: Solver
    alpha: float
    max_iter: int
    tol: float
    n_iter_no_change: float
    dropout: float
    recurrent_dropout: float
    max_grad_norm: float | None
    bptt_steps: int | None


@dataclass(eq=False)
class Progress:
    """What training carries from epoch to epoch, and from fit to fit; updated in place.

    Parameters
    ----------
    weights : ndarray of shape (n_weights,)
    memory : dict of ndarray
        What the solver remembers.
    steps : int
        Minibatches so far.
    samples : int
        Samples seen so far.
    history : History
    best_loss : float
        The lowest objective so far.
    best_score : float or None
        The validation score of the weights, as the last fit computes it, if it does.
    continued : bool
        Whether the weights that training starts from are those of a fitted net.
    """

    weights: np.ndarray
    memory: dict
    steps: int = 0
    samples: int = 0
    history: History = field(default_factory=History)
    best_loss: float = np.inf
    best_score: float | None = None
    continued: bool = False

    def copy(self):
        """What training goes on from here does not change."""
        memory = {name: moment.copy() for name, moment in self.memory.items()}
        weights, history = self.weights.copy(), self.history.copy()
        return replace(self, weights=weights, memory=memory, history=history)

    def line_up(self):
        """Put weights and memory where a step goes through them fast, beside the gradient.

        Wherever the allocator puts them, a step of Adam may take twice as long.
        """
        moments = enumerate(self.memory.items(), start=OF_MEMORY)
        self.memory = {name: lined_up(moment, part) for part, (name, moment) in moments}
        self.weights = lined_up(self.weights, OF_WEIGHTS)

    def forget_steps(self):
        """Let the solver start anew from the weights as they are."""
        self.steps = 0
        for moment in self.memory.values():
            moment[:] = 0


@dataclass(eq=False)
class Course:
    """What a single fit carries from epoch to epoch, beside `Progress`; updated in place.

    With both, and the state of the random bits, a fit that was killed can go on.

    Parameters
    ----------
    epochs : int
        Epochs of this fit so far.
    plateaus : int
        How often patience ran out and the learning rate fell.
    sound : ndarray of shape (n_weights,) or None
        Weights before the last epoch, whose loss was finite.
    patience : Patience or None
        None before training has begun.
    end : End or None
        Why the last epoch is a reason to stop; None: it is none.
    last_weights : ndarray of shape (n_weights,) or None
        Those of the last epoch, where training has ended and put the best ones in their place.
    """

    epochs: int = 0
    plateaus: int = 0
    sound: np.ndarray | None = None
    patience: Any = None
    end: End | None = None
    last_weights: np.ndarray | None = None


class Hooks(NamedTuple):
    """What is told of epochs.

    `begin()` and `end()`, which may return True to stop; `plateau(rate)` when patience has run out
    and training goes on at a lower rate; `keep()` when all is known of an epoch.
    """

    begin: Callable
    end: Callable
    plateau: Callable
    keep: Callable
