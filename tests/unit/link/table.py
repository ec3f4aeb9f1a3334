"""Two nodes that are about to be paired."""

from __future__ import annotations

from appliance.config.units import Endpoint
from appliance.link.ceremony import (
    Limits,
)
from appliance.link.code import PairingCode
from appliance.link.identity import KeyStore
from appliance.link.pairing import Inviting, start_pairing
from tests.unit.link.nodes import ANYWHERE, Nodes

LINK_A, LINK_B = Endpoint("127.0.0.11:2600"), Endpoint("127.0.0.12:2600")


class Table:
    """Two nodes about to be paired."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.a, self.b = nodes.store(), nodes.store()
        self._inviting: list[Inviting] = []

    async def invite(
        self, store: KeyStore | None = None, replacing: bool = False, limits: Limits | None = None
    ) -> Inviting:
        inviting = await start_pairing(
            store or self.a, ANYWHERE, LINK_A, replacing=replacing, limits=limits
        )
        self._inviting.append(inviting)
        return inviting

    async def close(self) -> None:
        for inviting in self._inviting:
            await inviting.close()


def at(inviting: Inviting) -> Endpoint:
    return Endpoint(f"127.0.0.1:{inviting.port}")


def code_of(inviting: Inviting) -> PairingCode:
    return PairingCode.parse(inviting.code)
