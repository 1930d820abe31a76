"""Machine code on disk that is damaged, of others or of other settings: it is not run."""

import inspect
import os
import pickle
import re

import numpy as np
import pytest
from numba import config
from numba.core import (
    base,
    callwrapper,
    cgutils,
    codegen,
    cpu,
    debuginfo,
    generators,
    lowering,
    pythonapi,
)
from processes import SOME_KERNELS, copy_package, holds_machine_code, run, start, state_of

from sklstm._kernels import updates
from sklstm._machine import cache
from sklstm._machine.compile import PINNED_SETTINGS, compiling, entry
from sklstm._machine.linkage import INDEX, Links, linked, vector_type

GRADIENT = np.random.RandomState(0).normal(size=50)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The only folder that machine code is kept in; it is empty."""
    monkeypatch.setattr(cache, "FOLDERS", [tmp_path])
    monkeypatch.setattr(cache, "NOT_KEPT", [])
    return tmp_path


def use(kernel=updates.clip):
    """What a kernel gives, and how often it is compiled, in a process that has not used it yet."""
    new, gradient = entry(kernel.py_func), GRADIENT.copy()
    new(gradient, 0.5)
    return gradient.tobytes(), sum(new.stats.cache_misses.values())


@pytest.fixture
def path(folder):
    """The file of a kernel."""
    bits, compiled = use()
    assert compiled == 1
    assert use() == (bits, 0)
    [path] = folder.iterdir()
    return path


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


def cut(share):
    def cut_off(path):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return cut_off


def put_folder(path):
    path.unlink()
    path.mkdir()
    (path / "something").touch()


def put_another(kernel):
    """Take the place of a file by that of a kernel which could be called in the same way."""

    def put(path):
        use(kernel)
        [other] = set(path.parent.iterdir()) - {path}
        other.replace(path)

    return put


@entry
def halve(gradient, max_norm):
    for j in range(gradient.size):
        gradient[j] /= 2


# As one of the package, which alone are kept.
halve.py_func.__module__ = updates.__name__

DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut off in its checksum": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "cut off after it": lambda path: path.write_bytes(path.read_bytes()[: cache.CHECKSUM_BYTES]),
    "half": cut(0.5),
    "nearly whole": cut(0.999),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "garbage": lambda path: path.write_bytes(np.random.RandomState(0).bytes(40_000)),
    "zeros": lambda path: path.write_bytes(bytes(40_000)),
    "text": lambda path: path.write_text("<html>Login</html>", encoding="utf-8"),
    "a pickle": lambda path: path.write_bytes(pickle.dumps((1, 2, 3))),
    "a flipped bit": lambda path: flip(path, -100),
    "a folder": put_folder,
    "another kernel's": put_another(halve),
    "not readable": lambda path: path.chmod(0),
    "removed": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_compiled_again_once(path, damage):
    bits, _ = use()
    damage(path)
    # To root, a file that is not readable is as whole as before.
    is_whole = damage is DAMAGES["not readable"] and os.name != "nt" and os.geteuid() == 0
    assert use() == (bits, 0 if is_whole else 1)
    assert use() == (bits, 0)


def test_a_flipped_bit_anywhere_is_seen(path):
    whole, kernel = path.read_bytes(), entry(updates.clip.py_func)
    kernel(GRADIENT.copy(), 0.5)

    def found():
        with compiling():
            return kernel._cache.load_overload(kernel.signatures[0], kernel.targetctx) is not None

    for position in np.linspace(0, len(whole) - 1, 300).astype(int):
        flip(path, position)
        assert not found()
        path.write_bytes(whole)
    assert found()


def test_what_one_folder_lacks_or_has_damaged_is_taken_from_the_next(path, tmp_path, monkeypatch):
    first = tmp_path / "first"
    first.mkdir()
    monkeypatch.setattr(cache, "FOLDERS", [first, tmp_path])
    bits, compiled = use()
    assert compiled == 0
    (first / path.name).write_bytes(b"damaged")
    assert use() == (bits, 0)


def test_what_the_first_folder_does_not_take_is_written_to_the_next(folder, monkeypatch):
    (folder / "file").touch()
    monkeypatch.setattr(cache, "FOLDERS", [folder / "file", folder])
    bits, compiled = use()
    assert compiled == 1
    assert use() == (bits, 0)
    assert cache.NOT_KEPT == []


def test_what_no_folder_takes_is_compiled_and_counted(monkeypatch, folder):
    (folder / "file").touch()
    monkeypatch.setattr(cache, "FOLDERS", [folder / "file"])
    bits, compiled = use()
    assert compiled == 1
    assert use() == (bits, 1)
    assert len(cache.NOT_KEPT) == 2


def test_a_damaged_linked_kernel_is_compiled_again(folder):
    def double(n, x):
        x[0] *= 2 * n

    double.__module__ = updates.__name__

    def link():
        links = Links()
        linked(INDEX, vector_type, links=links)(double)
        links.link(np.float64)

    link()
    [path] = folder.iterdir()
    whole = path.read_bytes()
    for content in (b"", whole[:500], bytes(len(whole))):
        path.write_bytes(content)
        link()
        written = path.read_bytes()
        assert written.startswith(cache._checksum(path.name, written[cache.CHECKSUM_BYTES :]))


def test_types_have_files_of_their_own(path, folder):
    entry(updates.clip.py_func)(GRADIENT.astype(np.float32), 0.5)
    assert len(list(folder.iterdir())) == 2
    assert use()[1] == 0


@pytest.mark.parametrize("setting", cache.SETTINGS)
def test_machine_code_of_other_settings_is_not_taken(path, monkeypatch, setting):
    kernel = entry(updates.clip.py_func)
    kernel(GRADIENT.copy(), 0.5)
    monkeypatch.setattr(config, setting, "another", raising=False)
    name = kernel._cache.file_name(kernel.signatures[0], kernel.targetctx)
    assert name != path.name


def test_all_settings_that_numba_generates_code_by_are_pinned_or_looked_at():
    parts = base, callwrapper, cgutils, codegen, cpu, debuginfo, generators, lowering, pythonapi
    sources = "".join(map(inspect.getsource, parts))
    settings = set(re.findall(r"\bconfig\.([A-Z_]+)", sources))
    # To print code does not change it; a processor's name is in what the generator says of itself.
    harmless = {name for name in settings if "DUMP" in name} | {"IS_WIN"}
    assert settings - harmless - {"CPU_NAME"} <= {*cache.SETTINGS, *PINNED_SETTINGS}


def test_a_kernel_that_depends_on_more_than_the_sources_is_not_kept(folder):
    half = 0.5

    def closure(gradient, max_norm):
        gradient *= half

    def elsewhere(gradient, max_norm):
        gradient *= 0.5

    closure.__module__ = updates.__name__
    for function in (closure, elsewhere):
        entry(function)(GRADIENT.copy(), 0.5)
    assert list(folder.iterdir()) == []


@pytest.fixture
def package(tmp_path):
    """A copy of the package, in a folder to run from."""
    return copy_package(tmp_path)


@pytest.mark.cold
def test_a_process_whose_files_are_all_damaged_writes_them_anew(package, tmp_path):
    folder = tmp_path / "cache"
    expected = run(SOME_KERNELS, package, NUMBA_CACHE_DIR=str(folder))
    damages = [DAMAGES[name] for name in ("half", "garbage", "a folder")]
    for path, damage in zip(state_of(folder), damages, strict=True):
        damage(path)
    assert run(SOME_KERNELS, package, NUMBA_CACHE_DIR=str(folder)) == expected
    written = state_of(folder)
    assert run(SOME_KERNELS, package, NUMBA_CACHE_DIR=str(folder)) == expected
    assert state_of(folder) == written


# What happens to a filled folder between the import and the first call.
FAILURES = {
    "removed": "",
    "a full disk": "resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))",
    "a file in its place": "base.touch()",
}


@pytest.mark.cold
@pytest.mark.skipif(os.name == "nt", reason="limits are set otherwise on Windows")
@pytest.mark.parametrize("failure", FAILURES)
def test_a_cache_that_fails_after_the_import_costs_only_compile_time(package, tmp_path, failure):
    base = tmp_path / "cache"
    before = f"""
import resource, shutil
from pathlib import Path
import sklstm

base = Path({str(base)!r})
shutil.rmtree(base)
{FAILURES[failure]}
"""
    expected = run(SOME_KERNELS, package, NUMBA_CACHE_DIR=str(base))
    assert run(before + SOME_KERNELS, package, NUMBA_CACHE_DIR=str(base)) == expected
    assert holds_machine_code(base) == (failure == "removed")


@pytest.mark.cold
@pytest.mark.skipif(os.name == "nt", reason="limits are set otherwise on Windows")
def test_a_warm_up_that_cannot_be_written_says_so(package, tmp_path):
    code = """
import resource, sys
import numpy as np
from sklstm import __main__ as command
from sklstm._kernels import updates

command.warm_up = lambda: updates.clip(np.ones(4), 0.5)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
sys.argv[1:] = ["--warm-up"]
try:
    command.main()
except SystemExit as error:
    print(error.code)
"""
    assert run(code, package, NUMBA_CACHE_DIR=str(tmp_path / "cache")).endswith("\n2\n")


class MakeFolder:
    """What makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.cold
@pytest.mark.skipif(os.name == "nt", reason="modes say nothing there")
@pytest.mark.parametrize("open_to_others", ["*", "*/*", ".", None])
def test_code_that_others_could_have_written_is_not_run(package, tmp_path, open_to_others):
    base, marker = tmp_path / "cache", tmp_path / "marker"
    expected = run(SOME_KERNELS, package, NUMBA_CACHE_DIR=str(base))
    for path in base.glob("*/*"):
        code = pickle.dumps(MakeFolder(marker))
        path.write_bytes(cache._checksum(path.name, code) + code)
    if open_to_others is None:
        # The test can fail: this user's own files are run.
        process = start(SOME_KERNELS, package, NUMBA_CACHE_DIR=str(base))
        assert "TypeError" in process.communicate(timeout=300)[1]
        assert marker.exists()
        return
    for path in [base] if open_to_others == "." else base.glob(open_to_others):
        path.chmod(0o777)
    assert run(SOME_KERNELS, package, NUMBA_CACHE_DIR=str(base)) == expected
    assert not marker.exists()
