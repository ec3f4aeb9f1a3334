"""The folder of backups: whole files only under their names, whatever happens."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from appliance.backup.target import Target, TargetFailed


def write(folder: Path, node: str = "a", data: bytes = b"data") -> str:
    with Target(folder).new(node) as (file, path):
        file.write(data)
    return path.name


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_has_the_next_number_of_its_node(tmp_path: Path) -> None:
    assert [write(tmp_path) for _ in range(2)] == [
        "twinpost-a-000001.backup",
        "twinpost-a-000002.backup",
    ]
    assert write(tmp_path, "b.1") == "twinpost-b.1-000001.backup"
    os.unlink(tmp_path / "twinpost-a-000001.backup")
    assert write(tmp_path) == "twinpost-a-000003.backup"


def test_nothing_has_the_name_before_it_is_whole(tmp_path: Path) -> None:
    with Target(tmp_path).new("a") as (file, path):
        file.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_left_of_one_that_failed(tmp_path: Path) -> None:
    def fail() -> None:
        with Target(tmp_path).new("a") as (file, _):
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(tmp_path) == []


def test_a_full_target_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(TargetFailed) as caught, Target(tmp_path).new("a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert "No space" in str(caught.value)
    assert "larger stick" in caught.value.hint
    assert names(tmp_path) == []


def test_a_stick_that_is_not_in_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(TargetFailed) as caught, Target(tmp_path / "media").new("a"):
        pass
    assert "mount it" in caught.value.hint
    assert names(tmp_path) == []


def test_what_a_killed_backup_left_is_removed_by_the_next_of_its_node(tmp_path: Path) -> None:
    for name in (".twinpost-a-000001.backup.partial", ".twinpost-b-000001.backup.partial"):
        (tmp_path / name).write_bytes(b"half")
    write(tmp_path)
    assert names(tmp_path) == [".twinpost-b-000001.backup.partial", "twinpost-a-000001.backup"]


def test_the_newest_of_a_node_are_kept_and_nothing_else_is_touched(tmp_path: Path) -> None:
    for _ in range(4):
        write(tmp_path)
    write(tmp_path, "b")
    (tmp_path / "letter.txt").write_text("mine")
    (tmp_path / "twinpost-a-000001.backup.old").write_text("mine")
    gone = Target(tmp_path).keep("a", 2)
    assert gone == ["twinpost-a-000001.backup", "twinpost-a-000002.backup"]
    assert names(tmp_path) == [
        "letter.txt",
        "twinpost-a-000001.backup.old",
        "twinpost-a-000003.backup",
        "twinpost-a-000004.backup",
        "twinpost-b-000001.backup",
    ]


def test_what_is_no_backup_says_so_in_the_list(tmp_path: Path) -> None:
    write(tmp_path)
    (found,) = Target(tmp_path).files()
    assert (found.name, found.size) == ("twinpost-a-000001.backup", 4)
    assert "no backup" in found.problem
