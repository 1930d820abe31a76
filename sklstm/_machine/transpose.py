"""A square block of numbers, transposed in SIMD registers."""

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from sklstm._machine.processor import SIMD_BYTES


def _transpose_twin(source, s0, s_row, out, o0, o_row):
    """Write a block's transpose; its extent is the number of lanes of a SIMD vector.

    Parameters
    ----------
    source, out : ndarray of shape (size,)
        The flat arrays that hold the block and its transpose.
    s0, o0 : int
        Where each starts.
    s_row, o_row : int
        Distance, in elements, between the rows of each; rows are contiguous.
    """
    for lane in range(SIMD_BYTES // out.itemsize):
        column = s0 + lane
        for row in range(SIMD_BYTES // out.itemsize):
            out[o0 + lane * o_row + row] = source[column + row * s_row]


@intrinsic
def _transpose(typingctx, source, s0, s_row, out, o0, o_row):
    def codegen(context, builder, signature, args):
        itemsize = signature.args[0].dtype.bitwidth // 8
        lanes = SIMD_BYTES // itemsize
        vector = ir.VectorType(context.get_data_type(signature.args[0].dtype), lanes)

        def rows(first, start, distance):
            data = context.make_array(signature.args[first])(context, builder, args[first]).data
            for row in range(lanes):
                offset = builder.add(start, builder.mul(distance, distance.type(row)))
                yield builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())

        block = [builder.load(place, align=itemsize) for place in rows(0, args[1], args[2])]
        for place, row in zip(rows(3, args[4], args[5]), _transposed(builder, block), strict=True):
            builder.store(row, place, align=itemsize)
        return context.get_dummy_value()

    n = types.intp
    return types.void(source, n, n, out, n, n), codegen


def _transposed(builder, rows):
    """Swap the blocks off the diagonal, then those within each block, down to single numbers."""
    rows, half = list(rows), len(rows) // 2
    while half:
        for i in range(len(rows)):
            if not i & half:
                rows[i], rows[i + half] = _swap_blocks(builder, rows[i], rows[i + half], half)
        half //= 2
    return rows


def _swap_blocks(builder, upper, lower, half):
    """Change the right part of each block of the upper row for the left part of the lower's."""
    lanes = range(upper.type.count)
    from_lower = len(lanes)
    new_upper = [from_lower + j - half if j & half else j for j in lanes]
    new_lower = [from_lower + j if j & half else j + half for j in lanes]
    kind = ir.VectorType(ir.IntType(32), len(lanes))
    return [
        builder.shuffle_vector(upper, lower, ir.Constant(kind, order))
        for order in (new_upper, new_lower)
    ]


transpose = _transpose_twin if config.DISABLE_JIT else _transpose
