"""The kernel's notices that an interface or an address has changed (rtnetlink(7)).

They only say when to look: one that got lost, or was decoded wrongly, would mislead.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterator
from enum import Enum

from appliance.vip.binder import BinderFailed

_HEADER = struct.Struct("=IHHII")
_BUFFER = 65536
_AT_ONCE = 16  # reads before the loop gets its turn


class Subject(Enum):
    """What to be told of: the groups to join, and which of their messages are meant."""

    LINKS = (0x1, frozenset({16, 17}))  # RTM_NEWLINK, RTM_DELLINK
    LOST_ADDRESSES = (0x10 | 0x100, frozenset({21}))  # IPv4 and IPv6; RTM_DELADDR

    def __init__(self, groups: int, kinds: frozenset[int]) -> None:
        self.groups = groups
        self.kinds = kinds


class Notices:
    """Calls `look` in the running loop after each change, once for many at a time."""

    def __init__(self, subject: Subject, look: Callable[[], None]) -> None:
        """Raises BinderFailed."""
        self._kinds = subject.kinds
        self._look = look
        self._loop = asyncio.get_running_loop()
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        try:
            self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
            self._socket.bind((0, subject.groups))
        except OSError as error:
            raise BinderFailed(f"no netlink socket: {error.strerror}") from None
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        changed = False
        for _ in range(_AT_ONCE):
            try:
                kinds = message_types(self._socket.recv(_BUFFER))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                changed = True  # some were lost: perhaps ours
            else:
                changed = changed or not self._kinds.isdisjoint(kinds)
        if changed:
            self._look()


def message_types(datagram: bytes) -> Iterator[int]:
    """The types of the messages in a netlink datagram."""
    offset = 0
    while len(datagram) - offset >= _HEADER.size:
        size, kind, *_ = _HEADER.unpack_from(datagram, offset)
        if size < _HEADER.size:
            return
        yield kind
        offset += size + 3 & ~3
