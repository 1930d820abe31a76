"""Linked kernels: called by address, they do what they do when compiled into their caller."""

import gc

import numpy as np
import pytest
from numba.core.errors import TypingError

from sklstm._kernels.compile import entry
from sklstm._kernels.linkage import FLAG, INDEX, link, linked, real, real_rows, reals


def scale(x, start, factor, negative, rows):
    """Multiply x from `start` on, and write the total to every entry of `rows`."""
    for j in range(start, x.size):
        x[j] *= -factor if negative else factor
    rows[:] = x.sum()


linked_scale = linked(reals, INDEX, real, FLAG, real_rows)(scale)


@entry
def call_linked(x, start, factor, negative, rows):
    linked_scale(x, start, factor, negative, rows)


@pytest.fixture(autouse=True, params=[np.float32, np.float64], name="dtype")
def linked_type(request):
    link(request.param)
    return request.param


@pytest.mark.nojit
@pytest.mark.parametrize("negative", [False, True])
def test_a_linked_kernel_does_what_the_function_does(dtype, negative):
    x, rows = np.arange(1, 6, dtype=dtype), np.zeros((2, 3), dtype)
    expected, expected_rows = x.copy(), rows.copy()
    scale(expected, 2, dtype(0.5), negative, expected_rows)
    call_linked(x, 2, dtype(0.5), negative, rows)
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(rows, expected_rows)
    assert rows[0, 0] == (-3 if negative else 9)


def test_numbers_are_converted_to_the_declared_types(dtype):
    x, rows = np.ones(3, dtype), np.zeros((1, 1), dtype)
    call_linked(x, np.int32(1), 2, True, rows)
    np.testing.assert_array_equal(x, [1, -2, -2])


def test_arrays_of_other_types_are_refused_when_the_caller_is_compiled(dtype):
    x, rows = np.ones(3, dtype), np.zeros((2, 3), dtype)
    other = np.float64 if dtype == np.float32 else np.float32
    for wrong in (rows.astype(other), rows.T, rows[0]):
        with pytest.raises(TypingError, match="scale"):
            call_linked(x, 1, 1.0, False, wrong)


@pytest.mark.parametrize("collecting", [True, False])
def test_linking_leaves_the_garbage_collector_as_it_was(dtype, collecting):
    def clear(x):
        x[:] = 0

    linked(reals)(clear)
    if not collecting:
        gc.disable()
    try:
        link(dtype)
        assert gc.isenabled() == collecting
    finally:
        gc.enable()
