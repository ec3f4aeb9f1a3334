"""Segments follow one another by number and by hash, and read back as they were written."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.replica.position import Mark, covers, joined, positions
from appliance.replica.record import (
    KINDS,
    Attempt,
    Diverged,
    Ended,
    Ending,
    Foreign,
    Record,
    Result,
    Segment,
    Started,
    decode,
    encode,
    follows,
    mark,
)

INCARNATION = b"i" * 16
ENDED = Ended("Q", Attempt(INCARNATION, 3), (Ending(0, Result.DELIVERED, mailbox="box"),))


def segment(first: int, previous: bytes, count: int = 1, epoch: int = 0) -> Segment:
    records: tuple[Record, ...] = (Started(b"n"), *[ENDED] * (count - 1))
    return Segment(INCARNATION, first, previous, epoch, 5, records)


def test_every_kind_has_a_number() -> None:
    tags = {msgspec.inspect.type_info(kind).tag for kind in Record.__args__}  # type: ignore[attr-defined]
    assert tags == KINDS | {-1}  # Foreign, which nobody writes


def test_a_segment_reads_back() -> None:
    one = segment(4, b"hash", count=3)
    assert decode(encode(one)) == one
    assert one.last == 6
    assert mark(one, encode(one)).seq == 6


def later(*records: object) -> bytes:
    """A segment of a later release, with records as that writes them."""
    return msgspec.msgpack.encode([INCARNATION, 1, b"", 0, 5, records])


def test_a_record_of_a_later_release_is_carried_as_it_is() -> None:
    one = decode(later([0, b"n"], [77, "anything", {"new": 1}], ENDED))
    assert one.records[::2] == (Started(b"n"), ENDED)
    assert one.records[1] == Foreign(77, msgspec.msgpack.encode([77, "anything", {"new": 1}]))
    assert one.last == 3


@pytest.mark.parametrize("record", [[], {}, "x", ["77"], [None], [0], [3, "q"], [-2, 1]], ids=repr)
def test_what_only_looks_like_a_record_of_a_later_release(record: object) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(later([77, "anything"], record))


def test_another_content_has_another_hash() -> None:
    one, other = segment(1, b""), segment(1, b"", epoch=1)
    assert mark(one, encode(one)).hash != mark(other, encode(other)).hash


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x90", b"\x96\x00", encode(segment(1, b""))[:-1]])
def test_garbage_is_no_segment(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(data)


TIP = Mark(10, b"tip")


@pytest.mark.parametrize(
    "first, previous, count, tip",
    [(1, b"", 1, None), (11, b"tip", 1, TIP), (11, b"tip", 9, TIP)],
)
def test_what_continues_a_journal(first: int, previous: bytes, count: int, tip: Mark) -> None:
    assert follows(segment(first, previous, count), tip)


@pytest.mark.parametrize("first, count", [(1, 1), (10, 1), (8, 3)])
def test_what_is_held_already(first: int, count: int) -> None:
    assert not follows(segment(first, b"whatever", count), TIP)


@pytest.mark.parametrize("first, count, tip", [(12, 1, TIP), (10, 2, TIP), (2, 1, None)])
def test_a_gap_or_an_overlap(first: int, count: int, tip: Mark | None) -> None:
    with pytest.raises(LookupError):
        follows(segment(first, b"tip", count), tip)


@pytest.mark.parametrize("first, tip", [(11, TIP), (1, None)])
def test_another_predecessor(first: int, tip: Mark | None) -> None:
    with pytest.raises(Diverged):
        follows(segment(first, b"another"), tip)


places = st.dictionaries(st.sampled_from([b"A", b"B", b"C"]), st.integers(1, 5))


@given(places, places, places)
def test_positions_are_a_lattice(
    a: dict[bytes, int], b: dict[bytes, int], c: dict[bytes, int]
) -> None:
    both = joined(a, b)
    assert covers(both, a)
    assert covers(both, b)
    assert both == joined(b, a)
    assert joined(a, joined(b, c)) == joined(joined(a, b), c)
    if covers(c, a) and covers(c, b):
        assert covers(c, both)
    assert covers(a, b) == (joined(a, b) == a)


def test_positions_are_marks_without_hashes() -> None:
    assert positions({b"A": TIP}) == {b"A": 10}
