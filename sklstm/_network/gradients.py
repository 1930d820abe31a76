"""The gradients of a minibatch's groups, and their sum in the order of the groups."""

import numpy as np

from sklstm._kernels import updates
from sklstm._kernels.products import GATES
from sklstm._network.layout import OF_GRADIENT, aligned


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
        What the kernels write, with columns padded to whole vectors. A sum overwrites the first.
    blocks : int64 ndarray of shape (blocks, 7)
        Where its parts are, and go: see `updates.add_gradients`.
    total : ndarray of shape (n_weights,)
        The sum; overwritten by the next.
    """

    def __init__(self, architecture, layout, most_groups, dtype):
        self.gradients = aligned((most_groups, layout.gradient_size), dtype)
        self.total = aligned((architecture.n_weights,), dtype, OF_GRADIENT)
        net, cells = layout.net[0], layout.cells
        blocks = [block for cell in cells for block in _cell_blocks(cell)]
        blocks.append(
            (net["head_inputs"] + 1, net["outputs"], net["output_width"], net["gradient"],
             net["weights"], net["outputs"], net["output_width"])
        )  # fmt: skip
        self.blocks = np.array(blocks, np.int64)

    def __call__(self, n_groups):
        """Add up the first `n_groups`; the vector is overwritten by the next sum."""
        updates.add_gradients(self.gradients, n_groups, self.blocks, self.total)
        return self.total


def _cell_blocks(cell):
    """A cell's gradient as blocks: see `updates.add_gradients`."""
    depth, units = cell["inputs"] + 1 + cell["units"], cell["units"]
    full, start, target = cell["full"], cell["gradient"], cell["weights"]
    width, row = GATES * full + cell["rest_width"], GATES * units
    if units == full:
        return [(depth, row, width, start, target, row, width)]
    taken = min(units, full)
    blocks = [
        (depth, taken, width, start + q * full, target + q * units, row) for q in range(GATES)
    ]
    rest = units - taken
    blocks.extend(
        (depth, rest, width, start + GATES * full + q * rest, target + q * units + full, row)
        for q in range(GATES)
    )
    blocks = [block for block in blocks if block[1] > 0]
    return [(*block, 0 if place > 0 else width) for place, block in enumerate(blocks)]
