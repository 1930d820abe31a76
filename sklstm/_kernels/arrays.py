"""An array as sequences: where each is, and whether all of their numbers are finite."""

import numpy as np

from sklstm._kernels.shard import SEQUENCE
from sklstm._machine.compile import entry, resolved
from sklstm._machine.memory import load

# The machine code of `_read` by the bytes of a number.
_RESOLVED: dict = {}


def read(X, sequences):
    """Write where the sequences of X are, unless there is NaN or infinity in X.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_timesteps, n_features)
        Of float32 or float64; of any strides, aligned or not, writable or not.
    sequences : ndarray of shard.SEQUENCE, of shape (n_samples,)

    Returns
    -------
    finite : bool
        False: nothing is written.
    """
    size = X.itemsize
    if size not in _RESOLVED:
        _RESOLVED[size] = resolved(_read, np.zeros((1, 1, 1), X.dtype), np.zeros(1, SEQUENCE))
    return _RESOLVED[size](X, sequences)


@entry
def _read(X, sequences):
    # Of X, what is read here is what any array has, whatever is known of those compiled for.
    begin, length, across = X.ctypes.data, X.shape[1], X.shape[2]
    row_stride, step_stride, feature_stride = X.strides
    steps, wrong = length, 0
    if step_stride == across * feature_stride:
        steps, across = 1, length * across
    for row in range(X.shape[0]):
        for t in range(steps):
            address = begin + row * row_stride + t * step_stride
            for k in range(across):
                wrong += not np.isfinite(load(address + k * feature_stride, X))
    if wrong > 0:
        return False
    for row in range(X.shape[0]):
        sequences[row]["address"] = begin + row * row_stride
        sequences[row]["step_stride"] = step_stride
        sequences[row]["feature_stride"] = feature_stride
        sequences[row]["length"], sequences[row]["before"] = length, 0
    return True
