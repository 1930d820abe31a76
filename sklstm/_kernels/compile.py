"""How kernels are compiled: one set of options, and a decorator for each way to be called.

- `kernel`: by other kernels, whose machine code it becomes a part of; what is small.
- `linkage.linked`: by other kernels, by address; what is large, or below many.
- `entry`: by Python. `reduction`: an entry whose sums may be cut into SIMD lanes.
"""

from numba import config, njit, types

from sklstm._kernels.cache import keep_on_disk

# NaN and infinity must survive, so that divergence is seen (no nnan, ninf), and a division must
# stay a division (no arcp). Sums are written out where their order matters.
# A kernel allocates nothing, so that no slice need count its references.
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}, "_nrt": False}


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
    return dispatcher


def reduction(function):
    """An `entry` whose sums the compiler may cut into SIMD lanes."""
    return entry(function, {**OPTIONS, "fastmath": {"contract", "nsz", "reassoc"}})
