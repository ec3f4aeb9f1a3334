"""A line to type into."""

from __future__ import annotations

from textual import events
from textual.widgets import Input


class InputLine(Input):
    """Keys act in the order in which they come, however slow the machine is; no cursor blinks.

    Textual inserts letters at once and looks for what other keys do only when they have bubbled up
    to the application: on a slow machine what is typed after a Backspace came before it.
    """

    def on_mount(self) -> None:
        self.cursor_blink = False

    async def _on_key(self, event: events.Key) -> None:
        own = () if event.is_printable else self._bindings.key_to_bindings.get(event.key, ())
        for binding in own:
            if await self.app.run_action(binding.action, self):  # else others may use the key
                event.stop()
                event.prevent_default()
