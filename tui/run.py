"""Runs the console in a terminal, and takes pictures of its screens."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from appliance.control.client import Client
from tui.app import Console
from tui.garbage import leave_to_pauses
from tui.hangup import end_with
from tui.node import Connect

SIZES = ((160, 45), (80, 24))
_PATIENCE = 15.0
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Textual's pictures name fonts on the internet, where there is none."""
_AGAIN = 1000
_TOO_SOON = 5.0
"""A console that fails so soon a second time is not started again."""


def run(
    socket: Path,
    theme: str,
    *,
    kiosk: bool,
    lock_after: float,
    failed: Callable[[Exception], None],
) -> bool:
    """Until somebody leaves; False if the console could not go on.

    `failed` gets what nobody foresaw. The console then starts anew and says so: on a node's own
    screen there is nothing else.
    """
    leave_to_pauses()
    end_with(sys.stdin.fileno())
    said = ""
    for again in range(_AGAIN):
        console = Console(
            connecting(socket), theme=theme, kiosk=kiosk, lock_after=lock_after, said=said
        )
        began = time.monotonic()
        console.run()
        if console.failure is None:
            return True
        failed(console.failure)
        said = "The console had an error and has started again; its log has the details."
        if again and time.monotonic() - began < _TOO_SOON:
            break
    return False


def pictures(socket: Path, theme: str, folder: Path) -> list[Path]:
    """Write each screen in each size to `folder`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_pictures(socket, theme, folder))


def connecting(socket: Path) -> Connect:
    """Makes clients of the node at `socket`."""

    def connect(timeout: float | None, *, session: str, other: bool) -> Client:
        return Client(socket, timeout, session=session, other=other)

    return connect


async def _pictures(socket: Path, theme: str, folder: Path) -> list[Path]:
    written = []
    for width, height in SIZES:
        console = Console(connecting(socket), theme=theme)
        async with console.run_test(size=(width, height)) as pilot:
            for entry in console.entries():
                await show(console, pilot, entry.name)
                file = folder / f"{entry.name}-{width}x{height}.svg"
                picture = console.export_screenshot(title="Twinpost")
                file.write_text(_FONTS.sub("", picture), encoding="utf-8")
                written.append(file)
    return written


async def show(console: Console, pilot: Pilot[None], name: str) -> None:
    """Go to a screen, and return when what is there has come."""
    console.action_go(name)
    async with asyncio.timeout(_PATIENCE):
        while console.screen.name != name:
            await pilot.pause(0.02)
    await settled(console, pilot)


async def settled(console: Console, pilot: Pilot[None]) -> None:
    """Return when everything that is seen has come, or TimeoutError."""
    async with asyncio.timeout(_PATIENCE):
        await pilot.pause()
        while not console.settled:
            await pilot.pause(0.02)
    await pilot.pause()
