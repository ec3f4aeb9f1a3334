"""Accepting, leasing and ending mail costs no more behind a long queue than behind a short one."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from appliance.spool.schema import NUMBER_BITS
from tests.unit.spool.effort import effort
from tests.unit.spool.node import Node

_LATER = 10**9


def backlog(db: apsw.Connection, node: Node, length: int, domains: int) -> None:
    """Deferred messages, all like one that was accepted, in the lane of the mail to come."""
    node.accept()
    assert node.deliver() == 1
    lane = node.store.lanes.of(1, 2).id
    numbers = "WITH RECURSIVE n(k) AS (SELECT 1000 UNION ALL SELECT k + 1 FROM n LIMIT ?)"
    db.execute(
        f"{numbers} INSERT INTO message SELECT ?+k, k, size, digest, external, arrived, 0, 0,"
        " slots, state, envelope, trace FROM n JOIN (SELECT * FROM message LIMIT 1)",
        (length, 1 << NUMBER_BITS),
    )
    db.execute(
        f"{numbers} INSERT INTO schedule"
        " SELECT ?, CASE k % ? WHEN 0 THEN 'a.test' ELSE 'd' || k % ? END, ?, ?+k FROM n",
        (length, lane, domains, domains, _LATER, 1 << NUMBER_BITS),
    )
    node.store.scheduler.reload()


@pytest.mark.parametrize("domains", [1, 50])
def test_a_long_queue_costs_no_more(
    tmp_path: Path, db: apsw.Connection, folder: Path, domains: int
) -> None:
    node = Node(db, folder, alone=True)
    backlog(db, node, 100, domains)

    def work() -> None:
        for _ in range(5):
            node.accept()
        assert node.deliver() == 5

    work()
    short = effort(db, work)
    db.execute("DELETE FROM schedule")
    db.execute("DELETE FROM message")
    backlog(db, node, 100_000, domains)
    long = effort(db, work)
    assert 0 < long <= short * 1.1
