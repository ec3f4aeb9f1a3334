"""Every fsync, hash check and fence of the product is needed: without it something here fails.

A mutation takes one check away; a plan of the simulation, or a schedule that is written down, must
then violate an invariant. What holds with the check in place, `test_sim` and `test_scenarios` say.
"""

from __future__ import annotations

from typing import Any

import pytest

from appliance.replica import message
from appliance.replica.message import MessageState
from appliance.replica.ownership import Ownership
from appliance.replica.pair import Pair
from appliance.replica.position import Mark
from appliance.replica.record import Claimed, Segment
from appliance.spool import journal as journals
from appliance.spool import schema
from appliance.spool import snapshot as snapshots
from appliance.spool import store as stores
from appliance.spool.bodies import Body
from appliance.spool.claims import Claims
from appliance.spool.clocks import Clocks
from appliance.spool.engine import Engine
from appliance.spool.incoming import Incoming
from appliance.spool.journal import Journal
from appliance.spool.leasing import Leasing
from appliance.spool.operations import Done, Send
from appliance.spool.owner import Owner
from appliance.spool.retention import Retention
from appliance.spool.store import Store
from appliance.spool.waiting import Waiting
from tests.sim import damage, exact, schedules
from tests.sim.address_mutations import ADDRESSES, deaf_to_heartbeats
from tests.sim.delivery import Delivery
from tests.sim.mutation import FOUND, Mutation, Patch, plan, put
from tests.sim.plan import Plan
from tests.sim.play import Failure
from tests.support.disk import Mount, OpenFile

# Durability.


def no_sync(pattern: str) -> Patch:
    """The disk is never told to write a file."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        sync = OpenFile.sync
        monkeypatch.setattr(
            OpenFile, "sync", lambda self: None if pattern in self.path else sync(self)
        )

    return patch


def no_directory_sync(directory: str) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        sync = Mount.sync_directory
        monkeypatch.setattr(
            Mount,
            "sync_directory",
            lambda self, path: None if path == directory else sync(self, path),
        )

    return patch


def commit_before_bodies(store: Store) -> None:
    store._db.execute("COMMIT")
    for body in store._bodies:
        body.make_durable()
    store._bodies.clear()


DARK = Plan(("power both", "power in commit"), strikes=(3, 5), large=0.5)
DURABILITY = [
    Mutation("sync of the WAL", no_sync("spool.db-wal"), plan("dark", DARK)),
    Mutation("sync of a body", no_sync("content/"), plan("dark", DARK)),
    Mutation("sync of the bodies' directory", no_directory_sync("content"), plan("dark", DARK)),
    Mutation(
        "bodies before the commit",
        put(Store, "commit", commit_before_bodies),
        plan("commit", Plan(("power in commit",), strikes=(3, 5), large=0.9)),
    ),
    Mutation(
        "a new WAL at every start",
        put(schema, "_start_wal_anew", lambda connection: None),
        exact.committed_behind_a_failed_sync,
    ),
]

# Hashes.


class Anything:
    """Equal to every digest."""

    def digest(self) -> Any:
        return self

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = object.__hash__


def follows_by_number(segment: Segment, tip: Mark | None) -> bool:
    have = tip.seq if tip else 0
    if segment.first > have + 1:
        raise LookupError
    return segment.last > have


HASHES = [
    Mutation(
        "digest of content",
        put(stores, "sha256", lambda data: Anything()),
        damage.damaged_content,
    ),
    Mutation(
        "digest of a body",
        put(Body, "digest", property(lambda self: Anything())),
        damage.damaged_body,
    ),
    Mutation(
        "digest of content in a snapshot",
        put(snapshots, "sha256", lambda data: Anything()),
        damage.damaged_snapshot,
    ),
    Mutation(
        "hash of a segment's predecessor",
        put(journals, "follows", follows_by_number),
        damage.rotten_segment,
    ),
    Mutation(
        "hashes in the hello",
        put(Journal, "hash_at", lambda self, incarnation, seq: None),
        damage.numbers_used_twice,
    ),
    Mutation(
        "a body before its record",
        put(Incoming, "_finish_body", lambda self, record: None),
        damage.lost_body,
    ),
]

# Fences.


def answer_at_once(waiting: Waiting, durable: int, shared: int, both: bool) -> list[Any]:
    ready = [done for _, done in waiting._answers]
    waiting._answers.clear()
    return ready


def lease_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    add = Waiting.add

    def eager(waiting: Waiting, seq: int, answer: Done | Send) -> None:
        leases = isinstance(answer, Done) and isinstance(answer.value, list)
        add(waiting, 0 if leases else seq, answer)

    monkeypatch.setattr(Waiting, "add", eager)


def without_write_offs(holder: type, name: str) -> Patch:
    """A method writes nothing off."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        method = getattr(holder, name)

        def careless(self: object, *args: Any) -> Any:
            with pytest.MonkeyPatch.context() as inner:
                inner.setattr(Owner, "write_offs", lambda self, keep: [])
                return method(self, *args)

        monkeypatch.setattr(holder, name, careless)

    return patch


def settled_by_anybody(engine: Engine) -> None:
    engine.store.ownership.settled = engine.store.epoch


def never_regressed(monkeypatch: pytest.MonkeyPatch) -> None:
    link_up = Pair.link_up
    monkeypatch.setattr(Pair, "link_up", lambda self, now, regressed: link_up(self, now, False))


def same_epoch(store: Store, owner: bytes, reason: str, doubt: bool, running: int) -> Any:
    claimed = Claimed(owner, store.journal.positions(), reason, doubt)
    return store.write([claimed], {}, running)


FENCES = [
    Mutation("ownership", put(Store, "mine", lambda self, lane: True), plan("cut")),
    Mutation(
        "waiting until caught up",
        put(
            Pair,
            "synced",
            property(lambda self: True, lambda self, value: None),
            of_instances=True,
        ),
        schedules.stale_backlog_waits,
    ),
    Mutation(
        "claims told in the hello",
        put(Ownership, "fence", lambda self, claims: None),
        schedules.fenced_by_a_hello,
    ),
    Mutation(
        "revoked leases",
        put(Owner, "foreign_leases", lambda self: frozenset()),
        schedules.revoked_before_data,
    ),
    Mutation(
        "leases that are renewed",
        put(Delivery, "may_send", lambda self, lease: lease.attempt not in self._revoked),
        schedules.not_renewed_before_data,
    ),
    Mutation(
        "the peer's acknowledgement before 250",
        put(Waiting, "release", answer_at_once),
        exact.accepted_waits_for_the_peer,
    ),
    Mutation(
        "the peer's acknowledgement before a lease", lease_at_once, exact.lease_waits_for_the_peer
    ),
    Mutation(
        "write-offs when delivery restarts",
        without_write_offs(Leasing, "present"),
        plan("delivery"),
    ),
    Mutation("write-offs when adopting", without_write_offs(Claims, "write"), plan("replace")),
    Mutation(
        "write-offs of what the peer gave back",
        without_write_offs(Leasing, "write_off_stale"),
        exact.lease_given_back_by_the_peer,
    ),
    Mutation(
        "leases that delivery kept",
        put(Owner, "invalid", lambda self, attempts: frozenset()),
        exact.presented_after_all_was_over,
    ),
    Mutation(
        "the heartbeat before adoption",
        deaf_to_heartbeats,
        schedules.no_adoption_while_a_heartbeat_is_heard,
    ),
    Mutation(
        "doubt of whoever is silent",
        put(Claims, "adopt", lambda self: self._due.append((self._store.node, "adopted", False))),
        schedules.silence_is_no_proof_of_death,
    ),
    Mutation(
        "the former owner tells what it did",
        put(Engine, "_settle_doubts", lambda self: None),
        schedules.doubts_end_when_the_peer_tells_what_it_did,
    ),
    Mutation(
        "doubts that a lost disk leaves",
        put(Engine, "_settle_doubts", settled_by_anybody),
        schedules.a_lost_disk_cannot_tell_what_it_did,
    ),
    Mutation(
        "catching up with a peer that lost something",
        never_regressed,
        schedules.nothing_paired_while_the_peer_lacks_what_it_had,
    ),
    Mutation(
        "a new epoch for each claim",
        put(Store, "write_claim", same_epoch),
        exact.replaced_after_a_hand_over,
    ),
    Mutation(
        "adoption after a replacement",
        put(Owner, "orphans", lambda self, peer: False),
        plan("replace"),
    ),
    Mutation(
        "clocks read from records", put(Clocks, "heard", lambda *args: None), plan("install anew")
    ),
    Mutation(
        "logs of the owner only",
        put(Owner, "owns", lambda self, entry: True),
        exact.log_of_a_former_owner,
    ),
]

# What is merged, and what is forgotten.


def merged_without_positions(
    mine: MessageState, known: object, theirs: MessageState, they_know: object
) -> MessageState:
    return message.merged(mine, {}, theirs, {})


def pruned_unshared(monkeypatch: pytest.MonkeyPatch) -> None:
    choose = Retention.choose
    monkeypatch.setattr(
        Retention,
        "choose",
        lambda self, running, keep, shared: choose(self, running, keep, False),
    )


MERGES = [
    Mutation(
        "positions when attempts are merged",
        put(snapshots, "merged", merged_without_positions),
        exact.deferral_told_by_a_snapshot,
    ),
    Mutation(
        "the peer holds what is pruned", pruned_unshared, exact.forgotten_only_when_the_peer_knows
    ),
]

ALL = DURABILITY + HASHES + FENCES + ADDRESSES + MERGES


@pytest.mark.parametrize("mutation", ALL, ids=lambda mutation: mutation.name)
def test_missed(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.patch(monkeypatch)
    with pytest.raises(FOUND) as found:
        mutation.proof()
    if isinstance(found.value, Failure):
        assert isinstance(found.value.__cause__, FOUND), "the mutation itself failed"
