"""What is not public in Numba is touched in one file, and known to hold for some versions."""

import ast
import pickle
import re
from contextlib import contextmanager
from importlib.metadata import requires
from pathlib import Path

import numba
import numpy as np
import pytest

from sklstm._machine.numba_internals import (
    BaseFunction,
    KernelCompiler,
    compile_apart,
    compile_within,
    global_compiler_lock,
    native_address,
    pack_code,
    threading_layer_runs,
    unpack_code,
    widen_literals,
)

PACKAGE = Path(__file__).parents[1] / "sklstm"
INTERNALS = PACKAGE / "_machine" / "numba_internals.py"
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != INTERNALS]
# Modules that Numba's documentation describes.
PUBLIC = {"numba", "numba.extending", "numba.types", "numba.config"}
# The whole suite has run with this version, and with 0.68, the newest there was.
OLDEST = "0.60"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_only_one_file_touches_what_is_not_public(path):
    source = path.read_text(encoding="utf-8")
    modules = {
        node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)
    }
    assert {name for name in modules if name.split(".")[0] == "numba"} <= PUBLIC
    assert re.findall(r"numba\.(?:core|np|_[a-z])\w*", source) == []
    assert re.findall(r"dispatcher\.\w+|compiled\._[a-z]\w*", source) == []


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_what_is_touched_is_there():
    @numba.njit
    def double(x):
        return 2 * x

    widen_literals(double)
    entered = []

    @contextmanager
    def context():
        entered.append(True)
        yield

    compile_within(double, context)
    assert double(2) == 4
    assert entered == [True]
    (compiled,) = double.overloads.values()
    again = unpack_code(compiled.target_context, pickle.loads(pack_code(compiled)))
    assert again.signature == compiled.signature
    assert threading_layer_runs() in (False, True)
    assert native_address(double, compiled.signature) > 0


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_what_is_known_of_types_is_remembered_for_kernels_alone():
    def last(x, i):
        return x[i] + x[-1]

    find = BaseFunction.get_call_type
    arguments = [(np.arange(3.0), 1), (np.arange(3), 1), (np.arange(3, dtype="f"), np.int32(1))]
    elsewhere = numba.njit(last)
    expected = [elsewhere(*each) for each in arguments]
    for _ in range(2):
        compiled = numba.njit(last)
        with global_compiler_lock, compile_apart({}):
            assert BaseFunction.get_call_type is not find
            answers = [compiled(*each) for each in arguments]
        assert BaseFunction.get_call_type is find
        assert answers == expected
        for each in compiled.signatures:
            assert compiled.overloads[each].signature == elsewhere.overloads[each].signature


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_the_passes_that_kernels_are_spared_are_there():
    spared = set()

    def names(pipelines):
        return {each.__name__ for pipeline in pipelines for each, _ in pipeline.passes}

    class Recorder(KernelCompiler):
        def define_pipelines(self):
            kept = super().define_pipelines()
            spared.update(names(super(KernelCompiler, self).define_pipelines()) - names(kept))
            return kept

    @numba.njit(pipeline_class=Recorder)
    def double(x):
        return 2 * x

    assert double(2) == 4
    assert spared == {"InlineClosureLikes", "NopythonRewrites", "InlineOverloads"}


def test_the_oldest_version_is_the_one_that_is_required():
    (needed,) = [line for line in requires("sklstm") if line.startswith("numba")]
    assert needed.replace(" ", "") == f"numba>={OLDEST}"
    installed = tuple(map(int, numba.__version__.split(".")[:2]))
    assert installed >= tuple(map(int, OLDEST.split(".")))
