"""A shard as Python calls it, when it is looked at by itself: see `_network.trace`."""

from sklstm._kernels import shard
from sklstm._machine.compile import entry


@entry
def forward(
    net, cells, packed, sequences, scaling, rows, masks, work, starts, raw, begin, end, tape
):  # fmt: skip
    """As `shard.forward`."""
    shard.forward(
        net, cells, packed, sequences, scaling, rows, masks, work, starts, raw, begin, end, tape,
        False,
    )  # fmt: skip


@entry
def backward(
    net, cells, packed, sequences, scaling, rows, masks, work, starts, d_raw, begin, end, gradient
):  # fmt: skip
    """As `shard.backward`; the gradient is written."""
    shard.backward(
        net, cells, packed, sequences, scaling, rows, masks, work, starts, d_raw, begin, end,
        gradient, False,
    )  # fmt: skip
