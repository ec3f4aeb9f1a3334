"""What a node may lease: only what it owns, and before it met its peer only what is new."""

from __future__ import annotations

from hashlib import sha256
from itertools import count
from pathlib import Path

import apsw
import pytest

from appliance.mail.work import Lease
from appliance.replica.frames import Hello
from appliance.replica.ownership import Claim
from appliance.replica.pair import Pair, Timing
from appliance.replica.record import KINDS
from appliance.spool.bodies import Bodies
from appliance.spool.engine import Engine
from appliance.spool.files import PosixFiles
from appliance.spool.operations import Accept, Done, Operation, Present, TakeOver, Want
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

    def leases(self) -> set[str]:
        """What may be attempted now."""
        answers = self.ask(Want("want", 10))
        self.ask(Want("no more", 0))
        given = answers.get("want") or []
        assert isinstance(given, list)
        return {lease.queue_id for lease in given if isinstance(lease, Lease)}

    def hear(self, *claims: Claim) -> None:
        """The peer's hello; nothing else comes of it."""
        marks = dict(self.engine.durable)
        self.engine.link_up(0)
        hello = Hello(THEIRS, "theirs", b"p" * 16, marks, claims, 0, "solo", KINDS)
        self.engine.receive(hello, 0)
        self.ask()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    content = tmp_path / "content"
    content.mkdir()
    return content


def test_a_node_without_a_peer_acts_on_everything(db: apsw.Connection, folder: Path) -> None:
    old = Node(db, folder, alone=True).accept()
    node = Node(db, folder, alone=True)
    new = node.accept()
    assert node.leases() == {old, new}


def test_before_it_met_its_peer_a_node_acts_on_what_is_new(
    db: apsw.Connection, folder: Path
) -> None:
    old = Node(db, folder).accept()
    node = Node(db, folder)
    new = node.accept()
    assert node.leases() == {new}
    assert node.ask(TakeOver("now")) == {"now": None}
    assert node.leases() == {old}


def test_what_is_old_waits_for_the_peer_for_a_limited_time(
    db: apsw.Connection, folder: Path
) -> None:
    old = Node(db, folder).accept()
    node = Node(db, folder)
    node.engine.tick(Timing().stale_wait - 1)
    assert node.leases() == set()
    node.engine.tick(Timing().stale_wait)
    assert node.leases() == {old}


def test_once_they_have_met_what_is_old_may_go(db: apsw.Connection, folder: Path) -> None:
    old = Node(db, folder).accept()
    node = Node(db, folder)
    node.hear()
    assert node.leases() == {old}


def test_a_claim_of_the_peer_fences_at_once(db: apsw.Connection, folder: Path) -> None:
    first = Node(db, folder)
    first.accept()
    taken = first.incarnation
    node = Node(db, folder)
    new = node.accept()
    # The journal has not brought the record of the claim yet: its word alone takes.
    node.hear(Claim(1, THEIRS, {taken: 2}))
    assert node.engine.pair.synced
    assert node.leases() == {new}


def test_a_fence_takes_no_more_than_its_claim(db: apsw.Connection, folder: Path) -> None:
    node = Node(db, folder, alone=True)
    taken, kept = node.accept(), node.accept()
    node.hear(Claim(1, THEIRS, {node.incarnation: 2}))
    assert node.leases() == {kept}
    node.hear()
    assert node.leases() == {taken}, "the peer says nothing of it any more"


def test_a_claim_of_a_lower_epoch_fences_nothing(db: apsw.Connection, folder: Path) -> None:
    first = Node(db, folder)
    old, taken = first.accept(), first.incarnation
    node = Node(db, folder)
    node.ask(TakeOver("now"))
    assert node.store.epoch == 1
    node.hear(Claim(0, THEIRS, {taken: 99}))
    assert node.leases() == {old}


def test_what_was_handed_away_is_not_leased(db: apsw.Connection, folder: Path) -> None:
    node = Node(db, folder, alone=True)
    node.accept()
    node.store.begin()
    node.store.write_claim(THEIRS, "handed over", False, 0)
    node.store.flush(0)
    node.store.commit()
    node.engine._ownership_changed()
    assert node.leases() == set()
    new = node.accept()
    assert node.leases() == {new}, "what comes after the claim is its own"


def test_nothing_is_leased_before_delivery_said_what_it_holds(
    db: apsw.Connection, folder: Path
) -> None:
    node = Node(db, folder, alone=True)
    queue_id = node.accept()
    node.engine._presented = False
    assert node.leases() == set()
    node.ask(Present("again", frozenset()))
    assert node.leases() == {queue_id}
