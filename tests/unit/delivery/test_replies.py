"""RFC 5321 §4.2: what is a reply, and what a hostile server can do with one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.delivery.replies import MAX_REPLY, MAX_TEXT, BadReply, ReplyReader
from appliance.mail.reply import Reply


@pytest.mark.parametrize(
    "wire,reply",
    [
        (b"250 ok\r\n", Reply(250, "", "ok")),
        (b"250\r\n", Reply(250, "", "")),
        (b"250 \r\n", Reply(250, "", "")),
        (b"250 2.1.0 ok\r\n", Reply(250, "2.1.0", "ok")),
        (b"550 5.1.1\r\n", Reply(550, "5.1.1", "")),
        (b"550 2.1.1 wrong class\r\n", Reply(550, "", "2.1.1 wrong class")),
        (b"550 5.1.1234 no\r\n", Reply(550, "", "5.1.1234 no")),
        (b"550-5.7.1 one\r\n550 5.7.1 two\r\n", Reply(550, "5.7.1", "one\ntwo")),
        (b"450-one\r\n450-\r\n450\r\n", Reply(450, "", "one\n\n")),
        (b"250 caf\xc3\xa9 \xff\r\n", Reply(250, "", "café \\xff")),
        (b"550 \x1b[2J\x00\t.\r\n", Reply(550, "", "\\x1b[2J\\x00\\x09.")),
    ],
)
def test_a_reply(wire: bytes, reply: Reply) -> None:
    assert ReplyReader().feed(wire) == [reply]


def test_bytes_may_come_one_by_one() -> None:
    reader = ReplyReader()
    got: list[Reply] = []
    for byte in b"250-a\r\n250 b\r\n354 go\r\n":
        got += reader.feed(bytes([byte]))
    assert got == [Reply(250, "", "a\nb"), Reply(354, "", "go")]
    assert not reader.pending


@pytest.mark.parametrize(
    "wire",
    [
        b"ok\r\n",
        b"25 ok\r\n",
        b"2500 ok\r\n",
        b"150 early\r\n",
        b"650 late\r\n",
        b"250_ok\r\n",
        b" 250 ok\r\n",
        b"+25 ok\r\n",
        b"250 ok\n",
        b"250 o\rk\r\n",
        b"250-a\r\n251 b\r\n",
        b"\r\n",
        b"\xd9\xa2\xd9\xa5\xd9\xa0 ok\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"250 " + b"x" * 5000 + b"\r\n",
        b"250-" + b"x" * 5000 + b"\r\n",
    ],
)
def test_no_reply(wire: bytes) -> None:
    with pytest.raises(BadReply):
        ReplyReader().feed(wire)


def fed(block: bytes, times: int) -> None:
    reader = ReplyReader()
    for _ in range(times):
        reader.feed(block)


def test_memory_is_bounded() -> None:
    with pytest.raises(BadReply):
        fed(b"250 " + b"x" * 1000, MAX_REPLY)
    with pytest.raises(BadReply):
        fed(b"250-" + b"x" * 100 + b"\r\n", MAX_REPLY)


def test_kept_text_is_short() -> None:
    reply = ReplyReader().feed(b"250-" + b"x" * 2000 + b"\r\n250 y\r\n")[0]
    assert len(reply.text) <= MAX_TEXT


@given(st.lists(st.binary(max_size=40)))
def test_no_input_breaks_it(blocks: list[bytes]) -> None:
    reader = ReplyReader()
    said = ""
    try:
        for block in blocks:
            for reply in reader.feed(block):
                assert 200 <= reply.code < 600
                said += reply.text.replace("\n", "")
    except BadReply as bad:
        said += str(bad)
    assert all(c.isprintable() or c in "\u200c\u200d" for c in said)
