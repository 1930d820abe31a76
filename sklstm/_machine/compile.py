"""How kernels are compiled: one set of options, and a decorator for each way to be called.

- `kernel`: by other kernels, whose machine code it becomes a part of; what is small.
- `linkage.linked`: by other kernels, by address; what is large, or below many.
- `entry`: by Python. `reduction`: an entry whose sums may be cut into SIMD lanes; `verbatim`: one
  that LLVM need not optimise.
"""

from contextlib import contextmanager

from numba import config, njit

from sklstm._machine.cache import keep_on_disk
from sklstm._machine.numba_internals import (
    KernelCompiler,
    PartCompiler,
    VerbatimCompiler,
    compile_apart,
    compile_within,
    entry_point,
    optimization_level,
    widen_literals,
)
from sklstm._machine.processor import CPU_FEATURES
from sklstm._machine.undisturbed import undisturbed

# NaN and infinity must survive, so that divergence is seen (no nnan, ninf), and a division must
# stay a division (no arcp). Sums are written out where their order matters.
# A kernel allocates nothing, so that no slice need count its references.
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}, "_nrt": False}
# What only kernels call needs no code around it for arguments of Python's or C's.
UNWRAPPED = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
PART_OPTIONS = {**UNWRAPPED, "pipeline_class": PartCompiler}
# All of Numba's settings that change machine code are pinned here, or else part of what a cache
# is asked for (`cache.SETTINGS`). With others, bits could depend on the batch. An option could not
# turn them all off: one overrides it, others reach what Numba compiles below.
PINNED_SETTINGS = {
    # How LLVM optimises.
    "OPT": optimization_level(3), "LOOP_VECTORIZE": 1, "SLP_VECTORIZE": 0,
    # What is added to look into a kernel.
    "BOUNDSCHECK": 0, "DEBUGINFO_DEFAULT": 0, "EXTEND_VARIABLE_LIFETIMES": 0, "DEBUG_JIT": 0,
    # Counts of references: there are none to be pruned.
    "LLVM_REFPRUNE_PASS": 1, "LLVM_REFPRUNE_FLAGS": "all",
    # Another way to read bytecode, of older versions.
    "USE_RVSDG_FRONTEND": 0,
    # The tile is made for the processor as it was seen at the import.
    "CPU_FEATURES": CPU_FEATURES,
}  # fmt: skip


@contextmanager
def compiling():
    """Have one kernel compiled or loaded, undisturbed, as in every other process."""
    with undisturbed(), compile_apart(PINNED_SETTINGS):
        yield


def kernel(function):
    """Compile a kernel that only kernels call; it is kept in its callers' machine code."""
    dispatcher = njit(**PART_OPTIONS)(function)
    if not config.DISABLE_JIT:
        widen_literals(dispatcher)
    return dispatcher


def apart(function):
    """Compile a kernel that is called by address, and keep the machine code on disk."""
    dispatcher = njit(**UNWRAPPED, pipeline_class=KernelCompiler)(function)
    keep_on_disk(dispatcher)
    return dispatcher


def entry(function, options=OPTIONS, compiler=KernelCompiler):
    """Compile a kernel that Python calls, and keep the machine code on disk."""
    dispatcher = njit(**options, no_cfunc_wrapper=True, pipeline_class=compiler)(function)
    if not config.DISABLE_JIT:
        keep_on_disk(dispatcher)
        compile_within(dispatcher, compiling)
    return dispatcher


def resolved(compiled, *arguments):
    """The machine code of an `entry` for arguments of such types, which it does not look at again.

    To look at those of twenty arrays takes longer than a small net takes for a row.
    """
    return compiled if config.DISABLE_JIT else entry_point(compiled, *arguments)


def reduction(function):
    """An `entry` whose sums the compiler may cut into SIMD lanes."""
    return entry(function, {**OPTIONS, "fastmath": {"contract", "nsz", "reassoc"}})


def verbatim(function):
    """An `entry` that is nothing but LLVM code, written as it should run."""
    return entry(function, compiler=VerbatimCompiler)
