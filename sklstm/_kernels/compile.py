"""How kernels are compiled: one set of options, and a decorator for each way to be called.

- `kernel`: by other kernels, whose machine code it becomes a part of; what is small.
- `linkage.linked`: by other kernels, by address; what is large, or below many.
- `entry`: by Python. `reduction`: an entry whose sums may be cut into SIMD lanes.
"""

import gc
from contextlib import contextmanager

from numba import config, njit, types
from numba.core.compiler_lock import global_compiler_lock

from sklstm._kernels.cache import keep_on_disk

# NaN and infinity must survive, so that divergence is seen (no nnan, ninf), and a division must
# stay a division (no arcp). Sums are written out where their order matters.
# A kernel allocates nothing, so that no slice need count its references.
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}, "_nrt": False}
# Numba's debugging switches would make kernels whose bits depend on the batch. An option could not
# turn them all off: one overrides it, others reach what Numba compiles below.
PINNED_SETTINGS = {"BOUNDSCHECK": 0, "DEBUGINFO_DEFAULT": 0, "EXTEND_VARIABLE_LIFETIMES": 0}


@contextmanager
def compiling():
    """Have one kernel compiled or loaded as in every other process."""
    with no_garbage_collection():
        # Else the compiler would do so, and take back what is pinned.
        config.reload_config()
        chosen = {name: getattr(config, name) for name in PINNED_SETTINGS}
        vars(config).update(PINNED_SETTINGS)
        try:
            yield
        finally:
            vars(config).update(chosen)


@contextmanager
def no_garbage_collection():
    """The compiler makes millions of objects, which every collection would walk through again.

    Holds the lock that compilation takes in any case: threads cannot take the state of each other.
    """
    with global_compiler_lock:
        collecting = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collecting:
                gc.enable()


def kernel(function):
    """Compile a kernel that only kernels call; it is kept in its callers' machine code."""
    dispatcher = njit(**OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    if not config.DISABLE_JIT:
        # A call with a literal (0, True) would be compiled as a signature of its own.
        resolve = dispatcher.get_call_template
        dispatcher.get_call_template = lambda args, kws: resolve(map(types.unliteral, args), kws)
    return dispatcher


def entry(function, options=OPTIONS):
    """Compile a kernel that Python calls, and keep the machine code on disk."""
    dispatcher = njit(**options)(function)
    if not config.DISABLE_JIT:
        keep_on_disk(dispatcher)
        compile_for = dispatcher.compile

        def compile_as_ever(signature):
            with compiling():
                return compile_for(signature)

        dispatcher.compile = compile_as_ever
    return dispatcher


def reduction(function):
    """An `entry` whose sums the compiler may cut into SIMD lanes."""
    return entry(function, {**OPTIONS, "fastmath": {"contract", "nsz", "reassoc"}})
