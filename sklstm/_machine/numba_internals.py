"""What sklstm imports from Numba, or changes in it, beyond what is public.

For a new version of Numba, look here first; `cache.py` and `linkage.py` use what these objects
have.

tests/test_numba_internals.py says which versions it is known to hold for.
"""

from contextlib import contextmanager

import numba
from numba import types
from numba.core import cgutils, config, event
from numba.core.caching import NullCache
from numba.core.codegen import JITCodeLibrary, JITCPUCodegen, get_host_cpu_features
from numba.core.compiler import Compiler, CompileResult, Flags
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.serialize import dumps
from numba.core.targetconfig import ConfigStack
from numba.core.typeconv import Conversion
from numba.core.types.functions import BaseFunction
from numba.np.numpy_support import as_dtype

__all__ = [
    "Conversion",
    "KernelCompiler",
    "NullCache",
    "PartCompiler",
    "VerbatimCompiler",
    "as_dtype",
    "cgutils",
    "compile_apart",
    "compile_within",
    "entry_point",
    "event",
    "get_host_cpu_features",
    "global_compiler_lock",
    "native_address",
    "optimization_level",
    "pack_code",
    "threading_layer_runs",
    "unpack_code",
    "use_cache",
    "widen_literals",
]


def use_cache(compiled, cache):
    """Have a dispatcher ask `cache` for its machine code, and hand it over."""
    compiled._cache = cache


def pack_code(compiled):
    """The machine code of a kernel, for one signature, as what `pickle` reads."""
    return dumps(compiled._reduce())


def unpack_code(target_context, parts):
    """What `pack_code` was given, in this process."""
    return CompileResult._rebuild(target_context, *parts)


def compile_within(dispatcher, context):
    """Have whatever a dispatcher compiles or loads, when it is called, happen in a context."""
    # Not `compile`, before which Numba loads its extensions, once and for all.
    compile_for_arguments = dispatcher._compile_for_args

    def compile_in_context(*arguments, **named):
        with context():
            return compile_for_arguments(*arguments, **named)

    dispatcher._compile_for_args = compile_in_context


def optimization_level(level):
    """A level as Numba's setting OPT has it, which is more than a number."""
    return config._OptLevel(level)


@contextmanager
def compile_apart(settings):
    """Have what is compiled or loaded meanwhile be so with these settings, whatever Numba's are.

    Only under the compiler's lock. Settings that a version of Numba lacks are left out.
    """
    # Else the compiler would do so, and take back what is set here.
    config.reload_config()
    context = cpu_target.target_context
    known = {name: value for name, value in settings.items() if hasattr(config, name)}
    with (
        _replaced(config, known),
        _replaced(context, _own_code_generator(context)),
        _replaced(BaseFunction, {"get_call_type": _remembered_type}),
    ):
        yield


def _own_code_generator(context):
    """What a target context compiles with, and of Numba's own functions has compiled.

    A code generator keeps some settings as they were when it was made, which for that of others
    was the first that anybody compiled. It must live as long as the machine code.
    """
    if not hasattr(context, "_of_sklstm"):
        context._of_sklstm = {
            "_internal_codegen": JITCPUCodegen("sklstm"), "cached_internal_func": {}
        }  # fmt: skip
    return context._of_sklstm


@contextmanager
def _replaced(owner, attributes):
    before = {name: getattr(owner, name) for name in attributes}
    for name, value in attributes.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


_find_type, _TYPES = BaseFunction.get_call_type, {}


def _remembered_type(function, context, args, kws):
    """The signature of an index, a sum or the like of Numba's, for arguments of some types.

    Numba tries all that it knows of such a function at every call, which takes a third of the time
    to find types. What it has compiled for a call depends on the options too.
    """
    if kws:
        return _find_type(function, context, args, kws)
    key = function, tuple(args), ConfigStack.top_or_none()
    if key not in _TYPES:
        signature = _find_type(function, context, args, kws)
        _TYPES[key] = signature, function._impl_keys[signature.args]
    signature, implementation = _TYPES[key]
    function._impl_keys[signature.args] = implementation
    return signature


def entry_point(dispatcher, *arguments):
    """What a dispatcher calls for arguments of such types; it is compiled or loaded if need be."""
    return dispatcher._compile_for_args(*arguments)


def native_address(dispatcher, signature):
    """Where the machine code for a signature is, which is compiled or loaded if need be."""
    dispatcher.compile(signature)
    compiled = dispatcher.overloads[signature.args]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


def widen_literals(dispatcher):
    """A call with a literal (0, True) would be compiled as a signature of its own."""
    resolve = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: resolve(map(types.unliteral, args), kws)


def threading_layer_runs():
    """Whether Numba has started its threads, which a forked child would miss."""
    return getattr(numba.np.ufunc.parallel, "_is_initialized", False)


class _Library(JITCodeLibrary):
    """Functions that are optimised once, when all that they call has become a part of them.

    Numba does so before, too, to find counts of references, of which kernels have none.
    """

    def _optimize_functions(self, ll_module):
        """Nothing to be done yet."""


class _AsWritten(_Library):
    """Functions that are not optimised."""

    def _optimize_final_module(self):
        """Nothing to be done."""


class _Part(_AsWritten):
    """Functions that become a part of others' machine code, and need none of their own."""

    def _finalize_final_module(self):
        self._finalized = True

    def get_pointer_to_function(self, name):
        """None: Python cannot call it."""
        return 0

    @property
    def codegen(self):
        """What Numba tells where a function's environment is; this one has no place."""
        return self

    def set_env(self, env_name, env):
        """Nothing to be done."""


class _Flags(Flags):
    """The options of a function, which Numba compares some ten thousand times, one by one."""

    def __hash__(self):
        return hash(Flags)

    def __eq__(self, other):
        return self is other or (isinstance(other, Flags) and self._values == other._values)


class KernelCompiler(Compiler):
    """Numba's compiler, without what finds nothing in kernels."""

    library_class = _Library

    def __init__(self, typingctx, targetctx, library, args, return_type, flags, locals):
        library = self.library_class(targetctx.codegen(), "kernel")
        library.enable_object_caching()
        flags = _Flags(flags)
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)

    def define_pipelines(self):
        """The passes of Numba, but for closures, expressions of whole arrays, and inlining."""
        spared = "InlineClosureLikes", "NopythonRewrites", "InlineOverloads"
        pipelines = super().define_pipelines()
        for pipeline in pipelines:
            pipeline.passes = [each for each in pipeline.passes if each[0].__name__ not in spared]
            pipeline.finalize()
        return pipelines


class PartCompiler(KernelCompiler):
    """That of kernels which become a part of their callers."""

    library_class = _Part


class VerbatimCompiler(KernelCompiler):
    """That of kernels whose LLVM code is written as it should run."""

    library_class = _AsWritten
