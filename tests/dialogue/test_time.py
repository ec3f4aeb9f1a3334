"""Timeouts, with a clock that only moves when everybody waits (RFC 5321 §4.5.3.2)."""

from __future__ import annotations

import asyncio

from appliance.config.limits import Limits
from appliance.smtpd.events import Event
from tests.dialogue.intake import MemoryIntake
from tests.dialogue.wire import Bench, run, settle

ENVELOPE = b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@site.test>\r\n"
TIMEOUT = b"421 4.4.2 Timeout, closing connection\r\n"
COMMAND, DATA, CLOSE = 300, 300, 10  # the defaults, in seconds


def test_a_silent_client_is_told_and_then_cut_off() -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect()
        await asyncio.sleep(COMMAND - 1)
        assert TIMEOUT not in wire.said
        await asyncio.sleep(2)
        assert wire.said.endswith(TIMEOUT)
        # It gets time to read that and to leave; it does not.
        await asyncio.sleep(CLOSE - 2)
        assert wire.ended == "eof"
        await asyncio.sleep(2)
        assert wire.ended == "abort"
        assert not bench.connections
        assert bench.log.of(Event.DISCONNECTED)[0]["reason"] == "timeout"

    run(test)


def test_a_client_that_leaves_when_told_is_not_waited_for() -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect()
        await asyncio.sleep(COMMAND + 1)
        await wire.leave()
        assert wire.ended == "close"
        assert not bench.connections

    run(test)


def test_each_command_buys_new_time() -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect()
        await asyncio.sleep(COMMAND - 1)
        await wire.send(b"NOOP\r\n")
        await asyncio.sleep(COMMAND - 1)
        assert wire.said.endswith(b"250 2.0.0 Ok\r\n")
        await asyncio.sleep(2)
        assert wire.said.endswith(TIMEOUT)
        await wire.leave()

    run(test)


def test_a_client_that_does_not_leave_when_sent_away_is_cut_off() -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect()
        await wire.send(b"NOOP\n")
        assert wire.said.endswith(b"500 5.5.2 Bare LF: lines must end with CRLF\r\n")
        await asyncio.sleep(CLOSE - 1)
        assert not wire.is_closing()
        await asyncio.sleep(2)
        assert wire.ended == "abort"
        assert not bench.connections

    run(test)


def test_bytes_that_dribble_in_do_not_make_a_command() -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect()
        for _ in range(COMMAND // 10 + 1):
            await wire.send(b"N")
            await asyncio.sleep(10)
        assert wire.said.endswith(TIMEOUT)
        await wire.leave()

    run(test)


def test_commands_and_pieces_of_data_each_have_their_time() -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect()
        for command in ENVELOPE.splitlines(keepends=True):
            await asyncio.sleep(COMMAND - 1)
            await wire.send(command)
        await wire.send(b"DATA\r\n")
        for _ in range(5):
            await asyncio.sleep(DATA - 1)
            await wire.send(b"piece\r\n")
        await asyncio.sleep(DATA - 1)
        await wire.send(b".\r\n")
        assert wire.said.endswith(b"250 2.0.0 Ok: queued as TESTTESTXX0001\r\n")
        await wire.leave()

    run(test)


def test_data_that_stops_is_not_accepted() -> None:
    async def test() -> None:
        bench = Bench(intake=MemoryIntake(inline_limit=1000))
        for text in (b"half\r\n", b"half\r\n" * 1000):
            for command in (b"DATA\r\n", b"BDAT 10000\r\n"):
                wire = await bench.connect()
                await wire.send(ENVELOPE, command, text)
                await asyncio.sleep(DATA + 1)
                assert wire.said.endswith(TIMEOUT)
                await wire.send(b"\r\n.\r\n")  # too late
                await wire.leave()
        assert not bench.intake.taken
        assert not bench.intake.open_bodies

    run(test)


def test_a_commit_may_take_its_time() -> None:
    async def test() -> None:
        bench = Bench(intake=SlowIntake(3600, inline_limit=1000))
        for text in (b"small\r\n", b"large\r\n" * 1000):
            wire = await bench.connect()
            await wire.send(ENVELOPE, b"DATA\r\n", text + b".\r\n")
            await asyncio.sleep(10 * 3600)
            assert b"250 2.0.0 Ok: queued as" in wire.said
            # The client's time starts anew with the reply: by now it is over.
            assert wire.said.endswith(TIMEOUT)
            await wire.leave()
        assert len(bench.intake.taken) == 2

    run(test)


def test_a_client_that_reads_no_replies_is_cut_off() -> None:
    async def test() -> None:
        bench = Bench(Limits(idle_commands=10**6))
        wire = await bench.connect()
        wire.deaf = True
        wire.session.pause_writing()
        await wire.send(*[b"NOOP\r\n" * 2000 for _ in range(100)])
        # 2.8 MB of replies are due; what waits for the client is little.
        assert len(wire.said) < 200_000
        await asyncio.sleep(COMMAND + CLOSE + 1)
        assert wire.ended == "abort"
        assert not bench.connections

    run(test)


def test_a_client_that_reads_late_gets_every_reply() -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect()
        await wire.send(ENVELOPE)
        wire.deaf = True
        wire.session.pause_writing()
        command = b"RCPT TO:<" + b"x" * 50 + b"@elsewhere.test>\r\n"
        for _ in range(90):
            await wire.send(command * 30)
        assert wire.said.count(b"554 5.7.1") < 2700
        wire.deaf = False
        wire.session.resume_writing()
        await settle()
        assert wire.said.count(b"554 5.7.1") + wire.said.count(b"452 4.5.3") == 2700
        await wire.leave()

    run(test)


class SlowIntake(MemoryIntake):
    """Takes `seconds` for every step."""

    def __init__(self, seconds: float, inline_limit: int) -> None:
        super().__init__(inline_limit=inline_limit)
        self._seconds = seconds

    async def pause(self, step: str) -> None:
        await asyncio.sleep(self._seconds)
