"""The kernel that makes rows orthonormal, against its twin and scipy."""

import numpy as np
import pytest
import reference
from conftest import assert_same_bits
from scipy import linalg

from sklstm._kernels.orthogonal import orthonormalize

pytestmark = pytest.mark.nojit

# Rounding, 2e-16, times the condition numbers of the matrices here, which are below 200.
TOLERANCE = {"rtol": 0, "atol": 1e-12}


@pytest.fixture(name="matrix", params=[1, 2, 3, 8, 33])
def normal_numbers(request):
    return np.random.RandomState(request.param).normal(size=(request.param, request.param))


def test_rows_become_those_of_the_twin(matrix):
    rows = matrix.copy()
    orthonormalize(rows, 0, len(rows))
    np.testing.assert_allclose(rows, reference.orthonormalize(matrix), **TOLERANCE)


def test_rows_become_the_factor_of_a_qr_decomposition_with_a_positive_diagonal(matrix):
    rows = matrix.copy()
    orthonormalize(rows, 0, len(rows))
    q, r = linalg.qr(matrix.T)
    np.testing.assert_allclose(rows, (q * np.sign(np.diagonal(r))).T, **TOLERANCE)


def test_parts_are_the_whole_bit_for_bit(matrix):
    whole, parts, half = matrix.copy(), matrix.copy(), len(matrix) // 2
    orthonormalize(whole, 0, len(whole))
    orthonormalize(parts, 0, half)
    orthonormalize(parts, half, len(parts))
    assert_same_bits(parts, whole)


def test_rows_become_orthonormal(matrix):
    orthonormalize(matrix, 0, len(matrix))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(len(matrix)), **TOLERANCE)
