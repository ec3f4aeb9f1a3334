"""A program at a terminal: keys go in, and it is told when what they bring has come."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import Self

_READ = 1 << 16
_PATIENCE = 60.0
_BETWEEN = 0.06
"""Seconds between two keys: a hundred and ninety words a minute."""


class Tty:
    """Runs a command at a terminal of its own, (columns, lines) large."""

    def __init__(self, command: Sequence[str], size: tuple[int, int]) -> None:
        self._command = command
        self._size = size

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        columns, lines = self._size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
        environment: Mapping[str, str] = {**os.environ, "TERM": "xterm-256color"}
        self._process = subprocess.Popen(
            self._command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._hang_up()

    def hang_up(self, patience: float) -> int:
        """Nobody is there any more; returns what the program ended with, raises TimeoutExpired."""
        self._hang_up()
        return self._process.wait(patience)

    def _hang_up(self) -> None:
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def brings(self, keys: Sequence[str], wanted: Callable[[bytes], bool]) -> float:
        """Milliseconds from the last of `keys` until all that has come since the first is `wanted`.

        0 if that was there before the last. They are pressed as by somebody who types fast.
        """
        came = b""
        pressed = monotonic()
        for last, key in enumerate(keys, 1 - len(keys)):
            os.write(self._master, key.encode())
            pressed = monotonic()
            while last and (left := pressed + _BETWEEN - monotonic()) > 0:
                came += self._read(left)
        if wanted(came):
            return 0.0
        end = pressed + _PATIENCE
        while (left := end - monotonic()) > 0:
            came += self._read(left)
            if wanted(came):
                return (monotonic() - pressed) * 1000
        raise TimeoutError(f"{_PATIENCE:.0f} s after {keys} there is only {came[-500:]!r}")

    def quiet(self, seconds: float) -> None:
        """Return when nothing has come for so long."""
        while select.select([self._master], [], [], seconds)[0]:
            os.read(self._master, _READ)

    def _read(self, patience: float) -> bytes:
        if select.select([self._master], [], [], patience)[0]:
            return os.read(self._master, _READ)
        return b""
