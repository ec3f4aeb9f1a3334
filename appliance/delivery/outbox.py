"""Outcomes on their way to the spool: kept until it acknowledges them, repeated if need be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from appliance.mail.work import AttemptId, Outcome

_MAX_BATCH = 256
_MAX_BYTES = 4 << 20  # of notifications in one report: half of what a frame may hold


class Outbox:
    """Outcomes in the order in which they were made."""

    def __init__(self) -> None:
        self._outcomes: dict[AttemptId, Outcome] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._outcomes)

    def put(self, outcome: Outcome) -> None:
        """Keep `outcome` until it is acknowledged."""
        self._outcomes[outcome.attempt] = outcome
        self._filled.set()

    async def batch(self) -> Sequence[Outcome]:
        """Wait for outcomes; all that are there, as far as they fit one report."""
        await self._filled.wait()
        taken: list[Outcome] = []
        size = 0
        for outcome in self._outcomes.values():
            size += sum(len(message.content) for message in outcome.notifications)
            if taken and (len(taken) == _MAX_BATCH or size > _MAX_BYTES):
                break
            taken.append(outcome)
        return taken

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        """The spool has these for good."""
        for outcome in outcomes:
            del self._outcomes[outcome.attempt]
        if not self._outcomes:
            self._filled.clear()
