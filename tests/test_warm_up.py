"""warm_up: what a process that has called it need not compile, and what it answers."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from processes import copy_package, holds_machine_code, result, run, run_warm, start, state_of

import sklstm
from sklstm import _warm_up


@pytest.mark.parametrize(
    "dtypes", [[], "float64", np.float64, None, ["float16"], ["float32", None], ["wide"], [3]]
)
def test_other_types_are_refused_in_a_sentence(dtypes):
    with pytest.raises(ValueError, match="dtypes must be a sequence of"):
        sklstm.warm_up(dtypes)


@pytest.mark.parametrize("dtypes", [["float64"], (np.float64,), [np.dtype(float), "d", float]])
def test_a_type_may_be_named_as_in_numpy(dtypes):
    folder = sklstm.warm_up(dtypes)
    assert holds_machine_code(Path(folder))


def test_it_warns_of_nothing_and_changes_no_random_state():
    before = np.random.get_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sklstm.warm_up(["float64"])
    for one, other in zip(before, np.random.get_state(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_there_is_nothing_left_to_load():
    code = """
import sklstm
from sklstm._machine.linkage import _KEPT, DTYPES, Links
sklstm.warm_up()
for name, links in _KEPT.items():
    if isinstance(links, Links):
        assert {links._n_loaded[dtype] for dtype in DTYPES} == {len(links._loaders)}, name
from sklstm._kernels import arrays
assert set(arrays._RESOLVED) == {dtype.itemsize for dtype in DTYPES}
"""
    run_warm(code)


def test_without_a_folder_that_this_user_alone_can_write_to_it_says_none(monkeypatch):
    monkeypatch.setattr(_warm_up, "FOLDERS", [])
    assert sklstm.warm_up(["float64"]) is None


@pytest.mark.cold
@pytest.mark.slow
def test_many_processes_at_once_end_well_and_later_ones_write_nothing(tmp_path):
    package, cache = copy_package(tmp_path), tmp_path / "cache"
    code = "import sklstm; print(sklstm.warm_up(['float32']))"
    processes = [start(code, package, NUMBA_CACHE_DIR=str(cache)) for _ in range(3)]
    folders = {result(process).strip() for process in processes}
    written = state_of(cache)
    assert {str(path.parent) for path in written} == folders
    assert all(path.suffix == ".nbc" for path in written)
    run(code, package, NUMBA_CACHE_DIR=str(cache))
    assert state_of(cache) == written
