"""Programs that others wrote, as clients and as next hop. Each is skipped where it is absent."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.control.client import Client
from tests.bench import postfix
from tests.bench.postfix import Postfix
from tests.pair.harness import SMTP, Cluster, Node, Settings, addresses
from tests.pair.verdict import at_rest, no_bad_signs
from tests.support.sink import Sink

_MESSAGES = 200
_POSTFIX = pytest.mark.skipif(postfix.absent() is not None, reason=f"Postfix: {postfix.absent()}")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that Postfix's own user can reach, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="twinpost-test-") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path / "postfix"


def _postfix(address: str) -> type[Postfix]:
    """An instance apart from those of other tests and of `make bench`."""

    class Private(Postfix):
        listen = (address, SMTP)

    return Private


async def _run(*command: str) -> str:
    program = shutil.which(command[0], path="/usr/sbin:/usr/bin:/bin")
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    process = await asyncio.create_subprocess_exec(
        program, *command[1:], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode(errors="replace")
    return output.decode(errors="replace")


async def _smtp_source(to: tuple[str, int], recipient: str) -> None:
    await _run(
        *("smtp-source", "-s", "10", "-m", str(_MESSAGES), "-l", "2000", "-f", "from@site.test"),
        *("-t", recipient, f"inet:{to[0]}:{to[1]}"),
    )


async def _in_mailbox(node: Node, count: int) -> None:
    """Fail unless alice, and nobody else, has `count` messages."""
    client = Client(node.layout.control_socket)
    boxes = await asyncio.to_thread(client.mailboxes)
    assert {box.name: box.messages for box in boxes} == {"alice": count}


async def test_swaks(tmp_path: Path) -> None:
    async with Sink() as sink, Cluster(tmp_path, _to(sink)) as cluster:
        a, b = cluster.nodes
        common = ("--from", "from@site.test", "--to", "x@elsewhere.example,alice@site.test")
        for node in (a, b):
            server = f"{node.smtp[0]}:{node.smtp[1]}"
            said = await _run("swaks", "--server", server, *common, "--header", "Subject: hello")
            assert "<~  250 2.0.0" in said or "<-  250 2.0.0" in said
            await _run("swaks", "--server", server, *common, "--pipeline", "--body", "two\n.\n..")
        await sink.received(4)
        await at_rest(cluster)
        await _in_mailbox(a, 4)
        assert not sink.violations


async def test_smtp_source(tmp_path: Path) -> None:
    async with Sink() as sink, Cluster(tmp_path, _to(sink)) as cluster:
        await _smtp_source(cluster.a.smtp, "x@elsewhere.example")
        await sink.received(_MESSAGES)
        await at_rest(cluster)
        assert len(sink.messages) == _MESSAGES
        assert not sink.violations


@_POSTFIX
@pytest.mark.postfix
async def test_postfix_relays_into_us(tmp_path: Path, open_folder: Path) -> None:
    async with Sink() as sink, Cluster(tmp_path, _to(sink)) as cluster:
        with _postfix(addresses(1)[0])(open_folder, cluster.a.smtp, deliver=True) as system:
            await _smtp_source(system.listen, "x@elsewhere.example")
            await sink.received(_MESSAGES)
            await _smtp_source(system.listen, "alice@site.test")
            await cluster.a.sees(
                lambda status: bool(status.mail and status.mail.accepted >= 2 * _MESSAGES), "all"
            )
        await at_rest(cluster)
        await _in_mailbox(cluster.b, _MESSAGES)
        for node in cluster.nodes:
            no_bad_signs(node)


@_POSTFIX
@pytest.mark.postfix
async def test_postfix_receives_from_us(tmp_path: Path, open_folder: Path) -> None:
    private = _postfix(addresses(1)[0])
    hop = "{}:{}".format(*private.listen)
    async with Sink() as sink, Cluster(tmp_path, Settings(hop=hop)) as cluster:
        with private(open_folder, (sink.host, sink.port), deliver=True):
            await _smtp_source(cluster.a.smtp, "x@elsewhere.example")
            await sink.received(_MESSAGES)
            await at_rest(cluster)
        assert len(sink.messages) == _MESSAGES
        for node in cluster.nodes:
            no_bad_signs(node)


def _to(sink: Sink) -> Settings:
    return Settings(hop=f"{sink.host}:{sink.port}")
