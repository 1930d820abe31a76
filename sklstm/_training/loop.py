"""The only epoch loop: minibatches, and why it ended."""

from contextlib import ExitStack

import numpy as np
from sklearn.utils import gen_batches

from sklstm._training.dropout import Dropout
from sklstm._training.lbfgs import run_lbfgs
from sklstm._training.objective import Objective
from sklstm._training.schedules import LOWEST_ADAPTIVE_RATE, SCHEDULES, Clock
from sklstm._training.state import End
from sklstm._training.stopping import Patience, Scorer, Watch


def train(architecture, data, validation, settings, progress, bit_generator, hooks):
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
    bit_generator : BitGenerator
        Shuffles samples and draws dropout masks.
    hooks : Hooks
    """
    start = progress.weights.copy()
    patience = Patience(settings.tol, settings.n_iter_no_change)
    with ExitStack() as stack:
        objective = stack.enter_context(Objective(architecture, data, settings))
        score = None
        if validation is not None:
            score = stack.enter_context(Scorer(architecture, validation, settings.loss))
        watch = Watch(progress, patience, score, hooks)
        try:
            if watch.validates and progress.history:
                watch.score_start()
            if settings.optimizer is None:
                end = run_lbfgs(objective, watch, data, settings, progress)
            else:
                end = _run_epochs(objective, watch, data, settings, progress, bit_generator)
        except KeyboardInterrupt:
            end = End.INTERRUPTED
    keep_best = validation is not None or end is End.INTERRUPTED
    if keep_best and patience.best_weights is not None:
        progress.weights[:] = patience.best_weights
    elif not np.isfinite(progress.weights).all():
        progress.weights[:] = start
    return end


def _run_epochs(objective, watch, data, settings, progress, bit_generator):
    schedule, plateaus = SCHEDULES[settings.learning_rate], 0
    random_state = np.random.RandomState(bit_generator)
    dropout = Dropout(
        objective.architecture, objective.batch_size, settings.dropout,
        settings.recurrent_dropout, bit_generator, progress.weights.dtype,
    )  # fmt: skip
    sound = progress.weights.copy()
    for epoch in range(settings.max_iter):
        clock = Clock(epoch, settings.max_iter, progress.samples, plateaus)
        rate = float(schedule(settings.learning_rate_init, clock, settings.power_t))
        order = random_state.permutation(data.rows) if settings.shuffle else data.rows
        before = progress.weights.copy()
        watch.begin()
        loss, first_loss = _run_epoch(objective, dropout, settings, progress, order, rate)
        if not (np.isfinite(loss) and np.isfinite(progress.weights).all()):
            # The loss of `before` is the first that was computed.
            progress.weights[:] = before if np.isfinite(first_loss) else sound
            progress.forget_steps()
            return End.DIVERGED
        sound = before
        end = watch.end(loss)
        if end is End.PATIENCE and settings.learning_rate == "adaptive":
            if rate <= LOWEST_ADAPTIVE_RATE:
                return end
            plateaus += 1
            watch.patience.waited = 0
            slower = clock._replace(plateaus=plateaus)
            watch.hooks.plateau(schedule(settings.learning_rate_init, slower, settings.power_t))
        elif end is not None:
            return end
    return End.MAX_ITER


def _run_epoch(objective, dropout, settings, progress, order, rate):
    """One pass over the data; returns the mean objective, and that of the first minibatch."""
    value, total, first_loss = 0.0, 0.0, None
    for batch in gen_batches(len(order), objective.batch_size):
        rows = order[batch]
        masks = dropout.draw(len(rows))
        count, loss, gradient = objective(progress.weights, rows, masks)
        value += count * loss
        total += count
        if gradient is None:
            continue
        first_loss = loss if first_loss is None else first_loss
        objective.prepare(progress.weights, gradient, rate)
        progress.steps += 1
        settings.optimizer.step(progress.weights, gradient, progress.memory, progress.steps, rate)
    progress.samples += len(order)
    return value / total, first_loss
