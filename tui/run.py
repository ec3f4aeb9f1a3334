"""Runs the console in a terminal, and takes pictures of its screens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from textual.pilot import Pilot

from appliance.control.client import Client
from tui.app import Console
from tui.node import Connect
from tui.themes import choose

SIZES = ((160, 45), (80, 24))
_PATIENCE = 15.0


def run(socket: Path, theme: str, environ: Mapping[str, str], *, kiosk: bool) -> int:
    """Until somebody leaves; returns the exit code."""
    console = Console(connecting(socket), theme=choose(theme, environ), kiosk=kiosk)
    console.run()
    return console.return_code or 0


def pictures(socket: Path, theme: str, folder: Path) -> list[Path]:
    """Write each screen in each size to `folder`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_pictures(socket, theme, folder))


def connecting(socket: Path) -> Connect:
    """Makes clients of the node at `socket`."""

    def connect(timeout: float | None, *, other: bool) -> Client:
        return Client(socket, timeout, other=other)

    return connect


async def _pictures(socket: Path, theme: str, folder: Path) -> list[Path]:
    written = []
    for width, height in SIZES:
        console = Console(connecting(socket), theme=theme)
        async with console.run_test(size=(width, height)) as pilot:
            for entry in console.entries():
                await show(console, pilot, entry.name)
                file = folder / f"{entry.name}-{width}x{height}.svg"
                file.write_text(console.export_screenshot(title="Twinpost"), encoding="utf-8")
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
