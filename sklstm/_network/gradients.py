"""The gradients of the shards, and their sum in the order of the shards."""

import numpy as np

from sklstm._kernels.gemm import GATES, round_up
from sklstm._network.layout import aligned


class GradientSum:
    """The gradients of the shards, and their sum as a flat vector.

    Parameters
    ----------
    architecture : Architecture
    layout : Layout
    most_shards : int
    dtype : dtype

    Attributes
    ----------
    gradients : ndarray of shape (most_shards, size)
        What the kernels write, with columns padded to whole vectors.
    """

    def __init__(self, architecture, layout, most_shards, dtype):
        self.gradients = aligned((most_shards, layout.gradient_size), dtype)
        self._padded = np.zeros(layout.gradient_size, dtype)
        self._flat = np.zeros(architecture.n_weights, dtype)
        cells, head = architecture.blocks(self._flat)
        self._copies = [
            self._pair(block, GATES, cell["gradient"])
            for block, cell in zip(cells, layout.cells, strict=True)
        ]
        self._copies.append(self._pair(head, 1, layout.net[0]["gradient"]))

    def _pair(self, block, groups, start):
        """A block of the flat vector, and where its padded columns are."""
        rows, columns = len(block), block.shape[1] // groups
        width = round_up(columns, block.dtype)
        padded = self._padded[start : start + rows * groups * width]
        return (
            block.reshape(rows, groups, columns),
            padded.reshape(rows, groups, width)[:, :, :columns],
        )

    def __call__(self, n_shards):
        """Add them up in the order of the shards; the vector is overwritten by the next sum."""
        np.copyto(self._padded, self.gradients[0])
        for gradient in self.gradients[1:n_shards]:
            self._padded += gradient
        for block, padded in self._copies:
            np.copyto(block, padded)
        return self._flat
