"""Kernels that are compiled by themselves, and that others call by address.

LLVM makes the code of a function once more in every function above it. What is large, or below
many, is therefore compiled apart from its callers and kept on disk by itself; its address stands in
a table which every process fills before the first call.
"""

from inspect import isfunction

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from sklstm._machine.cache import FINGERPRINT
from sklstm._machine.compile import apart, compiling
from sklstm._machine.numba_internals import Conversion, native_address

# Types of arguments, for `linked`; what depends on the type of the net's numbers is a function.
INDEX, INDICES, FLAG, FLOAT64 = types.intp, types.intp[::1], types.boolean, types.float64
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
# Machine code lives as long as the process, also when modules are reloaded or imported anew: what
# it needs must not go with them.
_KEPT = vars(llvmlite.binding).setdefault("kept_for_sklstm", {})


def real_type(dtype):
    """A number of the net."""
    return numba.from_dtype(dtype)


def vector_type(dtype):
    """A contiguous vector of them."""
    return real_type(dtype)[::1]


def matrix_type(dtype):
    """A contiguous matrix of them."""
    return real_type(dtype)[:, ::1]


class Links:
    """Linked kernels that are made ready at once."""

    @classmethod
    def named(cls, name):
        """The same object whenever this process asks for it."""
        return _KEPT.setdefault(name, cls())

    def __init__(self):
        self._loaders = []
        self._n_loaded = dict.fromkeys(DTYPES, 0)

    def add(self, load):
        """Have `load(dtype)` called when a type is linked; returns it."""
        self._loaders.append(load)
        return load

    def link(self, dtype):
        """Compile the kernels for float32 or float64, or take them from disk.

        What calls linked kernels must be sure that this was done: else it jumps to address 0.
        """
        dtype = np.dtype(dtype)
        # One at a time, so that an interrupt need not wait for all of them.
        while self._n_loaded[dtype] < len(self._loaders):
            with compiling():
                # Under the lock, and asked again: no two threads load the same.
                if self._n_loaded[dtype] < len(self._loaders):
                    self._loaders[self._n_loaded[dtype]](dtype)
                    self._n_loaded[dtype] += 1


# What every net needs; what nets of several layers do, sequences in segments, dropout, and shards
# and passes over all weights that threads share.
EVERY_NET, UPPER_LAYERS = Links.named("every net"), Links.named("upper layers")
SEGMENTS, CHUNKS, DROPOUT, SHARED, PASSES = map(
    Links.named, ("segments", "chunks", "dropout", "shared", "passes")
)


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
        # Machine code of other sources may live on in this process, and calls in other ways.
        self._name = f"{name}-{FINGERPRINT}"
        self._rows = _KEPT.setdefault(self._name, np.zeros((len(DTYPES), size), np.int64))
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


def linked(*arguments, links=EVERY_NET):
    """Compile a kernel by itself; other kernels call it as they do any, after `links.link`.

    It returns nothing and must not raise: an exception would be lost, and its caller go on.

    Parameters
    ----------
    *arguments : Numba types, or functions that give one for a dtype
        The types of the kernel's arguments. What a caller passes may be of a smaller type, such as
        int32 for int64, but not of a larger one.
    links : Links
        What it is made ready with.
    """

    def decorate(function):
        if config.DISABLE_JIT:
            return function
        table = AddressTable(f"{function.__module__}.{function.__name__}", 1)
        wanted = _types(arguments)
        _add(function, wanted, table, 0, links)

        def call(typingctx, *given):
            return _call(typingctx, table, None, given, wanted)

        # What errors of the compiler say.
        call.__name__ = function.__name__
        return intrinsic(call)

    return decorate


def linked_choice(name, functions, *arguments):
    """Kernels of the same arguments, each compiled by itself, of which a caller names one.

    Parameters
    ----------
    name : str
        Of the choice, among all that there are.
    functions : dict of {str: function}
    *arguments
        As of `linked`.

    Returns
    -------
    choose : kernel
        Takes the place of a function among all, and then its arguments.
    links : list of Links
        What each function is made ready with.
    """
    listed = list(functions.values())
    links = [Links.named(f"{name} {key}") for key in functions]
    if config.DISABLE_JIT:
        return lambda place, *given: listed[place](*given), links
    table, wanted = AddressTable(f"{__name__}.{name}", len(listed)), _types(arguments)
    for place, function in enumerate(listed):
        _add(function, wanted, table, place, links[place])

    def call(typingctx, place, *given):
        return _call(typingctx, table, place, given, wanted)

    call.__name__ = name
    return intrinsic(call), links


def _types(arguments):
    wanted = {
        dtype: [each(dtype) if isfunction(each) else each for each in arguments] for dtype in DTYPES
    }
    # Whoever calls says by its arguments which one is meant; the other need not be there.
    single, double = wanted.values()
    if single == double:
        raise TypeError("No argument is of the type of the net's numbers.")
    return wanted


def _add(function, wanted, table, place, links):
    """Have a function compiled for a type, and its address put into a table, when it is linked."""

    @links.add
    def load(dtype):
        signature = types.void(*wanted[dtype])
        table.row(dtype)[place] = native_address(apart(function), signature)


def _call(typingctx, table, place, given, wanted):
    """What an intrinsic returns that calls what is in a table, at `place` if that is given."""
    for dtype in DTYPES:
        if _fit(typingctx, given, wanted[dtype]):
            codegen = _call_codegen(table, dtype, place, given, wanted[dtype])
            before = () if place is None else (types.intp,)
            return types.void(*before, types.StarArgTuple(given)), codegen
    return None


def _fit(typingctx, given, wanted):
    """Whether all arguments are of the types that are wanted, or can become so without a loss."""
    conversions = set(map(typingctx.can_convert, given, wanted))
    return len(given) == len(wanted) and not conversions & {None, Conversion.unsafe}


def _call_codegen(table, dtype, place, given, wanted):
    def codegen(context, builder, signature, args):
        *chosen, packed = args
        index = chosen[0] if chosen else ir.IntType(64)(0)
        values = [
            context.cast(builder, builder.extract_value(packed, n), given[n], wanted[n])
            for n in range(len(given))
        ]
        calls = context.call_conv
        kind = calls.get_function_type(types.void, wanted)
        function = table.function(builder, dtype, index, kind)
        return calls.call_function(builder, function, types.void, wanted, values)[1]

    return codegen
