"""A line to type into."""

from __future__ import annotations

from textual.widgets import Input


class InputLine(Input):
    """No cursor blinks: over a serial line each blink is a line drawn anew."""

    def on_mount(self) -> None:
        self.cursor_blink = False
