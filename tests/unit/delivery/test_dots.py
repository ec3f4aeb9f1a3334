"""RFC 5321 §4.5.2, and that nothing else than our final dot can end the data."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.delivery.dots import DamagedContent, DotStuffer

LINES = st.lists(st.binary(max_size=6).map(lambda b: b.replace(b"\r", b".").replace(b"\n", b".")))


def sent(content: bytes, cuts: list[int]) -> bytes:
    stuffer = DotStuffer()
    edges = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    blocks = [content[a:b] for a, b in pairwise(edges)]
    return b"".join(map(stuffer.block, blocks)) + stuffer.end()


def understood(wire: bytes) -> bytes:
    """What a strict server takes from the wire; it must take all of it."""
    end = (b"\r\n" + wire).find(b"\r\n.\r\n")
    assert end + 3 == len(wire)
    return (b"\r\n" + wire[:end]).replace(b"\r\n.", b"\r\n")[2:]


@given(LINES, st.lists(st.integers(0, 200), max_size=8))
def test_content_comes_out_as_it_went_in_wherever_it_is_cut(
    lines: list[bytes], cuts: list[int]
) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    assert understood(sent(content, cuts)) == content


@pytest.mark.parametrize(
    "content,wire",
    [
        (b"", b".\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\nQUIT\r\n", b"a\r\n..\r\nQUIT\r\n.\r\n"),
        (b"no end", b"no end\r\n.\r\n"),
        (b"\r\n\r\n..x\r\n", b"\r\n\r\n...x\r\n.\r\n"),
    ],
)
def test_dots(content: bytes, wire: bytes) -> None:
    for cut in range(len(content) + 1):
        assert sent(content, [cut]) == wire


@pytest.mark.parametrize(
    "content",
    [
        b"a\n.\nMAIL FROM:<x@y>\n",
        b"a\n.\r\nMAIL\r\n",
        b"a\r\n.\nMAIL\r\n",
        b"a\r.\r\n",
        b"a\r\n.\rMAIL\r\n",
        b"a\r",
        b"\n",
        b"\r\r\n",
        b"a\r\n\n",
    ],
)
def test_what_a_lenient_server_could_take_for_an_end_is_not_sent(content: bytes) -> None:
    for cut in range(len(content) + 1):
        with pytest.raises(DamagedContent):
            sent(content, [cut])


@given(st.binary(max_size=30).map(lambda b: bytes(b"\r\n.a"[x % 4] for x in b)), st.integers(0, 30))
def test_whatever_is_stored_the_wire_holds_one_end(content: bytes, cut: int) -> None:
    try:
        wire = sent(content, [cut])
    except DamagedContent:
        assert content.count(b"\r\n") != content.count(b"\r") or content.count(
            b"\r\n"
        ) != content.count(b"\n")
    else:
        assert understood(wire) == content or understood(wire) == content + b"\r\n"
