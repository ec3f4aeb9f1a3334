"""tshark at the client: which machine says that it has which address, without being asked."""

from __future__ import annotations

import asyncio
import shutil
from time import time
from types import TracebackType
from typing import Self

import msgspec

from tests.netns.lab import Host
from tests.netns.namespace import DIE_TOO

_UNSOLICITED = "arp.isgratuitous == 1 or (icmpv6.type == 136 and icmpv6.nd.na.flag.s == 0)"
_FIELDS = ("frame.time_epoch", "eth.src", "arp.src.proto_ipv4", "icmpv6.nd.na.target_address")


def installed() -> bool:
    """Whether Debian's tshark is here."""
    return shutil.which("tshark") is not None


class Announcement(msgspec.Struct, frozen=True):
    """A gratuitous ARP or an unsolicited Neighbor Advertisement; `at`: wall clock, seconds."""

    at: float
    hardware: str
    address: str


class Announcements:
    """What tshark hears on the host's first interface while `async with` lasts."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.heard: list[Announcement] = []

    async def __aenter__(self) -> Self:
        fields = [word for field in _FIELDS for word in ("-e", field)]
        self._tshark = await asyncio.create_subprocess_exec(
            *self._host.namespace.command(
                *(*DIE_TOO, "tshark", "-n", "-l", "-i", "eth0", "-f", "arp or icmp6"),
                *("-Y", _UNSOLICITED, "-T", "fields", *fields),
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._tshark.stderr
        while b"Capturing" not in (line := await self._tshark.stderr.readline()):
            assert line, "tshark ended by itself"
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tshark.terminate()
        await self._following
        await self._tshark.communicate()

    async def _follow(self) -> None:
        assert self._tshark.stdout
        async for line in self._tshark.stdout:
            at, hardware, *addresses = line.decode().rstrip("\n").split("\t")
            self.heard.append(Announcement(float(at), hardware, "".join(addresses)))

    async def all_of(self, wanted: set[tuple[str, str]], since: float) -> bool:
        """Whether all (hardware address, announced address) came since that time of `now`."""
        return wanted <= {(one.hardware, one.address) for one in self.heard if one.at >= since}

    def now(self) -> float:
        """The clock of what is captured."""
        return time()
