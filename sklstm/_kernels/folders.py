"""Folders for machine code.

What cannot be read is not there, and what cannot be written is done without.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from numba import config


def usable_folders(name):
    """Folders of this name that may be used, the best first. They are made where there are none.

    Some of them may only be readable, as in a container image that root warmed up.
    """
    folders = [Path(base).absolute() / name for base in _bases()]
    return [folder for folder in folders if _is_usable(folder)]


def can_be_written(folder):
    """Whether files can be made in a folder."""
    try:
        # To ask the system is not enough where access is more than a mode.
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def read(path):
    """What a file holds; None if it cannot be read."""
    try:
        # To open what is no file, such as a pipe, may take forever.
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read()
    except OSError:
        return None


def write(path, content):
    """Write a file, which gets its name when it is whole; returns whether that was possible."""
    unfinished = path.with_name(f"unfinished-{uuid4().hex}")
    try:
        try:
            with unfinished.open("xb") as file:
                file.write(content)
            if path.is_dir():
                # Moved away and not removed: what is in it may be wanted.
                path.rename(unfinished.with_suffix(".folder"))
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _bases():
    """Where a folder may lie, the best place first."""
    if config.CACHE_DIR:
        return [config.CACHE_DIR]
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # Some users have no home.
    at_home = [] if home.startswith("~") else [Path(home) / "sklstm"]
    return [Path(__file__).parent / "__pycache__", *at_home]


def _is_usable(folder):
    # There may be one that can be read where none can be made.
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        return folder.is_dir()
    except OSError:
        return False
