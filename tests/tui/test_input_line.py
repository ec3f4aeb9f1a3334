"""Keys that come faster than they are worked on, as on a slow machine or when pasted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from tui.widgets.input_line import InputLine


class Form(App[None]):
    """Two lines; Enter goes from one to the other, and so does Down."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("down", "focus_next")]

    def compose(self) -> ComposeResult:
        yield InputLine("us", id="first")
        yield InputLine(id="second")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.query_one("#second", InputLine).focus()


def keys(text: str) -> Iterator[events.Key]:
    """BS and NAK are Backspace and Ctrl-U."""
    names = {"\x08": "backspace", "\x15": "ctrl+u", "\r": "enter"}
    for one in text:
        yield events.Key(names.get(one, one), one)


@pytest.mark.parametrize("typed, found", [("ab\x08c", "ac"), ("ab\x15c", "c"), ("a\x15\x08b", "b")])
async def test_they_act_in_their_order(typed: str, found: str) -> None:
    form = Form()
    async with form.run_test() as pilot:
        line = form.query_one("#first", InputLine)
        line.value = ""
        for key in keys(typed):
            form.post_message(key)
        await pilot.pause()
        assert line.value == found


async def test_what_was_typed_before_enter_is_what_is_entered() -> None:
    form, entered = Form(), list[str]()
    async with form.run_test(message_hook=lambda seen: _note(seen, entered)) as pilot:
        for key in keys("\x15de\r"):
            form.post_message(key)
        await pilot.pause()
    assert entered == ["de"]


async def test_a_key_that_means_nothing_in_a_line_is_left_to_others() -> None:
    form = Form()
    async with form.run_test() as pilot:
        await pilot.press("down")
        assert form.query_one("#second", InputLine).has_focus


def _note(message: object, entered: list[str]) -> None:
    if isinstance(message, Input.Submitted) and message.value not in entered:
        entered.append(message.value)
