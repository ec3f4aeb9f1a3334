"""Each invariant can fail: what a healed pair would look like had it been violated."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import apsw
import pytest
from msgspec import msgpack
from msgspec.structs import replace

from appliance.replica.message import MessageState, RecipientState, Trial
from appliance.replica.pair import Mode
from appliance.replica.record import Attempt, Result
from appliance.spool.messages import key_of
from tests.sim.node import Node
from tests.sim.plan import Plan
from tests.sim.schedule import Simulation
from tests.support.disk_vfs import DiskVFS

Tamper = Callable[[Simulation], None]


@pytest.fixture
def played() -> Iterator[Simulation]:
    with DiskVFS("oracle") as vfs:
        simulation = Simulation(1, Plan(large=0.5), vfs)
        simulation.run()
        yield simulation
        simulation.close()


def tables(node: Node) -> apsw.Connection:
    return node.engine.store.connection


def judge(simulation: Simulation) -> None:
    oracle = simulation.oracle()
    oracle.judge_progress()
    oracle.judge()


def _both(sql: str) -> Tamper:
    """Both nodes' tables are changed in the same way."""

    def tamper(simulation: Simulation) -> None:
        for node in simulation.nodes:
            tables(node).execute(sql)

    return tamper


def _dropped(*names: str) -> Tamper:
    """The first message is not there any more, on these nodes."""

    def tamper(simulation: Simulation) -> None:
        for node in simulation.nodes:
            if node.name in names:
                key = key_of(simulation.clients[0].queue_id, node.engine.store.journal)
                tables(node).execute("DELETE FROM message WHERE key=?", (key,))
                tables(node).execute("DELETE FROM mailbox WHERE key=?", (key,))

    return tamper


def _recipients(change: Callable[[RecipientState], RecipientState]) -> Tamper:
    """The recipients of the first message that no mailbox has change on both nodes."""

    def tamper(simulation: Simulation) -> None:
        (client, *_) = (one for one in simulation.clients if "box1@site.test" not in one.recipients)
        for node in simulation.nodes:
            key = key_of(client.queue_id, node.engine.store.journal)
            (entry,) = node.engine.store.messages.after(key - 1, 1)
            recipients = tuple(map(change, entry.state.recipients))
            _put(node, key, replace(entry.state, recipients=recipients))

    return tamper


def _put(node: Node, key: int, state: MessageState) -> None:
    sql = "UPDATE message SET state=? WHERE key=?"
    tables(node).execute(sql, (msgpack.encode(state), key))


def _doubted(recipient: RecipientState) -> RecipientState:
    attempt = Attempt(recipient.trials[0].attempt.incarnation, 1)
    return replace(recipient, trials=(Trial(attempt, Result.DOUBT), *recipient.trials))


def _received_again(simulation: Simulation) -> None:
    received = simulation.world.sink.received
    received[next(iter(received))] += 1


def _never_received(simulation: Simulation) -> None:
    received = simulation.world.sink.received
    for content, address in list(received):
        if not content.startswith(b"DSN"):
            del received[content, address]


def _no_dsn(simulation: Simulation) -> None:
    received = simulation.world.sink.received
    for content, address in list(received):
        if content.startswith(b"DSN"):
            del received[content, address]


def _nobody_sent(simulation: Simulation) -> None:
    simulation.world.sink.received[b"nobody", "al@one.test"] += 1


def _alone(simulation: Simulation) -> None:
    simulation.nodes[0].engine.pair.mode = Mode.SOLO


def _exposed(simulation: Simulation) -> None:
    simulation.nodes[0].engine._old_exposed = 1


def _body_gone(simulation: Simulation) -> None:
    for node in simulation.nodes:
        for path in list(node.disk.snapshot()):
            if path.startswith("content/"):
                node.disk.mount.unlink(path)


VIOLATIONS: dict[str, tuple[Tamper, str]] = {
    "lost": (_dropped("a", "b"), "is lost"),
    "lost on one node": (_dropped("b"), "the two nodes differ"),
    "changed": (_both("UPDATE content SET body=CAST('other' AS BLOB)"), "bytes|other content"),
    "a body is gone": (_body_gone, "content/"),
    "stuck": (_recipients(lambda one: replace(one, trials=())), "is stuck on a"),
    "never received": (_never_received, "never got it"),
    "no DSN": (_no_dsn, "no DSN"),
    "received again": (_received_again, "2 times, 0 counted"),
    "nobody sent it": (_nobody_sent, "a message nobody sent"),
    "counted without a fault": (_recipients(_doubted), "duplicates without a fault"),
    "not paired": (_alone, "a is solo after healing"),
    "exposed": (_exposed, "a says 1 exposed"),
    "a gap in the journal": (
        _both("DELETE FROM journal WHERE lsn=(SELECT max(lsn) - 3 FROM journal)"),
        "a gap, or another hash",
    ),
    "another segment": (
        _both("UPDATE journal SET hash=x'00' WHERE lsn=(SELECT max(lsn) - 3 FROM journal)"),
        "a segment has another hash",
    ),
    "an open lease too many": (
        _both("INSERT INTO lease(inc, seq, key) VALUES(1, 99, 99)"),
        "table of leases",
    ),
    "a slot too many": (
        _both("INSERT INTO schedule(lane, domain, wake, key) VALUES(1, 'x', 1, 1)"),
        "the schedule",
    ),
    "forgotten at the next start": (_both("DELETE FROM lane"), "lanes"),
}


def test_a_quiet_schedule_holds(played: Simulation) -> None:
    judge(played)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violated(played: Simulation, name: str) -> None:
    tamper, found = VIOLATIONS[name]
    tamper(played)
    with pytest.raises((AssertionError, OSError), match=found):
        judge(played)


def test_more_duplicates_than_leases_were_open(played: Simulation) -> None:
    _received_again(played)
    oracle = played.oracle()
    oracle._faultless = False
    played.allowance.unknown.update(dict.fromkeys(played.world.sink.received, 1))
    with pytest.raises(AssertionError, match="1 duplicates, but only 0 leases were open"):
        oracle.judge()
    played.allowance.leases_at_faults = 1
    oracle.judge()
