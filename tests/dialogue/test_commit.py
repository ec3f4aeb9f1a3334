"""A 250 means the intake has the message, whatever client, spool or network do meanwhile."""

from __future__ import annotations

import pytest

from appliance.mail.reply import Refused, Reply
from appliance.smtpd.events import Event
from tests.dialogue.intake import Gate, MemoryIntake
from tests.dialogue.served import Client, Served, serving
from tests.dialogue.wire import Bench, run, settle

SMALL = b"Subject: small\r\n\r\ntext\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"text\r\n" * 50_000
ENVELOPE = b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@site.test>\r\n"


def send_up_to_commit(served: Served, client: Client, text: bytes) -> None:
    client.greet()
    client.begin()
    assert client.ask("DATA").startswith("354")
    client.send(text + b".\r\n")
    assert served.intake.gates["accept"].reached.wait(30)


@pytest.mark.parametrize("text", [SMALL, LARGE], ids=["small", "large"])
def test_no_reply_before_the_commit(text: bytes) -> None:
    async def test() -> None:
        gate = Gate()
        bench = Bench(intake=MemoryIntake(gates={"accept": gate}))
        wire = await bench.connect()
        await wire.send(ENVELOPE, b"DATA\r\n", text, b".\r\n", b"NOOP\r\n")
        assert wire.said.endswith(b"<CR><LF>.<CR><LF>\r\n")
        gate.open()
        await wire.send(b"NOOP\r\n")
        assert b"250 2.0.0 Ok: queued as TESTTESTXX0001\r\n250 2.0.0 Ok\r\n" in wire.said
        await wire.leave()

    run(test)


@pytest.mark.parametrize("text", [SMALL, LARGE], ids=["small", "large"])
def test_a_half_close_in_mid_commit_still_gets_its_reply(text: bytes) -> None:
    intake = MemoryIntake(gates={"accept": Gate()})
    with serving(intake=intake) as served, served.client() as client:
        send_up_to_commit(served, client, text)
        client.half_close()
        intake.gates["accept"].open()
        assert client.reply() == "250 2.0.0 Ok: queued as TESTTESTXX0001"
        assert client.reply() == ""
        assert [taken.text for taken in intake.taken] == [text]


@pytest.mark.parametrize("text", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("end", [Client.close, Client.reset], ids=["close", "reset"])
def test_a_client_gone_in_mid_commit_does_not_undo_it(text: bytes, end: object) -> None:
    intake = MemoryIntake(gates={"accept": Gate()})
    with serving(intake=intake) as served:
        client = served.client()
        send_up_to_commit(served, client, text)
        assert callable(end)
        end(client)
        intake.gates["accept"].open()
        served.log.wait_for(Event.DISCONNECTED)
        assert [taken.text for taken in intake.taken] == [text]
        assert len(served.log.of(Event.ACCEPTED)) == 1


@pytest.mark.parametrize("text", [SMALL, LARGE], ids=["small", "large"])
def test_a_connection_lost_before_the_commit_accepts_nothing(text: bytes) -> None:
    """The client will send it again: to accept it now would make a duplicate."""

    async def test() -> None:
        gate = Gate()
        bench = Bench(intake=MemoryIntake(gates={"write": gate, "open_body": gate}))
        wire = await bench.connect()
        await wire.send(ENVELOPE + b"DATA\r\n", text)
        # All of it was received, but not looked at, when the connection broke.
        wire.session.data_received(b".\r\n")
        await wire.vanish()
        gate.open()
        await settle()
        assert not bench.intake.taken
        assert not bench.intake.open_bodies
        assert not bench.connections

    run(test)


@pytest.mark.parametrize("text", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "error, reply",
    [
        (Refused(Reply(452, "4.3.1", "Disk full")), "452 4.3.1 Disk full"),
        (Refused(Reply(554, "5.6.0", "Not this")), "554 5.6.0 Not this"),
        (OSError("disk"), "451 4.3.0 Cannot take the message now, try again later"),
        (RuntimeError("bug"), "451 4.3.0 Cannot take the message now, try again later"),
    ],
    ids=["full", "refused", "oserror", "bug"],
)
@pytest.mark.parametrize("step", ["accept", "open_body", "write"])
def test_a_failing_intake_is_never_answered_250(
    text: bytes, error: Exception, reply: str, step: str
) -> None:
    intake = MemoryIntake(raising={step: error})
    streamed = text is LARGE
    fails = streamed or step == "accept"
    with serving(intake=intake) as served, served.client() as client:
        client.greet()
        for command in ("DATA", f"BDAT {len(text)} LAST"):
            client.begin()
            if command == "DATA":
                got = client.data(text)
            else:
                client.send(command.encode() + b"\r\n" + text)
                got = client.reply()
            if fails:
                assert got == reply
            else:
                assert got.startswith("250 2.0.0 Ok: queued as")
        # The session goes on, and takes mail again when the intake does.
        intake.raising.clear()
        client.begin()
        assert client.data(SMALL).startswith("250 ")
        assert len(intake.taken) == (1 if fails else 3)
        failures = served.log.of(Event.FAILED)
        assert len(failures) == (2 if fails and not isinstance(error, Refused) else 0)


def test_421_of_the_intake_ends_the_connection() -> None:
    intake = MemoryIntake(raising={"accept": Refused(Reply(421, "4.3.2", "Spool is sick"))})
    with serving(intake=intake) as served, served.client() as client:
        client.greet()
        client.begin()
        assert client.data(SMALL) == "421 4.3.2 Spool is sick"
        assert client.reply() == ""


def test_an_intake_that_is_not_available_is_said_at_once() -> None:
    full = Refused(Reply(452, "4.3.1", "Disk full"))
    intake = MemoryIntake(raising={"available": full})
    with serving(intake=intake) as served, served.client() as client:
        client.greet()
        assert client.ask("MAIL FROM:<a@b.example>") == "452 4.3.1 Disk full"
        intake.raising.clear()
        assert client.ask("MAIL FROM:<a@b.example>") == "250 2.1.0 Ok"


def test_a_bug_costs_one_connection() -> None:
    bug = MemoryIntake(raising={"available": ZeroDivisionError("a bug")})
    with serving(intake=bug) as served, served.client() as other, served.client() as client:
        other.greet()
        client.greet()
        reply = client.ask("MAIL FROM:<a@b.example>")
        assert reply == "421 4.3.0 Internal error, closing connection"
        assert client.reply() == ""
        assert other.ask("NOOP") == "250 2.0.0 Ok"
        assert "a bug" in str(served.log.of(Event.FAILED)[0]["error"])


def test_the_envelope_and_the_trace() -> None:
    with serving() as served, served.client() as client:
        client.greet()
        client.begin("a@b.example", "ann@site.test")
        client.data(SMALL)
        client.begin("", "ann@site.test", "bob@site.test")
        client.data(SMALL)
        one, two = served.intake.taken
        assert (
            one.content
            == (
                b"Received: from client.test ([127.0.0.1])\r\n"
                b"\tby node.site.test with ESMTP id TESTTESTXX0001\r\n"
                b"\tfor <ann@site.test>;\r\n"
                b"\tMon, 21 Sep 2026 14:13:20 +0000\r\n"
            )
            + SMALL
        )
        assert (one.envelope.client, one.envelope.helo) == ("127.0.0.1", "client.test")
        assert one.envelope.received_at == 1_790_000_000_000
        assert two.envelope.sender == ""
        assert b"for <" not in two.content


@pytest.mark.parametrize("extra", [0, 1])
def test_the_trace_counts_for_what_goes_through_the_journal(extra: int) -> None:
    intake = MemoryIntake()
    with serving(intake=intake) as served, served.client() as client:
        client.greet()
        client.begin()
        client.data(SMALL)
        trace = len(intake.taken[0].content) - len(SMALL)
        text = b"x" * 1000 + b"\r\n"
        intake.inline_limit = trace + len(text) - extra
        client.begin()
        client.data(text)
        assert intake.taken[1].streamed is bool(extra)
        assert intake.taken[1].text == text


@pytest.mark.parametrize("hops, code", [(99, "250"), (100, "554")])
@pytest.mark.parametrize("tail", [b"text\r\n", LARGE], ids=["small", "large"])
def test_a_message_that_goes_in_circles_is_refused(hops: int, code: str, tail: bytes) -> None:
    text = b"".join(b"received: from %d\r\n by x\r\n" % hop for hop in range(hops)) + b"\r\n" + tail
    with serving() as served, served.client() as client:
        client.greet()
        client.begin()
        reply = client.data(text)
        assert reply.startswith(code)
        assert code == "250" or reply.startswith("554 5.4.6 ")
        assert len(served.intake.taken) == (code == "250")
