"""Numbers at an address, blocks of numbers, and counters that threads share."""

import ctypes
import os
import threading
import time
from functools import reduce

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from sklstm._machine.compile import kernel
from sklstm._machine.numba_internals import cgutils

# Without the compiler, a step of Python is not indivisible.
_COUNTING = threading.Lock()


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


def _at_address_twin(address, size, like):
    """The numbers at an address, so many, as an array of the type of the vector `like`."""
    buffer = (ctypes.c_char * (like.itemsize * size)).from_address(int(address))
    return np.frombuffer(buffer, like.dtype)


@intrinsic
def _at_address(typingctx, address, size, like):
    def codegen(context, builder, signature, args):
        array = context.make_array(like)(context, builder, args[2])
        array.data = builder.inttoptr(args[0], array.data.type)
        array.nitems = args[1]
        array.shape = cgutils.pack_array(builder, [args[1]])
        return array._getvalue()

    return like(types.intp, types.intp, like), codegen


def _block_twin(array, start, size):
    """array[start : start + size], of a contiguous array."""
    return array[start : start + size]


# A slice takes the compiler five times as long: it may count from the end, or be cut off there.
@intrinsic
def _block(typingctx, array, start, size):
    def codegen(context, builder, signature, args):
        block = context.make_array(array)(context, builder, args[0])
        _, *within = cgutils.unpack_tuple(builder, block.shape)
        block.data = builder.gep(block.data, [reduce(builder.mul, within, args[1])])
        block.nitems = reduce(builder.mul, within, args[2])
        block.shape = cgutils.pack_array(builder, [args[2], *within])
        return block._getvalue()

    return array(array, types.intp, types.intp), codegen


def _copy_twin(source, s0, target, t0, size):
    """target[t0 : t0 + size] = source[s0 : s0 + size]; they do not overlap."""
    target[t0 : t0 + size] = source[s0 : s0 + size]


# Calls of libc: a loop would be unrolled and vectorised in each of its many callers.
@intrinsic
def _copy(typingctx, source, s0, target, t0, size):
    def codegen(context, builder, signature, args):
        itemsize = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        begin = _pointer(context, builder, signature, args, 0)
        to = _pointer(context, builder, signature, args, 2)
        cgutils.raw_memcpy(builder, to, begin, args[4], itemsize)
        return context.get_dummy_value()

    n = types.intp
    return types.void(source, n, target, n, n), codegen


def _clear_twin(array, start, size):
    """array[start : start + size] = 0."""
    array[start : start + size] = 0


@intrinsic
def _clear(typingctx, array, start, size):
    def codegen(context, builder, signature, args):
        itemsize = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        size = builder.mul(args[2], args[2].type(itemsize))
        cgutils.memset(builder, _pointer(context, builder, signature, args, 0), size, 0)
        return context.get_dummy_value()

    n = types.intp
    return types.void(array, n, n), codegen


def _pointer(context, builder, signature, args, index):
    """Where an array argument's data starts, moved by the argument that follows it."""
    array = context.make_array(signature.args[index])(context, builder, args[index])
    return builder.gep(array.data, [args[index + 1]])


@kernel
def add(source, s0, target, t0, size):
    """target[t0 : t0 + size] += source[s0 : s0 + size]; they do not overlap."""
    more, out = block(source, s0, size), block(target, t0, size)
    for j in range(size):
        out[j] += more[j]


def _atomic_add_twin(array, index, value):
    """array[index] += value in one indivisible step; returns what was there before."""
    before = array[index]
    array[index] += value
    return before


@intrinsic
def _atomic_add(typingctx, array, index, value):
    def codegen(context, builder, signature, args):
        place = _pointer(context, builder, signature, args, 0)
        return builder.atomic_rmw("add", place, args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), codegen


def _atomic_load_twin(array, index):
    """array[index] as it stands now, seen after all that its writer did before."""
    return array[index]


@intrinsic
def _atomic_load(typingctx, array, index):
    def codegen(context, builder, signature, args):
        return builder.load_atomic(_pointer(context, builder, signature, args, 0), "seq_cst", 8)

    return types.int64(array, types.intp), codegen


def _atomic_store_twin(array, index, value):
    """array[index] = value, seen only after all that was written before."""
    array[index] = value


@intrinsic
def _atomic_store(typingctx, array, index, value):
    def codegen(context, builder, signature, args):
        builder.store_atomic(args[2], _pointer(context, builder, signature, args, 0), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), codegen


def _arrive_twin(address):
    """Add 1 to the counter at an address, in one indivisible step; returns what it is then."""
    with _COUNTING:
        counter = ctypes.c_int64.from_address(int(address))
        counter.value += 1
        return counter.value


@intrinsic
def _arrive(typingctx, address):
    def codegen(context, builder, signature, args):
        counter = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        before = builder.atomic_rmw("add", counter, ir.IntType(64)(1), "seq_cst")
        return builder.add(before, ir.IntType(64)(1))

    return types.int64(types.int64), codegen


def _arrived_twin(address):
    """The counter at an address as it stands now."""
    return ctypes.c_int64.from_address(int(address)).value


@intrinsic
def _arrived(typingctx, address):
    def codegen(context, builder, signature, args):
        counter = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(counter, "seq_cst", 8)

    return types.int64(types.int64), codegen


def _let_others_run_twin():
    """Give the processor to another thread, if one waits for it."""
    time.sleep(0)


@intrinsic
def _let_others_run(typingctx):
    def codegen(context, builder, signature, args):
        if os.name == "posix":
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), codegen


if config.DISABLE_JIT:
    load, block, copy, clear = _load_twin, _block_twin, _copy_twin, _clear_twin
    at_address = _at_address_twin
    atomic_add, atomic_load, atomic_store = _atomic_add_twin, _atomic_load_twin, _atomic_store_twin
    arrive, arrived, let_others_run = _arrive_twin, _arrived_twin, _let_others_run_twin
else:
    load, block, copy, clear = _load, _block, _copy, _clear
    at_address = _at_address
    atomic_add, atomic_load, atomic_store = _atomic_add, _atomic_load, _atomic_store
    arrive, arrived, let_others_run = _arrive, _arrived, _let_others_run
