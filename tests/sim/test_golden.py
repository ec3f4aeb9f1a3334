"""Named scenarios: the files in golden/ are the expectation. REWRITE_GOLDEN=1 writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim.script import play
from tests.support import golden


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent / "golden").glob("*.txt")), ids=lambda path: path.stem
)
def test_golden(path: Path) -> None:
    golden.check(path, play(path.read_text()))
