"""What was asked and what was answered: so, what a disk must show after a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import apsw

from appliance.mail.work import AttemptId
from appliance.replica.message import RecipientState
from appliance.replica.record import Result
from appliance.spool.site import SiteTables
from tests.powercut.derived import Row, messages
from tests.support.disk_files import DiskFiles

ABSENT = "absent"


@dataclass
class Fact:
    """The values that something had or may have by now, in order, and how far each node has it.

    A node's disk may show the last value it answered for, or any later one.
    """

    values: list[object]
    sure: dict[str, int] = field(default_factory=dict)

    def asked(self, value: object) -> int:
        """A new value is under way; returns its place."""
        self.values.append(value)
        return len(self.values) - 1

    def answered(self, place: int, nodes: Iterable[str]) -> None:
        """The value at `place` is durable on `nodes`."""
        for node in nodes:
            self.sure[node] = max(place, self.sure.get(node, 0))

    def possible(self, node: str) -> list[object]:
        """What the disk of `node` may show."""
        return self.values[self.sure.get(node, 0) :]


Key = tuple[str, int, object]
"""(queue id, recipient, what): "held", "address", "final", or an attempt; "" for the message.

Of the site: (VERSION, 0, document) and (REGISTER, 0, key).
"""
VERSION, REGISTER = "version", "register"


class Ledger:
    """The facts of all messages, and the notifications that attempts caused."""

    def __init__(self) -> None:
        self.facts: dict[Key, Fact] = {}
        self.notifications: dict[AttemptId, tuple[str, int, bytes]] = {}
        self.contents: dict[str, bytes] = {}
        self.pruned: set[str] = set()

    def message(self, queue_id: str, envelope: bytes, content: bytes) -> Fact:
        """A message that is being sent; not there, then there."""
        self.contents[queue_id] = content
        fact = self.facts[queue_id, 0, ""] = Fact([ABSENT])
        fact.asked((envelope, content))
        return fact

    def recipient(self, queue_id: str, index: int, what: object, first: object) -> Fact:
        """One thing about a recipient, `first` until something changes it."""
        return self.facts.setdefault((queue_id, index, what), Fact([first]))

    def shared(self, nodes: Iterable[str]) -> None:
        """The nodes have caught up with each other: what one answered for, all hold."""
        everywhere = tuple(nodes)
        for fact in self.facts.values():
            fact.answered(max(fact.sure.values(), default=0), everywhere)

    def lost(self, node: str) -> None:
        """The disk of a node was replaced by an older one: it is sure of nothing."""
        for fact in self.facts.values():
            fact.sure.pop(node, None)

    def check(self, node: str, db: apsw.Connection, files: DiskFiles) -> None:
        """Raises AssertionError for what was answered and is not there."""
        found = {row.queue_id: row for row in messages(db)}
        inline = dict(db.execute("SELECT key, body FROM content"))
        bodies = {
            id_: files.read(id_, 0, 1 << 40) if row.external else bytes(inline[row.key])
            for id_, row in found.items()
        }
        site = SiteTables(db)
        documents = {site.version(header.id).document for header in site.headers()}
        for (queue_id, index, what), fact in self.facts.items():
            row = found.get(queue_id)
            if queue_id == VERSION:
                shown: object = what in documents
            elif queue_id == REGISTER:
                shown = site.table(REGISTER).get(str(what))
            elif what == "":
                shown = ABSENT if row is None else (row.envelope, bodies[queue_id])
            elif row is None:
                continue
            else:
                shown = _shown(row, row.state.recipients[index], what)
            possible = fact.possible(node)
            assert _fits(shown, what, possible), (
                f"{node}: {queue_id}/{index} {what}: {_short(shown)} is none of"
                f" {[_short(one) for one in possible]}"
            )
        self._check_notifications(node, found, Counter(bodies.values()))

    def _check_notifications(
        self, node: str, found: dict[str, Row], contents: Counter[bytes]
    ) -> None:
        """A bounce and its notification are one transaction: both are there, or neither."""
        for attempt, (queue_id, index, content) in self.notifications.items():
            row = found.get(queue_id)
            if row is None:
                assert contents[content] <= 1
            else:
                bounced = _trial(row.state.recipients[index], attempt) is Result.BOUNCED
                assert contents[content] == bounced, f"{node}: the DSN of {queue_id}"


def _shown(row: Row, recipient: RecipientState, what: object) -> object:
    match what:
        case "held":
            return recipient.log.held
        case "address":
            return recipient.log.address
        case "tries":
            return recipient.log.tries
        case AttemptId():
            return _trial(recipient, what)
    finals = [t.result for t in recipient.trials if t.result is Result.REMOVED]
    return bool(finals)


def _trial(recipient: RecipientState, attempt: AttemptId) -> Result | None:
    for trial in recipient.trials:
        if (trial.attempt.incarnation, trial.attempt.seq) == (attempt.incarnation, attempt.seq):
            return trial.result
    return None


def _fits(shown: object, what: object, possible: list[object]) -> bool:
    if shown in possible:
        return True
    # An open attempt is written off when nobody can tell any more how it ended.
    return isinstance(what, AttemptId) and shown is Result.DOUBT and Result.OPEN in possible


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."
