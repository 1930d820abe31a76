"""The panels as kernels call them: linked, one for each number of vectors, and a wide one."""

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from sklstm._machine.compile import verbatim
from sklstm._machine.linkage import EVERY_NET, AddressTable
from sklstm._machine.numba_internals import as_dtype
from sklstm._machine.processor import MANY_REGISTERS, SIMD_BYTES
from sklstm._machine.tile import define_panel, panel_type

MOST_VECTORS = 4
# A panel of four vectors that is not tall, for a B that is near: tall tiles read A twice.
WIDE = 5


def _panel_twin(
    vectors, rows, depth, a, a0, a_row, a_col, b, b0, b_row, b_vector, b_pair, c, c0, c_row,
    c_vector, accumulate,
):  # fmt: skip
    """C[rows, vectors] (+)= A[rows, depth] @ B[depth, vectors], a vector being SIMD_BYTES wide.

    This is what runs without the compiler; compiled code works in registers. (The two are not tied
    by `numba.extending.overload`, which compiles a function around each call of the intrinsic.)

    Parameters
    ----------
    vectors : {1, 2, 3, 4, WIDE}
        Extent of the panel; WIDE is 4.
    rows, depth : int
        Extent of the product.
    a, b, c : ndarray of shape (size,)
        The flat arrays that hold the operands, and the result; only C is written.
    a0, b0, c0 : int
        Where each operand starts.
    a_row, a_col, b_row, b_vector, c_row, c_vector : int
        Distance, in elements, between neighbours along that axis. The lanes of a vector are
        contiguous; its vectors need not be, so that one panel can span the four gates.
    b_pair : int
        Distance between the first and the third vector of B; `b_vector` is that within a pair.
    accumulate : bool
        Whether to add to C or to replace it.
    """
    lanes = SIMD_BYTES // c.itemsize
    for v in range(min(vectors, MOST_VECTORS)):
        total = np.zeros((rows, lanes), c.dtype)
        for k in range(depth):
            column = a[a0 + k * a_col + a_row * np.arange(rows)]
            start = b0 + k * b_row + v // 2 * b_pair + v % 2 * b_vector
            total += column[:, np.newaxis] * b[start : start + lanes]
        for r in range(rows):
            start = c0 + r * c_row + v * c_vector
            out = c[start : start + lanes]
            out[:] = total[r] + out if accumulate else total[r]


@intrinsic
def _compiled_panel(
    typingctx, vectors, rows, depth, a, a0, a_row, a_col, b, b0, b_row, b_vector, b_pair,
    c, c0, c_row, c_vector, accumulate,
):  # fmt: skip
    def codegen(context, builder, signature, args):
        (
            vectors, rows, depth, a, a0, a_row, a_col, b, b0, b_row, b_vector, b_pair, c, c0,
            c_row, c_vector, add,
        ) = args  # fmt: skip

        def start(index, offset):
            array = context.make_array(signature.args[index])(context, builder, args[index])
            return builder.gep(array.data, [offset])

        scalar = signature.args[3].dtype
        index = builder.sub(vectors, vectors.type(1))
        builder.call(
            _TABLE.function(builder, as_dtype(scalar), index, panel_type(scalar.bitwidth)),
            [
                rows, depth, start(3, a0), a_row, a_col, start(7, b0), b_row, b_vector,
                b_pair, start(12, c0), c_row, c_vector, add,
            ],
        )  # fmt: skip
        return context.get_dummy_value()

    n = types.intp
    return types.void(n, n, n, a, n, n, n, b, n, n, n, n, c, n, n, n, types.boolean), codegen


@intrinsic
def _define_panels(typingctx, addresses, like):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        bits = signature.args[1].dtype.bitwidth
        panels = [
            define_panel(builder.module, vectors, True, bits)
            for vectors in range(1, MOST_VECTORS + 1)
        ]
        # With 16 registers, tall tiles are faster in any case.
        panels.append(
            define_panel(builder.module, MOST_VECTORS, False, bits)
            if MANY_REGISTERS
            else panels[-1]
        )
        for place, function in enumerate(panels):
            address = builder.ptrtoint(function, ir.IntType(64))
            builder.store(address, builder.gep(data, [ir.IntType(64)(place)]))
        return context.get_dummy_value()

    return types.void(addresses, like), codegen


@verbatim
def _write_addresses(addresses, like):
    """Write where the panels of the type of `like` are."""
    _define_panels(addresses, like)


if config.DISABLE_JIT:
    panel = _panel_twin
else:
    panel, _TABLE = _compiled_panel, AddressTable(__name__, WIDE)

    @EVERY_NET.add
    def _load_panels(dtype):
        _write_addresses(_TABLE.row(dtype), np.empty(0, dtype))
