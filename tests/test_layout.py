"""Where the gates lie on the tape, and what is in memory at first."""

import itertools

import numpy as np
import pytest

from sklstm._kernels.products import GATES
from sklstm._machine.processor import SIMD_BYTES
from sklstm._network.layout import (
    LINE_BYTES,
    PAGE_BYTES,
    PAGE_PARTS,
    aligned,
    lined_up,
    make_layout,
)
from sklstm._network.parameters import Architecture


@pytest.mark.parametrize("dtype", [np.dtype(np.float32), np.dtype(np.float64)])
@pytest.mark.parametrize("tape", [False, True])
def test_gates_do_not_overlap_and_start_in_different_sets_of_the_cache(dtype, tape):
    widths = set()
    for units, rows, steps in itertools.product(
        (1, 16, 48, 51, 64, 100, 128), (1, 3, 8, 24), (1, 21)
    ):
        layout = make_layout(Architecture(2, (units,), True, "last", 1), dtype, rows, steps, tape)
        for cell in layout.cells:
            size = (rows * steps if tape else rows) * cell["stride"]
            lines, rest = divmod(int(cell["gate"]) * dtype.itemsize, LINE_BYTES)
            assert cell["gate"] >= size
            assert cell["gates"] + GATES * cell["gate"] <= cell["rest"]
            width = cell["rest_width"]
            widths.add(int(width))
            # The last row's last gate is copied as a whole vector.
            slack = SIMD_BYTES // dtype.itemsize if width else 0
            assert cell["rest"] + (rows * steps if tape else rows) * width + slack <= cell["c"]
            assert cell["gates"] * dtype.itemsize % SIMD_BYTES == 0
            # Any four multiples of an odd number differ by any power of two that is four or more.
            assert (lines % 2, rest) == (1, 0)
    assert len(widths) > 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_starts_as_zero_on_a_line_of_the_cache(dtype):
    # small blocks are handed out again at once
    for size in [1, 20, 100] * 5:
        array = aligned((3, size), dtype)
        assert array.dtype == dtype
        assert array.shape == (3, size)
        assert array.ctypes.data % LINE_BYTES == 0
        assert not array.any()
        array[...] = -1
        del array


def test_large_memory_starts_at_the_part_of_a_page_that_it_is_told():
    starts = []
    for part in range(PAGE_PARTS):
        for size in [PAGE_BYTES // 8, 10_000, 100_000]:
            array = aligned((size,), np.float64, part)
            assert not array.any()
            starts.append(array.ctypes.data % PAGE_BYTES)
        # Of less, the rest of the page would be most of the memory.
        assert aligned((3,), np.float64, part).base.nbytes == 3 * 8 + LINE_BYTES
    assert starts == np.repeat(np.arange(PAGE_PARTS) * PAGE_BYTES // PAGE_PARTS, 3).tolist()


def test_a_copy_is_lined_up():
    numbers = np.random.RandomState(0).normal(size=2000).astype(np.float32)
    copy = lined_up(numbers, 3)
    assert copy.ctypes.data % PAGE_BYTES == 3 * PAGE_BYTES // PAGE_PARTS
    assert copy.dtype == numbers.dtype
    np.testing.assert_array_equal(copy, numbers)


def test_a_layout_that_nets_share_cannot_be_changed():
    layout = make_layout(Architecture(2, (3,), True, "last", 1), np.dtype(np.float32), 4, 5, True)
    for records in (layout.net, layout.cells):
        with pytest.raises(ValueError, match="read-only"):
            records["units" if "units" in records.dtype.names else "outputs"] = 0
