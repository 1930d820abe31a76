"""Sequences with a target, or a label, for each of their steps, in every form."""

import numpy as np
import pytest

from sklstm import LSTMClassifier, LSTMRegressor

N, T, F = 30, 6, 2
X = np.random.RandomState(0).normal(size=(N, T, F))
LEVEL = X[:, :, 0].cumsum(axis=1) + 0.1 * np.random.RandomState(1).normal(size=(N, T))
LENGTHS = np.random.RandomState(2).permutation(np.arange(N) % T + 1)
EXISTS = np.arange(T) < LENGTHS[:, np.newaxis]
THREE = np.stack([LEVEL, 3 - LEVEL, LEVEL**2], axis=2)
WORDS = np.where(LEVEL > 0, "up", "down")
CLASSES = np.digitize(LEVEL, [-1, 1])
CASES = {
    "a number": (LSTMRegressor, LEVEL),
    "three numbers": (LSTMRegressor, THREE),
    "two words": (LSTMClassifier, WORDS),
    "three classes": (LSTMClassifier, CLASSES),
    "bools": (LSTMClassifier, LEVEL > 0),
}
for_each_case = pytest.mark.parametrize(("estimator", "y"), CASES.values(), ids=CASES)
for_both = pytest.mark.parametrize(
    ("estimator", "y"),
    [(LSTMRegressor, LEVEL), (LSTMClassifier, WORDS)],
    ids=["regressor", "classifier"],
)


def net(estimator=LSTMRegressor, **parameters):
    """A small one that answers at each step; its fit takes milliseconds."""
    defaults = {
        "hidden_layer_sizes": 4,
        "pooling": None,
        "batch_size": 8,
        "learning_rate_init": 0.01,
        "max_iter": 3,
        "random_state": 0,
    }
    return estimator(**defaults | parameters)


def cut(array, lengths=LENGTHS):
    """The own steps of each sequence, in a list."""
    return [each[:length] for each, length in zip(array, lengths, strict=True)]


def objects(parts):
    array = np.empty(len(parts), object)
    array[:] = parts
    return array


def padded(array, exists=EXISTS):
    """NaN where there is no step: numbers as floats, words and bools as objects."""
    array = array.astype(object if array.dtype.kind in "Ub" else float)
    array[~exists] = np.nan
    return array


def in_a_row(answers, lengths=LENGTHS):
    """The answers at all real steps, one after the other."""
    return np.concatenate(cut(answers, lengths))
