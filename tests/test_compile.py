"""Machine code on disk: found again, never stale, safe to race for, and not needed.

Each test runs processes of its own, some of them on a copy of the package that may be changed.
"""

import time

import pytest
from processes import (
    PACKAGE,
    SOME_KERNELS,
    copy_package,
    holds_machine_code,
    result,
    run,
    run_warm,
    start,
    state_of,
)

pytestmark = pytest.mark.cold

# The bits of a fit and of its predictions.
FIT = """
import warnings
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklstm import LSTMRegressor

warnings.simplefilter("ignore", ConvergenceWarning)
X = np.random.RandomState(0).normal(size=(20, 5))
model = LSTMRegressor(4, max_iter=2, random_state=0).fit(X, X.sum(axis=1))
print(model.predict(X).tobytes().hex())
"""
# How many kernels are compiled in it, on a line of its own.
COUNTED_FIT = f"""
from numba.core import compiler

compiled, compile_extra = [], compiler.compile_extra

def compile_and_count(*arguments, **options):
    compiled.append(arguments)
    return compile_extra(*arguments, **options)

compiler.compile_extra = compile_and_count
{FIT}
print(len(compiled))
"""


@pytest.fixture
def package(tmp_path):
    """A copy of the package, in a folder to run from."""
    return copy_package(tmp_path)


def replace_in(path, old, new):
    source = path.read_text(encoding="utf-8")
    assert source.count(old) == 1
    path.write_text(source.replace(old, new), encoding="utf-8")


def test_a_second_process_compiles_nothing_and_one_with_another_constant_does(package, tmp_path):
    cache = tmp_path / "cache"
    first, n_compiled = run(COUNTED_FIT, package, NUMBA_CACHE_DIR=str(cache)).splitlines()
    assert int(n_compiled) > 20
    written = state_of(cache)
    assert holds_machine_code(cache)

    assert run(COUNTED_FIT, package, NUMBA_CACHE_DIR=str(cache)).splitlines() == [first, "0"]
    assert state_of(cache) == written

    # A constant of a kernel that is compiled into another file's: Numba alone would not see it.
    activations = package / "_kernels" / "activations.py"
    constant, other = "np.float64, np.int64, 708.0", "np.float64, np.int64, 0.125"
    replace_in(activations, constant, other)
    changed = run(FIT, package, NUMBA_CACHE_DIR=str(cache))
    assert changed.strip() != first
    assert written.items() <= state_of(cache).items()

    # And what was compiled before is still there.
    replace_in(activations, other, constant)
    both = state_of(cache)
    assert run(COUNTED_FIT, package, NUMBA_CACHE_DIR=str(cache)).splitlines() == [first, "0"]
    assert state_of(cache) == both


def test_a_change_of_any_kernel_source_has_a_cache_folder_of_its_own(package):
    code = """
import importlib
from pathlib import Path
from sklstm._machine import cache

print(cache.FOLDERS[0])
package = Path(cache.__file__).parents[1]
for path in [*package.glob("_machine/*.py"), *package.glob("_kernels/*.py")]:
    source = path.read_bytes()
    path.write_bytes(source + b"# changed")
    importlib.reload(cache)
    path.write_bytes(source)
    print(cache.FOLDERS[0])
"""
    folders = run(code, package).split()
    assert len(set(folders)) == 1 + sum(
        len(list((PACKAGE / name).glob("*.py"))) for name in ("_machine", "_kernels")
    )


@pytest.fixture(scope="module")
def expected():
    """What the kernels of the package itself print."""
    return run_warm(SOME_KERNELS)


def test_an_unwritable_cache_folder_costs_only_compile_time(package, expected, tmp_path):
    file = tmp_path / "file"
    file.touch()
    # A folder below a file cannot be made, not even by root.
    assert run(SOME_KERNELS, package, NUMBA_CACHE_DIR=str(file / "cache")) == expected


@pytest.mark.parametrize("place", ["package", "home", None])
def test_machine_code_is_kept_in_the_package_or_else_at_home_or_else_nowhere(
    package, expected, tmp_path, place
):
    beside, home = package / "_machine" / "__pycache__", tmp_path / "home"
    if place != "package":
        beside.touch()
    if place is None:
        home.touch()
    assert run(SOME_KERNELS, package, XDG_CACHE_HOME=str(home)) == expected
    assert holds_machine_code(beside) == (place == "package")
    assert holds_machine_code(home) == (place == "home")


def test_a_user_without_a_home_can_import(package, tmp_path):
    # As in a container that is run under a number which no user has.
    code = "import os; os.getuid = lambda: 2**31 - 7; " + "import sklstm; print('imported')"
    homeless = "import os; [os.environ.pop(k, None) for k in ('HOME', 'XDG_CACHE_HOME')]; " + code
    assert run(homeless, package) == "imported\n"


def test_processes_that_race_on_a_cold_cache_all_get_the_same_bits(package, expected, tmp_path):
    # Each says when it has imported everything; then all compile at once.
    wait = """
import os, time
import sklstm
open(f"ready-{os.getpid()}", "x").close()
while not os.path.exists("go"):
    time.sleep(0.001)
"""
    cache = str(tmp_path / "cache")
    racers = [start(wait + SOME_KERNELS, package, NUMBA_CACHE_DIR=cache) for _ in range(4)]
    while len(list(package.parent.glob("ready-*"))) < len(racers):
        assert all(racer.poll() is None for racer in racers)
        time.sleep(0.01)
    (package.parent / "go").touch()
    outputs = [result(racer) for racer in racers]
    assert outputs == [expected] * 4
    assert run(SOME_KERNELS, package, NUMBA_CACHE_DIR=cache) == expected


def test_threads_whose_first_fits_run_at_once_all_get_the_same_bits(package, tmp_path):
    code = """
import gc, threading, warnings
import numpy as np
from numba import config
from sklearn.exceptions import ConvergenceWarning
from sklstm import LSTMRegressor

warnings.simplefilter("ignore", ConvergenceWarning)
X = np.random.RandomState(0).normal(size=(20, 5)).astype(np.float32)
start, bits = threading.Barrier(4), set()

def fit():
    start.wait()
    model = LSTMRegressor(4, max_iter=2, random_state=0).fit(X, X.sum(axis=1))
    bits.add(model.predict(X).tobytes())

threads = [threading.Thread(target=fit) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(bits), config.CACHE_DIR, gc.isenabled())
"""
    cache = str(tmp_path / "cache")
    assert run(code, package, NUMBA_CACHE_DIR=cache) == f"1 {cache} True\n"
    # A net of one layer does without what others need.
    names = " ".join(path.name for path in (tmp_path / "cache").rglob("*.nbc"))
    assert "shard.forward" in names
    assert "_join_directions" not in names


# Predictions that depend on the batch where kernels check the bounds of arrays, and have other bits
# where LLVM optimises in another way.
PREDICT_ALONE = """
import numpy as np
from sklstm import LSTMRegressor

X = np.random.RandomState(0).normal(size=(40, 12)).astype(np.float32)
model = LSTMRegressor(19, n_timesteps=6, random_state=0).partial_fit(X, X.sum(axis=1))
together = model.predict(X)
print(together.tobytes().hex())
assert together.tobytes() == b"".join(model.predict(row[np.newaxis]).tobytes() for row in X)
"""


@pytest.fixture(scope="module")
def expected_alone():
    """What the package itself predicts."""
    return run_warm(PREDICT_ALONE)


@pytest.mark.parametrize(
    "switches",
    [
        {"NUMBA_OPT": "0", "NUMBA_DEBUGINFO": "1", "NUMBA_BOUNDSCHECK": "1"},
        {"NUMBA_OPT": "1", "NUMBA_DEBUG_JIT": "1", "NUMBA_LLVM_REFPRUNE_PASS": "0"},
        {"NUMBA_OPT": "max", "NUMBA_LOOP_VECTORIZE": "0", "NUMBA_SLP_VECTORIZE": "1"},
    ],
    ids=lambda switches: " ".join("=".join(each) for each in switches.items()),
)
def test_no_switch_changes_kernels_or_the_files_that_they_are_kept_in(
    package, expected_alone, tmp_path, switches
):
    cache = tmp_path / "cache"
    assert run(PREDICT_ALONE, package, NUMBA_CACHE_DIR=str(cache), **switches) == expected_alone
    written = state_of(cache)
    assert run(PREDICT_ALONE, package, NUMBA_CACHE_DIR=str(cache)) == expected_alone
    assert state_of(cache) == written


def test_what_the_user_compiles_before_or_after_has_the_switches_that_are_set(
    package, expected_alone
):
    before = """
import numba, numpy
from numba.core.registry import cpu_target

@numba.njit
def largest(x, y):
    return max(int(x[0]), y)

largest(numpy.ones(3), 0)
generator = cpu_target.target_context.codegen()
"""
    after = """
assert numba.config.OPT == 0
assert numba.config.BOUNDSCHECK == 1
assert cpu_target.target_context.codegen() is generator
"""
    code = before + PREDICT_ALONE + after
    assert run(code, package, NUMBA_OPT="0", NUMBA_BOUNDSCHECK="1") == expected_alone


@pytest.mark.parametrize("switch", [{"NUMBA_ENABLE_AVX": "0"}, {"NUMBA_CPU_NAME": "generic"}])
def test_a_processor_that_can_do_less_has_kernels_of_its_own(package, tmp_path, switch):
    cache = tmp_path / "cache"
    run(SOME_KERNELS, package, NUMBA_CACHE_DIR=str(cache))
    written = state_of(cache)
    # There, too, a row is predicted as in a batch.
    run(PREDICT_ALONE, package, NUMBA_CACHE_DIR=str(cache), **switch)
    assert written.items() < state_of(cache).items()


@pytest.mark.parametrize(
    "switch",
    [
        "os.environ['NUMBA_BOUNDSCHECK'] = os.environ['NUMBA_OPT'] = '1'",
        "config.BOUNDSCHECK = config.DEBUGINFO_DEFAULT = config.OPT = 1",
    ],
)
def test_a_switch_that_is_set_while_a_process_runs_does_not_either(package, expected_alone, switch):
    before = f"import os, sklstm\nfrom numba import config\n{switch}\n"
    # And kernels of the user's own are still checked.
    after = "assert config.BOUNDSCHECK == config.OPT == 1\n"
    assert run(before + PREDICT_ALONE + after, package) == expected_alone


def test_warm_up_compiles_all_that_any_fit_needs(package, tmp_path):
    cache = tmp_path / "cache"
    warm_up = "import sys; sys.argv.append('--warm-up'); from sklstm.__main__ import main; main()"
    printed = run(warm_up, package, NUMBA_CACHE_DIR=str(cache))
    assert str(cache) in printed
    written = state_of(cache)
    everything = """
import warnings
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._training.losses import LOSSES
from sklstm._training.optimizers import OPTIMIZERS

warnings.simplefilter("ignore", ConvergenceWarning)
for dtype in (np.float32, np.float64):
    X = np.random.RandomState(0).uniform(1, 2, size=(40, 6, 2)).astype(dtype)
    y = X[:, -1, 0]
    padded = np.where(np.arange(6)[:, np.newaxis] < 4, X, np.nan).astype(dtype)
    for solver in (*OPTIMIZERS, "lbfgs"):
        LSTMRegressor(3, solver=solver, max_iter=1).fit(X, y).predict(X)
    # after nets of one layer, which need fewer kernels
    for form in (X, X[:, ::-1], X[:, :, 0], list(X), padded):
        LSTMRegressor((3, 2), bidirectional=True, pooling="mean", max_iter=1).fit(form, y)
    for loss in LOSSES:
        LSTMRegressor(3, loss=loss, max_iter=1, early_stopping=True, dropout=0.2).fit(X, y)
    for labels in (y > y.mean(), np.arange(40) % 3):
        LSTMClassifier(3, max_iter=1, early_stopping=True).fit(X, labels).predict_proba(X)
"""
    run(everything, package, NUMBA_CACHE_DIR=str(cache))
    assert state_of(cache) == written
