"""A pair behind its balancer: who the client is, what it may, and what a dead node costs it."""

from __future__ import annotations

import asyncio
import smtplib
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.monitor.events import Event
from tests.pair.balanced import PROXIED, Balanced, message, recipient_reply, send, traces
from tests.pair.harness import SMTP, SUBMISSION, SUBMISSIONS, Settings, addresses
from tests.pair.test_people import said, trusting
from tests.pair.verdict import told

_PASSWORD = "the sea at 4 in the morning"
DENIED = "554 5.7.1 Relay access denied"
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


async def test_clients_keep_their_address_and_their_rights(tmp_path: Path) -> None:
    a, b, virtual, friend, stranger = addresses(5)
    # The balancers are in the allowed networks: what they pass on is not.
    settings = Settings(hop="127.0.0.1:9", addresses=(a, b), clients='", "'.join((a, b, friend)))
    async with Balanced(tmp_path, settings, virtual) as pair:
        active = await pair.serving("up", "up")
        for number in range(4):
            await send(virtual, friend, f"{number}")
        assert sorted(await traces(pair.b, 4)) == [
            (friend, "a.site.test"),
            (friend, "a.site.test"),
            (friend, "b.site.test"),
            (friend, "b.site.test"),
        ]
        replies = {await recipient_reply(virtual, stranger, "x@held.test") for _ in range(4)}
        assert replies == {("a.site.test", DENIED), ("b.site.test", DENIED)}
        replies = {await recipient_reply(virtual, friend, "x@held.test") for _ in range(4)}
        assert {reply[:3] for _, reply in replies} == {"250"}
        await _try_the_back_door(a, stranger, friend)
        await _users_log_in(pair, stranger)

        views = [await node.balance() for node in (pair.a, pair.b)]
        for node, view in zip((pair.a, pair.b), views, strict=True):
            assert view is not None
            there = tuple(f"{virtual}:{port}" for port in (SMTP, SUBMISSION, SUBMISSIONS))
            assert view.listening == (there if node is active else ())
            assert [server.name for server in view.servers if server.own] == [node.name]


async def _users_log_in(pair: Balanced, source: str) -> None:
    """TLS is between the user and whichever node serves; the user's own address is known there."""
    await asyncio.to_thread(said, pair.a, "user", "password", "alice", "--stdin", given=_PASSWORD)
    for port in (SUBMISSION, SUBMISSION, SUBMISSIONS, SUBMISSIONS):
        await asyncio.to_thread(_submit, pair.virtual, port, source)
    for node in pair.nodes:  # in turn: each got one of either port
        taken = [one for one in told(node, Event.SMTP_ACCEPTED) if one["user"] == "alice"]
        assert [one["client"] for one in taken] == [source] * 2
        assert all(one["tls"].startswith("TLSv1.") for one in taken)


def _submit(server: str, port: int, source: str) -> None:
    """As a user's program does it: STARTTLS first, or TLS from the first byte on."""
    at, tls = (source, 0), trusting()
    if port == SUBMISSIONS:
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            server, port, "client.test", timeout=60, source_address=at, context=tls
        )
    else:
        client = smtplib.SMTP(server, port, "client.test", 60, at)
        client.starttls(context=tls)
    with client:
        client.login("alice", _PASSWORD)
        client.sendmail("alice@site.test", ["bob@site.test"], message("from a user"))


async def _try_the_back_door(a: str, stranger: str, balancer: str) -> None:
    """The port for balancers: nothing for others, and no relay for a balancer's own checks."""
    for first, source in ((b"EHLO x\r\n", stranger), (LOCAL, stranger), (b"EHLO x\r\n", a)):
        reader, writer = await asyncio.open_connection(a, PROXIED, local_addr=(source, 0))
        writer.write(first)
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
    reader, writer = await asyncio.open_connection(a, PROXIED, local_addr=(a, 0))
    writer.write(LOCAL + b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<x@held.test>\r\nQUIT\r\n")
    said = await asyncio.wait_for(reader.read(), 60)
    assert f"{DENIED}\r\n".encode() in said
    writer.close()


@pytest.mark.parametrize("active_dies", [True, False])
async def test_one_node_dies_and_the_other_serves(tmp_path: Path, active_dies: bool) -> None:
    a, b, virtual, friend = addresses(4)
    settings = Settings(hop="127.0.0.1:9", addresses=(a, b), clients=friend)
    async with Balanced(tmp_path, settings, virtual) as pair:
        active = await pair.serving("up", "up")
        backup = pair.b if active is pair.a else pair.a
        await send(virtual, friend, "before")
        dead, left = (active, backup) if active_dies else (backup, active)
        dead.kill()
        states = ("up", "down") if left is pair.a else ("down", "up")
        if active_dies:
            # Until the other has taken the address nobody answers there: a client tries again.
            assert await pair.serving(*states) is left
        for number in range(4):
            # Also before a check has seen it: a client that finds a node gone gets the other.
            await send(virtual, friend, f"after {number}")
        assert await pair.serving(*states) is left
        found = await traces(left, 5)
        assert {client for client, _ in found} == {friend}
        assert [node for _, node in found].count(f"{left.name}.site.test") >= 4
        dead.start()
        assert await pair.serving("up", "up") is left
        names = {(await recipient_reply(virtual, friend, "bob@site.test"))[0] for _ in "12"}
        assert names == {"a.site.test", "b.site.test"}


async def test_if_every_check_fails_the_node_with_the_address_serves_itself(tmp_path: Path) -> None:
    a, b, virtual, friend = addresses(4)
    settings = Settings(hop="127.0.0.1:9", addresses=(a, b), clients=friend)
    async with Balanced(tmp_path, settings, virtual, refuses_alone=True) as pair:
        active = await pair.serving("up", "up")
        await send(virtual, friend, "before")
        (pair.b if active is pair.a else pair.a).kill()
        assert await pair.serving("down", "down") is active
        view = await active.balance()
        assert view is not None
        (own,) = [server for server in view.servers if server.own]
        assert "503" in own.error
        assert "this site accepts no mail alone" in own.error
        # Whoever comes is told why, by the node that is left.
        with pytest.raises(smtplib.SMTPResponseException) as caught:
            await send(virtual, friend, "after")
        assert caught.value.smtp_code == 452
