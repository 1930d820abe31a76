"""A shard as Python calls it, by itself: see `_network.trace` and `_network.stream`."""

import numpy as np

from sklstm._kernels import shard
from sklstm._machine.compile import entry


@entry
def forward(
    net, cells, packed, sequences, scaling, rows, masks, work, starts, raw, places, begin, end,
    tape,
):  # fmt: skip
    """As `shard.forward`."""
    shard.forward(
        net, cells, packed, sequences, scaling, rows, masks, work, starts, raw, places,
        (begin, end), (begin, end), tape, True,
    )  # fmt: skip


@entry
def backward(
    net, cells, packed, sequences, scaling, rows, masks, work, starts, d_raw, places, begin, end,
    gradient,
):  # fmt: skip
    """As `shard.backward`; the gradient is written."""
    shard.backward(
        net, cells, packed, sequences, scaling, rows, masks, work, starts, d_raw, places,
        (begin, end), (begin, end), gradient, False, False,
    )  # fmt: skip


@entry
def step(net, cells, packed, sequences, scaling, rows, masks, work, starts, raw, places, x):
    """Read one more step of streams, at `x`, and write the raw outputs of all steps so far.

    Returns False, and leaves all as it was, if there is NaN or infinity.
    """
    for row in range(x.shape[0]):
        for k in range(x.shape[1]):
            if not np.isfinite(x[row, k]):
                return False
    shard.forward(
        net, cells, packed, sequences, scaling, rows, masks, work, starts, raw, places,
        (0, 1), (0, 1), False, True,
    )  # fmt: skip
    for row in range(sequences.size):
        sequences[row]["before"] += 1
    return True
