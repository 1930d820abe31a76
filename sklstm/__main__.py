"""`python -m sklstm` says what the kernels run on; `--warm-up` compiles them all."""

import argparse
import time

from sklstm import __version__, warm_up
from sklstm._machine.cache import FOLDERS, NOT_KEPT
from sklstm._machine.folders import access, share
from sklstm._machine.processor import SIMD_BYTES, SIMD_NAME, available_threads


def main():
    """Print what there is, and on request compile all kernels into the cache folder."""
    parser = argparse.ArgumentParser(prog="python -m sklstm", description=__doc__)
    parser.add_argument(
        "--warm-up", action="store_true",
        help="compile everything into the cache folder, as for a container image; if root does so, "
        "every user may read it",
    )  # fmt: skip
    arguments = parser.parse_args()
    print(f"sklstm   {__version__}")
    print(f"SIMD     {SIMD_NAME}, {8 * SIMD_BYTES} bits")
    print(f"threads  {available_threads()}")
    print(f"cache    {cache()}")
    if arguments.warm_up and "rw" not in map(access, FOLDERS):
        parser.error("There is no folder to keep machine code in: it would be lost at exit.")
    if arguments.warm_up:
        start = time.perf_counter()
        warm_up()
        for folder in FOLDERS:
            share(folder)
        print(f"warm-up  {time.perf_counter() - start:.1f} s")
        if NOT_KEPT:
            parser.error(f"{len(NOT_KEPT)} kernels could not be written: the disk may be full.")


def cache():
    """Where machine code is kept: in the first folder that can be written, or those before it."""
    lines = []
    for folder in FOLDERS:
        allowed = access(folder)
        lines += [f"{folder}{'' if allowed == 'rw' else ', read-only'}"] if allowed else []
        if allowed == "rw":
            break
    nothing = "none: there is no folder that only this user can write to, each process compiles"
    return "\n         ".join(lines) or nothing


if __name__ == "__main__":
    main()
