"""Sequences cut to different lengths: padded, in a list, in an array of objects."""

import numpy as np

N_TIMESTEPS, N_FEATURES = 6, 2
LENGTHS = np.arange(40) % N_TIMESTEPS + 1


def padded(X3):
    """The sequences cut to LENGTHS, NaN after that."""
    X = X3.copy()
    X[np.arange(N_TIMESTEPS) >= LENGTHS[:, np.newaxis]] = np.nan
    return X


def cut(X3):
    """The sequences cut to LENGTHS, in a list."""
    return [sequence[:length] for sequence, length in zip(X3, LENGTHS, strict=True)]


def objects(sequences):
    """The sequences in an array of objects."""
    array = np.empty(len(sequences), object)
    array[:] = sequences
    return array
