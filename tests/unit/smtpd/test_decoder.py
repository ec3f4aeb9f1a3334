"""Where a message ends, and what may be in it: the same at every read boundary."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtpd.decoder import ChunkDecoder, DataDecoder, Defect

LINE_LIMIT = 1000
LINES = re.compile(rb"(?:[^\r\n\0]*\r\n)*")


def decode(pieces: list[bytes], line_limit: int = LINE_LIMIT) -> tuple[bytes, bytes, Defect | None]:
    """(content, rest, defect) of pieces that hold the end."""
    decoder = DataDecoder(line_limit)
    content = b""
    for number, piece in enumerate(pieces):
        content += decoder.feed(piece)
        if decoder.done:
            rest = decoder.rest + b"".join(pieces[number + 1 :])
            return content, rest, decoder.defect
    raise AssertionError("no end")


def decode_chunks(pieces: list[bytes], line_limit: int = LINE_LIMIT) -> tuple[bytes, Defect | None]:
    decoder = ChunkDecoder(line_limit)
    content = b"".join([decoder.feed(piece) for piece in pieces])
    return content + decoder.finish(), decoder.defect


def splits(stream: bytes) -> list[list[bytes]]:
    """`stream` whole, in two parts at every boundary, and byte by byte."""
    halves = [[stream[:at], stream[at:]] for at in range(1, len(stream))]
    return [[stream], *halves, [bytes([byte]) for byte in stream]]


def reference(stream: bytes) -> tuple[bytes, bytes, bool] | None:
    """(content, rest, clean) by RFC 5321's words, all at once; None without an end."""
    end = (b"\r\n" + stream).find(b"\r\n.\r\n")
    if end < 0:
        return None
    text, rest = stream[:end], stream[end + 3 :]
    if not LINES.fullmatch(text):
        return b"", rest, False
    lines = text.split(b"\r\n")
    return b"\r\n".join(line.removeprefix(b".") for line in lines), rest, True


SMUGGLING = [
    (b"a\n.\nMAIL FROM:<x>\r\n.\r\n", Defect.BARE_LF),
    (b"a\n.\r\nMAIL FROM:<x>\r\n.\r\n", Defect.BARE_LF),
    (b"a\r\n.\nMAIL FROM:<x>\r\n.\r\n", Defect.BARE_LF),
    (b"a\r.\rMAIL FROM:<x>\r\n.\r\n", Defect.BARE_CR),
    (b"a\r\n.\rMAIL FROM:<x>\r\n.\r\n", Defect.BARE_CR),
    (b"a\r.\r\nMAIL FROM:<x>\r\n.\r\n", Defect.BARE_CR),
    (b"a\r\r\n.\r\r\nMAIL FROM:<x>\r\n.\r\n", Defect.BARE_CR),
    (b"a\n\r.\n\rMAIL FROM:<x>\r\n.\r\n", Defect.BARE_CR),
    (b"a\n\r\n.\r\nMAIL FROM:<x>\r\n", Defect.BARE_LF),
    (b"a\0\r\n.\r\n", Defect.NUL),
    (b"a\r\n\0.\r\nMAIL FROM:<x>\r\n.\r\n", Defect.NUL),
    (b"a\r\n.\0\r\nMAIL FROM:<x>\r\n.\r\n", Defect.NUL),
    (b"\n.\r\nMAIL FROM:<x>\r\n.\r\n", Defect.BARE_LF),
    (b"\r.\r\nMAIL FROM:<x>\r\n.\r\n", Defect.BARE_CR),
    (b"\r\n.\r\r\n.\r\n", Defect.BARE_CR),
]


@pytest.mark.parametrize("stream, defect", SMUGGLING)
def test_what_others_might_take_for_an_end_spoils_the_message(
    stream: bytes, defect: Defect
) -> None:
    assert decode([stream])[2] is defect
    for pieces in splits(stream + b"NOOP\r\n"):
        content, rest, found = decode(pieces)
        assert found is not None  # of several defects the one that is complete first
        # The bytes up to the one true end are consumed, not one more or less.
        wanted = reference(stream + b"NOOP\r\n")
        assert wanted is not None
        assert rest == wanted[1]
        assert b"MAIL" not in rest or stream.endswith(b".\r\nMAIL FROM:<x>\r\n")
        assert content in (b"a\r\n", b"a", b"", b"\r\n")


@pytest.mark.parametrize(
    "stream, content",
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"..a\r\n..\r\n.b\r\n...\r\n.\r\n", b".a\r\n.\r\nb\r\n..\r\n"),
        (b"\r\n\r\n.\r\n", b"\r\n\r\n"),
        (b"\r\n..\r\n.\r\n", b"\r\n.\r\n"),
        (b"a.\r\n.\r\n", b"a.\r\n"),
        (b"\xff\x80\x01\x1a\r\n.\r\n", b"\xff\x80\x01\x1a\r\n"),
    ],
)
def test_a_message_comes_out_as_it_was_meant(stream: bytes, content: bytes) -> None:
    for pieces in splits(stream + b"QUIT\r\n"):
        assert decode(pieces) == (content, b"QUIT\r\n", None)


def test_every_short_stream_ends_where_the_standard_says() -> None:
    for length in range(1, 8):
        for symbols in itertools.product(b"\r\n.a", repeat=length):
            stream = bytes(symbols) + b"\r\n.\r\nQ"
            wanted = reference(stream)
            assert wanted is not None
            text, rest, clean = wanted
            for pieces in ([stream], [bytes([byte]) for byte in stream]):
                content, got_rest, defect = decode(pieces)
                assert got_rest == rest
                assert (defect is None) == clean
                if clean:
                    assert content == text


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"\0", b"ab", b"\r\n.\r\n"])), st.data()
)
def test_read_boundaries_change_nothing(symbols: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(symbols) + b"\r\n.\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(stream) - 1)))))
    pieces = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]
    whole, cut = decode([stream]), decode(pieces)
    assert cut[1] == whole[1]
    assert (cut[2] is None) == (whole[2] is None)
    if whole[2] is None:
        assert cut[0] == whole[0]


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"\0", b"ab"])), st.data())
def test_chunks_are_as_strict_and_may_end_anywhere(
    symbols: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(symbols)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    pieces = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]
    complete = stream if stream.endswith(b"\r\n") or not stream else stream + b"\r\n"
    content, defect = decode_chunks(pieces)
    # A last line without its end gets one, unless what is missing is only the LF.
    clean = bool(LINES.fullmatch(complete)) and not stream.endswith(b"\r")
    assert (defect is None) == clean
    if clean:
        assert content == complete


@pytest.mark.parametrize("size", [LINE_LIMIT, LINE_LIMIT + 1])
def test_lines_up_to_the_limit_pass_unchanged(size: int) -> None:
    text = b"x\r\n" + b"y" * size + b"\r\n" + b"z\r\n"
    wanted = None if size <= LINE_LIMIT else Defect.LINE_TOO_LONG
    step = 97
    for pieces in (
        [text],
        [text[at : at + step] for at in range(0, len(text), step)],
        [bytes([byte]) for byte in text],
    ):
        assert decode([*pieces, b".\r\n"])[2] is wanted
        assert decode_chunks(pieces)[1] is wanted
        if wanted is None:
            assert decode_chunks(pieces)[0] == text


def test_nothing_comes_out_after_a_defect() -> None:
    decoder = DataDecoder(LINE_LIMIT)
    assert decoder.feed(b"good\r\nbad\nworse\r\n") == b""
    assert decoder.feed(b"good again\r\n.\r\n") == b""
    assert decoder.done
    chunks = ChunkDecoder(LINE_LIMIT)
    assert chunks.feed(b"bad\0") == b""
    assert chunks.feed(b"good again\r\n") == b""
    assert chunks.defect is Defect.NUL
