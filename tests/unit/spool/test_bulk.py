"""What was accepted as bulk stays it, on both nodes and through retries."""

from __future__ import annotations

from pathlib import Path

import apsw
import msgspec

from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.reply import Reply
from appliance.mail.work import Lease, Outcome, RecipientOutcome, Result
from appliance.spool.messages import BULK
from appliance.spool.operations import Accept, Report, Want
from appliance.spool.schema import rows
from tests.unit.spool.node import Node
from tests.unit.spool.segments import CONTENT, accepted


def accept(node: Node, number: int, bulk: bool) -> str:
    record = accepted(node.incarnation, number)
    envelope = msgspec.msgpack.encode(Envelope("", (Recipient("b@a.test"),)))
    node.ask(
        Accept(
            "accept",
            record.queue_id,
            envelope,
            record.domains,
            record.size,
            record.digest,
            CONTENT,
            bulk=bulk,
        )
    )
    return record.queue_id


def leases(node: Node, limit: int) -> list[Lease]:
    found = node.ask(Want("want", limit))["want"]
    assert isinstance(found, list)
    return found


def test_bulk_mail_is_leased_as_bulk_behind_what_came_later(
    db: apsw.Connection, folder: Path
) -> None:
    node = Node(db, folder, alone=True)
    bulk = accept(node, 1, bulk=True)
    other = accept(node, 2, bulk=False)
    queues = [queue for (queue,) in rows(db, "SELECT domain FROM schedule ORDER BY key")]
    assert queues == [BULK + "a.test", "a.test"]
    (first,) = leases(node, 1)
    assert (first.queue_id, first.bulk) == (other, False)
    (second,) = leases(node, 1)
    assert (second.queue_id, second.bulk) == (bulk, True)
    deferred = RecipientOutcome(0, Result.DEFERRED, Reply(450, "4.0.0", "later"), retry_in=1000)
    node.ask(Report("report", [Outcome(second.attempt, second.queue_id, (deferred,))]))
    assert [queue for (queue,) in rows(db, "SELECT domain FROM schedule")] == [BULK + "a.test"]
