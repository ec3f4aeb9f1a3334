"""A node's running time goes on over its starts, also if it was at rest before it crashed."""

from __future__ import annotations

from pathlib import Path

import apsw

from appliance.spool.store import Store
from tests.unit.spool.node import Node
from tests.unit.spool.segments import MINE


def test_a_node_at_rest_forgets_at_most_a_minute(db: apsw.Connection, folder: Path) -> None:
    engine, now, commits = Node(db, folder).engine, 0, 0
    while now < 600_000:
        due = engine.next_timer(now)
        assert due is not None
        now = max(now + 1, due)
        engine.tick(now)
        if engine.busy(now) and engine.turn(now):
            engine.commit()
            engine.committed(now)
            commits += 1
    again = Store(db, MINE, b"another start".ljust(16), 0)
    assert now - 60_000 <= again.running(0) <= now + 1
    assert commits <= 10, "a node at rest lets the disk rest"
