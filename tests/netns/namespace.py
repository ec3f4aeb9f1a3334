"""Network namespaces that leave nothing behind: only file descriptors of this process hold them.

When the process ends, however it ends, the kernel takes them away with all that is in them; so
they need no names, and no run can find the rest of another. To look into one while it lives:

    nsenter --net=/proc/PID/fd/NUMBER ip address
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

DIE_TOO = ("setpriv", "--pdeathsig", "KILL")
"""Put before a command, ends it when the thread that started it ends."""
_CLONE_NEWNET = 0x40000000


class Namespace:
    """An empty network namespace but for `lo`, which is up; raises OSError without the right."""

    def __init__(self) -> None:
        with ThreadPoolExecutor(1) as pool:  # only this thread goes there, and it ends
            self._descriptor = pool.submit(_new).result()
        self.run("ip", "link", "set", "lo", "up")

    @property
    def path(self) -> str:
        """For `nsenter --net=` and `ip link … netns`, as long as this process lives."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    def command(self, *words: str) -> Sequence[str]:
        """The command in this namespace; it keeps the process id of whoever starts it."""
        return ["nsenter", f"--net={self.path}", *words]

    def run(self, *words: str, given: str | None = None) -> str:
        """Run it to its end and return what it said; raises Failed."""
        done = subprocess.run(
            self.command(*words), input=given, capture_output=True, text=True, timeout=30
        )
        if done.returncode:
            raise Failed(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def start(self, *words: str, output: Path) -> subprocess.Popen[bytes]:
        """Start it; it is killed when the thread that started it ends."""
        with output.open("ab") as log:
            return subprocess.Popen(
                self.command(*DIE_TOO, *words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread, and threads that it starts, make meanwhile are in there."""
        before = os.open(_own_path(), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(self._descriptor)
            try:
                yield
            finally:
                _enter(before)
        finally:
            os.close(before)

    def close(self) -> None:
        """Let go of it; it is gone when its last process is."""
        os.close(self._descriptor)


class Failed(Exception):
    """A command in a namespace ended with an error."""


def _new() -> int:
    _check(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET))
    return os.open(_own_path(), os.O_RDONLY | os.O_CLOEXEC)


def _enter(descriptor: int) -> None:
    _check(ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET))


def _own_path() -> str:
    return f"/proc/self/task/{threading.get_native_id()}/ns/net"


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
