"""Keys that come faster than they are worked on, as on a slow machine or when pasted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import ClassVar

import pytest
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.pilot import Pilot
from textual.widgets import Input

from tui.keys import OneKeyAtATime
from tui.widgets.input_line import InputLine


class Form(OneKeyAtATime[None]):
    """Two lines; Enter goes from one to the other, and so does Down. Ctrl-X removes the second."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "focus_next"),
        Binding("ctrl+x", "remove", priority=True),
    ]

    def compose(self) -> ComposeResult:
        with Vertical():
            yield InputLine(id="first")
            yield InputLine(id="second")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.query_one("#second", InputLine).focus()

    async def action_remove(self) -> None:
        await self.query_one("#second").remove()

    def typed(self, text: str) -> None:
        """All at once. BS and NAK are Backspace and Ctrl-U, CAN is Ctrl-X, \\n is Down."""
        for key in keys(text):
            self.post_message(key)

    @property
    def found(self) -> list[str]:
        """What stands in the lines."""
        return [one.value for one in self.query(InputLine)]


async def comes_to(pilot: Pilot[None], found: list[str]) -> None:
    assert isinstance(pilot.app, Form)
    async with asyncio.timeout(20):
        while pilot.app.found != found:
            await pilot.pause()


def keys(text: str) -> Iterator[events.Key]:
    names = {
        "\x08": "backspace",
        "\x15": "ctrl+u",
        "\x18": "ctrl+x",
        "\r": "enter",
        "\n": "down",
    }
    for one in text:
        yield events.Key(names.get(one, one), one)


@pytest.mark.parametrize(
    "typed, found",
    [
        ("ab\x08c", ["ac", ""]),
        ("ab\x15c", ["c", ""]),
        ("a\x15\x08b", ["b", ""]),
        ("anna\rsecret", ["anna", "secret"]),
        ("a\nb\x08c\rd", ["a", "cd"]),
        ("\x15de\r", ["de", ""]),
    ],
)
async def test_they_act_in_their_order(typed: str, found: list[str]) -> None:
    form = Form()
    async with form.run_test() as pilot:
        form.typed(typed)
        await comes_to(pilot, found)


async def test_pasted_text_comes_where_it_was_pasted() -> None:
    form = Form()
    async with form.run_test() as pilot:
        form.typed("a\r")
        form.post_message(events.Paste("secret"))
        form.typed("x")
        await comes_to(pilot, ["a", "secretx"])


async def test_a_line_that_is_removed_holds_nobody_up() -> None:
    form = Form()
    async with form.run_test() as pilot:
        form.typed("a\rb\x18c")
        await comes_to(pilot, ["c"])  # what a line has is selected, and typed over
