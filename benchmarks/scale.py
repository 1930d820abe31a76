"""Files larger than memory: partial_fit in chunks of a memory map, and successive halving over one.

Each measurement is in a process of its own, by `benchmarks.large_files`.
"""

import tempfile
from pathlib import Path

from benchmarks import timing
from benchmarks.large_files import CHUNK, INPUTS, ROW, STEPS, UNITS, apart, write

GB = 10**9
# Bytes of each file, whether numbers are holes after the first chunk, and how many chunks are read.
FILES = {
    "0.2 GB": (GB // 5, False, None),
    "2 GB": (2 * GB, False, None),
    "20 GB of holes": (20 * GB, True, None),
    "1 TB of holes": (1000 * GB, True, 250),
}
KEPT_OPEN = 2 * GB  # the largest file of which all pages are let stay
SHAPE = f"chunks of {CHUNK:,} rows (steps {STEPS}, inputs {INPUTS}: {CHUNK * ROW / 1e6:.0f} MB)"
HOLES = (
    "The first two files are on the disk, and in no cache when a pass begins. A hole reads as "
    "zeros, and takes no disk."
)
DERIVED = (
    "≈ is derived, not measured: what the chunks that were read took, for as many as there are. "
    "Waiting for the disk is not in it."
)
OWN, ANEW, ONCE = "its own", "resident, map opened for each chunk", "resident, map opened once"
ADDED = (
    "What is added to the memory held before the first chunk, at most. Its own is what is no "
    "file's (RssAnon), looked at every 5 ms. Resident (VmHWM) are also the pages of the map that "
    "were read and are still there: the system takes them back when it needs them."
)
SEARCHED = GB // 2
SEARCHES = {
    "`n_samples`": ("n_samples", "auto"),
    "`n_samples`, `max_resources=4000`": ("n_samples", "4000"),
    "`max_iter`, `max_resources=4`": ("max_iter", "4"),
}
SEARCH = (
    "What is its own and no file's (RssAnon), above what was held before, at most, looked at every "
    "5 ms. Four candidates, `cv=2`, `refit=False`, one process."
)


def run(quick):
    """Tables of time, of memory and of a whole pass by partial_fit; of memory by halving."""
    if not Path("/proc/self/status").exists():
        raise SystemExit("scale needs Linux's /proc")
    rounds = 1  # A file has many chunks, and memory hardly varies.
    most = 20 if quick else 10**9
    with tempfile.TemporaryDirectory() as folder:
        chunks = all_files(Path(folder), rounds, most)
        search = searches(Path(folder) / "searched.npy", rounds, SEARCHED // (10 if quick else 1))
    return {"rounds": rounds, "tables": [*tables_of(chunks), search]}


def all_files(folder, rounds, most):
    """For each file what each round has measured, of at most so many chunks."""
    for name, (size, holes, _) in FILES.items():
        write(folder / name, size // ROW, holes)
    results = {name: [] for name in FILES}
    for index in range(rounds):
        for name in timing.order(list(FILES), index):
            timing.show_progress(f"scale: round {index + 1} of {rounds}, {name}")
            size, _, fewer = FILES[name]
            there_are = size // ROW // CHUNK
            count = min(most, fewer or there_are, there_are)
            measured = apart("chunks", folder / name, count, "anew")
            measured["share"] = count / there_are
            if size <= KEPT_OPEN:
                measured["once"] = apart("chunks", folder / name, count, "once")["resident"]
            results[name].append(measured)
    timing.show_progress("")
    return results


def tables_of(results):
    """Of `all_files`: milliseconds of a chunk, megabytes, minutes of a pass."""

    def table(title, unit, columns, note, derived=()):
        rows = [
            row(
                name,
                {
                    column: [of(one) for one in measured]
                    for column, of in columns.items()
                    if of(measured[0]) is not None
                },
                [column for column in derived if measured[0]["share"] < 1],
            )
            for name, measured in results.items()
        ]
        return {"title": title, "key": "file", "unit": unit, "rows": rows, "note": note}

    times = {
        "all chunks": lambda one: 1e3 * one["chunk"],
        "first tenth": lambda one: 1e3 * one["first"],
        "last tenth": lambda one: 1e3 * one["last"],
    }
    memory = {
        OWN: lambda one: one["own"],
        ANEW: lambda one: one["resident"],
        ONCE: lambda one: one.get("once"),
    }
    whole = {"minutes": lambda one: one["seconds"] / one["share"] / 60}
    return [
        table(
            f"A chunk by partial_fit: {SHAPE}, {UNITS} units", "ms of one processor", times, HOLES
        ),
        table("Memory that partial_fit adds", "MB", memory, ADDED),
        table(
            "A pass over the file", "minutes of one processor", whole, DERIVED, derived=["minutes"]
        ),
    ]


def searches(path, rounds, size):
    """A table of the memory of HalvingGridSearchCV over a file."""
    write(path, size // ROW, holes=False)
    rows = []
    for label, (resource, most) in SEARCHES.items():
        values = {"memory map": [], "`Windows` over it": []}
        for index in range(rounds):
            for form in timing.order(list(values), index):
                timing.show_progress(f"scale: round {index + 1} of {rounds}, {label}, {form}")
                values[form].append(apart("halving", path, resource, most, form)["own"])
        rows.append(row(label, values))
    timing.show_progress("")
    return {
        "title": f"Memory that HalvingGridSearchCV adds, over a file of {size / GB:g} GB",
        "key": "resource", "unit": "MB", "rows": rows, "note": SEARCH,
    }  # fmt: skip


def row(label, values, derived=()):
    """A row of a table that compares nobody."""
    spreads = {name: timing.spread(each) for name, each in values.items()}
    return {"label": label, "values": spreads, "ratios": {}, "derived": list(derived)}
