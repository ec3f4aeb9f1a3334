"""What goes to a stick is there, whole, and has written nothing over."""

from __future__ import annotations

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
