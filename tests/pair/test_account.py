"""Users change their own password at either node; guesses there count as guesses in SMTP do."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import subprocess
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest

from appliance.monitor.events import Event
from tests.pair.harness import PAGE, PLAIN, Cluster, Node, Settings, until
from tests.pair.test_people import NOBODY, logged_in, may, said
from tests.pair.verdict import told

GUESSER = "127.78.3.4"


def page(node: Node, user: str, old: str, new: str, ca: Path, source: str = "") -> tuple[int, str]:
    """What the page says; its certificate has to be the site's."""
    client = http.client.HTTPSConnection(
        node.address,
        PAGE,
        timeout=60,
        context=ssl.create_default_context(cafile=str(ca)),
        source_address=(source, 0) if source else None,
    )
    form = urlencode({"user": user, "old": old, "new": new, "again": new})
    client.request("POST", "/", form, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    return answer.status, text


async def shared(node: Node, ca: Path) -> bool:
    try:
        await asyncio.to_thread(page, node, "", "", "", ca)
    except ssl.SSLCertVerificationError:
        return False
    return True


def crl(node: Node, file: Path) -> str:
    """The list of revoked certificates, as OpenSSL checks it."""
    client = http.client.HTTPConnection(node.address, PLAIN, timeout=60)
    client.request("GET", "/ca.crl")
    file.write_bytes(client.getresponse().read())
    client.close()
    return subprocess.run(
        ["openssl", "crl", "-inform", "DER", "-in", file, "-noout", "-text"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


async def test_a_user_with_no_expert_at_hand(tmp_path: Path) -> None:
    settings = Settings(hop="127.0.0.1:9", clients=NOBODY, page=True)
    ca = tmp_path / "ca.pem"
    async with Cluster(tmp_path, settings) as cluster:
        a, b = cluster.nodes
        said(a, "tls", "export-ca", "--to", str(ca))
        first = said(b, "user", "password", "alice", "--generate").strip()
        await may(a, "alice", first)
        for node in cluster.nodes:
            await until(partial(shared, node, ca), f"{node.name} has the pair's authority")
        for node, user, old, new in (
            (a, "alice", first, "chosen by alice"),
            (b, "Alice@site.test", "chosen by alice", "chosen again"),
        ):
            status, text = await asyncio.to_thread(page, node, user, old, new, ca)
            assert (status, "is changed" in text) == (200, True)
            for each in cluster.nodes:
                await may(each, "alice", new)
                await may(each, "alice", old, wanted=False)
            assert {"user": "alice", "client": "127.0.0.1"}.items() <= told(
                node, Event.PASSWORD_CHANGED
            )[0].items()

        for _ in range(10):
            status, _text = await asyncio.to_thread(
                page, a, "bob", "a guess", "a new password", ca, GUESSER
            )
            assert status == 403
        assert (await asyncio.to_thread(page, a, "bob", "a guess", "a new password", ca, GUESSER))[
            0
        ] == 429
        # Turned away at that door, too: whether that is an end or a reset is a matter of time.
        with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            await asyncio.to_thread(logged_in, a, "bob", "a guess", GUESSER)

        said(b, "tls", "renew")
        for node in cluster.nodes:

            async def both_are_listed(node: Node = node) -> bool:
                listed = await asyncio.to_thread(crl, node, tmp_path / "crl")
                return listed.count("Serial Number") == 2

            await until(both_are_listed, f"{node.name} lists both old certificates")
        await a.kill_service("mail")
        await cluster.paired()

        async def serves_again() -> bool:
            status, _ = await asyncio.to_thread(page, a, "alice", "chosen again", "at last one", ca)
            return status == 200

        await until(serves_again, "the page follows its mail process")
        for node in cluster.nodes:
            logs = b"".join(log.read_bytes() for log in (node.data / "log").iterdir())
            for secret in (b"chosen", b"a guess", b"a new password", b"at last"):
                assert secret not in logs
