"""Subnormal numbers read and written as zero, where a kernel asks for it.

What fades over many steps, as gradients do, ends as numbers with which the processor takes a
hundred times as long. Nothing changes that is larger than 1e-37 in float32, or 1e-307 in float64.
"""

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from sklstm._machine.compile import kernel
from sklstm._machine.numba_internals import cgutils
from sklstm._machine.processor import SIMD_NAME

# Bits of the register MXCSR: results are flushed to zero, denormals (as it calls them) are zeros.
FLUSH_TO_ZERO, DENORMALS_ARE_ZEROS = 1 << 15, 1 << 6


def _flush_subnormals_twin():
    """Have them taken for zero from now on; returns what `restore` wants."""
    return 0


def _restore_twin(mode):
    """Compute as before."""


@intrinsic
def _flush_subnormals(typingctx):
    def codegen(context, builder, signature, args):
        place = cgutils.alloca_once(builder, ir.IntType(32))
        _call(builder, "llvm.x86.sse.stmxcsr", place)
        mode = builder.load(place)
        builder.store(builder.or_(mode, mode.type(FLUSH_TO_ZERO | DENORMALS_ARE_ZEROS)), place)
        _call(builder, "llvm.x86.sse.ldmxcsr", place)
        return mode

    return types.uint32(), codegen


@intrinsic
def _restore(typingctx, mode):
    def codegen(context, builder, signature, args):
        place = cgutils.alloca_once_value(builder, args[0])
        _call(builder, "llvm.x86.sse.ldmxcsr", place)
        return context.get_dummy_value()

    return types.void(types.uint32), codegen


def _call(builder, name, place):
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    builder.call(function, [builder.bitcast(place, byte)])


if config.DISABLE_JIT:
    flush_subnormals, restore = _flush_subnormals_twin, _restore_twin
elif SIMD_NAME in ("AVX-512", "AVX2", "SSE2"):
    flush_subnormals, restore = _flush_subnormals, _restore
else:
    # Other processors have other registers.
    flush_subnormals, restore = kernel(_flush_subnormals_twin), kernel(_restore_twin)
