"""Orthonormal rows, without LAPACK: its bits depend on the number of BLAS threads."""

import numpy as np

from sklstm._machine.compile import reduction

# Rows that are freed of those above together: each of these is read once for all of them.
TOGETHER = 2


@reduction
def orthonormalize(rows, size, first, last):
    """Make rows of float64 numbers orthonormal by modified Gram-Schmidt; writes them.

    Rows `first` to `last`, of which those above are so already, and the first `size` numbers of
    each: what follows lets every row start where a register does. Each is freed of the rows above
    it, one after the other. The bits are the same in parts, if they begin at multiples of TOGETHER.
    """
    for top in range(first, last, TOGETHER):
        if top + 1 < last:
            upper, lower = rows[top], rows[top + 1]
            for j in range(top):
                above, overlap, other = rows[j], 0.0, 0.0
                for k in range(size):
                    overlap += upper[k] * above[k]
                    other += lower[k] * above[k]
                for k in range(size):
                    upper[k] -= overlap * above[k]
                    lower[k] -= other * above[k]
            done = top
        else:
            done = 0
        for i in range(top, min(top + TOGETHER, last)):
            row = rows[i]
            for j in range(done, i):
                above, overlap = rows[j], 0.0
                for k in range(size):
                    overlap += row[k] * above[k]
                for k in range(size):
                    row[k] -= overlap * above[k]
            square = 0.0
            for k in range(size):
                square += row[k] * row[k]
            norm = np.sqrt(square)
            for k in range(size):
                row[k] /= norm
