"""Machine code that can be read but not written, as in a container image: it is not compiled again.

The image is a copy of the package that is compiled and then made read-only; each test uses it in
processes of its own.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from processes import SOME_KERNELS, copy_package, run, state_of

pytestmark = pytest.mark.cold

# Root may read and write what a mode forbids, until it loses the capabilities to override modes.
READER = """
import ctypes, os, sys

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
if os.getuid() == 0:
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
# What the kernels give, and how many of them were compiled.
REPORT = """
import json, os
from sklstm._machine import cache

assert not os.access(os.path.dirname(cache.__file__), os.W_OK)
kernels = updates.add_penalty, updates.clip, updates.adam
report = {
    "bits": weights.tobytes().hex(),
    "compiled": sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels),
}
print()
print(json.dumps(report))
"""
N_KERNELS = 3
# As on the command line, but with a few kernels.
WARM_UP = """
import sys
from sklstm import __main__ as command

def warm_up():
    exec('''KERNELS''', {})

command.warm_up, sys.argv[1:] = warm_up, ["--warm-up"]
command.main()
"""


def read(code, package, **environment):
    """What a process that cannot write to the package prints."""
    environment = {name: str(value) for name, value in environment.items()}
    return run(code, package, [sys.executable, "-c", READER], **environment)


def use(package, before="", **environment):
    """The report of a process that cannot write to the package."""
    output = read(before + SOME_KERNELS + REPORT, package, **environment)
    return json.loads(output.splitlines()[-1])


def make_read_only(folder):
    for path in [*folder.rglob("*"), folder]:
        path.chmod(path.stat().st_mode & ~0o222)
    return folder


@pytest.fixture(scope="module")
def image_and_bits(tmp_path_factory):
    """A copy of the package with machine code, read-only, and what its kernels gave when new."""
    package = copy_package(tmp_path_factory.mktemp("image"))
    bits = run(SOME_KERNELS, package).strip()
    return make_read_only(package), bits


@pytest.fixture(scope="module")
def image(image_and_bits):
    return image_and_bits[0]


@pytest.fixture(scope="module")
def bits(image_and_bits):
    return image_and_bits[1]


@pytest.fixture
def home(tmp_path):
    """A folder that can be written."""
    return tmp_path / "home"


@pytest.fixture
def nowhere(tmp_path):
    """The environment of a user who can write temporary files alone; it says to where."""
    locked, temporary = tmp_path / "locked", tmp_path / "temporary"
    temporary.mkdir()
    locked.mkdir()
    return {"XDG_CACHE_HOME": make_read_only(locked), "TMPDIR": temporary}


def machine_code_of(package):
    """The folder of a package that has one of its own."""
    (folder,) = (package / "_machine" / "__pycache__").iterdir()
    return folder


def folder_at(home, package):
    return home / "sklstm" / machine_code_of(package).name


def test_it_is_read_where_it_lies(image, bits, home):
    before = state_of(image)
    assert use(image, XDG_CACHE_HOME=home) == {"bits": bits, "compiled": 0}
    assert not home.exists()
    assert state_of(image) == before


def test_what_it_lacks_is_kept_at_home(image, home):
    code = """
import numpy as np
from sklstm._kernels import updates

updates.clip(np.ones(4, np.float32), 0.5)
print(len(updates.clip.stats.cache_misses))
"""
    assert read(code, image, XDG_CACHE_HOME=home) == "1\n"
    assert len(state_of(home)) == 1
    assert read(code, image, XDG_CACHE_HOME=home) == "0\n"


@pytest.mark.parametrize("by_setting", [False, True])
def test_where_nothing_can_be_written_it_is_read_all_the_same(image, bits, nowhere, by_setting):
    if by_setting:
        nowhere["NUMBA_CACHE_DIR"] = machine_code_of(image).parent
    assert use(image, **nowhere) == {"bits": bits, "compiled": 0}
    assert list(nowhere["TMPDIR"].iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="root compiles here")
def test_what_root_warmed_up_is_read_by_every_user_and_nothing_else_of_root(
    bits, nowhere, tmp_path
):
    package = copy_package(tmp_path)
    run(SOME_KERNELS, package)
    folder = machine_code_of(package)
    assert folder.stat().st_mode & 0o077 == 0
    run(WARM_UP.replace("KERNELS", SOME_KERNELS.replace("print", "# ")), package)
    for path in [folder, *state_of(folder)]:
        assert path.stat().st_mode & 0o777 == (0o755 if path == folder else 0o644)
    # Neither root nor any other user that there is.
    report = use(make_read_only(package), "import os; os.geteuid = lambda: 2**31 - 7\n", **nowhere)
    assert report == {"bits": bits, "compiled": 0}


def test_files_that_may_not_be_read_are_compiled(image, bits, home, tmp_path):
    # As of an administrator with a umask of 077.
    package = shutil.copytree(image, tmp_path / "copy" / "sklstm")
    for path in state_of(machine_code_of(package)):
        path.chmod(0)
    assert use(package, XDG_CACHE_HOME=home)["compiled"] == N_KERNELS
    assert use(package, XDG_CACHE_HOME=home) == {"bits": bits, "compiled": 0}


def test_a_folder_that_a_process_loses_its_rights_to_costs_only_compile_time(image, bits, home):
    lose = f"""
import os, sklstm

os.chmod({str(home)!r}, 0)
"""
    compiled = {"bits": bits, "compiled": N_KERNELS}
    assert use(image, NUMBA_CACHE_DIR=home) == compiled
    written = state_of(home)
    assert use(image, lose, NUMBA_CACHE_DIR=home) == compiled
    home.chmod(0o700)
    assert state_of(home) == written


def test_a_read_only_folder_without_machine_code_changes_nothing(bits, home, nowhere, tmp_path):
    package = copy_package(tmp_path)
    say = "from sklstm._machine import cache; print(cache.FOLDERS[0])"
    Path(run(say, package).strip()).mkdir(parents=True)
    folder = folder_at(home, make_read_only(package))

    compiled = {"bits": bits, "compiled": N_KERNELS}
    assert use(package, **nowhere) == compiled
    assert use(package, **nowhere | {"XDG_CACHE_HOME": home}) == compiled
    assert len(state_of(folder)) == N_KERNELS
    assert use(package, XDG_CACHE_HOME=home) == {"bits": bits, "compiled": 0}


def test_the_command_line_says_which_folders_are_used(image, home, nowhere):
    main = "import sys; sys.argv[1:] = []; from sklstm.__main__ import main; main()"
    read_only, at_home = f"{machine_code_of(image)}, read-only\n", f"{folder_at(home, image)}\n"
    printed = read(main, image, XDG_CACHE_HOME=home)
    assert printed.index(read_only) < printed.index(at_home)
    assert read_only in read(main, image, **nowhere)


def test_a_warm_up_that_nothing_is_kept_of_is_refused(image, nowhere):
    warm_up = """
import sys
from sklstm.__main__ import main

sys.argv[1:] = ["--warm-up"]
try:
    main()
except SystemExit as error:
    print(error.code)
"""
    assert read(warm_up, image, **nowhere).endswith("\n2\n")
