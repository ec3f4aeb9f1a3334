"""A pair is backed up while mail comes in; both nodes are lost; a new node goes on from there."""

from __future__ import annotations

import asyncio
import os
import signal
import smtplib
from pathlib import Path

from appliance.backup.target import Target
from appliance.control.client import ApiError, Client
from appliance.control.schema import Status
from appliance.control.schema_backups import BackupRun
from appliance.link.identity import KeyStore
from appliance.services.restore import Restored
from appliance.spool.bodies import Bodies
from appliance.spool.files import PosixFiles
from appliance.spool.schema import open_writer
from appliance.spool.store import Store
from tests.bench.processes import tree
from tests.pair.harness import Cluster, Node, Settings, addresses, until
from tests.pair.test_people import logged_in, run, said
from tests.pair.traffic import NextHop
from tests.support.restored import check_same

MAIL = 30
PASSWORD = "correct horse battery"


class Disk:
    """The spool of a node that is not running."""

    def __init__(self, data: Path) -> None:
        spool = data / "spool"
        self.db = open_writer(str(spool / "spool.db"))
        identity = KeyStore(data / "keys").identity()
        self.store = Store(self.db, identity.node_id, os.urandom(16), 0)
        self.bodies = Bodies(PosixFiles(str(spool / "content")))


def send(node: Node, tokens: range) -> None:
    """A message for a mailbox and for elsewhere with each token; some are large."""
    with smtplib.SMTP(*node.smtp, local_hostname="client.test", timeout=60) as smtp:
        for token in tokens:
            body = "x" * (300_000 if token % 10 == 0 else 10)
            lines = [body[start : start + 70] for start in range(0, len(body), 70)]
            message = f"Subject: {token}\r\nX-Bench-Token: t-{token}\r\n\r\n" + "\r\n".join(lines)
            smtp.sendmail("x@site.test", ["alice@site.test", f"{token}@away.test"], message)


async def ended(node: Node) -> BackupRun:
    client = Client(node.layout.control_socket)

    async def look() -> BackupRun | None:
        found = await asyncio.to_thread(client.backup_run)
        return None if found.running else found

    return await until(look, "the backup ends")


async def kill_worker(node: Node) -> None:
    """kill -9 the process that makes the backup, which has begun."""

    async def look() -> int | None:
        control = node.service("control")
        assert control is not None
        return next(iter(tree(control)[1:]), None)

    os.kill(await until(look, "the backup's process is there"), signal.SIGKILL)


async def test_a_pair_lost_and_restored(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    async with NextHop(addresses(1)[0]) as hop:
        hop.down()
        async with Cluster(tmp_path, Settings(hop=hop.address)) as cluster:
            a, b = cluster.nodes
            said(a, "user", "password", "alice", "--stdin", given=PASSWORD + "\n")
            made = said(a, "backup", "key", "create").splitlines()
            key = next(line.strip() for line in made if line.count("-") == 7)
            client = Client(a.layout.control_socket)
            await asyncio.to_thread(client.make_backup, str(stick))
            await kill_worker(a)
            killed = await ended(a)
            assert (killed.ok, killed.error) == (False, "the backup's process ended with -9")
            assert Target(stick).files() == []
            sending = asyncio.create_task(asyncio.to_thread(send, a, range(MAIL)))
            while not sending.done():
                await asyncio.to_thread(client.make_backup, str(stick))
                assert (await ended(a)).ok
            await sending
            await everything_filed(a)
            said(a, "route", "pause", "away.test", "--reason", "so that nothing changes any more")
            for node in (a, b):
                await node.sees(calm, "nothing is under way")
            # The other node keeps the same, and the same key reads its backup, too.
            last = await asyncio.to_thread(said, b, "backup", "create", "--to", str(stick))
            newest = stick / "twinpost-b-000001.backup"
            assert last.startswith(f"{newest.name}: {MAIL} messages")
            said(a, "backup", "verify", str(newest))
            cluster.kill()
            new = Node("b", b.address, tmp_path / "new")
            words = ["restore", str(newest)]
            assert run(new, *words, given=key[:-1] + "?").returncode == 65
            assert not new.data.exists()
            told = await asyncio.to_thread(said, new, *words, given=key)
            assert f"{MAIL} messages, of which {MAIL} are held" in told
            old_disk, new_disk = Disk(b.data), Disk(new.data)
            report = Restored(node_id="", node="b", messages=MAIL, held=MAIL, lost=0)
            check_same(old_disk, new_disk, report)
            old_disk.db.close()
            new_disk.db.close()
        await goes_on(new, hop)


def calm(status: Status) -> bool:
    return status.queue is not None and status.queue.leased == 0


async def everything_filed(node: Node) -> None:
    """All mailboxes have their mail."""
    client = Client(node.layout.control_socket)

    async def look() -> bool:
        try:
            return [one.messages for one in await asyncio.to_thread(client.mailboxes)] == [MAIL]
        except ApiError:
            return False

    await until(look, "all mail is filed")


async def goes_on(node: Node, hop: NextHop) -> None:
    """The new node takes and sends mail; what was restored goes out once it is released."""
    node.start()
    try:
        await node.ready()
        await hop.up()
        said(node, "route", "resume", "away.test")
        await asyncio.to_thread(send, node, range(1000, 1001))
        await arrived(hop, {"t-1000"})
        said(node, "queue", "release", "--all")
        await arrived(hop, {"t-1000", *(f"t-{token}" for token in range(MAIL))})
        assert hop.repeated == 0
        assert (await asyncio.to_thread(logged_in, node, "alice", PASSWORD)).quit()[0] == 221
    except BaseException as error:
        error.add_note(node.tails())
        raise
    finally:
        node.kill()


async def arrived(hop: NextHop, tokens: set[str]) -> None:
    """These have come to the next hop, and no others."""

    async def look() -> bool:
        return tokens <= set(hop.sink.seen)

    await until(look, "mail arrives")
    assert set(hop.sink.seen) == tokens
