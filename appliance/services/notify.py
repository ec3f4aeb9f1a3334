"""Telling a supervisor how a process is: the protocol of sd_notify(3), both ends.

A service says READY=1 when it serves, STOPPING=1 when it begins to end and, as long as its loop
turns, WATCHDOG=1, whether `twinpost node` or systemd started it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Mapping, MutableMapping

NOTIFY_SOCKET = "NOTIFY_SOCKET"
WATCHDOG = "WATCHDOG_USEC"
"""Microseconds without a word after which a process counts as hung; unset: however long."""
_UCRED = struct.Struct("3i")
_MESSAGE_LIMIT = 4096


class Notifier:
    """A process's end; silent when nobody asked to be told."""

    def __init__(self, address: str | None, watchdog: int | None = None) -> None:
        """`watchdog`: microseconds, as sd_watchdog_enabled(3) has it."""
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self.interval = watchdog / 3e6 if watchdog else None
        """Seconds from one `alive` to the next; None if nobody waits for them."""

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Notifier:
        """Takes the address out, so that processes started later don't speak for this one."""
        watchdog = environment.pop(WATCHDOG, "")
        address = environment.pop(NOTIFY_SOCKET, None)
        return cls(address, int(watchdog) if watchdog.isdecimal() else None)

    def ready(self) -> None:
        """This process serves."""
        self._send(b"READY=1")

    def alive(self) -> None:
        """This process's loop turns."""
        self._send(b"WATCHDOG=1")

    async def say_alive(self) -> None:
        """Say so for ever, if anybody waits for it."""
        while self.interval is not None:
            self.alive()
            await asyncio.sleep(self.interval)

    def stopping(self) -> None:
        """This process has begun to end in order."""
        self._send(b"STOPPING=1")

    def _send(self, message: bytes) -> None:
        if self._address is None:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.connect(self._address)
                sender.send(message)
            except OSError:
                # The supervisor is gone or too busy: a service goes on without being watched.
                return


class NotifyListener:
    """A supervisor's end: a socket without a file, and senders told apart by process id."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind("")  # the kernel picks an abstract address (unix(7), autobind)

    @property
    def address(self) -> str:
        """The value of NOTIFY_SOCKET for the processes to listen to."""
        name = self._socket.getsockname()
        return "@" + os.fsdecode(name)[1:]

    def fileno(self) -> int:
        """The descriptor to wait on for reading."""
        return self._socket.fileno()

    def receive(self) -> tuple[int, Mapping[str, str]] | None:
        """(process id, assignments) of the next message, None if there is none."""
        try:
            data, ancillary, _, _ = self._socket.recvmsg(
                _MESSAGE_LIMIT, socket.CMSG_SPACE(_UCRED.size)
            )
        except BlockingIOError:
            return None
        pid = 0
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                pid = _UCRED.unpack(value)[0]
        lines = (line.partition("=") for line in data.decode("utf-8", "replace").splitlines())
        return pid, {name: value for name, _, value in lines}

    def close(self) -> None:
        """Forget the socket."""
        self._socket.close()
