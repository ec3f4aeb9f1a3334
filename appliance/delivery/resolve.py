"""Addresses of next hops, without DNS."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Protocol


class Resolver(Protocol):
    """Turns the host of a next hop into IP addresses."""

    def addresses(self, host: str) -> tuple[str, ...]:
        """In the order to try them, empty if the name is not known."""


class HostsFile:
    """Looks names up in a file like /etc/hosts, and nowhere else.

    The system's resolver would ask DNS for a name that the file lacks: in a network without one
    that is half a minute of silence per attempt, in one with a hostile one it is redirected mail.
    """

    def __init__(self, path: Path = Path("/etc/hosts")) -> None:
        self._path = path
        self._stamp = (0, 0)
        self._names: dict[str, tuple[str, ...]] = {}

    def addresses(self, host: str) -> tuple[str, ...]:
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            self._refresh()
        return self._names.get(host.lower().rstrip("."), ())

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
            stamp = found.st_mtime_ns, found.st_size
            if stamp != self._stamp:
                self._names = _read(self._path.read_text("utf-8", "replace"))
                self._stamp = stamp
        except OSError:
            self._names = {}
            self._stamp = (0, 0)


def _read(text: str) -> dict[str, tuple[str, ...]]:
    names: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        address, *aliases = line.partition("#")[0].split() or [""]
        try:
            normal = str(ipaddress.ip_address(address))
        except ValueError:
            continue
        for alias in aliases:
            known = names.get(alias.lower(), ())
            if normal not in known:
                names[alias.lower()] = (*known, normal)
    return names
