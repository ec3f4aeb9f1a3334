"""Both machines are lost: a new one gets the site back at its first boot, from a stick."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from appliance.backup.recovery import SECRET_LENGTH, RecoveryKey
from appliance.control.client import Client
from appliance.control.schema_backups import NewRecoveryKey
from tests.pair.harness import until
from tests.pair.new_nodes import PORTS, NewNode, NewPair, send
from tests.tui.first_boot import answered, logged_in, up_to_the_pair
from tests.tui.screen import Seen, seen

pytestmark = pytest.mark.xdist_group("console")
KEY = RecoveryKey(bytes(range(SECRET_LENGTH)))


async def test_a_site_comes_back_from_a_stick(tmp_path: Path) -> None:
    pair, stick = NewPair(tmp_path), tmp_path / "stick"
    stick.mkdir()
    lost, new = pair.nodes[0], NewNode(tmp_path / "new")
    (new.layout.data / "setup.json").write_bytes(msgspec.json.encode({"ports": PORTS}))
    # What nobody knows anything of is not removed.
    (new.layout.data / "spool" / "content").mkdir(parents=True)
    (new.layout.data / "spool" / "content" / "found").write_text("x")
    try:
        async with pair:
            await _backed_up(lost, pair, stick)
        new.start()
        await new.waits()
        async with seen(new.layout.control_socket, kiosk=True) as console:
            await _answered(console, pair, stick / "twinpost-a-000001.backup")
            await console.sees("All of the backup is read before anything is written")
            await console.press("enter")
            await logged_in(console, "anna")
        assert [one.name for one in await asyncio.to_thread(new.client.mailboxes)] == ["postmaster"]
        status = await new.mode("solo")
        assert status.hostname == "c.site.test"
        folders = {one.name for one in new.layout.data.iterdir()}
        assert "restored" not in folders
        assert (new.layout.data / "spool.before-1" / "content" / "found").read_text() == "x"
    finally:
        new.kill()


async def _answered(console: Seen, pair: NewPair, backup: Path) -> None:
    await up_to_the_pair(console, "c", pair.hosts[1])
    await console.press("down", "down", "down", "enter")
    wrong = RecoveryKey(bytes(SECRET_LENGTH))
    for file, key, said in (
        ("", KEY, "the backup is missing"),
        (backup.with_name("none.backup"), KEY, "No such file"),
        (backup, "", "the recovery key is missing"),
        (backup, str(KEY)[:-1] + "?", "✖"),
        (backup, wrong, "and not for"),
    ):
        await answered(console, "The backup", str(file), str(key))
        await console.sees(said)
        await console.press("up")
    await answered(console, "The backup", str(backup), str(KEY))
    await answered(console, "Virtual address", pair.virtual)
    text = await console.sees("Set up this node")
    assert str(KEY) not in text


async def _backed_up(node: NewNode, pair: NewPair, stick: Path) -> None:
    await asyncio.to_thread(node.client.set_up, pair.first())
    await node.mode("solo")
    recipient = KEY.recipient()
    key = NewRecoveryKey(recipient.public, recipient.maker, "safe")
    await asyncio.to_thread(node.client.add_recovery_key, key)
    await send(pair.hosts[0])
    client = Client(node.layout.control_socket)

    async def filed() -> bool:
        return bool(await asyncio.to_thread(client.mailboxes))

    await until(filed, "the message is in its mailbox")
    await asyncio.to_thread(client.make_backup, str(stick))

    async def ended() -> bool:
        return not (await asyncio.to_thread(client.backup_run)).running

    await until(ended, "the backup is made")
    assert (await asyncio.to_thread(client.backup_run)).ok
