"""The register tile: a small matrix product whose accumulators stay in SIMD registers.

A panel is a column of tiles: 1 to 4 vectors wide, of any number of rows.

BLAS packs its operands at every call; a recurrent net uses the same weights at every step. The
tile reads weights that were packed once a minibatch (see ``gemm``), and gives each output as one
chain of multiply-adds over depth, in the same order whatever tile it falls in: the bits of a row do
not depend on the rows that are computed with it.
"""

from llvmlite import ir
from numba import config
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features

CPU_FEATURES = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
_features = {name[1:] for name in CPU_FEATURES.split(",") if name.startswith("+")}

SIMD_NAME = next(
    (
        title
        for name, title in {
            "avx512f": "AVX-512", "avx2": "AVX2", "neon": "NEON", "sse2": "SSE2"
        }.items()
        if name in _features
    ),
    "unknown",
)  # fmt: skip
SIMD_BYTES = 64 if "avx512f" in _features else 32 if "avx2" in _features else 16
# AVX-512 and NEON have 32 vector registers, which would hold more than 4 x 4 accumulators
# and their operands, but LLVM makes half the rate of 6 x 4; the 16 of AVX2 and SSE2 hold 3 x 4.
TILE_HEIGHTS = (4, 2, 1) if _features & {"avx512f", "neon"} else (3, 1)


def panel_type(bits):
    """The LLVM type of a panel: rows, depth, A and its strides, B's, C's, accumulate."""
    size, flag = ir.IntType(64), ir.IntType(1)
    pointer = (ir.FloatType() if bits == 32 else ir.DoubleType()).as_pointer()
    return ir.FunctionType(
        ir.VoidType(),
        [size, size, pointer, size, size, pointer, size, size, pointer, size, size, flag],
    )


def define_panel(module, vectors, bits):
    """Write the LLVM function of a panel into a module; returns it."""
    size = ir.IntType(64)
    function = ir.Function(module, panel_type(bits), f"sklstm_panel_{vectors}_{bits}")
    function.linkage = "internal"
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
