"""Somebody at a node's console: reads what is there, and presses keys."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.support.terminal import KEYS, Missing, Terminal

PATIENCE = 180.0
"""Seconds: a guest is twenty times slower than a machine, and two of them share this one."""
BOOT = 600.0
_LOOKS = 3.0


class Operator:
    """At one terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def sees(self, pattern: str, patience: float = PATIENCE) -> str:
        """Wait until it is there, and give what the pattern's first group is, or all of it."""
        found = self.terminal.until(pattern, patience)
        return found[1] if found.re.groups else found[0]

    def log_in(self, name: str, password: str, patience: float = PATIENCE) -> None:
        """Unless somebody is logged in. A console that locked itself knows the name."""
        inside = rf"{name} \(administrator\)"
        if self.sees(rf"Password|{inside}", patience) == "Password":
            if "console is locked" not in self.terminal.text:
                self.enters(name)
            self.press("ctrl-u")  # a key that was meant for what stood there before the lock
            self.enters(password)
            self.sees(inside)

    def press(self, key: str) -> None:
        """A key by its name, or a letter."""
        if key in KEYS:
            self.terminal.press(key)
        else:
            self.terminal.type(key)

    def enters(self, text: str) -> None:
        """Type, Enter, and look where the cursor is now: no text tells that."""
        self.terminal.type(text)
        self.terminal.press("enter")
        self.terminal.quiet(_LOOKS, 5 * _LOOKS)

    def fills_in(self, answers: Sequence[str | None]) -> None:
        """A page of the first boot, field by field; None: what stands there is right."""
        self.terminal.quiet(_LOOKS, 5 * _LOOKS)  # its title comes before its fields
        for answer in answers:
            if answer is not None and not answer.startswith("\x1b"):
                self.terminal.press("ctrl-u")
            self.enters(answer or "")

    def goes_to(self, key: str, title: str, patience: float = PATIENCE) -> None:
        """To a screen by its key."""
        self.terminal.type(key)
        self.sees(rf"^ Twinpost  {title}\b", patience)

    def presses_until(self, key: str, pattern: str, patience: float = PATIENCE) -> str:
        """Press again, as people do where nothing happens, until it is there."""
        end = time.monotonic() + patience
        while True:
            self.press(key)
            try:
                return self.sees(pattern, 20)
            except Missing:
                if time.monotonic() > end:
                    raise
