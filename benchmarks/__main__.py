"""The command: `python -m benchmarks [PART ...]`."""

import argparse
import importlib
import os
import time
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
# Those that change numbers of threads come last: the pools they leave behind disturb PyTorch's.
PARTS = [
    "training", "prediction", "latency", "shapes", "edges", "streaming", "plain_c", "inspection",
    "search", "process", "peak_memory", "long", "bptt", "scale", "accuracy", "scaling", "parts",
    "defaults",
]  # fmt: skip
# Numbers of threads are set by --threads alone, the same for all.
THREADS = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"]


def main():
    """Measure what is asked for, print it, and write tables and figures."""
    arguments = parse()
    for variable in THREADS:
        os.environ.pop(variable, None)
    # Only now: what these import reads the environment.
    from benchmarks import machine, report

    if arguments.threads is not None:
        machine.restrict_threads(arguments.threads)
    print(report.machine_line(machine.describe()))
    if machine.is_busy() and not arguments.report:
        print("Other programs keep this machine busy: these will not be the ratios of a quiet one.")
    results = {}
    for part in [] if arguments.report else arguments.parts:
        start = time.perf_counter()
        print(f"\n{part}", flush=True)
        options = {"seed": arguments.seed, "count": arguments.count} if part == "shapes" else {}
        measured = importlib.import_module(f"benchmarks.{part}").run(arguments.quick, **options)
        results[part] = {"machine": machine.describe(), **measured}
        print(f"\n{report.fragment(results[part])}\n({time.perf_counter() - start:.0f} s)")
        if arguments.docs is not None:
            # After each part, so that what was measured is not lost with what was not.
            report.save({part: results[part]}, arguments.docs)
    if arguments.docs is not None:
        report.write(arguments.docs)


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; all, if none is named"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer rounds, and nothing is written unless --docs"
    )
    parser.add_argument("--threads", type=int, help="processors to use (Linux); default: all")
    parser.add_argument("--seed", type=int, default=0, help="of shapes; default: 0")
    parser.add_argument("--count", type=int, default=40, help="of shapes; default: 40")
    parser.add_argument("--docs", type=Path, help="folder to write to; default: docs")
    parser.add_argument(
        "--report", action="store_true", help="measure nothing: write from results.json again"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    arguments.parts = arguments.parts or PARTS
    if arguments.docs is None and not arguments.quick:
        arguments.docs = DOCS
    return arguments


if __name__ == "__main__":
    main()
