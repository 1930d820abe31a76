"""Machine code that can be read but not written, as in a container image: it is not compiled again.

The image is a copy of the package that is compiled and then made read-only; each test uses it in
processes of its own.
"""

import errno
import json
import shutil
import sys

import pytest
from processes import SOME_KERNELS, copy_package, holds_machine_code, result, run, start, state_of

pytestmark = pytest.mark.cold

# Root may write what a mode forbids, until it loses the capability to override modes.
READER = """
import ctypes, os, sys

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
if os.getuid() == 0:
    assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
# What the kernels give, how many of them were compiled, and where they were looked for.
REPORT = """
import json, os
from sklstm._kernels import cache

assert not os.access(os.path.dirname(cache.__file__), os.W_OK)
kernels = updates.add_penalty, updates.clip, updates.adam
report = {
    "bits": weights.tobytes().hex(),
    "compiled": sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels),
    "folder": cache.CACHE_FOLDER and str(cache.CACHE_FOLDER),
}
print()
print(json.dumps(report))
"""
N_KERNELS = 3


def failing(operation, part_of_path, error):
    """Code after which Path.read_bytes or Path.write_bytes fail for such paths."""
    return f"""
from pathlib import Path

original = Path.{operation}
def succeed_or_fail(path, *arguments):
    if {str(part_of_path)!r} in str(path):
        raise OSError({error}, "as by the system", str(path))
    return original(path, *arguments)
Path.{operation} = succeed_or_fail
"""


COPY_NOTHING = failing("write_bytes", "", errno.ENOSPC)


def start_reader(code, package, **environment):
    environment = {name: str(value) for name, value in environment.items()}
    return start(code, package, [sys.executable, "-c", READER], **environment)


def read(code, package, **environment):
    """What a process that cannot write to the package prints."""
    return result(start_reader(code, package, **environment))


def report_of(output):
    return json.loads(output.splitlines()[-1])


def use(package, before="", after="", **environment):
    """The report of a process that cannot write to the package."""
    return report_of(read(before + SOME_KERNELS + REPORT + after, package, **environment))


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


def names(folder):
    return sorted(path.name for path in state_of(folder) if path.suffix in {".nbi", ".nbc"})


def machine_code_of(package):
    """The folder of a package that has one of its own."""
    (folder,) = (package / "_kernels" / "__pycache__").iterdir()
    return folder


def folder_at(home, package):
    return home / "sklstm" / machine_code_of(package).name


def test_it_is_copied_home_once(image, bits, home):
    before = state_of(image)
    expected = {"bits": bits, "compiled": 0, "folder": str(folder_at(home, image))}
    assert use(image, XDG_CACHE_HOME=home) == expected
    copied = state_of(home)
    assert names(home) == names(image)

    assert use(image, COPY_NOTHING, XDG_CACHE_HOME=home) == expected
    assert state_of(home) == copied
    assert state_of(image) == before


def test_what_it_lacks_is_kept_beside_the_copy(image, home):
    code = """
import numpy as np
from sklstm._kernels import updates

updates.clip(np.ones(4, np.float32), 0.5)
print(len(updates.clip.stats.cache_misses))
"""
    assert read(code, image, XDG_CACHE_HOME=home) == "1\n"
    assert len(names(home)) == len(names(image)) + 1
    assert read(code, image, XDG_CACHE_HOME=home) == "0\n"


@pytest.mark.parametrize("by_setting", [False, True])
def test_where_nothing_can_be_written_each_process_has_a_copy_of_its_own(
    image, bits, nowhere, by_setting
):
    if by_setting:
        nowhere["NUMBA_CACHE_DIR"] = machine_code_of(image).parent
    mode = "report['mode'] = oct(cache.CACHE_FOLDER.stat().st_mode)\nprint(json.dumps(report))"
    reports = [use(image, after=mode, **nowhere) for _ in range(2)]
    folders = [report.pop("folder") for report in reports]
    assert reports == [{"bits": bits, "compiled": 0, "mode": "0o40700"}] * 2
    assert len(set(folders)) == 2
    assert all(folder.startswith(str(nowhere["TMPDIR"])) for folder in folders)
    assert list(nowhere["TMPDIR"].iterdir()) == []


def test_where_no_copy_can_be_made_either_each_process_compiles(image, bits, nowhere):
    before = "import tempfile; tempfile.tempdir = '/missing/folder'\n"
    report = use(image, before, **nowhere)
    assert report == {"bits": bits, "compiled": N_KERNELS, "folder": None}


def test_processes_that_start_at_once_share_one_copy(image, bits, home, tmp_path):
    # All have copied a file before one is to give its copy the name.
    meet = """
import os, time
from pathlib import Path

replace = Path.replace
def replace_in_step(path, target):
    (Path(os.environ["MEETING"]) / str(os.getpid())).touch()
    deadline = time.monotonic() + 250
    while len(os.listdir(os.environ["MEETING"])) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return replace(path, target)
Path.replace = replace_in_step
"""
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    code, environment = meet + SOME_KERNELS + REPORT, {"XDG_CACHE_HOME": home, "MEETING": meeting}
    racers = [start_reader(code, image, **environment) for _ in range(4)]
    reports = [report_of(result(racer)) for racer in racers]
    folder = folder_at(home, image)
    assert reports == [{"bits": bits, "compiled": 0, "folder": str(folder)}] * 4
    assert len(list(meeting.iterdir())) == 4
    assert names(home) == names(image)
    assert len(list(folder.iterdir())) == 1


def test_a_copy_that_was_cut_short_is_not_taken_for_one(image, bits, home):
    die = """
import os
from pathlib import Path

replace = Path.replace
def replace_one_file(path, target):
    replace(path, target)
    os._exit(0)
Path.replace = replace_one_file
"""
    assert read(die + SOME_KERNELS, image, XDG_CACHE_HOME=home) == ""
    assert len(names(home)) == 1
    report = use(image, XDG_CACHE_HOME=home)
    assert report == {"bits": bits, "compiled": 0, "folder": str(folder_at(home, image))}


@pytest.mark.parametrize("error", [errno.ENOENT, errno.EACCES])
def test_a_file_that_is_removed_meanwhile_or_not_readable_is_compiled(image, bits, home, error):
    report = use(image, failing("read_bytes", "clip", error), XDG_CACHE_HOME=home)
    assert report == {"bits": bits, "compiled": 1, "folder": str(folder_at(home, image))}


def test_where_home_has_no_space_each_process_has_a_copy_of_its_own(image, bits, home, nowhere):
    full = failing("write_bytes", home, errno.ENOSPC)
    report = use(image, full, **nowhere | {"XDG_CACHE_HOME": home})
    assert report.pop("folder").startswith(str(nowhere["TMPDIR"]))
    assert report == {"bits": bits, "compiled": 0}
    assert state_of(home) == {}


def test_machine_code_at_home_is_added_to_and_not_replaced(image, home):
    folder = folder_at(home, image)
    without_two = shutil.ignore_patterns("*adam*", "*add_penalty*")
    shutil.copytree(machine_code_of(image), folder, ignore=without_two)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    before = state_of(home)
    report = use(image, XDG_CACHE_HOME=home)
    assert (report["compiled"], report["folder"]) == (0, str(folder))
    assert before.items() <= state_of(home).items()
    assert names(home) == names(image)


def test_an_empty_folder_at_home_is_filled(image, home):
    (part,) = machine_code_of(image).iterdir()
    (folder_at(home, image) / part.name).mkdir(parents=True)
    assert use(image, XDG_CACHE_HOME=home)["compiled"] == 0
    assert names(home) == names(image)


def test_a_read_only_folder_without_machine_code_changes_nothing(bits, home, nowhere, tmp_path):
    package = copy_package(tmp_path)
    run("import sklstm", package)
    folder = folder_at(home, make_read_only(package))
    assert not holds_machine_code(package)

    assert use(package, **nowhere) == {"bits": bits, "compiled": N_KERNELS, "folder": None}
    report = use(package, **nowhere | {"XDG_CACHE_HOME": home})
    assert report == {"bits": bits, "compiled": N_KERNELS, "folder": str(folder)}
    assert use(package, XDG_CACHE_HOME=home)["compiled"] == 0


def test_a_forked_child_leaves_the_folder_to_its_parent(image, nowhere):
    fork = """
import sys, warnings
warnings.simplefilter("ignore")  # of threads, which this child does not use
if not os.fork():
    sys.exit(7)
report["status"] = os.waitstatus_to_exitcode(os.wait()[1])
report["left"] = len(list(cache.CACHE_FOLDER.rglob("*.nbc")))
print(json.dumps(report))
"""
    report = use(image, after=fork, **nowhere)
    assert (report["status"], report["left"]) == (7, N_KERNELS)
    assert list(nowhere["TMPDIR"].iterdir()) == []


def test_a_process_waits_for_its_children_before_it_removes_the_folder(image, nowhere):
    leave = """
import atexit, multiprocessing, time, warnings
from pathlib import Path
from sklstm._kernels import cache

def work(leaving):
    leaving.wait()
    time.sleep(0.3)
    print(len(list(cache.CACHE_FOLDER.rglob("*.nbc"))), flush=True)

warnings.simplefilter("ignore")  # of threads, which this child does not use
context = multiprocessing.get_context("fork")
leaving = context.Event()
context.Process(target=work, args=[leaving]).start()
atexit.register(leaving.set)
"""
    assert read(leave, image, **nowhere) == f"{N_KERNELS}\n"
    assert list(nowhere["TMPDIR"].iterdir()) == []


def test_the_command_line_says_which_folder_is_used(image, home, nowhere):
    main = "import sys; sys.argv[1:] = []; from sklstm.__main__ import main; main()"
    assert f"{folder_at(home, image)}\n" in read(main, image, XDG_CACHE_HOME=home)
    assert f"{machine_code_of(image)}, read-only" in read(main, image, **nowhere)


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
