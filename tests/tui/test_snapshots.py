"""Every screen as text, in two sizes and in the ASCII theme. REWRITE_GOLDEN=1 writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.golden import check
from tests.tui.control import serving
from tests.tui.screen import seen, without_menu
from tests.tui.values import ANSWERS
from tui.registry import SCREENS

LOOKS = {"80x24": ((80, 24), "dark"), "160x45": ((160, 45), "dark"), "ascii": ((80, 24), "ascii")}


@pytest.mark.parametrize("look", LOOKS)
async def test_screens(look: str, tmp_path: Path) -> None:
    size, theme = LOOKS[look]
    with serving(tmp_path, ANSWERS) as control:
        async with seen(control.path, size, theme) as console:
            for entry in SCREENS:
                await console.go(entry.name)
                text = without_menu(console.text()) if size[0] >= 120 else console.text()
                check(Path(__file__).parent / "golden" / f"{entry.name}-{look}.txt", text)
                assert text.isascii() or theme != "ascii"
                assert "\x1b" not in text
