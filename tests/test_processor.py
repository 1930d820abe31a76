"""How many threads a call may use, and who is asked."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sklstm._machine import processor

ROOT = Path(__file__).parents[1]
NAMES = "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT", "NUMBA_DISABLE_JIT"


@pytest.fixture
def eight(monkeypatch):
    """Numba would use eight threads, and nobody says how many there should be."""
    monkeypatch.setattr(processor.config, "NUMBA_NUM_THREADS", 8)
    monkeypatch.setattr(processor.config, "DISABLE_JIT", 0)
    monkeypatch.setattr(processor, "threading_layer_runs", lambda: False)
    monkeypatch.setattr(processor, "NUMBA_IS_TOLD", False)
    monkeypatch.setattr(processor, "CPUS", 8)
    monkeypatch.setattr(processor, "SAID_AT_IMPORT", "")


@pytest.mark.parametrize(
    ("said", "threads"),
    [("1", 1), ("3", 3), (" 3 ", 3), ("3,2", 3), ("64", 8), ("", 8), ("0", 8), ("-1", 8), ("x", 8)],
)
def test_openmp_is_told_a_number_or_some_for_nested_levels(eight, monkeypatch, said, threads):
    monkeypatch.setattr(processor, "SAID_AT_IMPORT", said)
    assert processor.available_threads() == threads


def test_what_is_said_to_children_of_this_process_does_not_count_here(eight, monkeypatch):
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert processor.available_threads() == 8


def test_workers_of_ray_are_told_for_each_task(eight, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    for said, threads in [("1", 1), ("4", 4), ("2", 2)]:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert processor.available_threads() == threads
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert processor.available_threads() == 8


def test_what_numba_is_told_counts_alone(eight, monkeypatch):
    monkeypatch.setattr(processor, "SAID_AT_IMPORT", "2")
    monkeypatch.setattr(processor, "NUMBA_IS_TOLD", True)
    assert processor.available_threads() == 8


def test_a_container_has_the_processors_that_it_has_the_time_of(eight, monkeypatch):
    monkeypatch.setattr(processor, "CPUS", 3)
    assert processor.available_threads() == 3


def test_a_task_of_dask_in_a_thread_of_this_process_has_that_thread(eight, monkeypatch):
    def nobodys():
        raise ValueError("No worker found")

    for distributed, threads in [
        (SimpleNamespace(get_worker=object), 1),
        (SimpleNamespace(get_worker=nobodys), 8),
        (SimpleNamespace(), 8),  # while it is imported
        (None, 8),
    ]:
        monkeypatch.setitem(sys.modules, "distributed", distributed)
        assert processor.available_threads() == threads
    # Its user knows better.
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(get_worker=object))
    monkeypatch.setattr(processor, "SAID_AT_IMPORT", "5")
    assert processor.available_threads() == 5


TOLD = {
    "OpenMP": ("", {"OMP_NUM_THREADS": "1"}, 1),
    "Numba": ("", {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "3"}, 3),
    "joblib": ("", {"LOKY_MAX_CPU_COUNT": "1"}, 1),
}
# Not every system binds processes to processors.
if hasattr(os, "sched_setaffinity"):
    TO_ONE = "import os; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])"
    TOLD["affinity"] = TO_ONE, {}, 1


@pytest.mark.parametrize(("before", "settings", "threads"), TOLD.values(), ids=TOLD)
def test_a_process_has_as_many_as_it_is_told(before, settings, threads):
    code = f"{before}\nfrom sklstm._machine.processor import available_threads as threads"
    output = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(threads())"],
        env={name: value for name, value in os.environ.items() if name not in NAMES} | settings,
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert int(output) == threads
