"""Full-batch training by scipy's L-BFGS-B."""

import weakref
from dataclasses import dataclass

import numpy as np
from sklearn.utils import gen_batches

from sklstm._machine.undisturbed import interrupts_held_back
from sklstm._training.solver import Solver
from sklstm._training.state import End

# Samples that are taken at a time: memory does not grow with their number.
LBFGS_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class LBFGS(Solver):
    """L-BFGS on all samples.

    An iteration counts as an epoch. scipy decides about convergence; only validation and callbacks
    can stop it before.
    """

    max_fun: int
    batch_size: int
    title = "lbfgs"
    takes_minibatches = False
    decoupled = False

    @classmethod
    def of(cls, estimator):
        """Refuses dropout, with which the objective would not be a function of the weights."""
        if estimator.dropout or estimator.recurrent_dropout:
            raise ValueError(
                f"solver='lbfgs' needs dropout=0 and recurrent_dropout=0, got "
                f"dropout={estimator.dropout} and recurrent_dropout={estimator.recurrent_dropout}."
            )
        return cls(estimator.max_fun, LBFGS_BLOCK)

    def init(self, weights):
        """Nothing: scipy keeps what it learns of the curvature to itself."""
        return {}

    def run(self, objective, watch, data, settings, progress, bit_generator):
        """Minimise the objective over all samples; returns the `End`."""
        with interrupts_held_back():
            from scipy.optimize import minimize
            from threadpoolctl import threadpool_limits

        # Old versions of scipy keep what they call in a cycle: no threads shall wait behind it.
        objective, watch = weakref.proxy(objective), weakref.proxy(watch)
        last: dict = {}

        def value_and_gradient(x):
            value, gradient = _full_batch(objective, x.astype(progress.weights.dtype), data)
            last.update(x=x.copy(), value=value)
            return value, gradient.astype(np.float64)

        def end_iteration(x):
            value = last["value"] if np.array_equal(x, last["x"]) else value_and_gradient(x)[0]
            if not (np.isfinite(value) and np.isfinite(x).all()):
                raise _StopIteration(End.DIVERGED)
            progress.weights[:] = x
            progress.samples += len(data.rows)
            try:
                watch.begin()
                end = watch.end(value)
            except StopIteration as error:
                raise _StopIteration(error) from error
            if end is End.CALLBACK or (end is End.PATIENCE and watch.validates):
                raise _StopIteration(end)

        limits = {"maxiter": settings.max_iter, "maxfun": self.max_fun, "gtol": settings.tol}
        try:
            # The bits of scipy's long sums depend on the number of BLAS threads.
            with threadpool_limits(1, "blas"):
                result = minimize(
                    value_and_gradient, progress.weights.astype(np.float64), jac=True,
                    method="L-BFGS-B", callback=end_iteration, options=limits,
                )  # fmt: skip
            if not np.isfinite(result.fun):
                return End.DIVERGED
            if result.nit == 0:
                end_iteration(result.x)
        except _StopIteration as stop:
            if isinstance(stop.args[0], StopIteration):
                raise stop.args[0] from None
            return stop.args[0]
        if result.status != 1:
            # Converged, or no step can be found that lowers the loss any further.
            return End.PATIENCE
        return End.MAX_ITER if result.nit >= settings.max_iter else End.MAX_FUN

    def exhausted(self, end, settings):
        """max_iter or max_fun."""
        return {
            End.MAX_ITER: ("iterations", settings.max_iter),
            End.MAX_FUN: ("loss evaluations", self.max_fun),
        }.get(end)

    def last_words(self, impatience):
        """Nothing: that scipy has converged is no lack of patience."""
        return

    def remedy(self, settings):
        """What keeps the loss finite, in words."""
        return "Raise alpha"


class _StopIteration(Exception):  # noqa: N818 -- as the built-in
    """Carries out of scipy the reason to stop, or an exception that scipy takes for one."""


def _full_batch(objective, weights, data):
    """The objective of all samples, block by block."""
    total, gradient = 0.0, np.zeros_like(weights)
    total_weight = float(data.row_weight[data.rows].sum())
    for block in gen_batches(len(data.rows), objective.batch_size):
        loss, more = objective.mean_loss(weights, data.rows[block], 1 / total_weight)
        total += loss
        gradient += more
    return total + objective.penalize(weights, gradient, total_weight), gradient
