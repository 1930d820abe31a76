"""The kernel that reads an array as sequences: where NumPy says they are, of finite numbers."""

import numpy as np
import pytest

from sklstm._kernels import arrays
from sklstm._kernels.shard import SEQUENCE

pytestmark = [pytest.mark.nojit, pytest.mark.parametrize("dtype", [np.float32, np.float64])]


def views(dtype):
    X = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(dtype)
    X.flags.writeable = False
    return {
        "whole": X, "one row": X[2:3], "backwards": X[::-1, ::-1, ::-1], "every other": X[::2, ::3],
        "transposed": X.transpose(2, 0, 1), "the same": np.broadcast_to(X[0], (3, 5, 4)),
        "one feature": X[:, :, 1:2], "one step": X[:, 4:],
    }  # fmt: skip


def read(X):
    sequences = np.full(len(X), -1, np.int64).repeat(len(SEQUENCE)).view(SEQUENCE)
    return arrays.read(X, sequences), sequences


def test_sequences_are_where_numpy_says(dtype):
    for name, X in views(dtype).items():
        finite, sequences = read(X)
        expected = [(x.ctypes.data, *x.strides, len(x), 0) for x in X]
        assert finite, name
        assert sequences.tolist() == expected, name


@pytest.mark.parametrize("number", [np.nan, -np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_is_found_wherever_it_is(dtype, number):
    for name, X in views(dtype).items():
        for place in np.ndindex(X.shape):
            # Of the same strides.
            with_it = np.ndarray(X.shape, dtype, bytearray(8000), 4000, X.strides)
            with_it[place] = number
            finite, sequences = read(with_it)
            assert not finite, (name, place)
            assert (sequences.view(np.int64) == -1).all(), name


def test_the_largest_and_the_smallest_numbers_are_finite(dtype):
    limits = np.finfo(dtype)
    for number in (limits.max, -limits.max, limits.tiny, limits.smallest_subnormal, 0, -0.0):
        assert read(np.full((1, 2, 3), number, dtype))[0]
