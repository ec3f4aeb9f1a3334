"""Every screen as text, in two sizes and in the ASCII theme. REWRITE_GOLDEN=1 writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.golden import check
from tests.tui.control import serving
from tests.tui.screen import seen, without_menu
from tests.tui.values import ANSWERS, STORY
from tui.registry import SCREENS

LOOKS = {"80x24": ((80, 24), "dark"), "160x45": ((160, 45), "dark"), "ascii": ((80, 24), "ascii")}


@pytest.mark.parametrize("look", LOOKS)
async def test_screens(look: str, tmp_path: Path) -> None:
    size, theme = LOOKS[look]
    with serving(tmp_path, ANSWERS) as control:
        async with seen(control.path, size, theme) as console:
            for entry in SCREENS:
                await console.go(entry.name)
                check_look(entry.name, look, console.text())


@pytest.mark.parametrize("look", LOOKS)
async def test_what_lies_over_screens(look: str, tmp_path: Path) -> None:
    size, theme = LOOKS[look]
    with serving(tmp_path, ANSWERS) as control:
        async with seen(control.path, size, theme) as console:
            console.console.open_message(STORY.queue_id)
            await console.sees("last reply")
            await console.press("end")
            await console.sees("High water at noon")
            await console.press("home")
            await console.sees("envelope id")
            check_look("message", look, console.text())
            await console.press("f1")
            await console.sees("Esc closes this")
            check_look("help", look, console.text())
            await console.press("escape", "escape")
            await console.go("mailboxes")
            await console.press("enter")
            check_look("mailbox", look, await console.sees("anna  2 messages"))
            await console.go("search")
            await console.type("water")
            await console.press("enter")
            await console.sees("there may be more")
            check_look("found", look, await console.sees("tides.pdf"))
            await console.go("queue")
            await console.press("x")
            check_look("remove", look, await console.sees("neither senders"))


def check_look(name: str, look: str, text: str) -> None:
    """As it was when somebody looked at it."""
    shown = without_menu(text) if look == "160x45" else text
    check(Path(__file__).parent / "golden" / f"{name}-{look}.txt", shown)
    assert text.isascii() or look != "ascii"
    assert "\x1b" not in text
    assert "\u202e" not in text
