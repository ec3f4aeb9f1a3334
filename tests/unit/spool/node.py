"""One engine on real files, driven from turn to turn."""

from __future__ import annotations

from hashlib import sha256
from itertools import count
from pathlib import Path

import apsw

from appliance.mail.reply import Reply
from appliance.mail.work import Lease, Outcome, RecipientOutcome, Result
from appliance.replica.frames import Hello
from appliance.replica.ownership import Claim
from appliance.replica.pair import Pair, Timing
from appliance.replica.record import KINDS
from appliance.spool.bodies import Bodies
from appliance.spool.engine import Engine
from appliance.spool.files import PosixFiles
from appliance.spool.operations import Accept, Done, Operation, Present, Report, Want
from appliance.spool.store import Store
from tests.unit.spool.segments import CONTENT, MINE, THEIRS, accepted

_starts = count(1)


class Node:
    """An engine that is driven from turn to turn; each is a new start."""

    def __init__(self, db: apsw.Connection, folder: Path, *, alone: bool = False) -> None:
        self.incarnation = sha256(b"%d" % next(_starts)).digest()[:16]
        self.store = Store(db, MINE, self.incarnation, 0)
        pair = Pair(Timing(), 0, alone=alone)
        bodies = Bodies(PosixFiles(str(folder)))
        self.engine = Engine(self.store, bodies, pair, "mine", 0)
        self._messages = 0
        self.ask(Present("present", frozenset()))

    def ask(self, *operations: Operation) -> dict[object, object]:
        """Submit and work until nothing changes; the answers."""
        for operation in operations:
            self.engine.submit(operation)
        while self.engine.turn(0):
            self.engine.commit()
            self.engine.committed(0)
        effects, self.engine.effects = self.engine.effects, []
        return {effect.token: effect.value for effect in effects if isinstance(effect, Done)}

    def accept(self) -> str:
        """A message to be delivered at once."""
        self._messages += 1
        record = accepted(self.incarnation, self._messages)
        answers = self.ask(
            Accept(
                "accept",
                record.queue_id,
                record.envelope,
                record.domains,
                record.size,
                record.digest,
                CONTENT,
            )
        )
        assert "accept" in answers
        return record.queue_id

    def lease(self) -> list[Lease]:
        """What may be attempted now."""
        answers = self.ask(Want("want", 10))
        self.ask(Want("no more", 0))
        given = answers.get("want") or []
        assert isinstance(given, list)
        return given

    def leases(self) -> set[str]:
        """The messages of which something may be attempted now."""
        return {lease.queue_id for lease in self.lease()}

    def deliver(self) -> int:
        """Attempt what is due, with success; how many."""
        leases, reply = self.lease(), Reply(250, "2.0.0", "ok")
        outcomes = [
            Outcome(
                lease.attempt,
                lease.queue_id,
                tuple(
                    [RecipientOutcome(r.index, Result.DELIVERED, reply) for r in lease.recipients]
                ),
            )
            for lease in leases
        ]
        assert "report" in self.ask(Report("report", outcomes))
        return len(leases)

    def hear(self, *claims: Claim) -> None:
        """The peer's hello; nothing else comes of it."""
        marks = dict(self.engine.durable)
        self.engine.link_up(0)
        hello = Hello(THEIRS, "theirs", b"p" * 16, marks, claims, 0, "solo", KINDS)
        self.engine.receive(hello, 0)
        self.ask()
