"""The kernel that makes rows orthonormal, against its twin and scipy."""

import numpy as np
import pytest
import reference
from conftest import assert_same_bits
from scipy import linalg

from sklstm._kernels.orthogonal import TOGETHER, orthonormalize

pytestmark = pytest.mark.nojit

# Rounding, 2e-16, times the condition numbers of the matrices here, which are below 200.
TOLERANCE = {"rtol": 0, "atol": 1e-12}


@pytest.fixture(name="matrix", params=[1, 2, 3, 8, 33])
def normal_numbers(request):
    return np.random.RandomState(request.param).normal(size=(request.param, request.param))


def test_rows_become_those_of_the_twin(matrix):
    rows = matrix.copy()
    orthonormalize(rows, len(rows), 0, len(rows))
    np.testing.assert_allclose(rows, reference.orthonormalize(matrix), **TOLERANCE)


def test_rows_become_the_factor_of_a_qr_decomposition_with_a_positive_diagonal(matrix):
    rows = matrix.copy()
    orthonormalize(rows, len(rows), 0, len(rows))
    q, r = linalg.qr(matrix.T)
    np.testing.assert_allclose(rows, (q * np.sign(np.diagonal(r))).T, **TOLERANCE)


def test_parts_are_the_whole_bit_for_bit(matrix):
    whole, parts, size = matrix.copy(), matrix.copy(), len(matrix)
    orthonormalize(whole, size, 0, size)
    # Two rows at a time, which may be rounded otherwise than one.
    for first in range(0, size, 2 * TOGETHER):
        orthonormalize(parts, size, first, min(first + 2 * TOGETHER, size))
    assert_same_bits(parts, whole)


def test_rows_become_orthonormal(matrix):
    orthonormalize(matrix, len(matrix), 0, len(matrix))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(len(matrix)), **TOLERANCE)


def test_what_follows_a_row_is_left_alone(matrix):
    size = len(matrix)
    wide = np.hstack([matrix, np.full((size, 3), np.nan)])
    orthonormalize(wide, size, 0, size)
    orthonormalize(matrix, size, 0, size)
    assert_same_bits(wide[:, :size].copy(), matrix)
    assert np.isnan(wide[:, size:]).all()
