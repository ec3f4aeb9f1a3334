"""Mail from elsewhere in mailboxes of a real pair: once, and on both nodes."""

from __future__ import annotations

import mailbox
from hashlib import sha256
from pathlib import Path

from appliance.control.client import Client
from tests.pair.harness import Cluster, Node, Settings
from tests.pair.test_people import in_mailboxes, run, said
from tests.pair.verdict import at_rest, no_bad_signs, same_on_disk

LARGE = b"Subject: large\n\n" + b"0123456789abcde\n" * 30_000
SMALL = [b"Subject: %d\nDate: Mon, 1 Jan 2001 00:00:00 +0000\n\nFrom here\n" % n for n in range(5)]


def contents(node: Node, name: str) -> set[bytes]:
    client = Client(node.layout.control_socket)
    return {
        sha256(b"".join(client.content(entry.queue_id))).digest()
        for page in client.mailbox(name)
        for entry in page.entries
    }


async def test_mbox_and_maildir(tmp_path: Path) -> None:
    mbox = mailbox.mbox(tmp_path / "old.mbox")
    maildir = mailbox.Maildir(tmp_path / "Maildir")
    for content in SMALL[:3]:
        mbox.add(content)
    for content in (*SMALL[2:], LARGE):
        maildir.add(content)
    mbox.close()
    async with Cluster(tmp_path / "pair", Settings(hop="127.0.0.1:9")) as cluster:
        a, b = cluster.nodes
        assert "3 messages copied to bob, 0 " in said(
            a, "mailbox", "import", "bob", str(tmp_path / "old.mbox")
        )
        # Again, at once, and from the other node when it is there.
        assert "0 messages copied to bob, 3 " in said(
            a, "mailbox", "import", "bob", str(tmp_path / "old.mbox")
        )
        for node in cluster.nodes:
            await in_mailboxes(node, bob=3)
        assert "3 messages copied to bob, 1 " in said(
            b, "mailbox", "import", "bob", str(tmp_path / "Maildir")
        )
        nobody = run(b, "mailbox", "import", "nobody", str(tmp_path / "Maildir"))
        assert (nobody.returncode, "no address" in nobody.stderr) == (1, True)
        wanted = {sha256(content.replace(b"\n", b"\r\n")).digest() for content in (*SMALL, LARGE)}
        for node in cluster.nodes:
            await in_mailboxes(node, bob=6)
            assert contents(node, "bob") == wanted
            assert not list((node.data / "run").glob("import.*"))
        await at_rest(cluster)
        for node in cluster.nodes:
            no_bad_signs(node)
        same_on_disk(cluster, tmp_path)
