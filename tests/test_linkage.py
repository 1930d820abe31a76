"""Linked kernels: called by address, they do what they do when compiled into their caller."""

import gc

import numpy as np
import pytest
from numba.core.errors import TypingError

from sklstm._machine import linkage
from sklstm._machine.compile import entry
from sklstm._machine.linkage import (
    FLAG,
    INDEX,
    AddressTable,
    Links,
    linked,
    matrix_type,
    real_type,
    vector_type,
)


def scale(x, start, factor, negative, rows):
    """Multiply x from `start` on, and write the total to every entry of `rows`."""
    for j in range(start, x.size):
        x[j] *= -factor if negative else factor
    rows[:] = x.sum()


LINKS = Links()
linked_scale = linked(vector_type, INDEX, real_type, FLAG, matrix_type, links=LINKS)(scale)


@entry
def call_linked(x, start, factor, negative, rows):
    linked_scale(x, start, factor, negative, rows)


@pytest.fixture(autouse=True, params=[np.float32, np.float64], name="dtype")
def linked_type(request):
    LINKS.link(request.param)
    return request.param


@pytest.mark.parametrize("negative", [False, True])
def test_a_linked_kernel_does_what_the_function_does(dtype, negative):
    x, rows = np.arange(1, 6, dtype=dtype), np.zeros((2, 3), dtype)
    expected, expected_rows = x.copy(), rows.copy()
    scale(expected, 2, dtype(0.5), negative, expected_rows)
    call_linked(x, 2, dtype(0.5), negative, rows)
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(rows, expected_rows)
    assert rows[0, 0] == (-3 if negative else 9)


def test_smaller_types_become_the_declared_ones(dtype):
    x, rows = np.ones(3, dtype), np.zeros((1, 1), dtype)
    call_linked(x, np.int32(1), np.float32(2), True, rows)
    np.testing.assert_array_equal(x, [1, -2, -2])


def test_arrays_of_other_types_are_refused_when_the_caller_is_compiled(dtype):
    x, rows = np.ones(3, dtype), np.zeros((2, 3), dtype)
    other = np.float64 if dtype == np.float32 else np.float32
    for wrong in (rows.astype(other), rows.T, rows[0]):
        with pytest.raises(TypingError, match="scale"):
            call_linked(x, 1, dtype(1), False, wrong)


def test_numbers_that_would_lose_digits_are_refused_too(dtype):
    x, rows = np.ones(3, dtype), np.zeros((1, 1), dtype)
    wrong = [(1.0, dtype(1)), (1, 1j)]
    if dtype == np.float32:
        wrong.append((1, 1.0))
    for start, factor in wrong:
        with pytest.raises(TypingError, match="scale"):
            call_linked(x, start, factor, False, rows)


@pytest.mark.parametrize("collecting", [True, False])
def test_linking_leaves_the_garbage_collector_as_it_was(dtype, collecting):
    links = Links()

    def clear(x):
        x[:] = 0

    linked(vector_type, links=links)(clear)
    if not collecting:
        gc.disable()
    try:
        links.link(dtype)
        assert gc.isenabled() == collecting
    finally:
        gc.enable()


def test_a_table_stays_where_it_is_unless_sources_change(monkeypatch, dtype):
    table = AddressTable("some kernel", 3)
    assert np.shares_memory(table.row(dtype), AddressTable("some kernel", 3).row(dtype))
    # As after an upgrade: machine code of before calls what it was compiled with.
    monkeypatch.setattr(linkage, "FINGERPRINT", "of other sources")
    assert not np.shares_memory(table.row(dtype), AddressTable("some kernel", 3).row(dtype))


def test_a_kernel_that_says_no_type_is_refused():
    # Its address would be taken for float32, which may not be there.
    with pytest.raises(TypeError, match="No argument is of the type"):
        linked(INDEX, INDEX, links=LINKS)(lambda a, b: None)
