"""How many messages to have in hand for one destination (pure)."""

from __future__ import annotations

_FIRST = 64


class Window:
    """What a destination does in a short time, found by trying; at most `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = min(_FIRST, most)

    def configure(self, most: int) -> None:
        """At most so many from now on."""
        self._most = most
        self.size = min(self.size, most)

    def drained(self) -> None:
        """There was nothing left to do though more might have been in hand: widen it."""
        self.size = min(2 * self.size, self._most)

    def stalled(self) -> None:
        """Messages waited too long: narrow it."""
        self.size = max(self.size // 2, 1)
