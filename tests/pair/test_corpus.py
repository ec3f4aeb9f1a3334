"""Real mail, byte for byte: in by SMTP at one node, out of the other's mailbox and at a next hop.

The corpus lies beside the repository and is no part of it; without it the test is skipped.
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import subprocess
import sys
from collections import ChainMap
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from appliance.cli.mbox import open_mail, read_mbox
from tests.pair.harness import Cluster, Node, Settings
from tests.pair.verdict import at_rest, no_bad_signs, same_on_disk
from tests.support.sink import Sink

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
_MBOXES = sorted(CORPUS.glob("*.mbox.gz"))
_CONNECTIONS = 8
_TRACE = re.compile(
    rb"(?:Return-Path: <sender@site\.test>\r\n)?"
    rb"Received: from [^\r]*\r\n\tby [^\r]* with ESMTP id (?P<id>\w+);\r\n\t[^\r]*\r\n"
)


def _corpus() -> Iterator[bytes]:
    for path in _MBOXES:
        with open_mail(path) as (lines, _):
            yield from read_mbox(lines)


def _without_trace(content: bytes) -> tuple[str, bytes]:
    """(queue id, message) of what came out; the trace of this pair must be on top, once."""
    found = _TRACE.match(content)
    assert found, content[:300]
    return found["id"].decode(), content[found.end() :]


def _send(node: Node, messages: Sequence[bytes]) -> dict[str, bytes]:
    """Send with smtplib; returns {queue id: message}, fails if one is refused."""
    taken: dict[str, bytes] = {}
    with smtplib.SMTP(*node.smtp, local_hostname="client.test") as client:
        client.ehlo()
        for message in messages:
            client.mail("sender@site.test", ["BODY=8BITMIME", f"SIZE={len(message)}"])
            for recipient in ("alice@site.test", "someone@elsewhere.example"):
                assert client.rcpt(recipient)[0] == 250
            code, text = client.data(message)
            assert code == 250, (text, message[:300])
            taken[text.split()[-1].decode()] = message
    return taken


async def _send_all(node: Node) -> dict[str, bytes]:
    messages = list(_corpus())
    parts = [messages[n::_CONNECTIONS] for n in range(_CONNECTIONS)]
    sent = await asyncio.gather(*(asyncio.to_thread(_send, node, part) for part in parts))
    taken = dict(ChainMap(*sent))
    assert len(taken) == len(messages)
    return taken


def _export(node: Node, folder: Path) -> dict[str, bytes]:
    subprocess.run(
        [
            *(sys.executable, "-m", "appliance.cli", "mailbox", "export", "alice"),
            *("--data", node.data, "--format", "eml", "--to", folder),
        ],
        check=True,
    )
    return dict(_without_trace(file.read_bytes()) for file in folder.iterdir())


@pytest.mark.skipif(not _MBOXES, reason=f"no real mail in {CORPUS}")
async def test_real_mail_comes_out_as_it_went_in(tmp_path: Path) -> None:
    async with (
        Sink() as sink,
        Cluster(tmp_path, Settings(hop=f"{sink.host}:{sink.port}")) as cluster,
    ):
        taken = await _send_all(cluster.a)
        await at_rest(cluster, patience=120.0)
        assert not sink.violations
        relayed = dict(_without_trace(one.content) for one in sink.messages)
        assert relayed == taken
        assert len(sink.messages) == len(taken)
        for node in cluster.nodes:
            exported = await asyncio.to_thread(_export, node, tmp_path / f"export-{node.name}")
            assert exported == taken
            no_bad_signs(node)
        same_on_disk(cluster, tmp_path)
