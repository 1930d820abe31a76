"""Orthonormal rows, without LAPACK: its bits depend on the number of BLAS threads."""

import numpy as np

from sklstm._machine.compile import reduction


@reduction
def orthonormalize(rows, first, last):
    """Make rows of a square float64 matrix orthonormal by modified Gram-Schmidt; writes them.

    Rows `first` to `last`, of which those above are so already. Each in turn is freed of all rows
    above it, so that it stays in the cache meanwhile.
    """
    for i in range(first, last):
        row = rows[i]
        for j in range(i):
            above, overlap = rows[j], 0.0
            for k in range(row.size):
                overlap += row[k] * above[k]
            for k in range(row.size):
                row[k] -= overlap * above[k]
        square = 0.0
        for k in range(row.size):
            square += row[k] * row[k]
        norm = np.sqrt(square)
        for k in range(row.size):
            row[k] /= norm
