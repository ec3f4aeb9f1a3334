"""The policy of a real pair: next hops are asked about recipients; a change holds on both nodes."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path

from tests.pair.harness import Cluster, Node, Settings, until
from tests.pair.test_people import said
from tests.support.sink import Script, Sink

_SITE = """
[policy.verify]
domains = ["*"]

[[policy.access]]
action = "discard"
recipient = ["void@site.test"]
"""


def reply(node: Node, recipient: str, helo: str = "client.test") -> tuple[int, str]:
    """What is said to a recipient; the message is sent if it is taken."""
    with smtplib.SMTP(*node.smtp, helo, timeout=60) as smtp:
        smtp.ehlo()
        smtp.mail("sender@else.test")
        code, text = smtp.rcpt(recipient)
        if code == 250:
            assert smtp.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
        return code, text.decode()


async def test_policy_of_a_pair(tmp_path: Path) -> None:
    async with (
        Sink(Script(addresses={"bad@far.test": "550 5.1.1 nobody here"})) as sink,
        Cluster(tmp_path, Settings(hop=f"127.0.0.1:{sink.port}", site=_SITE)) as cluster,
    ):
        a, b = cluster.nodes
        code, text = await asyncio.to_thread(reply, a, "bad@far.test")
        assert (code, "nobody here" in text) == (550, True)
        assert await asyncio.to_thread(reply, a, "bad@far.test") == (code, text)
        assert (await asyncio.to_thread(reply, a, "good@far.test"))[0] == 250
        await sink.received(1)
        assert sink.messages[0].recipients[0][0] == "good@far.test"
        shown = await asyncio.to_thread(said, a, "policy", "status")
        assert "33 % of 3 known, 2 answers kept (1 of them no), 2 callouts" in shown
        assert "unverified  2 refusals" in shown

        exported = tmp_path / "site.toml"
        await asyncio.to_thread(said, b, "config", "export", "--to", str(exported))
        settings = exported.read_text()
        denied = '[policy]\ndenied_clients = ["127.0.0.0/8"]\n'
        assert "[policy]\n" in settings
        exported.write_text(settings.replace("[policy]\n", denied))
        await asyncio.to_thread(said, b, "config", "import", str(exported))
        for node in (a, b):

            async def refused(node: Node = node) -> bool:
                return (await asyncio.to_thread(reply, node, "alice@site.test"))[0] == 554

            await until(refused, f"{node.name} refuses")
