"""Which bundle is meant."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from appliance.cli import update


@pytest.fixture
def sticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(update, "_STICKS", tmp_path)
    (tmp_path / "sdb1").mkdir()
    return tmp_path / "sdb1"


def meant(word: str) -> Path:
    return update._Bundle().convert(word, None, None)


def test_the_only_bundle_on_a_stick(sticks: Path) -> None:
    with pytest.raises(click.BadParameter, match="no bundle"):
        meant("stick")
    (sticks / "one.bundle").touch()
    assert meant("stick") == sticks / "one.bundle"
    (sticks / "two.bundle").touch()
    with pytest.raises(click.BadParameter, match="several"):
        meant("stick")
    assert meant(str(sticks / "two.bundle")) == sticks / "two.bundle"
    with pytest.raises(click.BadParameter, match="no file"):
        meant(str(sticks / "three.bundle"))


def test_a_file_is_as_good_as_start(sticks: Path) -> None:
    context = click.Context(update.command)
    for words in (["FILE", "--while-alone"], ["start", "FILE", "--while-alone"]):
        name, _, rest = update.command.resolve_command(context, words)
        assert (name, rest) == ("start", ["FILE", "--while-alone"])
