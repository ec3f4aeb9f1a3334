"""A node dies: the survivor raises alerts, runs the command, mails the postmaster, then clears."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from appliance.control.client import Client
from appliance.control.schema_alerts import AcknowledgeAlert, Alerts
from tests.pair.harness import Cluster, Settings, until
from tests.pair.traffic import NextHop

_HOOK = '\n[alerts]\ncommand = ["/bin/sh", "-c", "cat >>{path}; echo >>{path}"]\n'


async def test_the_survivor_tells_of_a_node_that_died(tmp_path: Path) -> None:
    told_to = tmp_path / "told"
    told_to.touch()
    async with (
        NextHop("127.0.0.1") as hop,
        Cluster(tmp_path, Settings(hop=hop.address, node=_HOOK.format(path=told_to))) as cluster,
    ):
        client = Client(cluster.a.layout.control_socket)

        async def told(event: str) -> list[dict[str, Any]]:
            lines = (json.loads(line) for line in told_to.read_text().splitlines())
            return [
                line
                for line in lines
                if line["name"] == "solo" and line["node"] == "a" and line["event"] == event
            ]

        async def mail() -> bytes:
            pages = await asyncio.to_thread(lambda: list(client.mailbox("alice")))
            entries = [entry for page in pages for entry in page.entries]
            assert {entry.sender for entry in entries} <= {""}, "nobody answers"
            contents = [b"".join(client.content(one.queue_id)) for one in entries]
            return next((one for one in contents if b"solo" in one), b"")

        async def other_way_round() -> Alerts | None:
            """What b shows of a's alerts."""
            found = await asyncio.to_thread(Client(cluster.b.layout.control_socket).alerts)
            return found if found.peer is not None and found.peer.node == "a" else None

        await until(other_way_round, "b knows a's alerts")
        cluster.b.kill()
        await until(lambda: told("raised"), "the command is told")
        status = await cluster.a.sees(lambda status: bool(status.alarms), "alerts")
        assert status.alarms[0].name == "solo"
        known = await asyncio.to_thread(
            client.acknowledge, "solo", AcknowledgeAlert(why="it is being carried upstairs")
        )
        assert known.phase == "raised"
        await cluster.a.kill_service("control")
        cluster.b.start()
        await cluster.paired()
        (cleared,) = await until(lambda: told("cleared"), "the command is told of its end")
        assert cleared["lasted"] > 0
        assert len(await told("raised")) == 1, "a restart tells nobody again"
        (ended,) = [
            one for one in await asyncio.to_thread(client.ended_alerts, 10) if one.name == "solo"
        ]
        assert ended.acknowledged_why == "it is being carried upstairs"
        content = await until(mail, "the postmaster is told")
        assert b"Auto-Submitted: auto-generated" in content
        log = (cluster.a.data / "log" / "control.log").read_text()
        assert '"alert_raised"' in log
        assert '"alert_cleared"' in log
        assert '"alert_not_told"' not in log
