"""The flat vector of all weights: its blocks, and named views of it.

One block a cell (layer by layer, forward direction first), then the head's. A cell's block is a
matrix (inputs + 1 + units, 4 units): input weights, biases, recurrent weights, with the gates in
the order input, forget, cell, output. The head's is (inputs + 1, outputs), its bias last. The
conventional matrices (4 units, inputs) are the transposes of these, so they are views too, and the
kernels pack and add up contiguous rows.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

import numpy as np

from sklstm._kernels.pooling import POOLINGS
from sklstm._kernels.products import GATES


@dataclass(frozen=True)
class Architecture:
    """What decides the shapes of all weights.

    Parameters
    ----------
    n_features : int
        Features of one time step.
    units : tuple of int
        LSTM units of each layer, bottom to top.
    bidirectional : bool
        Whether each layer also reads the sequence backwards.
    pooling : {"last", "mean", "max"} or None
        What the head reads.
    n_outputs : int
        Raw outputs of the head.
    """

    n_features: int
    units: tuple
    bidirectional: bool
    pooling: str | None
    n_outputs: int

    def __post_init__(self):
        sizes = self.n_features, self.n_outputs, *(self.units if type(self.units) is tuple else ())
        if (
            not all(type(size) is int and size >= 1 for size in sizes)
            or len(sizes) < 3
            or type(self.bidirectional) is not bool
            or self.pooling not in POOLINGS
        ):
            raise ValueError(f"No net has this architecture: {self}.")

    @property
    def n_directions(self):
        return 2 if self.bidirectional else 1

    @property
    def reads_each_step(self):
        """Whether there is an output for each step of a sequence, and not one for all."""
        return POOLINGS[self.pooling].n_kept == 0

    @property
    def head_inputs(self):
        return self.n_directions * self.units[-1]

    @cached_property
    def cells(self):
        """(inputs, units) of each cell."""
        inputs = (self.n_features, *(self.n_directions * u for u in self.units[:-1]))
        return [
            cell for cell in zip(inputs, self.units, strict=True) for _ in range(self.n_directions)
        ]

    @cached_property
    def multiply_adds(self):
        """Of one row at one step, in all cells."""
        return sum(4 * units * (inputs + units) for inputs, units in self.cells)

    @property
    def mask_sizes(self):
        """Columns of the dropout masks: inputs of each layer, of the head, units of each cell."""
        inputs = [inputs for inputs, _ in self.cells[:: self.n_directions]]
        return [*inputs, self.head_inputs], [units for _, units in self.cells]

    @cached_property
    def block_shapes(self):
        """The shape of each cell's block, then of the head's."""
        cells = [(inputs + 1 + units, GATES * units) for inputs, units in self.cells]
        return [*cells, (self.head_inputs + 1, self.n_outputs)]

    @cached_property
    def starts(self):
        """Where each block starts in the flat vector, and where the last one ends."""
        # In Python's own integers, which do not overflow.
        return list(accumulate((rows * columns for rows, columns in self.block_shapes), initial=0))

    @property
    def n_weights(self):
        return self.starts[-1]

    def blocks(self, weights):
        """The blocks as views of the flat vector: a list of the cells', and the head's."""
        *cells, head = [
            weights[start : start + rows * columns].reshape(rows, columns)
            for start, (rows, columns) in zip(self.starts, self.block_shapes, strict=False)
        ]
        return cells, head


@lru_cache(maxsize=64)
def architecture_of(shape):
    """The architecture of a tuple of its fields; what it derives from them is kept."""
    return Architecture(*shape)


def named_views(architecture, weights):
    """The weights in the field's own terms, as views of the flat vector.

    Returns
    -------
    views : dict
        "input_weights", "recurrent_weights" and "biases": lists with one entry a layer and
        direction, of shapes (4 units, inputs), (4 units, units) and (4 units,). "output_weights"
        (outputs, head inputs) and "output_bias" (outputs,).
    """
    cells, head = architecture.blocks(weights)
    inputs = [inputs for inputs, _ in architecture.cells]
    return {
        "input_weights": [block[:n].T for n, block in zip(inputs, cells, strict=True)],
        "recurrent_weights": [block[n + 1 :].T for n, block in zip(inputs, cells, strict=True)],
        "biases": [block[n] for n, block in zip(inputs, cells, strict=True)],
        "output_weights": head[:-1].T,
        "output_bias": head[-1],
    }


def fold_scaling(architecture, weights, scaling):
    """The weights of the same net for features as they are, not standardised by `scaling`."""
    folded = weights.copy()
    views = named_views(architecture, folded)
    mean, inverse_deviation = scaling
    for cell in range(architecture.n_directions):
        input_weights, bias = views["input_weights"][cell], views["biases"][cell]
        scaled = input_weights * inverse_deviation
        input_weights[...] = scaled
        # No product of matrices: its bits depend on the number of BLAS threads.
        bias -= (scaled * mean).sum(axis=1).astype(bias.dtype)
    return folded


def penalized(architecture, dtype):
    """A flat vector of 1 for every weight and 0 for every bias."""
    mask = np.ones(architecture.n_weights, dtype)
    views = named_views(architecture, mask)
    for bias in (*views["biases"], views["output_bias"]):
        bias[:] = 0
    return mask
