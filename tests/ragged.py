"""Forty sequences of one to six steps, in every form that X may have."""

import numpy as np
import pytest

N_SAMPLES, LONGEST, N_FEATURES = 40, 6, 2
LENGTHS = np.random.RandomState(5).permutation(np.arange(N_SAMPLES) % LONGEST + 1)
STEPS = [
    np.random.RandomState(i).normal(size=(length, N_FEATURES)) for i, length in enumerate(LENGTHS)
]
Y = np.array([steps[-1, 0] + steps[0, 1] for steps in STEPS])


def in_a_list(sequences):
    return list(sequences)


def in_a_tuple(sequences):
    return tuple(sequences)


def in_an_array_of_objects(sequences):
    array = np.empty(len(sequences), object)
    array[:] = sequences
    return array


def padded(sequences, n_timesteps=LONGEST):
    n_features = sequences[0].shape[1]
    array = np.full((len(sequences), n_timesteps, n_features), np.nan, sequences[0].dtype)
    for row, steps in zip(array, sequences, strict=True):
        row[: len(steps)] = steps
    return array


def padded_more(sequences):
    return padded(sequences, LONGEST + 3)


def views(sequences):
    """Every second row and column of arrays that are NaN elsewhere, read-only."""
    around = [np.full((2 * len(s), 2 * s.shape[1]), np.nan, s.dtype) for s in sequences]
    for array, steps in zip(around, sequences, strict=True):
        array[::2, ::2] = steps
        array.flags.writeable = False
    return [array[::2, ::2] for array in around]


FORMS = [in_a_list, in_a_tuple, in_an_array_of_objects, padded, padded_more, views]
for_each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
