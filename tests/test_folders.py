"""Folders for machine code: the best comes first, and no error is raised."""

import errno
import os
from pathlib import Path

import pytest
from numba import config

from sklstm._kernels import folders

pytestmark = pytest.mark.skipif(os.name == "nt", reason="errors are others on Windows")


@pytest.fixture
def base(tmp_path, monkeypatch):
    """Where NUMBA_CACHE_DIR points to; it is not there yet."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "above" / "base"))
    return tmp_path / "above" / "base"


@pytest.fixture
def folder(base):
    """A folder that is used."""
    [folder] = folders.usable_folders("name")
    assert folder == base / "name"
    return folder


def test_a_file_in_the_place_of_a_folder_is_refused(base):
    base.mkdir(parents=True)
    (base / "name").touch()
    assert folders.usable_folders("name") == []


def test_the_package_comes_before_the_home(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "package" / "folders.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    beside = tmp_path / "package" / "__pycache__" / "name"
    at_home = tmp_path / "home" / "sklstm" / "name"
    assert folders.usable_folders("name") == [beside, at_home]


def test_what_is_no_file_is_not_read(folder):
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    for name in ("pipe", "folder", "loop", "missing", "x" * 1000):
        assert folders.read(folder / name) is None


def test_a_folder_in_the_place_of_a_file_is_moved_away(folder):
    path = folder / "file"
    path.mkdir()
    (path / "wanted").write_text("by somebody", encoding="utf-8")
    assert folders.write(path, b"code")
    assert folders.read(path) == b"code"
    [kept] = folder.glob("*/wanted")
    assert kept.read_text(encoding="utf-8") == "by somebody"


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize(
    ("owner", "operation"), [(Path, "open"), (Path, "replace"), (Path, "unlink"), (Path, "is_dir")]
)
def test_what_cannot_be_written_is_done_without(folder, monkeypatch, owner, operation, error):
    def fail(*arguments, **options):
        raise OSError(error, os.strerror(error))

    folders.write(folder / "file", b"code")
    with monkeypatch.context() as patch:
        patch.setattr(owner, operation, fail)
        assert not folders.write(folder / "file", b"other")
    # Either of them, and whole.
    assert folders.read(folder / "file") in {b"code", b"other"}


def test_a_file_that_breaks_off_is_done_without_and_leaves_nothing(folder):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        assert not folders.write(folder / "file", bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(folder.iterdir()) == []


def test_what_cannot_be_read_is_not_there(folder, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    folders.write(folder / "file", b"code")
    for operation in ("open", "is_file"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, operation, fail)
            assert folders.read(folder / "file") is None
