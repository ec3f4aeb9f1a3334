"""Dialogues nobody would write: no crash, no leak, no message nobody sent."""

from __future__ import annotations

import itertools
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.config.limits import Limits
from appliance.config.units import Size
from appliance.smtpd.events import Event
from tests.dialogue.intake import MemoryIntake, Taken
from tests.dialogue.model import Model
from tests.dialogue.served import Client, serving
from tests.dialogue.wire import Bench, run

PATIENT = Limits(errors=10**6, idle_commands=10**6, message_size=Size(64 << 10))
COMMANDS = [
    b"EHLO c\r\n", b"HELO c\r\n", b"MAIL FROM:<a@b>\r\n", b"MAIL FROM:<>\r\n",
    b"MAIL FROM:<a@b> SIZE=99999999\r\n", b"mail from:<c@d> size=1\r\n", b"MAIL FROM:a@b\r\n",
    b"RCPT TO:<ann@site.test>\r\n", b"rcpt to:<bob@site.test> \r\n", b"RCPT TO:<postmaster>\r\n",
    b"RCPT TO:<x@site.test>\r\n", b"RCPT TO:<x@y.test>\r\n", b"RCPT TO:<>\r\n", b"DATA\r\n",
    b"data\r\n", b"DATA now\r\n", b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n", b"XXXX\r\n",
    b"BDAT 0\r\n", b"BDAT 3\r\n", b"BDAT 9 LAST\r\n", b"BDAT 30 LAST\r\n", b"bdat 0 last\r\n",
    b"BDAT 99999 LAST\r\n", b"BDAT x\r\n", b"BDAT 3\0\r\n", b"BDAT\t3\r\n", b"BDAT\r\n",
]  # fmt: skip
TEXT = [b"text\r\n", b".\r\n", b"..\r\n", b".", b"\r\n", b"\r", b"\n", b"\0", b"x", b"\r\n.\r\n"]
ENVELOPE = b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ann@site.test>\r\n"
# Streams that get somewhere: states are entered on purpose, then anything follows.
CHUNKS = [b"BDAT 4\r\nab\r\n", b"BDAT 2\r\nab", b"BDAT 1\r\n\n"]
STATES = [b"", b"EHLO c\r\n", ENVELOPE[:24], ENVELOPE, ENVELOPE + b"DATA\r\n"]
STATES += [ENVELOPE + chunk for chunk in CHUNKS]
MESSAGES = [ENVELOPE[8:] + b"DATA\r\nhello\r\n.\r\n", ENVELOPE[8:] + b"BDAT 5 LAST\r\nhello"]


def summary(taken: list[Taken]) -> list[tuple[bytes, tuple[bytes, ...], bytes]]:
    return [
        (
            f"<{one.envelope.sender}>".encode(),
            tuple(f"<{recipient.address}>".encode() for recipient in one.envelope.recipients),
            one.text,
        )
        for one in taken
    ]


def check(stream: bytes, cuts: list[int]) -> None:
    async def test() -> None:
        bench = Bench(PATIENT, MemoryIntake(inline_limit=400))
        wire = await bench.connect()
        await wire.send(*[stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])])
        await wire.leave()
        wanted = Model(stream, PATIENT.message_size).run()
        assert summary(bench.intake.taken) == wanted.messages
        assert [int(code) for code in re.findall(rb"^(\d{3}) ", wire.said, re.M)] == wanted.codes
        assert not bench.log.of(Event.FAILED)
        assert not bench.connections
        assert not bench.intake.open_bodies

    run(test)


@settings(max_examples=800)
@given(
    st.lists(st.sampled_from(STATES + MESSAGES + COMMANDS + TEXT), max_size=12),
    st.sampled_from(STATES),
    st.data(),
)
def test_whatever_is_sent_means_what_the_standards_say(
    parts: list[bytes], state: bytes, data: st.DataObject
) -> None:
    stream = state + b"".join(parts)
    cuts = data.draw(st.sets(st.integers(0, len(stream)), max_size=6))
    check(stream, sorted(cuts))


@settings(max_examples=300)
@given(st.sampled_from(STATES), st.binary(max_size=200))
def test_random_bytes_in_every_state(state: bytes, noise: bytes) -> None:
    async def test() -> None:
        bench = Bench(PATIENT)
        wire = await bench.connect()
        await wire.send(state, noise, b"\r\n.\r\nNOOP\r\n")
        await wire.leave()
        assert not bench.log.of(Event.FAILED)
        assert not bench.connections
        assert not bench.intake.open_bodies

    run(test)


@pytest.mark.parametrize("seed", range(20))
def test_clients_that_keep_to_the_replies_get_what_was_promised(seed: int) -> None:
    """Over real sockets, ended in every way: a 250 is a message, no 250 is none.

    The exception is the end in mid-commit: there the server may have it without anybody's
    knowing.
    """
    chance = random.Random(seed)
    promised: set[str] = set()
    doubtful: set[str] = set()
    intake = MemoryIntake(inline_limit=2000)
    with serving(Limits(recipients=100), intake) as served:
        for number in range(30):
            client = served.client()
            try:
                talk(client, chance, f"{seed}-{number}", promised, doubtful)
            finally:
                client.close()
        served.log.wait_for(Event.DISCONNECTED, 30)
        assert not served.log.of(Event.FAILED)
    got = [one.text for one in intake.taken]
    assert len(got) == len(set(got))
    texts = {text.decode() for text in got}
    assert promised <= texts
    assert texts <= promised | doubtful


def talk(
    client: Client, chance: random.Random, name: str, promised: set[str], doubtful: set[str]
) -> None:
    """One connection of a client that mixes sense and nonsense, and may vanish at any point."""
    client.greet()
    for number in range(chance.randrange(1, 6)):
        nonsense = chance.choice(
            [b"XXXX\r\n", b"NOOP\r\n", b"RCPT TO:<x@y.test>\r\n", b"DATA x\r\n"]
        )
        client.send(nonsense)
        client.reply()
        if vanish(client, chance):
            return
        assert client.ask("RSET").startswith("250 ")
        client.begin("a@b.example", *chance.choices(["ann@site.test", "bob@site.test"], k=3))
        if vanish(client, chance):
            return
        text = f"{name}-{number}\r\n" + "line\r\n" * chance.choice([0, 1, 500])
        wire, command = encoded(text, chance)
        cut = chance.randrange(len(wire))
        client.send(command)
        if command == b"DATA\r\n":
            assert client.reply().startswith("354 ")
        client.send(wire[:cut])
        if vanish(client, chance):
            return
        client.send(wire[cut:])
        if chance.random() < 0.1:
            doubtful.add(text)
            client.reset() if chance.random() < 0.5 else client.close()
            return
        assert client.reply().startswith("250 ")
        promised.add(text)


def encoded(text: str, chance: random.Random) -> tuple[bytes, bytes]:
    if chance.random() < 0.5:
        return text.encode() + b".\r\n", b"DATA\r\n"
    return text.encode(), b"BDAT %d LAST\r\n" % len(text)


def vanish(client: Client, chance: random.Random) -> bool:
    """Sometimes end the connection, in one of three ways."""
    how = chance.randrange(40)
    if how == 0:
        client.close()
    elif how == 1:
        client.reset()
    elif how == 2:
        client.half_close()
        while client.line():
            pass
    return how < 3
