"""Shut for a while to those who get no service: whoever guesses passwords can't come as far as us.

A connection that is turned away costs a fifth of a millisecond, and a guesser is back at once. So
the kernel doesn't hear it any more: its tries to connect are lost, and TCP makes it wait for longer
and longer between them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from appliance.mail.networks import group
from appliance.smtpd.packets import keep_out

_LONGEST = 30.0
"""Seconds after which it is looked again whether there is service for a client."""
_EVERY = 0.1
"""Seconds between two changes of the filters."""
_MOST = 256
"""Addresses: the kernel goes through them for every packet."""


class Door:
    """Of some listeners; in the running loop."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._shut: dict[str, float] = {}
        """Address (or /64) → when to open again."""
        self._kept_out: frozenset[str] = frozenset()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, server: asyncio.Server) -> None:
        """One more server that has this door, until it is closed."""
        self._servers.append(server)
        self._filter(server)

    def shut(self, client: str, seconds: float) -> None:
        """No connection from there for so long, or until it is worth another look."""
        if len(self._shut) < _MOST:
            until = asyncio.get_running_loop().time() + min(seconds, _LONGEST)
            self._shut[group(client)] = until
            if self._timer is None:
                self._renew()

    def close(self) -> None:
        """Nothing changes any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._servers.clear()

    def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._shut = {client: until for client, until in self._shut.items() if until > now}
        kept_out = frozenset(self._shut)
        if kept_out != self._kept_out:
            self._kept_out = kept_out
            self._servers = [server for server in self._servers if server.is_serving()]
            for server in self._servers:
                self._filter(server)
        self._timer = loop.call_later(_EVERY, self._renew) if kept_out else None

    def _filter(self, server: asyncio.Server) -> None:
        for listening in server.sockets:
            # Without a filter they come and are turned away: nothing depends on it.
            with suppress(OSError):
                keep_out(listening, self._kept_out)
