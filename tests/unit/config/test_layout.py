"""Who may come into the folders of a data directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config import Layout
from appliance.config.node import PathSettings


@pytest.mark.parametrize("before, after", [(0o755, 0o710), (0o710, 0o710), (0o700, 0o700)])
def test_only_the_consoles_group_passes_through_run(
    tmp_path: Path, before: int, after: int
) -> None:
    layout = Layout(tmp_path, PathSettings())
    layout.create()
    for folder in (layout.keys, layout.spool, layout.run):
        folder.chmod(before)
    layout.create()
    assert layout.run.stat().st_mode & 0o777 == after
    assert {one.stat().st_mode & 0o777 for one in (layout.keys, layout.spool)} == {0o700}
