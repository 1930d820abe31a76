"""The weights that training starts from."""

import numpy as np

from sklstm._kernels.orthogonal import TOGETHER, orthonormalize
from sklstm._kernels.products import GATES
from sklstm._kernels.step import FORGET, INPUT
from sklstm._machine.processor import available_threads
from sklstm._machine.threads import beside
from sklstm._network.layout import aligned, round_up
from sklstm._network.parameters import named_views

# Rows times squared units of an orthogonal matrix that are computed before signals are seen: of the
# largest matrices, these are some tenths of a second.
BETWEEN_SIGNALS = 100_000_000
# Multiply-adds of all of them that take milliseconds, and threads a tenth of one to start.
WORTH_THREADS = 20_000_000


def initial_weights(architecture, dtype, forget_bias, longest, random_state):
    """Draw the weights that training starts from.

    Input and output weights are uniform as of Glorot & Bengio (2010), each gate a matrix of its
    own; recurrent weights are orthogonal, gate by gate (Saxe et al. 2014); biases are zero but for
    the forget gate's (Jozefowicz et al. 2015), or, with "chrono", the forget and input gates'
    (Tallec & Ollivier 2018).

    Parameters
    ----------
    architecture : Architecture
    dtype : dtype
        float32 or float64. The draws are the same.
    forget_bias : float or "chrono"
    longest : int
        Steps of the longest sequence; "chrono" spreads the gates' memory up to it.
    random_state : RandomState

    Returns
    -------
    weights : ndarray of shape (n_weights,)
    """
    weights = np.zeros(architecture.n_weights)
    views = named_views(architecture, weights)
    # The numbers are drawn one after the other; what is made of them needs no order.
    with beside(_n_threads(architecture)) as begin:
        for cell, (inputs, units) in enumerate(architecture.cells):
            for gate in range(GATES):
                rows = slice(gate * units, (gate + 1) * units)
                views["input_weights"][cell][rows] = _glorot(units, inputs, random_state)
                normal = random_state.standard_normal((units, units))
                begin(_orthogonalize, normal, views["recurrent_weights"][cell][rows])
            bias = views["biases"][cell].reshape(GATES, units)
            if isinstance(forget_bias, str):
                bias[FORGET] = np.log(random_state.uniform(1, max(longest - 1, 1), units))
                bias[INPUT] = -bias[FORGET]
            else:
                bias[FORGET] = forget_bias
    views["output_weights"][:] = _glorot(
        architecture.n_outputs, architecture.head_inputs, random_state
    )
    return weights.astype(dtype, copy=False)


def _glorot(fan_out, fan_in, random_state):
    limit = np.sqrt(6 / (fan_in + fan_out))
    return random_state.uniform(-limit, limit, (fan_out, fan_in))


def _n_threads(architecture):
    """Threads for the orthogonal matrices: where they take longer than threads take to start."""
    multiply_adds = GATES * sum(units**3 for _, units in architecture.cells)
    return available_threads() if multiply_adds > WORTH_THREADS else 1


def _orthogonalize(normal, matrix, stop):
    """Write a matrix that is uniform over the orthogonal ones (Mezzadri 2007).

    Columns of normal numbers are all but surely far from dependent.
    """
    units = len(normal)
    columns = aligned((units, round_up(units, normal.dtype)), normal.dtype)
    columns[:, :units] = normal.T
    some = TOGETHER * max(1, BETWEEN_SIGNALS // (TOGETHER * units**2))
    for first in range(0, units, some):
        if stop():
            return
        orthonormalize(columns, units, first, min(first + some, units))
    matrix.T[:] = columns[:, :units]
