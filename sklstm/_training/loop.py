"""The only epoch loop: minibatches, history, and why it ended."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from sklearn.utils import gen_batches

from sklstm._kernels import updates
from sklstm._network.parameters import penalized
from sklstm._network.sharding import Team


class End(Enum):
    """Why training ended."""

    PATIENCE = "no improvement"
    MAX_ITER = "max_iter reached"
    DIVERGED = "the loss became infinite or NaN"


@dataclass(frozen=True)
class Data:
    """What is learned from.

    Parameters
    ----------
    sequences : Sequences
    targets : ndarray of shape (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,)
    """

    sequences: object
    targets: np.ndarray
    sample_weight: np.ndarray


@dataclass(frozen=True)
class Settings:
    """How it is learned; see the estimators' parameters."""

    loss: object
    optimizer: object
    learning_rate_init: float
    alpha: float
    batch_size: int
    max_iter: int
    shuffle: bool
    max_grad_norm: float | None


@dataclass
class Progress:
    """What training carries from epoch to epoch; updated in place.

    Parameters
    ----------
    weights : ndarray of shape (n_weights,)
    memory : dict of ndarray
        The optimizer's state.
    steps : int
        Minibatches so far.
    losses : list of float
        The mean objective of each epoch.
    """

    weights: np.ndarray
    memory: dict
    steps: int
    losses: list


def train(architecture, data, settings, progress, patience, random_state, on_epoch):
    """Run epochs until something ends them; returns the `End`.

    An epoch that leaves anything infinite or NaN is undone.

    Parameters
    ----------
    architecture : Architecture
    data : Data
    settings : Settings
    progress : Progress
        Updated in place.
    patience : Patience
    random_state : RandomState
        Shuffles the samples.
    on_epoch : callable
        Called without arguments after each epoch.
    """
    n_samples = len(data.targets)
    batch_size = min(settings.batch_size, n_samples)
    penalty = settings.alpha * penalized(architecture, progress.weights.dtype)
    with Team(architecture, data.sequences, batch_size, training=True) as team:
        for _ in range(settings.max_iter):
            before = progress.weights.copy()
            order = (
                random_state.permutation(n_samples) if settings.shuffle else np.arange(n_samples)
            )
            loss = _epoch(team, data, settings, progress, penalty, order, batch_size)
            if not (np.isfinite(loss) and np.isfinite(progress.weights).all()):
                progress.weights[:] = before
                return End.DIVERGED
            progress.losses.append(loss)
            on_epoch()
            if patience.exhausted(loss):
                return End.PATIENCE
    return End.MAX_ITER


def _epoch(team, data, settings, progress, penalty, order, batch_size):
    """One pass over the data; returns the mean objective."""
    total, total_weight = 0.0, 0.0
    for batch in gen_batches(len(order), batch_size):
        rows = order[batch]
        weight = data.sample_weight[rows]
        batch_weight = float(weight.sum())
        if batch_weight == 0:
            continue
        loss, gradient = _objective(team, data, settings, progress, penalty, rows, weight)
        if settings.max_grad_norm is not None:
            updates.clip(gradient, settings.max_grad_norm)
        progress.steps += 1
        settings.optimizer.step(
            progress.weights, gradient, progress.memory, progress.steps, settings.learning_rate_init
        )
        total += batch_weight * loss
        total_weight += batch_weight
    return total / total_weight


def _objective(team, data, settings, progress, penalty, rows, weight):
    """The penalised mean loss of a minibatch, and its gradient on the flat vector."""
    y = data.targets[rows]
    raw = team.forward(progress.weights, rows)
    share = (weight / (weight.sum() * y.shape[1]))[:, np.newaxis]
    loss = float((share * settings.loss.value(raw, y)).sum())
    gradient = team.backward(share * settings.loss.gradient(raw, y))
    scale = 1 / weight.sum()
    return loss + updates.add_penalty(gradient, progress.weights, penalty, scale), gradient
