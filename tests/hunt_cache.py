"""Random damage to the cache of kernels: the next process fits, and with the right bits.

`python tests/hunt_cache.py --minutes 60` hunts for an hour; the tests do a little of it. The n-th
cache is damaged as the seed plus n says: `--fits 1` with the seed of a fault damages one so again.
"""

import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hunting import parser_of
from processes import PACKAGE, result, run, start, state_of
from test_damaged_cache import DAMAGES, FAILURES, MakeFolder, cut, flip

from sklstm._machine import cache

# What the name of a failure means is put between the import and the fit.
FIT = """
import os, resource, shutil
from pathlib import Path
import numpy as np
from sklstm import LSTMRegressor

base = Path(os.environ["NUMBA_CACHE_DIR"])
FAILURE
X = np.random.RandomState(0).normal(size=(20, 5, 2))
model = LSTMRegressor(4, max_iter=2, random_state=0, n_iter_no_change=np.inf)
print(model.fit(X, X[:, -1, 0])._weights.tobytes().hex(), model.predict(X).tobytes().hex())
"""
NOBODY = 65534


class Trial:
    """A copy of a cache that is whole, to be damaged."""

    def __init__(self, seed, warm, folder):
        self.draw = random.Random(seed)
        self.base = shutil.copytree(warm, folder / "cache")
        self.elsewhere = folder / "elsewhere"
        self.said = []
        [self.of_version] = self.base.iterdir()

    def damage(self):
        """Spoil some files, and now and then their folder."""
        paths = sorted(self.of_version.iterdir())
        # What has to be compiled anew is what takes time.
        n_files = self.draw.choice([1] * 10 + [2] * 5 + [3] * 4 + [len(paths) // 2])
        for path in self.draw.sample(paths, n_files):
            if not path.is_file():
                # Removed for a process that was killed before it wrote it again.
                continue
            name = self.draw.choice(list(OF_FILES))
            self.said.append(f"{path.name}: {name}")
            OF_FILES[name](self, path)
        if self.draw.random() < 0.1:
            name = self.draw.choice(list(OF_FOLDERS))
            self.said.append(f"folder: {name}")
            OF_FOLDERS[name](self, self.of_version)

    def check(self, expected):
        """Fit in a process or two at once, and then in one more, which has nothing to compile."""
        name = self.draw.choice([*["nothing"] * 40, *OF_PROCESSES])
        n_processes = self.draw.choice([1, 1, 1, 1, 2])
        self.said.append(f"in {n_processes} processes: {name}")
        failure, launcher = OF_PROCESSES.get(name, ("", ()))
        code = FIT.replace("FAILURE", failure)
        environment = {"NUMBA_CACHE_DIR": str(self.base)}
        processes = [start(code, PACKAGE, launcher, **environment) for _ in range(n_processes)]
        try:
            assert [result(process) for process in processes] == [expected] * n_processes
        finally:
            for process in processes:
                process.kill()
        written = state_of(self.base)
        assert run(FIT.replace("FAILURE", ""), PACKAGE, **environment) == expected
        if name == "nothing":
            assert state_of(self.base) == written, "the second process compiles again"
        assert not self.elsewhere.exists(), "code of others is run"


# --- Damage ---------------------------------------------------------------------------------


def longer(trial, path):
    path.write_bytes(path.read_bytes() + trial.draw.randbytes(trial.draw.randrange(1, 9000)))


def exchange(trial, path):
    """Take the place of another file, and that file the place of this one."""
    other = trial.draw.choice(sorted(set(trial.of_version.glob("*.nbc")) - {path}))
    if other.is_file() and path.is_file():
        content = path.read_bytes()
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)


def crafted(change):
    """What would be run, were it read: whole, but others own it or may have written it."""

    def craft(trial, path):
        code = pickle.dumps(MakeFolder(trial.elsewhere))
        path.write_bytes(cache._checksum(path.name, code) + code)
        change(path)

    return craft


def link(target):
    def put_link(trial, path):
        path.unlink()
        path.symlink_to(target)

    return put_link


def pipe(trial, path):
    path.unlink()
    os.mkfifo(path)


def kill(trial, path):
    """Remove half of all files, and kill a process at a moment at which it may write them."""
    for each in sorted(trial.of_version.glob("*.nbc"))[:: trial.draw.choice([1, 2, 5])]:
        if each.is_file():
            each.unlink()
    code = FIT.replace("FAILURE", "")
    process = start(code, PACKAGE, NUMBA_CACHE_DIR=str(trial.base))
    time.sleep(trial.draw.uniform(1, 6))
    process.kill()
    process.communicate()


def by_path(damage):
    return lambda trial, path: damage(path)


def give_away(path):
    os.chown(path, NOBODY, NOBODY)


ROOT = os.name != "nt" and os.geteuid() == 0
OF_FILES = {
    # It needs a folder of one kernel; files change places below.
    **{name: by_path(damage) for name, damage in DAMAGES.items() if name != "another kernel's"},
    "cut off": lambda trial, path: cut(trial.draw.random())(path),
    "another bit": lambda trial, path: flip(path, trial.draw.randrange(path.stat().st_size)),
    "random bytes": lambda trial, path: path.write_bytes(
        trial.draw.randbytes(trial.draw.randrange(90_000))
    ),
    "longer by much": longer,
    "exchanged": exchange,
    "another mode": lambda trial, path: path.chmod(trial.draw.randrange(0o1000)),
    "crafted by all": crafted(lambda path: path.chmod(0o666)),
    "crafted by a group": crafted(lambda path: path.chmod(0o664)),
    "a link to nothing": link("nothing"),
    "a link to a folder": link("/"),
    "a link to zeros": link("/dev/zero"),
    "a pipe": pipe,
    "a killed process": kill,
}
OF_FOLDERS = {
    "removed": lambda trial, path: shutil.rmtree(path),
    "a file in its place": lambda trial, path: (shutil.rmtree(path), path.touch()),
    "a link to nothing": lambda trial, path: (shutil.rmtree(path), path.symlink_to("nothing")),
    "open to all": lambda trial, path: path.chmod(0o777),
    "another mode": lambda trial, path: path.chmod(0o700 | trial.draw.randrange(0o1000)),
}
if ROOT:
    OF_FILES |= {"another owner": by_path(give_away), "crafted by another": crafted(give_away)}
    OF_FOLDERS["another owner"] = by_path(give_away)

# What goes wrong in a process that has been started: code, and what starts it.
OF_PROCESSES = {
    name: (f"shutil.rmtree(base, ignore_errors=True)\n{code}", ())
    for name, code in FAILURES.items()
} | {"no room": (FAILURES["a full disk"], ())}
IN_ITS_OWN_MOUNTS = "unshare", "--mount", "sh", "-c"
FULL_DISK = """
mkdir "$NUMBA_CACHE_DIR.copy"
cp -a "$NUMBA_CACHE_DIR/." "$NUMBA_CACHE_DIR.copy"
size=$(( $(du -sk "$NUMBA_CACHE_DIR.copy" | cut -f 1) + 100 ))
mount -t tmpfs -o mode=0755,size=${size}k tmpfs "$NUMBA_CACHE_DIR"
cp -a "$NUMBA_CACHE_DIR.copy/." "$NUMBA_CACHE_DIR"
exec "$@"
"""
READ_ONLY = """
mount --bind "$NUMBA_CACHE_DIR" "$NUMBA_CACHE_DIR"
mount -o remount,ro,bind "$NUMBA_CACHE_DIR"
exec "$@"
"""


def add_mounts():
    """Disks that are full or read-only, where the system lets this process have some."""
    command = [*IN_ITS_OWN_MOUNTS, "mount -t tmpfs tmpfs /mnt"]
    if shutil.which("unshare") and subprocess.run(command, capture_output=True).returncode == 0:
        for name, script in {"a small disk": FULL_DISK, "read-only": READ_ONLY}.items():
            OF_PROCESSES[name] = "", (*IN_ITS_OWN_MOUNTS, f"set -e\n{script}", "sh")


# --- The hunt -------------------------------------------------------------------------------


def hunt(seed, wanted, minutes):
    """Damage `wanted` caches, or for so many minutes; what was done, and how often it failed."""
    end, n_fits, failed, done = time.monotonic() + 60 * minutes, 0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        warm = Path(name) / "warm"
        expected = run(FIT.replace("FAILURE", ""), PACKAGE, NUMBA_CACHE_DIR=str(warm))
        while n_fits < wanted or time.monotonic() < end:
            folder = Path(name) / str(n_fits)
            folder.mkdir()
            trial = Trial(seed + n_fits, warm, folder)
            try:
                trial.damage()
                trial.check(expected)
            except Exception:
                failed += 1
                print(f"--seed {seed + n_fits} --fits 1: {trial.said}\n{traceback.format_exc()}")
            done += len(trial.said)
            shutil.rmtree(folder)
            n_fits += 1
    return {"fits": n_fits, "damages": done - n_fits, "failed": failed}


if __name__ == "__main__":
    arguments = parser_of(__doc__, "fits").parse_args()
    add_mounts()
    found = hunt(arguments.seed, arguments.fits, arguments.minutes)
    print(found)
    sys.exit(found["failed"] > 0)
