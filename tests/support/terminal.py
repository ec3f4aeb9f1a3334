"""A terminal at the serial line: what it shows, and what is typed into it.

A thread of its own reads all the time: a machine whose line nobody reads stands still.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pyte

COLUMNS, LINES = 80, 24
KEYS = {
    "enter": "\r", "tab": "\t", "escape": "\x1b", "space": " ", "backspace": "\x7f",
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D",
    "back-tab": "\x1b[Z", "delete": "\x1b[3~", "home": "\x1b[1~", "end": "\x1b[4~",
    "page-down": "\x1b[6~",
    **{f"ctrl-{letter}": chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"},
}  # fmt: skip


class Missing(AssertionError):
    """What was waited for has not come."""


class Terminal:
    """VT220-like, 80 by 24. `log` gets all that came, as it came."""

    def __init__(self, line: socket.socket, log: Path) -> None:
        self._line = line
        self._log = log
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._open = True
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with self._log.open("ab") as log:
            while data := self._received():
                log.write(data)
                log.flush()
                with self._changed:
                    self._stream.feed(data)
                    self._changed.notify_all()
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _received(self) -> bytes:
        try:
            return self._line.recv(65536)
        except OSError:
            return b""

    @property
    def text(self) -> str:
        """What it shows now."""
        with self._changed:
            return "\n".join(line.rstrip() for line in self._screen.display)

    def until(self, pattern: str, patience: float) -> re.Match[str]:
        """Wait, for at most so many seconds, until it shows what matches; raises Missing."""
        end = time.monotonic() + patience
        with self._changed:
            while not (found := re.search(pattern, self._shown(), re.MULTILINE)):
                left = end - time.monotonic()
                if left <= 0 or not self._open:
                    raise Missing(f"no {pattern!r} within {patience:.0f} s:\n{self._shown()}")
                self._changed.wait(left)
        return found

    def quiet(self, seconds: float, patience: float) -> None:
        """Wait until nothing has come for so long: a screen comes in pieces."""
        end = time.monotonic() + patience
        with self._changed:
            while self._changed.wait(seconds) and time.monotonic() < end:
                pass

    def _shown(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def type(self, text: str) -> None:
        """As fingers do: what is typed is sent as it is."""
        self._line.sendall(text.encode())

    def press(self, *keys: str) -> None:
        """Keys by their names in KEYS, one after the other."""
        for key in keys:
            self.type(KEYS[key])

    def close(self) -> None:
        """Hang up; its thread has ended then."""
        with suppress(OSError):  # the machine has hung up before
            self._line.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._line.close()
