"""Numbers at an address, blocks of numbers, and counters that threads share."""

import ctypes

import numpy as np
from numba import config, types
from numba.extending import intrinsic

from sklstm._kernels.compile import kernel


def _load_twin(address, like):
    """The number at an address, of the type of the array `like`.

    X comes in many forms (any strides, read-only, memory-mapped, a list of arrays). Addresses let
    one compiled signature read them all, where arrays would need one each. The caller keeps the
    memory alive; it need not be aligned.
    """
    buffer = (ctypes.c_char * like.itemsize).from_address(int(address))
    return np.frombuffer(buffer, like.dtype)[0]


@intrinsic
def _load(typingctx, address, like):
    def codegen(context, builder, signature, args):
        number = context.get_value_type(signature.return_type)
        return builder.load(builder.inttoptr(args[0], number.as_pointer()), align=1)

    return like.dtype(types.intp, like), codegen


# Loops, since Numba compiles a slice assignment to many times their code.
@kernel
def copy(source, s0, target, t0, size):
    """target[t0 : t0 + size] = source[s0 : s0 + size]; they do not overlap."""
    block, out = source[s0 : s0 + size], target[t0 : t0 + size]
    for j in range(size):
        out[j] = block[j]


@kernel
def add(source, s0, target, t0, size):
    """target[t0 : t0 + size] += source[s0 : s0 + size]; they do not overlap."""
    block, out = source[s0 : s0 + size], target[t0 : t0 + size]
    for j in range(size):
        out[j] += block[j]


@kernel
def fill(array, start, size, value):
    """array[start : start + size] = value."""
    out = array[start : start + size]
    for j in range(size):
        out[j] = value


def _atomic_add_twin(array, index, value):
    """array[index] += value in one indivisible step; returns what was there before."""
    before = array[index]
    array[index] += value
    return before


@intrinsic
def _atomic_add(typingctx, array, index, value):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", builder.gep(data, [args[1]]), args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), codegen


def _atomic_load_twin(array, index):
    """array[index] as it stands now, seen after all that its writer did before."""
    return array[index]


@intrinsic
def _atomic_load(typingctx, array, index):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "seq_cst", 8)

    return types.int64(array, types.intp), codegen


def _atomic_store_twin(array, index, value):
    """array[index] = value, seen only after all that was written before."""
    array[index] = value


@intrinsic
def _atomic_store(typingctx, array, index, value):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        builder.store_atomic(args[2], builder.gep(data, [args[1]]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), codegen


if config.DISABLE_JIT:
    load, atomic_add = _load_twin, _atomic_add_twin
    atomic_load, atomic_store = _atomic_load_twin, _atomic_store_twin
else:
    load, atomic_add, atomic_load, atomic_store = _load, _atomic_add, _atomic_load, _atomic_store
