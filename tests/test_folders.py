"""Folders for machine code: what others could have written is not read; no error is raised."""

import errno
import os
from pathlib import Path

import pytest
from numba import config

from sklstm._machine import folders

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes say nothing there")
as_root = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != folders.ROOT, reason="only root can give files away"
)
STRANGER = 65534


@pytest.fixture
def base(tmp_path, monkeypatch):
    """Where NUMBA_CACHE_DIR points to; it is not there yet."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "above" / "base"))
    return tmp_path / "above" / "base"


@pytest.fixture
def folder(base):
    """A folder that is used."""
    folder = folders.places("name")[0]
    assert folder == base / "name"
    assert is_used(folder)
    return folder


def is_used(folder):
    """Whether files are read there, and written; those that are there stay."""
    used = folders.write(folder / "probe", b"code")
    assert folders.read(folder / "probe") == (b"code" if used else None)
    assert folders.access(folder) == ("rw" if used else "")
    return used


@pytest.fixture(params=[0, 0o002, 0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_whatever_the_umask_what_is_made_is_used_and_nobody_else_may_write_to_it(
    umask, base, tmp_path
):
    folder = base / "name"
    assert is_used(folder)
    for path in (folder / "probe", folder, base, base.parent):
        assert not path.stat().st_mode & 0o022


@pytest.mark.parametrize("user", [folders.ROOT, STRANGER])
def test_a_folder_is_for_who_made_it_alone(umask, base, monkeypatch, user):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    folders.access(base / "name")
    assert (base / "name").stat().st_mode & 0o777 == 0o700


@as_root
def test_root_can_share_a_folder_and_others_cannot(folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: STRANGER)
        folders.share(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    folders.share(folder)
    assert folder.stat().st_mode & 0o777 == 0o755
    assert is_used(folder)
    # There need be none.
    folders.share(folder / "missing")


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(folder, mode):
    folder.chmod(mode)
    assert not is_used(folder)
    folder.chmod(0o755)
    assert is_used(folder)


@as_root
def test_a_folder_of_another_user_is_refused_also_by_root(folder):
    os.chown(folder, STRANGER, -1)
    assert not is_used(folder)


@as_root
def test_a_folder_of_root_is_used_by_every_user(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert is_used(folder)


@as_root
def test_users_who_share_a_place_have_folders_of_their_own(folder, base, monkeypatch):
    os.chown(folder, STRANGER, -1)
    first, own = folders.places("name")
    assert not is_used(first)
    assert is_used(own)
    assert own == base / "user-0" / "name"


def test_a_link_in_the_place_of_a_folder_is_refused(folder):
    folder.rename(folder.with_name("other"))
    folder.symlink_to(folder.with_name("other"))
    assert not is_used(folder)


@pytest.mark.parametrize("by_link", [False, True])
def test_a_folder_that_everybody_may_replace_is_refused(folder, base, by_link, monkeypatch):
    if by_link:
        link = base.parents[1] / "link"
        link.symlink_to(base)
        monkeypatch.setattr(config, "CACHE_DIR", str(link))
        folder = link / folder.name
    for above in (base, base.parent):
        above.chmod(0o777)
        assert not is_used(folder)
        # As /tmp: only who owns a folder may rename it.
        above.chmod(0o1777)
        assert is_used(folder)


def test_a_file_in_the_place_of_a_folder_is_refused(base):
    base.mkdir(parents=True)
    (base / "name").touch()
    assert not is_used(base / "name")


def test_the_package_comes_before_the_home(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "package" / "folders.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    beside = tmp_path / "package" / "__pycache__" / "name"
    at_home = tmp_path / "home" / "sklstm" / "name"
    assert folders.places("name") == [beside, at_home]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_not_read_but_replaced(folder, mode):
    path = folder / "file"
    folders.write(path, b"code")
    path.chmod(mode)
    assert folders.read(path) is None
    assert folders.write(path, b"new")
    assert folders.read(path) == b"new"


@as_root
def test_a_file_of_another_user_is_not_read_but_replaced(folder):
    path = folder / "file"
    folders.write(path, b"code")
    os.chown(path, STRANGER, -1)
    assert folders.read(path) is None
    assert folders.write(path, b"new")
    assert folders.read(path) == b"new"


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
    ("owner", "operation"), [(os, "open"), (Path, "replace"), (Path, "unlink"), (Path, "is_dir")]
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
    assert [path.name for path in folder.iterdir()] == ["probe"]


def test_what_cannot_be_read_is_not_there(folder, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    folders.write(folder / "file", b"code")
    for operation in ("open", "is_file"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, operation, fail)
            assert folders.read(folder / "file") is None
