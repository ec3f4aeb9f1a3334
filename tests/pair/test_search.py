"""kill -9 of the real indexer while mail comes in: nothing is lost, nothing is found twice."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests.support.search_process import SearchNode
from tests.unit.spool_reader.writer import Writer

_KILLS = max(3, int(os.environ.get("CRASH_ROUNDS", "10")) // 10)
_MAIL_A_ROUND = 150
_MOST_ALIVE = 2.5
"""Seconds: starting, a first commit and the next fall into this."""


@pytest.mark.crash
async def test_kill_nine_of_the_indexer(tmp_path: Path) -> None:
    random = Random(7)
    names = list[str]()
    with SearchNode(tmp_path / "node") as node:
        writer = Writer(node.spool)
        for _ in range(_KILLS):
            before = await found(node) if names else set()
            node.kill()
            names += [
                writer.accept(content=b"Subject: tide %d\r\n\r\ntide\r\n" % number)
                for number in range(_MAIL_A_ROUND)
            ]
            node.start()
            node.alive_for(random.random() * _MOST_ALIVE)
            node.kill()
            node.start()
            assert before <= await found(node)
        view = await node.until(lambda view: view.complete and view.documents >= len(names))
        assert view.documents == len(names)
        assert await found(node) == set(names)
        writer.close()


async def found(node: SearchNode) -> set[str]:
    """Everything that is found, page by page; nothing twice."""
    await node.until(lambda view: view.partitions > 0)
    ids, after = list[str](), ""
    while True:
        page = await node.find("tide", after=after)
        ids += [hit.queue_id for hit in page.hits]
        after = page.after
        if not after:
            break
    assert len(ids) == len(set(ids))
    return set(ids)
