"""A program at a terminal: keys go in, and it is told when what they bring has come."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

_READ = 1 << 16
_PATIENCE = 60.0
_BETWEEN = 0.06
"""Seconds between two keys: a hundred and ninety words a minute."""


class Tty:
    """A program, and the terminal it runs at."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self._process = process
        self._master = master

    def hang_up(self, patience: float) -> int:
        """Nobody is there any more; returns what the program ended with, raises TimeoutExpired."""
        os.close(self._master)
        self._master = -1
        return self._process.wait(patience)

    def end(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()
        if self._master >= 0:
            os.close(self._master)

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


@contextmanager
def at_terminal(command: Sequence[str], size: tuple[int, int]) -> Iterator[Tty]:
    """Run a command at a terminal of its own, (columns, lines) large; it ends with the block."""
    master, slave = pty.openpty()
    columns, lines = size
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(slave)
    tty = Tty(process, master)
    try:
        yield tty
    finally:
        tty.end()
