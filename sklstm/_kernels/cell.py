"""The record of a cell (a layer in one direction): its sizes, and where its parts lie."""

import numba
import numpy as np

# Parts start in the packed weights, in a shard's gradient, in a shard's workspace.
CELL = np.dtype(
    [
        (name, np.int64)
        for name in (
            "inputs", "units", "width", "reverse",
            "full", "rest_width",  # columns of the gates product: of each gate, and of the rest
            "stride",  # between the rows of gates, c, tanh_c, h, dh and dc
            "gate",  # between the gates
            "weights",  # in the flat vector of all weights: (inputs + 1 + units, 4 units)
            "packed", "packed_inputs_transposed", "packed_recurrent_transposed",
            "gradient",
            "x", "gates", "rest", "c", "tanh_c", "h", "dh", "dc",
            "h_masked",  # what the recurrent product reads: h itself without recurrent dropout
            "dh_masked",
            "h_start", "c_start",  # the state that a segment starts from, (rows, stride)
            "h_masked_start", "dh_start",
            "input_mask", "recurrent_mask",  # columns of the dropout masks
            "cut",  # steps of a chunk, which no gradient leaves; 0: there are no chunks
            "given_up",  # not zero, from another thread: whoever reads it leaves, nothing is wanted
            "mine", "begin", "end",  # whether this thread computes some units, and which: ``crew``
            "member", "members", "crew",  # its place in its crew, its size, its counter's address
        )
    ]
)  # fmt: skip
CELL_TYPE = numba.from_dtype(CELL)
