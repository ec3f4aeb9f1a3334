"""What goes to a stick is there, whole, and has written nothing over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.control.http import NotDone
from appliance.control.stick_files import copy


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"healthy" * 100_000)
    return path


def test_what_is_there_stays(source: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "report.html").write_text("of last week")
    assert copy(source, stick / "report.html") == stick / "report-2.html"
    assert copy(source, stick / "report.html") == stick / "report-3.html"
    assert (stick / "report.html").read_text() == "of last week"
    assert (stick / "report-2.html").read_bytes() == source.read_bytes()


def test_a_stick_that_was_pulled_out_is_told(source: Path, tmp_path: Path) -> None:
    with pytest.raises(NotDone, match="No such file"):
        copy(source, tmp_path / "gone" / "report.html")


def test_half_a_file_does_not_stay(tmp_path: Path) -> None:
    """What can't be read to its end: a folder stands for a disk that fails there."""
    stick = tmp_path / "stick"
    stick.mkdir()
    with pytest.raises(NotDone, match="Is a directory"):
        copy(tmp_path, stick / "report.html")
    assert list(stick.iterdir()) == []


def test_a_stick_that_reads_back_otherwise_is_told(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        os.pwrite(descriptor, b"S", 3)  # as a bad stick: what it keeps is not what it was given

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(NotDone, match="reads back otherwise"):
        copy(source, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_names_come_to_an_end(source: Path, tmp_path: Path) -> None:
    for _ in range(99):
        copy(source, tmp_path / "key.pub")
    with pytest.raises(NotDone, match=r"99 files called key\.pub"):
        copy(source, tmp_path / "key.pub")
