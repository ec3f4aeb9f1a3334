"""What one client may ask for, and that asking for more hurts nobody else."""

from __future__ import annotations

import asyncio

import pytest

from appliance.config.limits import Limits
from appliance.config.units import Size
from appliance.mail.reply import Refused, Reply
from appliance.smtpd.events import Event
from tests.dialogue.intake import MemoryIntake
from tests.dialogue.served import serving
from tests.dialogue.wire import Bench, Wire, run

KIB64 = Size(64 << 10)


def test_connections_of_one_client() -> None:
    with serving(Limits(connections_per_client=2)) as served:
        first, second = served.client(), served.client()
        first.greet()
        second.greet()
        with served.client() as third:
            assert third.reply() == "421 4.7.0 Too many connections from your address"
            assert third.reply() == ""
        assert first.ask("NOOP") == "250 2.0.0 Ok"
        first.close()
        served.log.wait_for(Event.DISCONNECTED)
        with served.client() as fourth:
            fourth.greet()
        second.close()
        assert len(served.log.of(Event.CONNECTION_REFUSED)) == 1


def test_connections_in_all() -> None:
    with serving(Limits(connections=3)) as served:
        clients = [served.client() for _ in range(3)]
        for client in clients:
            client.greet()
        with served.client() as fourth:
            assert fourth.reply() == "421 4.7.0 Too many connections, try again later"
        for client in clients:
            client.close()
        served.log.wait_for(Event.DISCONNECTED, 3)
        with served.client() as fifth:
            fifth.greet()


def test_an_ipv6_client_is_its_network() -> None:
    async def test() -> None:
        bench = Bench(Limits(connections_per_client=1))
        first = await connect_from(bench, "2001:db8::1")
        same = await connect_from(bench, "2001:db8::ffff:2")
        other = await connect_from(bench, "2001:db8:0:1::1")
        zone = await connect_from(bench, "fe80::1%eth0")
        assert first.said.startswith(b"220 ")
        assert same.said.startswith(b"421 ")
        assert other.said.startswith(b"220 ")
        assert zone.said.startswith(b"220 ")
        assert {one.client for one in bench.connections} == {
            "2001:db8::1", "2001:db8:0:1::1", "fe80::1",
        }  # fmt: skip
        for wire in (first, other, zone):
            await wire.leave()
        again = await connect_from(bench, "2001:db8::3")
        assert again.said.startswith(b"220 ")
        await again.leave()

    run(test)


async def connect_from(bench: Bench, client: str) -> Wire:
    return await bench.connect(Wire({"peername": (client, 4000, 0, 0)}))


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("command", ["DATA", "BDAT", "BDATs"])
def test_message_size(extra: int, command: str) -> None:
    text = (b"x" * 78 + b"\r\n") * (KIB64 // 80)
    text += b"x" * (KIB64 - len(text) + extra - 2) + b"\r\n"
    assert len(text) == KIB64 + extra
    code = "552 5.3.4" if extra else "250 2.0.0"
    with serving(Limits(message_size=KIB64)) as served, served.client() as client:
        client.greet()
        client.begin()
        if command == "DATA":
            reply = client.data(text)
        elif command == "BDAT":
            client.send(b"BDAT %d LAST\r\n" % len(text) + text)
            reply = client.reply()
        else:
            for at in range(0, len(text) - 1000, 1000):
                client.send(b"BDAT 1000\r\n" + text[at : at + 1000])
                assert client.reply().startswith("250 ")
            rest = text[at + 1000 :]
            client.send(b"BDAT %d LAST\r\n" % len(rest) + rest)
            reply = client.reply()
        assert reply.startswith(code)
        assert len(served.intake.taken) == 1 - extra
        # What was too much was read all the same, and the session goes on.
        assert client.ask("NOOP") == "250 2.0.0 Ok"


def test_a_chunk_that_will_be_too_much_is_not_even_begun() -> None:
    async def test() -> None:
        bench = Bench(Limits(message_size=KIB64), MemoryIntake(inline_limit=1000))
        wire = await bench.connect()
        await wire.send(b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ann@site.test>\r\n")
        await wire.send(b"BDAT 2000\r\n" + b"x" * 1998 + b"\r\n")
        assert bench.intake.open_bodies
        await wire.send(b"BDAT %d LAST\r\n" % KIB64)
        assert not bench.intake.open_bodies
        await wire.send(b"x" * KIB64)
        assert wire.said.endswith(b"552 5.3.4 Message is larger than this server takes\r\n")
        await wire.leave()

    run(test)


def test_dots_added_for_transparency_do_not_count() -> None:
    text = b".\r\n" * (KIB64 // 3)
    with serving(Limits(message_size=KIB64)) as served, served.client() as client:
        client.greet()
        client.begin()
        assert client.data(b"." + text.replace(b"\r\n.", b"\r\n..")).startswith("250 ")
        assert served.intake.taken[0].text == text


@pytest.mark.parametrize(
    "size, code", [(KIB64, "250 2.1.0"), (KIB64 + 1, "552 5.3.4"), (10**19, "552 5.3.4")]
)
def test_declared_size(size: int, code: str) -> None:
    with serving(Limits(message_size=KIB64)) as served, served.client() as client:
        client.greet()
        assert client.ask(f"MAIL FROM:<a@b.example> SIZE={int(size)}").startswith(code)


def test_recipients_beyond_the_limit_may_come_in_another_message() -> None:
    with serving(Limits(recipients=100)) as served, served.client() as client:
        client.greet()
        assert client.ask("MAIL FROM:<a@b.example>").startswith("250 ")
        # Refused ones count: nobody may try out names without end.
        client.send(b"RCPT TO:<nobody@site.test>\r\n" * 50 + b"RCPT TO:<ann@site.test>\r\n" * 150)
        replies = [client.reply()[:3] for _ in range(200)]
        assert replies == ["550"] * 50 + ["250"] * 50 + ["452"] * 100
        assert client.data(b"to fifty\r\n").startswith("250 ")
        assert len(served.intake.taken[0].envelope.recipients) == 50


def test_recipients_without_end_are_sent_away() -> None:
    with serving(Limits(recipients=100)) as served, served.client() as client:
        client.greet()
        assert client.ask("MAIL FROM:<a@b.example>").startswith("250 ")
        client.send(b"RCPT TO:<ann@site.test>\r\n" * 1001)
        assert [client.reply()[:3] for _ in range(1001)] == (
            ["250"] * 100 + ["452"] * 900 + ["421"]
        )
        assert client.reply() == ""


def test_a_client_that_is_sent_away_is_read_until_it_leaves() -> None:
    """Unread input would keep its end from being seen, and turn the end into a reset."""

    async def test() -> None:
        bench = Bench()
        wire = await bench.connect()
        wire.session.data_received(b"NOOP\n" + b"NOOP\r\n" * 40_000)
        paused = wire.paused
        await wire.send(b"NOOP\r\n" * 40_000)
        assert wire.said.endswith(b"500 5.5.2 Bare LF: lines must end with CRLF\r\n")
        assert (paused, wire.paused) == (True, False)
        await wire.leave()
        assert wire.ended == "close"

    run(test)


def test_a_burst_of_commands_does_not_keep_the_others_waiting() -> None:
    async def test() -> None:
        bench = Bench(Limits(recipients=5000))
        wire = await bench.connect()
        await wire.send(b"EHLO c\r\nMAIL FROM:<a@b>\r\n")
        wire.session.data_received(b"RCPT TO:<ann@site.test>\r\n" * 5000)
        before, turns = len(wire.said), 0
        while len(wire.said) == before:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 50
        assert wire.said.count(b"250 2.1.5 Ok\r\n") == 5000
        await wire.leave()

    run(test)


def test_a_long_line_passes_unchanged() -> None:
    text = b"Subject: long\r\n\r\n" + b"\xe4" * (1 << 20) + b"\r\nend\r\n"
    with serving() as served, served.client() as client:
        client.greet()
        client.begin()
        assert client.data(text).startswith("250 ")
        client.begin()
        assert client.data(b"x" + text.replace(b"\xe4\r", b"\xe4\xe4\r")) == (
            "550 5.6.0 Line too long in message"
        )
        assert [taken.text for taken in served.intake.taken] == [text]


def test_endless_empty_chunks_are_no_progress() -> None:
    with serving(Limits(idle_commands=10)) as served, served.client() as client:
        client.greet()
        client.begin()
        client.send(b"BDAT 0\r\n" * 20)
        replies = [client.reply()[:3] for _ in range(11)]
        assert "421" in replies
        assert not served.intake.taken


def test_messages_refused_again_and_again_are_errors() -> None:
    with serving(Limits(errors=3)) as served, served.client() as client:
        client.greet()
        for _ in range(3):
            client.begin()
            assert client.data(b"bare\nLF\r\n").startswith("550 5.6.0 ")
        assert client.reply().startswith("421 4.7.0 ")
        assert not served.intake.taken


def test_refusals_for_now_use_up_patience_too() -> None:
    """A client that hammers a full disk is sent away."""
    with serving(Limits(idle_commands=10)) as served, served.client() as client:
        client.greet()
        served.intake.raising["available"] = Refused(Reply(452, "4.3.1", "Disk full"))
        replies = [client.ask("MAIL FROM:<a@b.example>")[:3] for _ in range(9)]
        assert replies == ["452"] * 9
        client.send(b"MAIL FROM:<a@b.example>\r\n")
        assert client.reply().startswith("452 ")
        assert client.reply().startswith("421 ")


def test_what_was_refused_is_counted() -> None:
    with serving() as served, served.client() as client:
        client.greet()
        assert client.ask("NOOP").startswith("250 ")
        assert served.server.rejected == 0
        refused = (
            "DATA",
            "MAIL FROM:<a@b",
            "NONSENSE",
            "MAIL FROM:<a@b.example>",
            "RCPT TO:<x@y.z>",
        )
        codes = [client.ask(command)[:3] for command in refused]
        assert codes == ["503", "501", "500", "250", "554"]
        assert served.server.rejected == 4
        client.ask("RSET")
        client.begin()
        assert client.data(b"bare\nLF\r\n").startswith("550 ")
        assert served.server.rejected == 5
