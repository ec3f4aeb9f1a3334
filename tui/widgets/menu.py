"""The list of screens at the side, where there is room for it."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.message import Message

from tui.registry import Entry
from tui.widgets.line import Line


class Menu(Line):
    """One screen a line with its key; a click goes there."""

    class Chosen(Message):
        """Somebody wants to go to a screen."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, current: str) -> None:
        super().__init__()
        self._current = current
        self._entries: list[Entry] = []

    def offer(self, entries: list[Entry]) -> None:
        """Show these screens."""
        self._entries = entries
        self.show(Content("\n").join([_line(one, self._current) for one in entries]))

    def on_click(self, event: events.Click) -> None:
        row = event.get_content_offset(self)
        if row is not None and row.y < len(self._entries):
            self.post_message(self.Chosen(self._entries[row.y].name))


def _line(entry: Entry, current: str) -> Content:
    here = entry.name == current
    return Content.assemble(
        ("▸" if here else " ", "$primary"),
        (entry.key, "bold $footer-key-foreground"),
        " ",
        (entry.title, "bold" if here else ""),
    )
