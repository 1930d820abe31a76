"""The register tile: a small matrix product whose accumulators stay in SIMD registers.

A panel is a column of tiles: 1, 2 or 4 vectors wide, of any number of rows.

BLAS packs its operands at every call; a recurrent net uses the same weights at every step. The
tile reads weights that were packed once a minibatch (see ``gemm``), and gives each output as one
chain of multiply-adds over depth, in the same order whatever tile it falls in: the bits of a row do
not depend on the rows that are computed with it.
"""

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

CPU_FEATURES = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
_features = {name[1:] for name in CPU_FEATURES.split(",") if name.startswith("+")}

SIMD_BYTES = 64 if "avx512f" in _features else 32 if "avx2" in _features else 16
# AVX-512 and NEON have 32 vector registers, which would hold more than 4 x 4 accumulators
# and their operands, but LLVM makes half the rate of 6 x 4; the 16 of AVX2 and SSE2 hold 3 x 4.
TILE_HEIGHTS = (4, 2, 1) if _features & {"avx512f", "neon"} else (3, 1)


def _panel_twin(
    vectors, rows, depth, a, a0, a_row, a_col, b, b0, b_row, b_vector, c, c0, c_row, c_vector,
    accumulate,
):  # fmt: skip
    """C[rows, vectors] (+)= A[rows, depth] @ B[depth, vectors], a vector being SIMD_BYTES wide.

    This is what runs without the compiler; compiled code works in registers. (The two are not tied
    by `numba.extending.overload`, which compiles a function around each call of the intrinsic: a
    twentieth of the package's compile time.)

    Parameters
    ----------
    vectors : {1, 2, 4}
        Extent of the panel; a literal.
    rows, depth : int
        Extent of the product.
    a, b, c : ndarray of shape (size,)
        The flat arrays that hold the operands, and the result; only C is written.
    a0, b0, c0 : int
        Where each operand starts.
    a_row, a_col, b_row, b_vector, c_row, c_vector : int
        Distance, in elements, between neighbours along that axis. The lanes of a vector are
        contiguous; its vectors need not be, so that one panel can span the four gates.
    accumulate : bool
        Whether to add to C or to replace it.
    """
    lanes = SIMD_BYTES // c.itemsize
    for v in range(vectors):
        total = np.zeros((rows, lanes), c.dtype)
        for k in range(depth):
            column = a[a0 + k * a_col + a_row * np.arange(rows)]
            start = b0 + k * b_row + v * b_vector
            total += column[:, np.newaxis] * b[start : start + lanes]
        for r in range(rows):
            start = c0 + r * c_row + v * c_vector
            out = c[start : start + lanes]
            out[:] = total[r] + out if accumulate else total[r]


@intrinsic(prefer_literal=True)
def _compiled_panel(
    typingctx, vectors, rows, depth, a, a0, a_row, a_col, b, b0, b_row, b_vector,
    c, c0, c_row, c_vector, accumulate,
):  # fmt: skip
    """Call the panel function of the arrays' type."""

    def codegen(context, builder, signature, args):
        (
            _, rows, depth, a, a0, a_row, a_col, b, b0, b_row, b_vector, c, c0, c_row, c_vector, add
        ) = args  # fmt: skip

        def start(index, offset):
            array = context.make_array(signature.args[index])(context, builder, args[index])
            return builder.gep(array.data, [offset])

        bits = signature.args[3].dtype.bitwidth
        builder.call(
            _panel_function(builder.module, vectors.literal_value, bits),
            [
                rows, depth, start(3, a0), a_row, a_col, start(7, b0), b_row, b_vector,
                start(11, c0), c_row, c_vector, add,
            ],
        )  # fmt: skip
        return context.get_dummy_value()

    n = types.intp
    return types.void(vectors, n, n, a, n, n, n, b, n, n, n, c, n, n, n, types.boolean), codegen


panel = _panel_twin if config.DISABLE_JIT else _compiled_panel


def _panel_function(module, vectors, bits):
    """The LLVM function of a panel: written once a module, never inlined, to compile fast."""
    name = f"sklstm_panel_{vectors}_{bits}"
    if name in module.globals:
        return module.globals[name]
    size, flag = ir.IntType(64), ir.IntType(1)
    pointer = (ir.FloatType() if bits == 32 else ir.DoubleType()).as_pointer()
    function = ir.Function(
        module,
        ir.FunctionType(
            ir.VoidType(),
            [size, size, pointer, size, size, pointer, size, size, pointer, size, size, flag],
        ),
        name,
    )
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    rows, depth, a, a_row, a_col, b, b_row, b_vector, c, c_row, c_vector, accumulate = function.args
    c.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    row = builder.alloca(size)
    builder.store(size(0), row)
    for height in TILE_HEIGHTS:
        test = builder.append_basic_block(f"test_{height}")
        body = builder.append_basic_block(f"rows_{height}")
        beyond = builder.append_basic_block(f"beyond_{height}")
        builder.branch(test)
        builder.position_at_end(test)
        r = builder.load(row)
        after = builder.add(r, size(height))
        builder.cbranch(builder.icmp_signed("<=", after, rows), body, beyond)
        builder.position_at_end(body)
        _tile(
            builder, height, vectors, depth,
            builder.gep(a, [builder.mul(r, a_row)]), a_row, a_col, b, b_row, b_vector,
            builder.gep(c, [builder.mul(r, c_row)]), c_row, c_vector, accumulate,
        )  # fmt: skip
        builder.store(after, row)
        builder.branch(test)
        builder.position_at_end(beyond)
    builder.ret_void()
    return function


def _tile(
    builder, rows, vectors, depth, a, a_row, a_col, b, b_row, b_vector, c, c_row, c_vector,
    accumulate,
):  # fmt: skip
    """Emit a product whose rows x vectors accumulators stay in registers."""
    scalar = a.type.pointee
    itemsize = 4 if isinstance(scalar, ir.FloatType) else 8
    lanes = SIMD_BYTES // itemsize
    vector, size = ir.VectorType(scalar, lanes), depth.type
    cells = [(r, v) for r in range(rows) for v in range(vectors)]
    # fmuladd, not fma: on a processor without the instruction, fma is a library call.
    fma = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(vector, [vector] * 3),
        f"llvm.fmuladd.v{lanes}f{8 * itemsize}",
    )
    zero = ir.Constant(vector, [0.0] * lanes)
    first_lane = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

    def vector_at(pointer, offset):
        return builder.bitcast(builder.gep(pointer, [offset]), vector.as_pointer())

    def times(step, n):
        return builder.mul(step, size(n))

    a_rows = [times(a_row, r) for r in range(rows)]
    b_vectors = [times(b_vector, v) for v in range(vectors)]
    before = builder.block
    loop = builder.append_basic_block("depth")
    done = builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", depth, size(0)), loop, done)

    builder.position_at_end(loop)
    k = builder.phi(size)
    sums = {cell: builder.phi(vector) for cell in cells}
    a_k, b_k = builder.mul(k, a_col), builder.mul(k, b_row)
    b_values = [
        builder.load(vector_at(b, builder.add(b_k, offset)), align=itemsize) for offset in b_vectors
    ]
    longer = {}
    for r in range(rows):
        value = builder.load(builder.gep(a, [builder.add(a_k, a_rows[r])]))
        value = builder.insert_element(zero, value, ir.IntType(32)(0))
        value = builder.shuffle_vector(value, zero, first_lane)
        for v in range(vectors):
            longer[r, v] = builder.call(fma, [value, b_values[v], sums[r, v]])
    k_next = builder.add(k, size(1))
    k.add_incoming(size(0), before)
    k.add_incoming(k_next, loop)
    for cell in cells:
        sums[cell].add_incoming(zero, before)
        sums[cell].add_incoming(longer[cell], loop)
    builder.cbranch(builder.icmp_signed("<", k_next, depth), loop, done)

    builder.position_at_end(done)
    totals = {cell: builder.phi(vector) for cell in cells}
    for cell in cells:
        totals[cell].add_incoming(zero, before)
        totals[cell].add_incoming(longer[cell], loop)
    outs = {
        (r, v): vector_at(c, builder.add(times(c_row, r), times(c_vector, v))) for r, v in cells
    }
    for cell in cells:
        # What C held is read in any case, and dropped if it is to be replaced.
        old = builder.load(outs[cell], align=itemsize)
        start = builder.select(accumulate, old, zero)
        builder.store(builder.fadd(totals[cell], start), outs[cell], align=itemsize)
