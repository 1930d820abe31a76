"""The gradients of the shards, and their sum in the order of the shards."""

import numpy as np

from sklstm._kernels import updates
from sklstm._kernels.gemm import GATES
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
        self._total = np.zeros(architecture.n_weights, dtype)
        net, cells = layout.net[0], layout.cells
        blocks = [
            (cell["inputs"] + 1 + cell["units"], GATES, cell["units"], cell["width"],
             cell["gradient"], cell["weights"])
            for cell in cells
        ]  # fmt: skip
        blocks.append(
            (net["head_inputs"] + 1, 1, net["outputs"], net["output_width"],
             net["gradient"], net["weights"])
        )  # fmt: skip
        self._blocks = np.array([self._lines(*block) for block in blocks], np.int64)

    @staticmethod
    def _lines(rows, groups, columns, width, start, target):
        """A matrix of padded groups of columns, in as few lines as there can be."""
        if columns == width:
            return rows, groups * columns, groups * width, start, target
        return rows * groups, columns, width, start, target

    def __call__(self, n_shards):
        """Add them up in the order of the shards; the vector is overwritten by the next sum."""
        updates.add_shards(self.gradients, n_shards, self._blocks, self._total)
        return self._total
