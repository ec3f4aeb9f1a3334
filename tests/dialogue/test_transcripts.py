"""What a client sees, command by command: the files in transcripts/ are the expectation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialogue.transcript import play

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    expected, said = play(path)
    assert said == expected
