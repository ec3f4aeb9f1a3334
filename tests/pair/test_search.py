"""Search in real processes: kill -9 of the indexer, and a node that is gone."""

from __future__ import annotations

import asyncio
import os
import smtplib
from pathlib import Path
from random import Random

import pytest

from appliance.control.client import ApiError, Client, NotRunning
from appliance.ipc.search import SearchPage
from tests.pair.harness import Cluster, Node, Settings, until
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


async def test_what_one_node_took_the_other_finds_when_it_is_gone(tmp_path: Path) -> None:
    settings = Settings(hop="127.0.0.1:1", search=True)
    async with Cluster(tmp_path, settings) as cluster:
        await cluster.paired()
        a, b = cluster.nodes
        name = await asyncio.to_thread(send, a, "Subject: Tide\r\n\r\nneap tides\r\n")
        assert await finds(a, '"neap tides"') == name
        shown = await asyncio.to_thread(Client(a.layout.control_socket).preview, name)
        assert (shown.subject, shown.text, shown.complete) == ("Tide", "neap tides", True)
        with pytest.raises(ApiError, match="no message 0000000000ZZZZ"):
            await asyncio.to_thread(Client(a.layout.control_socket).preview, "0000000000ZZZZ")
        a.kill()
        assert await finds(b, "subject:tide from:anna@site.test") == name


def send(node: Node, message: str) -> str:
    """Hand a message in; its queue id."""
    with smtplib.SMTP(*node.smtp, local_hostname="client.test") as client:
        client.ehlo()
        client.mail("anna@site.test")
        client.rcpt("alice@site.test")
        code, text = client.data(message)
    assert code == 250, text
    return text.split()[-1].decode()


async def finds(node: Node, query: str) -> str:
    """The queue id of the one hit, once there is one."""

    def ask() -> SearchPage | None:
        try:
            page = Client(node.layout.control_socket).search(query)
        except (ApiError, NotRunning):  # it starts, too
            return None
        return page if page.hits else None

    async def look() -> SearchPage | None:
        return await asyncio.to_thread(ask)

    page = await until(look, f"{query} on {node.name}")
    (hit,) = page.hits
    return hit.queue_id
