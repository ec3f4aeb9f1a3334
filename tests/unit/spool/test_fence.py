"""What a node may lease: only what it owns, and before it met its peer only what is new."""

from __future__ import annotations

from pathlib import Path

import apsw

from appliance.replica.ownership import Claim
from appliance.replica.pair import Timing
from appliance.spool.operations import Present, TakeOver
from tests.unit.spool.node import Node
from tests.unit.spool.segments import THEIRS


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
    taken = first.incarnation
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
    node.engine._leasing.ownership_changed()
    assert node.leases() == set()
    new = node.accept()
    assert node.leases() == {new}, "what comes after the claim is its own"


def test_nothing_is_leased_before_delivery_said_what_it_holds(
    db: apsw.Connection, folder: Path
) -> None:
    node = Node(db, folder, alone=True)
    queue_id = node.accept()
    node.engine._leasing._presented = False
    assert node.leases() == set()
    node.ask(Present("again", frozenset()))
    assert node.leases() == {queue_id}
