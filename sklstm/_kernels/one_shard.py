"""A shard as Python calls it, by itself: see `_network.trace` and `_network.stream`."""

import numpy as np

from sklstm._kernels import shard
from sklstm._machine.compile import entry


@entry
def forward(
    net, cells, packed, sequences, scaling, rows, masks, work, spans, turn, raw, places
):  # fmt: skip
    """As `shard.forward`."""
    shard.forward(
        net, cells, packed, sequences, scaling, rows, masks, work, spans, raw, places, turn
    )


@entry
def backward(
    net, cells, packed, sequences, scaling, rows, masks, work, spans, turn, d_raw, places, gradient
):  # fmt: skip
    """As `shard.backward`; the gradient is written."""
    shard.backward(
        net, cells, packed, sequences, scaling, rows, masks, work, spans, d_raw, places, turn,
        gradient, False,
    )  # fmt: skip


@entry
def step(net, cells, packed, sequences, scaling, rows, masks, work, spans, turn, raw, places, x):
    """Read one more step of streams, at `x`, and write the raw outputs of all steps so far.

    Returns False, and leaves all as it was, if there is NaN or infinity.
    """
    for row in range(x.shape[0]):
        for k in range(x.shape[1]):
            if not np.isfinite(x[row, k]):
                return False
    shard.forward(
        net, cells, packed, sequences, scaling, rows, masks, work, spans, raw, places, turn
    )
    for row in range(sequences.size):
        sequences[row]["before"] += 1
    return True
