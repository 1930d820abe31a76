"""The register tile: a small matrix product whose accumulators stay in SIMD registers.

A panel is a column of tiles, 1 to 4 vectors wide, of any number of rows. A *tall* one takes two
vectors at a time and 8 rows (without AVX-512 or NEON 6, and then 4), which reads half as much of B
for each multiplication as 4 rows and four vectors: this counts where B comes from afar, as weights
do. What rows are left, and all rows of a panel that is not tall, make tiles as wide as the panel: a
small tile has too few sums to keep the multipliers busy.

Weights that do not stay in the cache of a core come from afar at a fifth of its rate. So the tall
tiles of a pair of vectors fetch those of the next pair meanwhile, each tile a share of them. Of a
transposed A, each column is on a line of its own: then they fetch its columns.

BLAS packs its operands at every call; a recurrent net uses the same weights at every step. The
tile reads weights that were packed once a minibatch, and gives each output as one chain of
multiply-adds over depth, in the same order whatever tile it falls in: the bits of a row do not
depend on the rows that are computed with it.
"""

from llvmlite import ir

from sklstm._machine.numba_internals import cgutils
from sklstm._machine.processor import MANY_REGISTERS, SIMD_BYTES

# Registers are for a tile's sums, its vectors of B and a number of A. One of 3 x 4 would need 17; 4
# rows of two vectors have as many sums as 2 of four, and read B half as often.
TALL_HEIGHTS, TALL_VECTORS = (8,) if MANY_REGISTERS else (6, 4), 2
# How many columns of a transposed A are fetched ahead: a tile takes 6 cycles for each, the cache
# that cores share some 50 to answer.
COLUMNS_AHEAD = 16
# Heights of the tiles that are as wide as the panel.
WIDE_HEIGHTS = (4, 3, 2, 1) if MANY_REGISTERS else (2, 1)


def panel_type(bits):
    """The LLVM type of a panel: rows, depth, A and its strides, B's, C's, accumulate."""
    size, flag = ir.IntType(64), ir.IntType(1)
    pointer = (ir.FloatType() if bits == 32 else ir.DoubleType()).as_pointer()
    return ir.FunctionType(
        ir.VoidType(),
        [size, size, pointer, size, size, pointer, size, size, size, pointer, size, size, flag],
    )


def define_panel(module, vectors, tall, bits):
    """Write the LLVM function of a panel into a module; returns it."""
    size = ir.IntType(64)
    name = f"sklstm_{'tall' if tall else 'wide'}_panel_{vectors}_{bits}"
    function = ir.Function(module, panel_type(bits), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    (
        rows, depth, a, a_row, a_col, b, b_row, b_vector, b_pair, c, c_row, c_vector, accumulate,
    ) = function.args  # fmt: skip
    c.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))

    def times(step, n):
        return builder.mul(step, size(n))

    def tiles(height, begin, first, last):
        """Emit tiles of some vectors from row `begin` on; returns the row after them."""
        before = builder.block
        test, body, beyond = (builder.append_basic_block(f"rows_{height}") for _ in range(3))
        builder.branch(test)
        builder.position_at_end(test)
        row = builder.phi(size)
        row.add_incoming(begin, before)
        after = builder.add(row, size(height))
        builder.cbranch(builder.icmp_signed("<=", after, rows), body, beyond)
        builder.position_at_end(body)
        chosen = range(first, last)
        ahead = None
        if height == TALL_HEIGHTS[0] and len(chosen) == TALL_VECTORS:
            share = builder.udiv(b_row, builder.udiv(rows, size(height)))
            place = builder.udiv(builder.mul(row, depth), size(height))
            pair = builder.add(times(b_pair, last // 2), builder.mul(place, share))
            column = builder.gep(a, [builder.add(row, times(a_col, COLUMNS_AHEAD))])
            transposed = builder.icmp_signed("==", a_row, size(1))
            ahead = (
                builder.select(transposed, column, builder.gep(b, [pair])),
                builder.select(transposed, a_col, share),
            )
        _tile(
            builder, height, depth,
            builder.gep(a, [builder.mul(row, a_row)]), a_row, a_col,
            b, b_row, [builder.add(times(b_vector, v % 2), times(b_pair, v // 2)) for v in chosen],
            builder.gep(c, [builder.mul(row, c_row)]), c_row, [times(c_vector, v) for v in chosen],
            accumulate, ahead,
        )  # fmt: skip
        row.add_incoming(after, builder.block)
        builder.branch(test)
        builder.position_at_end(beyond)
        return row

    done = size(0)
    if tall:
        # 8 rows of three vectors make 24 sums, which still fit.
        across = 3 if vectors == 3 and MANY_REGISTERS else TALL_VECTORS
        for height in TALL_HEIGHTS:
            begin = done
            for first in range(0, vectors, across):
                done = tiles(height, begin, first, min(first + across, vectors))
    for height in WIDE_HEIGHTS:
        done = tiles(height, done, 0, vectors)
    builder.ret_void()
    return function


def _tile(
    builder, rows, depth, a, a_row, a_col, b, b_row, b_vectors, c, c_row, c_vectors, accumulate,
    ahead,
):  # fmt: skip
    """Emit a product whose sums stay in registers; `b_vectors` and `c_vectors` are offsets.

    `ahead` is None, or what is fetched meanwhile: from where on, and how much further at each step.
    """
    scalar = a.type.pointee
    itemsize = 4 if isinstance(scalar, ir.FloatType) else 8
    lanes = SIMD_BYTES // itemsize
    vector, size = ir.VectorType(scalar, lanes), depth.type
    cells = [(r, v) for r in range(rows) for v in range(len(b_vectors))]
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

    a_offsets = [builder.mul(a_row, size(r)) for r in range(min(rows, 4))]
    a_starts = [builder.gep(a, [builder.mul(a_row, size(r))]) for r in range(0, rows, 4)]
    before = builder.block
    loop = builder.append_basic_block("depth")
    done = builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", depth, size(0)), loop, done)

    builder.position_at_end(loop)
    left, b_k = builder.phi(size), builder.phi(b.type)
    a_ks = [builder.phi(a.type) for _ in a_starts]
    sums = {cell: builder.phi(vector) for cell in cells}
    if ahead is not None:
        fetched = builder.phi(b.type)
    b_values = [builder.load(vector_at(b_k, offset), align=itemsize) for offset in b_vectors]
    longer = {}
    for r in range(rows):
        a_k = a_ks[r // 4]
        value = builder.load(builder.gep(a_k, [a_offsets[r % 4]]))
        value = builder.insert_element(zero, value, ir.IntType(32)(0))
        value = builder.shuffle_vector(value, zero, first_lane)
        for v in range(len(b_vectors)):
            longer[r, v] = builder.call(fma, [value, b_values[v], sums[r, v]])
    if ahead is not None:
        _fetch(builder, fetched)
    # A counter that LLVM sees through would have the loop unrolled, which takes too many registers.
    less = _opaque(builder, builder.sub(left, size(1)))
    next_a = [_opaque(builder, builder.gep(a_k, [a_col])) for a_k in a_ks]
    for phi, first, then in (
        (left, depth, less),
        *zip(a_ks, a_starts, next_a, strict=True),
        (b_k, b, _opaque(builder, builder.gep(b_k, [b_row]))),
        *((sums[cell], zero, longer[cell]) for cell in cells),
    ):
        phi.add_incoming(first, before)
        phi.add_incoming(then, loop)
    if ahead is not None:
        start, further = ahead
        fetched.add_incoming(start, before)
        fetched.add_incoming(_opaque(builder, builder.gep(fetched, [further])), loop)
    builder.cbranch(builder.icmp_signed(">", less, size(0)), loop, done)

    builder.position_at_end(done)
    totals = {cell: builder.phi(vector) for cell in cells}
    for cell in cells:
        totals[cell].add_incoming(zero, before)
        totals[cell].add_incoming(longer[cell], loop)
    for r, v in cells:
        # What C held is read in any case, and dropped if it is to be replaced.
        out = vector_at(c, builder.add(builder.mul(c_row, size(r)), c_vectors[v]))
        start = builder.select(accumulate, builder.load(out, align=itemsize), zero)
        # Flags of its own keep away those of the module, with which LLVM might add no zero in some
        # of the tiles: the sign of a zero would depend on them.
        total = builder.fadd(totals[r, v], start, flags=("contract",))
        builder.store(total, out, align=itemsize)


def _fetch(builder, pointer):
    """Have a cache line fetched, to be read soon; of no memory at all, none is."""
    number, place = ir.IntType(32), ir.IntType(8).as_pointer()
    prefetch = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(ir.VoidType(), [place, number, number, number]),
        "llvm.prefetch.p0i8",
    )
    read, near, data = number(0), number(3), number(1)
    builder.call(prefetch, [builder.bitcast(pointer, place), read, near, data])


def _opaque(builder, value):
    """The same value, of which LLVM does not know where it comes from.

    Of addresses that it sees through, it makes chains of additions that no load can overtake, or
    so many pointers that they do not stay in registers.
    """
    kind = ir.FunctionType(value.type, [value.type])
    return builder.asm(kind, "", "=r,0", [value], side_effect=False)
