"""The block that is transposed in registers: each number in its place, nothing else written."""

import numpy as np
import pytest
from numba import njit
from test_tile import Placed

from sklstm._machine.processor import SIMD_BYTES
from sklstm._machine.transpose import transpose

pytestmark = [pytest.mark.nojit, pytest.mark.parametrize("dtype", [np.float32, np.float64])]


@njit
def call(source, s0, s_row, out, o0, o_row):
    transpose(source, s0, s_row, out, o0, o_row)


@pytest.mark.parametrize("apart", [0, 1, 5, 64])
def test_every_number_is_in_its_place(dtype, apart):
    lanes = SIMD_BYTES // np.dtype(dtype).itemsize
    source = Placed(np.arange(lanes**2, dtype=dtype).reshape(lanes, lanes), (lanes + apart, 1))
    for o_row in (lanes, lanes + 3, 4 * lanes):
        out = Placed(np.zeros((lanes, lanes), dtype), (o_row, 1))
        before, outside = source.flat.tobytes(), out.outside()
        call(source.flat, *source.at[:2], out.flat, *out.at[:2])
        np.testing.assert_array_equal(out.view, source.view.T)
        assert source.flat.tobytes() == before
        assert out.outside() == outside
