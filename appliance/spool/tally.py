"""How many recipients are in the queue, lane by lane: kept up as messages change, never counted."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum

import apsw

from appliance.replica.message import MessageState, RecipientState
from appliance.replica.record import Result


class Standing(IntEnum):
    """Where a recipient that has not ended stands, whoever owns it."""

    NEW = 0
    TRIED = 1
    HELD = 2
    LEASED = 3


def standing(recipient: RecipientState) -> Standing | None:
    """None once it has ended, even if an attempt is still open."""
    trials = recipient.trials
    if len(trials) == 1 and (result := trials[0].result) is not Result.DOUBT:
        return Standing.LEASED if result is Result.OPEN else None
    if trials:
        if recipient.final is not None:
            return None
        if recipient.leased:
            return Standing.LEASED
    if recipient.log.held:
        return Standing.HELD
    # What is left of trials are doubts: attempts, too.
    return Standing.TRIED if recipient.log.tries or trials else Standing.NEW


class Tally:
    """The table `tally`, changed inside the writer's transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._changes = Counter[tuple[int, int]]()

    def add(self, lane: int, state: MessageState, sign: int) -> None:
        """Count a message's recipients into `lane` (1), or out of it (-1)."""
        for recipient in state.recipients:
            stands = standing(recipient)
            if stands is not None:
                self._changes[lane, stands.value] += sign

    def flush(self) -> None:
        """Write what changed since the last time."""
        for (lane, stands), change in self._changes.items():
            if change:
                self._db.execute(
                    "INSERT INTO tally(lane, standing, recipients) VALUES(?,?,?)"
                    " ON CONFLICT DO UPDATE SET recipients = recipients + excluded.recipients",
                    (lane, stands, change),
                )
        self._changes.clear()
