"""Steps on minibatches: the only epoch loop."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import gen_batches

from sklstm._training.dropout import Dropout
from sklstm._training.optimizers import OPTIMIZERS, Optimizer
from sklstm._training.schedules import LOWEST_ADAPTIVE_RATE, SCHEDULES, Clock
from sklstm._training.solver import Solver
from sklstm._training.state import End


@dataclass(frozen=True, eq=False)
class Stochastic(Solver):
    """An optimizer that takes a step for each minibatch; see the estimators' parameters."""

    optimizer: Optimizer
    batch_size: int
    learning_rate: str
    learning_rate_init: float
    power_t: float
    shuffle: bool
    title = "Stochastic Optimizer"
    takes_minibatches = True

    @classmethod
    def of(cls, estimator):
        """With the optimizer that the parameter `solver` names."""
        return cls(
            OPTIMIZERS[estimator.solver](estimator), int(estimator.batch_size),
            estimator.learning_rate, estimator.learning_rate_init, estimator.power_t,
            estimator.shuffle,
        )  # fmt: skip

    @property
    def decoupled(self):
        """Whether the penalty shrinks the weights apart from the gradient."""
        return self.optimizer.decoupled

    def init(self, weights):
        """The optimizer's state before the first step."""
        return self.optimizer.init(weights)

    def run(self, objective, watch, data, settings, progress, bit_generator):
        """Train for epochs of minibatches; returns the `End`."""
        course = watch.course
        progress.line_up()
        random_state = np.random.RandomState(bit_generator)
        dropout = Dropout(
            objective.architecture, objective.batch_size, settings.dropout,
            settings.recurrent_dropout, bit_generator, progress.weights.dtype,
        )  # fmt: skip
        if course.sound is None:
            course.sound = progress.weights.copy()
        while not self._ends(watch, settings, progress):
            if course.epochs == settings.max_iter:
                return End.MAX_ITER
            rate = float(self._rate(course, settings, progress))
            order = random_state.permutation(data.rows) if self.shuffle else data.rows
            before = progress.weights.copy()
            watch.begin()
            loss, first_loss = self._run_epoch(objective, dropout, progress, order, rate)
            if not (np.isfinite(loss) and np.isfinite(progress.weights).all()):
                # The loss of `before` is the first that was computed.
                progress.weights[:] = before if np.isfinite(first_loss) else course.sound
                progress.forget_steps()
                course.end = End.DIVERGED
            else:
                course.sound = before
                watch.end(loss)
        return course.end

    def _ends(self, watch, settings, progress):
        """Whether the last epoch ends training; if patience ran out, a lower rate may mend it.

        Asked before each epoch, and so of the one that a fit goes on from too.
        """
        course = watch.course
        may_slow_down = course.end is End.PATIENCE and self.learning_rate == "adaptive"
        if may_slow_down and self._rate(course, settings, progress) > LOWEST_ADAPTIVE_RATE:
            course.plateaus += 1
            watch.wait_anew(self._rate(course, settings, progress))
        return course.end is not None

    def _rate(self, course, settings, progress):
        clock = Clock(course.epochs, settings.max_iter, progress.samples, course.plateaus)
        return SCHEDULES[self.learning_rate](self.learning_rate_init, clock, self.power_t)

    def _run_epoch(self, objective, dropout, progress, order, rate):
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
            self.optimizer.step(progress.weights, gradient, progress.memory, progress.steps, rate)
        progress.samples += len(order)
        return value / total, first_loss

    def exhausted(self, end, settings):
        """max_iter, unless it was to go on until then in any case."""
        planned = settings.n_iter_no_change == np.inf or self.learning_rate == "cosine"
        return ("iterations", settings.max_iter) if end is End.MAX_ITER and not planned else None

    def last_words(self, impatience):
        """What MLPRegressor prints."""
        why = " Learning rate too small." if self.learning_rate == "adaptive" else ""
        return f"{impatience}{why} Stopping."

    def remedy(self, settings):
        """What keeps the loss finite, in words."""
        clip = "max_grad_norm"
        if settings.max_grad_norm is None:
            clip = "set max_grad_norm, for example to 1"
        return f"Lower learning_rate_init, or {clip}"
