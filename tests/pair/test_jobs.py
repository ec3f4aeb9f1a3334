"""Jobs of a real node: damage is found, and a backup is made by itself into the folder it names."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw

from appliance.backup.target import Target
from appliance.control.client import Client
from appliance.monitor.jobs import Outcome, RunView
from tests.pair.harness import Cluster, Node, Settings, until
from tests.pair.test_backup import send
from tests.pair.test_people import said


async def job(node: Node, name: str) -> RunView:
    """Run it and wait for its end."""
    client = Client(node.layout.control_socket)
    before = {one.name: one.last for one in await asyncio.to_thread(client.jobs)}[name]
    await asyncio.to_thread(client.run_job, name)

    async def look() -> RunView | None:
        found = {one.name: one for one in await asyncio.to_thread(client.jobs)}[name]
        return None if found.running or found.waiting or found.last == before else found.last

    return await until(look, f"{name} ends")


async def test_what_jobs_find(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    async with Cluster(tmp_path, Settings(hop="127.0.0.1:1")) as cluster:
        a, b = cluster.nodes
        toml = b.data / "node.toml"
        await b.stop()
        toml.write_text(toml.read_text() + f'\n[backup]\ntarget = "{stick}"\nkeep = 1\n')
        b.start()
        await cluster.paired()
        await asyncio.to_thread(send, a, range(1, 4))
        sound = await job(a, "self-test")
        assert (sound.outcome, sound.hint) == (Outcome.OK, "")
        assert sound.text.startswith("3 messages read back")
        assert "b is reached" in sound.text
        for _ in range(2):
            failed = await job(b, "backup")
            assert "recovery key" in failed.text
        said(a, "backup", "key", "create")
        made = await job(b, "backup")
        assert made.text.startswith("twinpost-b-000001.backup: 3 messages")
        assert (await job(b, "backup")).outcome is Outcome.OK
        assert [one.name for one in Target(stick).files()] == ["twinpost-b-000002.backup"]
        # Not by the node's own hand: what a bad disk does.
        spool = apsw.Connection(str(b.layout.spool / "spool.db"))
        spool.set_busy_timeout(5000)
        spool.execute("UPDATE content SET body=x'00' WHERE key=(SELECT min(key) FROM content)")
        spool.close()
        damaged = await job(b, "self-test")
        assert damaged.outcome is Outcome.FAILED
        assert damaged.text.startswith("1 of 3 messages are damaged")
        incomplete = await job(b, "backup")
        assert "lacks 1 messages" in incomplete.text
        assert len(Target(stick).files()) == 2
        assert (await job(b, "certificates")).outcome is Outcome.OK
