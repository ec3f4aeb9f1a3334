"""The spool as the other processes of the node reach it, over the mail socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.ipc.client import Client, connect
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.mail import (
    CLIENT_CODEC,
    Call,
    Durable,
    Leases,
    LeasesCall,
    PresentCall,
    Presented,
    Renewed,
    ReportCall,
    Revoked,
    Rooms,
    Said,
)
from appliance.mail.work import AttemptId, Lease, Outcome

_RETRY = 0.2


class WorkClient:
    """Delivery's end (`delivery.source.Work`): connects again whenever the spool comes back.

    A lease is good while the mail process keeps saying so: `fence` milliseconds after its last
    word nothing may be begun, so that a node that was stopped for long never sends what its peer
    has adopted meanwhile (rule 7). It must be shorter than `adopt_delay`.
    """

    def __init__(self, path: Path, clock: Callable[[], int], fence: int) -> None:
        self._path = path
        self._clock = clock
        self._fence = fence
        self._client: Client[Call, Said] | None = None
        self._renewed_at = 0
        self._revoked: set[AttemptId] = set()

    async def present(self, attempts: Sequence[AttemptId]) -> None:
        """Connect, for as long as it takes, and name the leases still worked on."""
        while True:
            try:
                self._client = client = await connect(
                    self._path, CLIENT_CODEC, on_push=self._pushed, on_lost=self._lost
                )
                break
            except OSError:
                await asyncio.sleep(_RETRY)
        presented = await client.request(PresentCall(tuple(attempts)), Presented)
        self._revoked = set(presented.invalid)
        self._renewed_at = self._clock()

    async def leases(
        self, limit: int, blocked: Sequence[str], rooms: Rooms = ()
    ) -> Sequence[Lease]:
        """Wait for work; raises ConnectionError."""
        call = LeasesCall(limit, tuple(blocked), rooms)
        return (await self._connected().request(call, Leases)).leases

    async def report(self, outcomes: Sequence[Outcome]) -> None:
        """Return when durable; raises ConnectionError."""
        await self._connected().request(ReportCall(tuple(outcomes)), Durable)
        self._revoked.difference_update([outcome.attempt for outcome in outcomes])

    def may_send(self, lease: Lease) -> bool:
        """The fence: connected, not revoked, renewed lately."""
        return (
            self._client is not None
            and lease.attempt not in self._revoked
            and self._clock() - self._renewed_at < self._fence
        )

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            self._client.close()

    def _connected(self) -> Client[Call, Said]:
        if self._client is None:
            raise ConnectionResetError("the spool is away")
        return self._client

    def _pushed(self, message: Said) -> None:
        match message:
            case Revoked():
                self._revoked.update(message.attempts)
            case Renewed():
                self._renewed_at = self._clock()

    def _lost(self, error: ConnectionLost) -> None:
        self._client = None
