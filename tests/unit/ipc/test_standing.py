"""Following a failover process that says no more."""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.ipc.failover import NOTHING_HELD, SERVER_CODEC, Call, Said, Standing
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.server import Peer, serve
from appliance.ipc.standing import StandingWatch

HOLDS = Standing(True, ("192.0.2.10",), ((1, "Active"),))


class SaysOneThing:
    """A failover process that stands still after its first word."""

    def connected(self, peer: Peer[Said, Call]) -> None:
        peer.push(HOLDS)

    def lost(self, peer: Peer[Said, Call], error: ConnectionLost) -> None:
        """Nothing to clean up."""

    def pushed(self, peer: Peer[Said, Call], message: Call) -> None:
        raise AssertionError("nobody reports here")

    def request(self, peer: Peer[Said, Call], message: Call) -> Said:
        raise AssertionError("nobody asks here")


async def test_who_stands_still_holds_its_addresses_but_does_not_hear_the_peer(
    tmp_path: Path,
) -> None:
    heard = asyncio.Queue[Standing]()
    server = await serve(tmp_path / "failover.sock", SERVER_CODEC, SaysOneThing())
    watch = StandingWatch(tmp_path / "failover.sock", heard.put_nowait, silence=0.01)
    following = asyncio.create_task(watch.run())
    try:
        assert await heard.get() == HOLDS
        assert await heard.get() == Standing(None, HOLDS.held, HOLDS.states)
        server.close()
        assert await heard.get() == NOTHING_HELD
    finally:
        following.cancel()
        server.close()
