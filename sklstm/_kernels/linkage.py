"""Kernels that are compiled by themselves, and that others call by address.

LLVM makes the code of a function once more in every function above it. What is large, or below
many, is therefore compiled apart from its callers and kept on disk by itself; its address stands in
a table which every process fills before the first call.
"""

import gc
from inspect import isfunction

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from sklstm._kernels.cache import keep_on_disk
from sklstm._kernels.compile import OPTIONS

# Types of arguments, for `linked`; what depends on the type of the net's numbers is a function.
INDEX, INDICES, FLAG, FLOAT64 = types.intp, types.intp[::1], types.boolean, types.float64
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))

_loaders: list = []
_n_loaded = dict.fromkeys(DTYPES, 0)


def real(dtype):
    """A number of the net."""
    return numba.from_dtype(dtype)


def reals(dtype):
    """A contiguous vector of them."""
    return real(dtype)[::1]


def real_rows(dtype):
    """A contiguous matrix of them."""
    return real(dtype)[:, ::1]


def link(dtype):
    """Compile all linked kernels for float32 or float64, or take them from disk."""
    dtype = np.dtype(dtype)
    if _n_loaded[dtype] == len(_loaders):
        return
    # The compiler makes millions of objects, which every collection would walk through again.
    collecting = gc.isenabled()
    gc.disable()
    try:
        for index in range(_n_loaded[dtype], len(_loaders)):
            _loaders[index](dtype)
            # Only now: another thread may look.
            _n_loaded[dtype] = index + 1
    finally:
        if collecting:
            gc.enable()


def at_link(load):
    """Have `load(dtype)` called when a type is linked; returns it."""
    _loaders.append(load)
    return load


class AddressTable:
    """Addresses of functions, in memory that machine code finds by its name.

    Parameters
    ----------
    name : str
        Of the module, or of a function in it.
    size : int
        The number of addresses, for each type.
    """

    def __init__(self, name, size):
        self._name = name
        self._rows = np.zeros((len(DTYPES), size), np.int64)
        llvmlite.binding.add_symbol(self._name, self._rows.ctypes.data)

    def row(self, dtype):
        """The addresses of a type, to be written."""
        return self._rows[DTYPES.index(dtype)]

    def function(self, builder, dtype, index, kind):
        """Emit the code that reads an address; returns the function, of the LLVM type `kind`."""
        size = ir.IntType(64)
        if self._name not in builder.module.globals:
            ir.GlobalVariable(builder.module, ir.ArrayType(size, self._rows.size), self._name)
        first = size(DTYPES.index(dtype) * self._rows.shape[1])
        place = builder.gep(
            builder.module.globals[self._name], [size(0), builder.add(first, index)]
        )
        return builder.inttoptr(builder.load(place), kind.as_pointer())


def linked(*arguments):
    """Compile a kernel that returns nothing by itself; other kernels call it as they do any.

    Parameters
    ----------
    *arguments : Numba types, or functions that give one for a dtype
        The types of the kernel's arguments.
    """

    def decorate(function):
        if config.DISABLE_JIT:
            return function
        table, kept = AddressTable(f"{function.__module__}.{function.__name__}", 1), []

        def wanted(dtype):
            return [each(dtype) if isfunction(each) else each for each in arguments]

        @at_link
        def load(dtype):
            compiled = CFunc(function, (wanted(dtype), types.void), {}, OPTIONS)
            keep_on_disk(compiled)
            compiled.compile()
            table.row(dtype)[0] = compiled.address
            kept.append(compiled)

        def call(typingctx, *given):
            for dtype in DTYPES:
                if len(given) == len(arguments) and all(
                    map(typingctx.can_convert, given, wanted(dtype))
                ):
                    codegen = _call_codegen(table, dtype, given, wanted(dtype))
                    return types.void(types.StarArgTuple(given)), codegen

        # What errors of the compiler say.
        call.__name__ = function.__name__
        return intrinsic(call)

    return decorate


def _call_codegen(table, dtype, given, wanted):
    def codegen(context, builder, signature, args):
        values = [
            context.cast(builder, builder.extract_value(args[0], n), given[n], wanted[n])
            for n in range(len(given))
        ]
        nothing = context.get_value_type(types.void)
        kind = ir.FunctionType(nothing, [value.type for value in values])
        builder.call(table.function(builder, dtype, ir.IntType(64)(0), kind), values)
        return context.get_dummy_value()

    return codegen
