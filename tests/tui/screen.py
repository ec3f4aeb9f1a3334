"""A console without a terminal: keys go in, text comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Input

from tests.pair.harness import until
from tui.app import Console
from tui.run import connecting, settled, show

T = TypeVar("T")


def without_menu(text: str) -> str:
    """What is seen right of the list of screens, which every new screen changes."""
    top, site, *body = text.splitlines()
    return "\n".join([top, site, *(line[20:] for line in body[:-1]), body[-1]]) + "\n"


def joined(text: str) -> str:
    """Without the ends of lines, and the frames of what lies over the screen."""
    return " ".join(text.translate({ord("│"): " ", ord("▌"): " "}).split())


def frozen() -> float:
    """No time passes: rates stay what they are."""
    return 0.0


class Seen:
    """The console while a test drives it."""

    def __init__(self, console: Console, pilot: Pilot[None]) -> None:
        self.console = console
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until what they do is seen."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Put text where the cursor is, as a paste: a key at a time takes its time."""

        async def look() -> Input | None:
            await self.pilot.pause()
            focused = self.console.screen.focused
            return focused if isinstance(focused, Input) else None

        focused = await self._wait(look, "there is something to type into")
        focused.post_message(Paste(text))
        await self.pilot.pause()

    async def go(self, name: str) -> None:
        """Go to a screen, and wait for what it shows."""
        await show(self.console, self.pilot, name)
        before = ""
        while before != (before := self.text()):
            await self.pilot.pause()

    def text(self) -> str:
        """What is seen, line by line."""
        strips = self.console.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips) + "\n"

    async def sees(self, wanted: Callable[[str], bool] | str, what: str = "") -> str:
        """Wait until the text is as wanted; returns it."""
        fits = wanted if callable(wanted) else lambda text: wanted in text

        async def look() -> str | None:
            await self.pilot.pause()
            text = self.text()
            return text if fits(text) else None

        return await self._wait(look, what or str(wanted))

    async def _wait(self, look: Callable[[], Awaitable[T | None]], what: str) -> T:
        try:
            return await until(look, what, 20.0)
        except AssertionError as error:
            error.add_note(self.text())
            raise


@asynccontextmanager
async def seen(
    socket: Path,
    size: tuple[int, int] = (80, 24),
    theme: str = "dark",
    *,
    kiosk: bool = False,
    clock: Callable[[], float] = frozen,
) -> AsyncIterator[Seen]:
    """A console at the control socket, once its first screen shows something."""
    console = Console(connecting(socket), theme=theme, kiosk=kiosk, clock=clock)
    async with console.run_test(size=size, notifications=True) as pilot:
        await settled(console, pilot)
        yield Seen(console, pilot)
