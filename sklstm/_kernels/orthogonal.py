"""Orthonormal columns, without LAPACK: its bits depend on the number of BLAS threads."""

import numpy as np

from sklstm._kernels.compile import entry


@entry
def orthonormalize(a):
    """Make the columns of a float64 matrix orthonormal, by modified Gram-Schmidt; writes a.

    Loops run along rows, which are contiguous. For a matrix of normal numbers, which is all but
    surely well-conditioned, the result is uniform over the orthogonal matrices (Mezzadri 2007).
    """
    rows, columns = a.shape
    overlap = np.empty(columns)
    for i in range(columns):
        norm = 0.0
        for k in range(rows):
            norm += a[k, i] * a[k, i]
        scale = 1 / np.sqrt(norm)
        for k in range(rows):
            a[k, i] *= scale
        overlap[:] = 0
        for k in range(rows):
            for j in range(i + 1, columns):
                overlap[j] += a[k, i] * a[k, j]
        for k in range(rows):
            for j in range(i + 1, columns):
                a[k, j] -= a[k, i] * overlap[j]
