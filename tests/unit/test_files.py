"""The real file layer and the simulated one behave alike."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from appliance.spool.files import Files, PosixFiles
from tests.support.disk import Disk
from tests.support.disk_files import DiskFiles


@pytest.fixture(params=["posix", "disk"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    if request.param == "posix":
        return PosixFiles(str(tmp_path))
    return DiskFiles(Disk("a", Random(0)), "spool")


def store(files: Files, path: str, content: bytes) -> None:
    handle = files.create(path)
    files.write(handle, content)
    files.sync(handle)
    files.close(handle)
    files.sync_directory("")


def test_what_is_appended_is_read(files: Files) -> None:
    handle = files.create("body")
    files.write(handle, b"hello ")
    files.write(handle, b"")
    files.write(handle, b"world")
    files.sync(handle)
    files.close(handle)
    assert files.size("body") == 11
    assert files.read("body", 0, 100) == b"hello world"
    assert files.read("body", 6, 3) == b"wor"
    assert files.read("body", 11, 3) == b""


def test_a_name_is_created_once(files: Files) -> None:
    store(files, "body", b"x")
    with pytest.raises(FileExistsError):
        files.create("body")


def test_a_rename_replaces(files: Files) -> None:
    store(files, "final", b"old")
    store(files, "draft", b"new")
    files.rename("draft", "final")
    assert files.list("") == ["final"]
    assert files.read("final", 0, 3) == b"new"


def test_names_come_sorted_and_go(files: Files) -> None:
    for name in ("b", "c", "a"):
        store(files, name, b"x")
    files.unlink("b")
    assert files.list("") == ["a", "c"]
    assert files.exists("a")
    assert not files.exists("b")


def test_missing_files_are_missing(files: Files) -> None:
    with pytest.raises(FileNotFoundError):
        files.unlink("body")
    with pytest.raises(FileNotFoundError):
        files.rename("body", "other")
    with pytest.raises(FileNotFoundError):
        files.read("body", 0, 1)
    with pytest.raises(FileNotFoundError):
        files.size("body")


def test_a_closed_handle_is_bad(files: Files) -> None:
    handle = files.create("body")
    files.close(handle)
    with pytest.raises(OSError, match="Bad file descriptor"):
        files.write(handle, b"x")


def test_posix_files_are_private_and_not_inherited(tmp_path: Path) -> None:
    files = PosixFiles(str(tmp_path))
    handle = files.create("body")
    assert os.fstat(handle).st_mode & 0o777 == 0o600
    assert not os.get_inheritable(handle)
    files.close(handle)
