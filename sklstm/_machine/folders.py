"""Folders for machine code, which is run as it is found: only this user and root may write to them.

What cannot be read is not there, and what cannot be written is done without.
"""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from numba import config

ROOT = 0


def places(name):
    """Where a folder of this name may lie, the best place first."""
    return [Path(base).absolute() / name for base in _bases()]


def read(path):
    """What a file holds; None if it cannot be read, or if others could have written it."""
    try:
        # To open what is no file, such as a pipe, may take forever.
        if not _is_safe(path.parent) or not path.is_file():
            return None
        with path.open("rb") as file:
            # Of what is open, as a name may come to mean another file meanwhile.
            return file.read() if _is_ours(os.fstat(file.fileno())) else None
    except OSError:
        return None


def write(path, content):
    """Write a file, and make its folder if there is none; returns whether that was possible."""
    try:
        _make(path.parent)
        if not _is_safe(path.parent):
            return False
        _write_whole(path, content)
    except OSError:
        return False
    return True


def share(folder):
    """Let every user read what root keeps in a folder.

    Of another user, nobody would take it.
    """
    if _user() == ROOT:
        with suppress(OSError):
            folder.chmod(0o755)


def access(folder):
    """What this process may do in a folder, which is made if there is none: "rw", "r" or ""."""
    allowed = ""
    with suppress(OSError):
        _make(folder)
    with suppress(OSError):
        allowed = "r" if _is_safe(folder) and os.access(folder, os.R_OK | os.X_OK) else ""
    with suppress(OSError):
        if allowed:
            # To ask the system is not enough where access is more than a mode.
            tempfile.TemporaryFile(dir=folder).close()
            allowed = "rw"
    return allowed


def _bases():
    """Where a folder may lie, the best place first."""
    if config.CACHE_DIR:
        # Of users who share a folder, all but root and the first need one of their own.
        return [config.CACHE_DIR, Path(config.CACHE_DIR) / f"user-{_user()}"]
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # Some users have no home.
    at_home = [] if home.startswith("~") else [Path(home) / "sklstm"]
    return [Path(__file__).parent / "__pycache__", *at_home]


def _make(folder):
    """Make a folder for this user alone, and those above that are missing."""
    missing = [above for above in folder.parents if not above.exists()]
    # Users who share a place have folders in it; no umask has others write to it.
    for above in reversed(missing):
        above.mkdir(0o755, exist_ok=True)
    folder.mkdir(0o700, exist_ok=True)


def _write_whole(path, content):
    """A file gets its name when it is whole: others look, and this process may be killed."""
    unfinished = path.with_name(f"unfinished-{uuid4().hex}")
    try:
        with open(unfinished, "xb", opener=_open_for_us_alone) as file:
            file.write(content)
        if path.is_dir():
            # Moved away and not removed: what is in it may be wanted.
            path.rename(unfinished.with_suffix(".folder"))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _open_for_us_alone(path, flags):
    # A umask may leave what is made open to others, whose work would not be taken.
    return os.open(path, flags, 0o644)


def _is_safe(folder):
    """Whether this user and root alone may write to a folder, or put another in its place."""
    status = folder.lstat()
    # By its own path, and by the one that links above it lead to.
    above = {*folder.parents, *folder.resolve().parents}
    return stat.S_ISDIR(status.st_mode) and _is_ours(status) and not any(map(_is_open, above))


def _is_ours(status):
    """Whether a file or folder belongs to this user or root, and nobody else may write to it."""
    if os.name == "nt":
        # Modes say nothing there.
        return True
    shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid in {ROOT, _user()} and not shared


def _is_open(folder):
    """Whether everybody may rename what is in a folder.

    Its owner and group may too, who are often others than this user and yet no strangers, as where
    a container's root works in a folder of its host. They can put nothing in its place that
    belongs to this user, without which nothing is read.
    """
    mode = folder.stat().st_mode
    return os.name != "nt" and bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _user():
    return os.geteuid() if os.name != "nt" else ROOT
