"""The same dialogue cut into reads in every way: the same replies, the same messages."""

from __future__ import annotations

import re

import pytest

from appliance.config.limits import Limits
from appliance.config.units import Size
from appliance.smtpd.events import Event
from tests.dialogue.intake import MemoryIntake, Taken
from tests.dialogue.wire import Bench, run

ENVELOPE = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<ann@site.test>\r\n"
EVIL = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<ann@site.test>\r\nDATA\r\nsmuggled\r\n.\r\n"
NOT_ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\r\n.\r\r\n",
    b"\n\r.\n\r", b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\0\r\n.\n\0", b"\r\n.\r\0\n",
    b"\n.\r", b"\r.\n",
]  # fmt: skip


async def play(pieces: list[bytes]) -> tuple[bytes, list[Taken]]:
    bench = Bench(intake=MemoryIntake(inline_limit=1200))
    wire = await bench.connect()
    await wire.send(*pieces)
    await wire.leave()
    assert wire.is_closing()
    assert not bench.connections
    assert not bench.log.of(Event.FAILED)
    assert not bench.intake.open_bodies
    # Of several defects the one is named that is complete first.
    return re.sub(rb"550 5.6.0 [^\r]*", b"550 5.6.0 defect", wire.said), bench.intake.taken


def check_all_cuts(stream: bytes, texts: list[bytes]) -> bytes:
    """The replies to `stream`, however it is cut; exactly `texts` are accepted."""
    said: set[bytes] = set()

    async def test() -> None:
        cuts = [[stream[:at], stream[at:]] for at in range(1, len(stream))]
        for pieces in [[stream], *cuts, [bytes([byte]) for byte in stream]]:
            replies, taken = await play(pieces)
            assert [message.text for message in taken] == texts
            said.add(replies)

    run(test)
    assert len(said) == 1
    return said.pop()


@pytest.mark.parametrize("not_end", NOT_ENDS)
def test_nothing_is_smuggled(not_end: bytes) -> None:
    stream = b"EHLO c\r\n" + ENVELOPE + b"DATA\r\ntext" + not_end + EVIL + ENVELOPE
    replies = check_all_cuts(stream + b"DATA\r\nhonest\r\n.\r\nQUIT\r\n", [b"honest\r\n"])
    assert replies.count(b"354 ") == 2
    assert replies.count(b"550 5.6.0 ") == 1
    assert replies.endswith(b"221 2.0.0 Bye\r\n")


def test_a_streamed_message_cut_anywhere() -> None:
    text = b"".join(b"%d ..line\r\n" % number for number in range(100)) + b".dot\r\n\r\n"
    stuffed = text.replace(b"\r\n.", b"\r\n..")
    stream = b"EHLO c\r\n" + ENVELOPE + b"DATA\r\n" + stuffed + b".\r\n" + ENVELOPE
    check_all_cuts(stream + b"DATA\r\nnext\r\n.\r\n", [text, b"next\r\n"])


def test_chunks_cut_anywhere() -> None:
    stream = (
        b"EHLO c\r\n" + ENVELOPE + b"BDAT 10\r\nab\r\n.\r\n\r\n\rBDAT 8 LAST\r\n\nQUIT\r\n\r"
        b"RSET\r\n" + ENVELOPE + b"BDAT 5\r\nQUIT\rBDAT 7 LAST\r\n\nNOOP\r\nQUIT\r\n"
    )
    replies = check_all_cuts(stream, [b"QUIT\r\nNOOP\r\n"])
    assert replies.count(b"550 5.6.0 ") == 1


def test_a_line_too_long_cut_anywhere() -> None:
    async def test() -> None:
        stream = b"NOOP " + b"x" * 1100 + b"\r\nNOOP\r\n"
        for at in range(1000, len(stream)):
            bench = Bench(Limits(command_line=Size(1024)))
            wire = await bench.connect()
            await wire.send(stream[:at], stream[at:])
            assert wire.said.endswith(b"500 5.5.2 Command line too long\r\n250 2.0.0 Ok\r\n")
            await wire.leave()

    run(test)


def test_bytes_that_come_with_the_end_are_not_lost() -> None:
    async def test() -> None:
        replies, taken = await play([b"EHLO c\r\n" + ENVELOPE + b"DATA\r\n", b"x\r\n.\r\nQUIT\r\n"])
        assert len(taken) == 1
        assert replies.endswith(b"\r\n221 2.0.0 Bye\r\n")

    run(test)
