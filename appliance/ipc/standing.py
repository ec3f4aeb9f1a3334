"""Following the failover process: what this node holds, and whether its peer lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import structs

from appliance.ipc.client import Client, connect
from appliance.ipc.failover import (
    CLIENT_CODEC,
    NOTHING_HELD,
    Call,
    PeerAnswer,
    PeerSwitchover,
    Report,
    Said,
    Standing,
)
from appliance.ipc.frames import ConnectionLost

_AGAIN = 0.1
"""Seconds until the next try to connect."""
_SILENCE = 3.0
"""Seconds without a word, of which there is one each second."""


class StandingWatch:
    """Calls `on_standing` for each change, and with `NOTHING_HELD` when nobody can know.

    A failover process that stands still holds what it held, but does not hear its peer: after
    `silence` seconds nobody knows whether that lives.

    To be run by `run` until cancelled. `on_peer_switchover` is for who can reach the peer.
    """

    def __init__(
        self,
        path: Path,
        on_standing: Callable[[Standing], None],
        on_peer_switchover: Callable[[PeerSwitchover], None] = lambda wanted: None,
        silence: float = _SILENCE,
    ) -> None:
        self.standing = NOTHING_HELD
        self._path = path
        self._on_standing = on_standing
        self._on_peer_switchover = on_peer_switchover
        self._client: Client[Call, Said] | None = None
        self._lost = asyncio.Event()
        self._silence = silence
        self._deadline: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Keep a connection to the failover process."""
        try:
            while True:
                self._lost.clear()
                try:
                    self._client = await connect(
                        self._path, CLIENT_CODEC, on_push=self._pushed, on_lost=self._ended
                    )
                except OSError:
                    await asyncio.sleep(_AGAIN)
                    continue
                await self._lost.wait()
        finally:
            self._expect_no_more()
            if self._client is not None:
                self._client.close()

    def tell(self, what: Report | PeerAnswer) -> None:
        """Tell the failover process, if it is there."""
        if self._client is not None:
            with suppress(ConnectionLost):  # it has just ended: `run` connects again
                self._client.push(what)

    def _pushed(self, said: Said) -> None:
        if isinstance(said, Standing):
            self._expect()
            self._became(said)
        elif isinstance(said, PeerSwitchover):
            self._on_peer_switchover(said)

    def _ended(self, error: ConnectionLost) -> None:
        self._client = None
        self._expect_no_more()
        self._became(NOTHING_HELD)
        self._lost.set()

    def _expect(self) -> None:
        """Another word within `silence`."""
        self._expect_no_more()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._silence, self._silent)

    def _expect_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _silent(self) -> None:
        self._became(structs.replace(self.standing, peer_alive=None))

    def _became(self, standing: Standing) -> None:
        if standing != self.standing:
            self.standing = standing
            self._on_standing(standing)
