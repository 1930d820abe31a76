"""Passes over all weights before a minibatch and after it, in pieces, for threads to share.

Of a large net and few rows, they take as long as a fifth of the products do.
"""

import numba

from sklstm._kernels import tasks
from sklstm._kernels.cell import CELL_TYPE
from sklstm._kernels.packing import pack_piece
from sklstm._kernels.shard import NET
from sklstm._kernels.updates import add_piece
from sklstm._machine.linkage import INDEX, INDICES, PASSES, linked, matrix_type, vector_type
from sklstm._machine.memory import at_address


@linked(
    INDICES, numba.from_dtype(NET)[::1], CELL_TYPE[::1], vector_type, matrix_type,
    numba.int64[:, ::1], vector_type, INDEX, INDEX, links=PASSES,
)  # fmt: skip
def do_piece(task, net, cells, packed, gradients, blocks, total, piece, pieces):
    """Pack a piece of the weights, or add up a piece of the groups' gradients."""
    if task[tasks.WHAT] == tasks.PACK:
        weights = at_address(task[tasks.WEIGHTS], total.size, packed)
        pack_piece(net, cells, weights, packed, True, piece, pieces)
    else:
        groups = -(-task[tasks.SHARDS] // task[tasks.GROUP])
        add_piece(gradients, groups, blocks, total, piece, pieces)
