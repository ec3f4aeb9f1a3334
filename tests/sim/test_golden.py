"""Named scenarios: the files in golden/ are the expectation. REWRITE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sim.script import play

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.txt"))
REWRITE = "REWRITE_GOLDEN" in os.environ  # then look at the difference before committing it


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    expected = path.read_text()
    played = play(expected)
    if REWRITE:
        path.write_text(played)
    assert played == expected or REWRITE
