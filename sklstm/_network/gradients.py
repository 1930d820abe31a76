"""The gradients of a minibatch's groups, and their sum in the order of the groups."""

import numpy as np

from sklstm._kernels import updates
from sklstm._kernels.gemm import GATES
from sklstm._network.layout import aligned


class GradientSum:
    """The gradients of the groups of shards, and their sum as a flat vector.

    Parameters
    ----------
    architecture : Architecture
    layout : Layout
    most_groups : int
    dtype : dtype

    Attributes
    ----------
    gradients : ndarray of shape (most_groups, size)
        What the kernels write, with columns padded to whole vectors.
    """

    def __init__(self, architecture, layout, most_groups, dtype):
        self.gradients = aligned((most_groups, layout.gradient_size), dtype)
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
        """A matrix of padded groups of columns as lines; a row is one where there is no padding."""
        if columns == width:
            return rows, groups * columns, groups * width, start, target
        return rows * groups, columns, width, start, target

    def __call__(self, n_groups):
        """Add up the first `n_groups`; the vector is overwritten by the next sum."""
        updates.add_gradients(
            self.gradients.ravel(), self.gradients.shape[1], n_groups, self._blocks, self._total
        )
        return self._total
