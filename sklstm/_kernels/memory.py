"""Numbers at an address, blocks of numbers, and counters that threads share."""

import ctypes

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from sklstm._kernels.compile import kernel


def load(address, like):
    """The number at an address, of the type of the array `like`.

    X comes in many forms (any strides, read-only, memory-mapped, a list of arrays). Addresses let
    one compiled signature read them all, where arrays would need one each. The caller keeps the
    memory alive; it need not be aligned.
    """
    buffer = (ctypes.c_char * like.itemsize).from_address(address)
    return np.frombuffer(buffer, like.dtype)[0]


@overload(load, inline="always")
def _compiled_load(address, like):
    return lambda address, like: _load(address, like)


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


def atomic_add(array, index, value):
    """array[index] += value in one indivisible step; returns what was there before."""
    before = array[index]
    array[index] += value
    return before


@overload(atomic_add, inline="always")
def _compiled_atomic_add(array, index, value):
    return lambda array, index, value: _atomic_add(array, index, value)


@intrinsic
def _atomic_add(typingctx, array, index, value):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", builder.gep(data, [args[1]]), args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), codegen


def atomic_load(array, index):
    """array[index] as it stands now, seen after all that its writer did before."""
    return array[index]


@overload(atomic_load, inline="always")
def _compiled_atomic_load(array, index):
    return lambda array, index: _atomic_load(array, index)


@intrinsic
def _atomic_load(typingctx, array, index):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "seq_cst", 8)

    return types.int64(array, types.intp), codegen


def atomic_store(array, index, value):
    """array[index] = value, seen only after all that was written before."""
    array[index] = value


@overload(atomic_store, inline="always")
def _compiled_atomic_store(array, index, value):
    return lambda array, index, value: _atomic_store(array, index, value)


@intrinsic
def _atomic_store(typingctx, array, index, value):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        builder.store_atomic(args[2], builder.gep(data, [args[1]]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), codegen
