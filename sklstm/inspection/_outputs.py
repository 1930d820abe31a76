"""Which number a gradient is of: an output of y, a quantile, a class, at a step."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from sklstm._targets import fitted_loss

SUM = "sum"


@dataclass(frozen=True, eq=False)
class Output:
    """A number that a net says of a sequence.

    Parameters
    ----------
    of_raw : callable
        Its value (n,), and its derivative (n, n_raw), given raw outputs (n, n_raw).
    step : int, "sum" or None
        At which step, counted from the end if it is negative; None: the net has one answer for all.
    is_linear, is_sorted : bool
        Whether the derivative is the same everywhere, and whether it is of the raw output that has
        a certain rank, 0 for all others.
    """

    of_raw: Callable
    step: Any
    is_linear: bool
    is_sorted: bool

    def value_and_slope(self, raw, lengths):
        """The number, and its derivative on raw outputs.

        Parameters
        ----------
        raw : ndarray of shape (n_samples, n_raw) or (n_samples, n_timesteps, n_raw)
        lengths : ndarray of int, of shape (n_samples,)

        Returns
        -------
        value : ndarray of shape (n_samples,)
        slope : ndarray of the shape of `raw`
        """
        if self.step is None:
            return self.of_raw(raw)
        steps, ends = np.arange(raw.shape[1]), lengths[:, np.newaxis]
        if self.step == SUM:
            chosen = steps < ends
        else:
            chosen = steps == np.where(self.step >= 0, self.step, ends + self.step)
        of_steps, slope = np.zeros(chosen.shape), np.zeros_like(raw)
        of_steps[chosen], slope[chosen] = self.of_raw(raw[chosen])
        return of_steps.sum(axis=1), slope


def read_output(given, output):
    """The parameter `output` of gradients: see `input_gradients`.

    Parameters
    ----------
    given : Given
    output : object

    Returns
    -------
    output : Output
    """
    of_raw = _of_label if hasattr(given.net, "classes_") else _of_number
    if not given.architecture.reads_each_step:
        return _at_step(given, of_raw(given, output), None)
    step, *rest = output if isinstance(output, tuple) else (output,)
    is_step = isinstance(step, Integral)
    if len(rest) > 1 or not (is_step or (isinstance(step, str) and step == SUM)):
        raise ValueError(
            "With pooling=None, output must be a step, 'sum' over all steps, or a pair of one of "
            f"these and what there is at each step, got {output!r}."
        )
    shortest = int(given.lengths.min())
    if is_step and not -shortest <= step < shortest:
        raise ValueError(
            f"output names step {step}, but X[{int(given.lengths.argmin())}] has {shortest} "
            f"timesteps: with pooling=None it must be from {-shortest} to {shortest - 1}, or 'sum'."
        )
    if rest:
        return _at_step(given, of_raw(given, rest[0]), step)
    return _at_step(given, of_raw(given, _default(given, output)), step)


def _at_step(given, of_raw, step):
    """An Output, which has found out what its derivative is like."""
    is_sorted = not hasattr(given.net, "classes_") and len(_prediction_shape(given)) > 1
    # Whoever says the same of these says the same of all.
    n_raw = given.net._shape[-1]
    slopes = of_raw(np.array([[-2.0], [0.0], [1.0]]) * np.linspace(1, 2, n_raw))[1]
    is_linear = not is_sorted and bool((slopes == slopes[0]).all())
    return Output(of_raw, step, is_linear, is_sorted)


def _default(given, output):
    """What is meant at a step, if nothing else is said."""
    labels = getattr(given.net, "classes_", None)
    if labels is None:
        return (0,) * len(_prediction_shape(given))
    if len(labels) > 2:
        raise ValueError(
            f"With pooling=None and classes {labels.tolist()}, output must be a pair of a step, or "
            f"'sum', and a class, got {output!r}."
        )
    return labels.tolist()[1]


def _of_label(given, output):
    labels = given.net.classes_.tolist()
    if not np.isscalar(output) or output not in labels:
        raise ValueError(f"output must be one of the classes {labels}, got {output!r}.")
    place = labels.index(output)
    # Of two classes there is one raw output, the logit of the second.
    column, sign = (0, 2 * place - 1) if len(labels) == 2 else (place, 1)

    def of_raw(raw):
        slope = np.zeros_like(raw)
        slope[:, column] = sign
        return sign * raw[:, column], slope

    return of_raw


def _of_number(given, output):
    loss, entry = fitted_loss(given.net), _read_entry(_prediction_shape(given), output)

    def of_raw(raw):
        return loss.inverse_link(raw)[:, *entry], loss.slope(raw, entry)

    return of_raw


def _prediction_shape(given):
    """(n_outputs,) or (n_outputs, n_quantiles)."""
    return fitted_loss(given.net).inverse_link(np.zeros((1, given.net._shape[-1]))).shape[1:]


def _read_entry(shape, output):
    """The index of an entry of the prediction, from 0 on."""
    given = output if isinstance(output, tuple) else (output,)
    if len(given) < len(shape) and shape[0] == 1:
        given = 0, *given
    are_indices = len(given) == len(shape) and all(
        isinstance(index, Integral) and -size <= index < size
        for index, size in zip(given, shape, strict=True)
    )
    if are_indices:
        return tuple(int(index) % size for index, size in zip(given, shape, strict=True))
    if len(shape) == 1:
        there_is = f"the index of one of {shape[0]} outputs, 0 to {shape[0] - 1}"
    elif shape[0] == 1:
        there_is = f"the index of one of {shape[1]} quantiles, 0 to {shape[1] - 1}"
    else:
        there_is = (
            f"a pair of indices (output, quantile), of {shape[0]} outputs and {shape[1]} quantiles"
        )
    raise ValueError(f"output must be {there_is}, got {output!r}.")
