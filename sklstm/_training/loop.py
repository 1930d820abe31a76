"""The only epoch loop: minibatches, and why it ended."""

from contextlib import ExitStack

import numpy as np
from sklearn.utils import gen_batches

from sklstm._training.dropout import draw_masks
from sklstm._training.lbfgs import run_lbfgs
from sklstm._training.objective import Objective
from sklstm._training.schedules import LOWEST_ADAPTIVE_RATE, SCHEDULES, Clock
from sklstm._training.state import End
from sklstm._training.stopping import Patience, Scorer, Watch


def train(architecture, data, validation, settings, progress, random_state, hooks):
    """Fit the weights until something ends it; returns the `End`.

    What leaves anything infinite or NaN is undone. With validation, or when interrupted, the
    weights of the best epoch are kept; else the last.

    Parameters
    ----------
    architecture : Architecture
    data : Data
    validation : Data or None
    settings : Settings
    progress : Progress
        Updated in place.
    random_state : RandomState
        Shuffles samples and draws dropout masks.
    hooks : Hooks
    """
    start = progress.weights.copy()
    patience = Patience(settings.tol, settings.n_iter_no_change)
    if validation is not None and progress.scores:
        # The best of earlier fits is still to be beaten.
        patience.best, patience.best_weights = -max(progress.scores), start
    with ExitStack() as stack, np.errstate(over="ignore", invalid="ignore"):
        objective = stack.enter_context(Objective(architecture, data, settings))
        score = None
        if validation is not None:
            score = stack.enter_context(Scorer(architecture, validation, settings.loss))
        watch = Watch(progress, patience, score, hooks)
        try:
            if settings.optimizer is None:
                end = run_lbfgs(objective, watch, data, settings, progress)
            else:
                end = _run_epochs(objective, watch, data, settings, progress, random_state)
        except KeyboardInterrupt:
            end = End.INTERRUPTED
    keep_best = validation is not None or end is End.INTERRUPTED
    if keep_best and patience.best_weights is not None:
        progress.weights[:] = patience.best_weights
    elif not np.isfinite(progress.weights).all():
        progress.weights[:] = start
    return end


def _run_epochs(objective, watch, data, settings, progress, random_state):
    schedule, plateaus = SCHEDULES[settings.learning_rate], 0
    for epoch in range(settings.max_iter):
        clock = Clock(epoch, settings.max_iter, progress.samples, plateaus)
        rate = float(schedule(settings.learning_rate_init, clock, settings.power_t))
        order = random_state.permutation(data.rows) if settings.shuffle else data.rows
        before = progress.weights.copy()
        watch.begin()
        loss = _run_epoch(objective, settings, progress, order, rate, random_state)
        if not (np.isfinite(loss) and np.isfinite(progress.weights).all()):
            progress.weights[:] = before
            progress.forget_steps()
            return End.DIVERGED
        end = watch.end(loss)
        may_slow = settings.learning_rate == "adaptive" and rate > LOWEST_ADAPTIVE_RATE
        if end is End.PATIENCE and may_slow:
            plateaus += 1
            watch.patience.waited = 0
            watch.hooks.plateau(
                schedule(
                    settings.learning_rate_init, clock._replace(plateaus=plateaus), settings.power_t
                )
            )
        elif end is not None:
            return end
    return End.MAX_ITER


def _run_epoch(objective, settings, progress, order, rate, random_state):
    """One pass over the data; returns the mean objective."""
    total, total_weight = 0.0, 0.0
    for batch in gen_batches(len(order), min(settings.batch_size, len(order))):
        rows = order[batch]
        masks = draw_masks(
            objective.architecture, len(rows), settings.dropout, settings.recurrent_dropout,
            random_state, progress.weights.dtype,
        )  # fmt: skip
        weight, loss, gradient = objective(progress.weights, rows, masks)
        if weight == 0:
            continue
        objective.prepare(progress.weights, gradient, rate)
        progress.steps += 1
        settings.optimizer.step(progress.weights, gradient, progress.memory, progress.steps, rate)
        total += weight * loss
        total_weight += weight
    progress.samples += len(order)
    return total / total_weight
