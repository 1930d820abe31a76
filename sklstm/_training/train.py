"""A fit from its first weights to its last, whatever the solver."""

from contextlib import AbstractContextManager, nullcontext

import numpy as np

from sklstm._training.objective import Objective
from sklstm._training.state import End
from sklstm._training.stopping import Scorer, Watch


def train(architecture, data, validation, settings, progress, course, bit_generator, hooks):
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
    course : Course
        Updated in place. If it has begun, training goes on from there.
    bit_generator : BitGenerator
        Shuffles samples and draws dropout masks.
    hooks : Hooks
    """
    start = progress.weights.copy()
    scorer: AbstractContextManager = nullcontext()
    if validation is not None:
        scorer = Scorer(architecture, validation, settings.loss)
    # An ExitStack would keep what an interrupt at its end leaves, threads too, as garbage.
    with Objective(architecture, data, settings) as objective, scorer as score:
        watch = Watch(progress, course, settings, score, hooks)
        try:
            # The weights that a fit which goes on had started from were scored then.
            if watch.validates and progress.continued and watch.best_weights is None:
                watch.score_start()
            end = settings.solver.run(objective, watch, data, settings, progress, bit_generator)
        except KeyboardInterrupt:
            end = End.INTERRUPTED
    keep_best = watch.validates or end is End.INTERRUPTED
    if keep_best and watch.best_weights is not None:
        course.last_weights = progress.weights.copy()
        progress.weights[:] = watch.best_weights
    elif not np.isfinite(progress.weights).all():
        progress.weights[:] = start
    return end
