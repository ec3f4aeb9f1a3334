"""Segments in the order in which they were learned of: read back, sent on, pruned, refused."""

from __future__ import annotations

import apsw
import pytest

from appliance.replica.position import Mark
from appliance.replica.record import Diverged, Segment, decode, encode
from appliance.spool.journal import Journal
from tests.unit.spool.segments import FOREIGN, MINE, OWN, THEIRS, accepted, write


@pytest.fixture
def journal(db: apsw.Connection) -> Journal:
    """Own 1..3, foreign 1..2, own 4, foreign 3..5: at lsn 1, 2, 3, 4."""
    journal = Journal(db)
    write(journal, OWN, accepted(OWN, 1), accepted(OWN, 2))
    write(journal, FOREIGN, accepted(FOREIGN, 1))
    write(journal, OWN, accepted(OWN, 3))
    write(journal, FOREIGN, *[accepted(FOREIGN, n) for n in (2, 3, 4)])
    return journal


def lsns(journal: Journal, start: int = 0, limit: int = 64) -> list[int]:
    return [stored.lsn for stored in journal.read(start, limit)]


def test_numbers_go_on_without_gaps_and_each_segment_names_the_one_before(
    journal: Journal,
) -> None:
    segments = [decode(stored.data) for stored in journal.read(0) if stored.incarnation == OWN]
    assert [(s.first, s.last) for s in segments] == [(1, 3), (4, 4)]
    assert segments[0].previous == b""
    assert segments[1].previous == journal.hash_at(OWN, 3)
    assert journal.positions() == {OWN: 4, FOREIGN: 5}


def test_a_start_finds_the_same(db: apsw.Connection, journal: Journal) -> None:
    again = Journal(db)
    assert again.incarnations == journal.incarnations
    assert again.head == journal.head
    assert {i.node for i in again.incarnations.values()} == {MINE, THEIRS}


def test_reading_goes_on_from_an_lsn(journal: Journal) -> None:
    assert lsns(journal) == [1, 2, 3, 4]
    assert lsns(journal, 3) == [3, 4]
    assert lsns(journal, 2, 2) == [2, 3]
    assert lsns(journal, journal.head) == []


@pytest.mark.parametrize(
    "held,start",
    [
        ({}, 1),
        ({OWN: 3}, 2),
        ({OWN: 3, FOREIGN: 2}, 3),
        ({OWN: 4, FOREIGN: 2}, 4),
        ({OWN: 4, FOREIGN: 5}, 5),
        ({OWN: 9, FOREIGN: 9}, 5),
        ({FOREIGN: 5}, 1),
        ({OWN: 4, FOREIGN: 0}, 2),
        # Not a segment's end, as after a snapshot: the whole segment is sent.
        ({OWN: 4, FOREIGN: 4}, 4),
    ],
)
def test_where_a_peer_has_to_be_sent_from(
    journal: Journal, held: dict[bytes, int], start: int
) -> None:
    assert journal.start_for(held) == start


def test_a_peer_that_lacks_what_is_pruned_cannot_be_sent_segments(journal: Journal) -> None:
    journal.share({OWN: 4, FOREIGN: 5})
    assert journal.prune(2, shared=True) == 2
    assert lsns(journal) == [3, 4]
    assert journal.start_for({}) is None
    assert journal.start_for({OWN: 3}) is None, "foreign 1..2 is gone"
    assert journal.start_for({OWN: 3, FOREIGN: 2}) == 3
    assert journal.start_for({OWN: 4, FOREIGN: 5}) == journal.head


def test_pruning_stops_at_what_the_peer_does_not_hold(journal: Journal) -> None:
    journal.share({OWN: 4, FOREIGN: 1})
    assert journal.prune(1, shared=True) == 1
    assert lsns(journal) == [2, 3, 4]
    journal.share({OWN: 3, FOREIGN: 2})
    assert journal.prune(1, shared=True) == 1, "own 4 is not held by the peer"
    assert lsns(journal) == [3, 4]


def test_alone_everything_but_the_last_goes(journal: Journal) -> None:
    assert journal.prune(1, shared=False) == 3
    assert lsns(journal) == [4]
    assert journal.prune(1, shared=False) == 0


def test_pruning_waits_until_it_is_worth_while(journal: Journal) -> None:
    assert journal.prune(3, shared=False) == 0, "one is too few"
    assert journal.prune(2, shared=False) == 2


def test_a_tail_that_was_pruned_is_known_to_the_next_start(
    db: apsw.Connection, journal: Journal
) -> None:
    journal.prune(1, shared=False)
    again = Journal(db)
    assert again.head == journal.head
    write(again, OWN, accepted(OWN, 4))
    assert lsns(again) == [4, 5]
    assert again.prune(1, shared=False) == 1


def test_an_empty_journal_goes_on_counting_from_its_head(db: apsw.Connection) -> None:
    journal = Journal(db)
    assert (journal.head, journal.start_for({}), lsns(journal)) == (1, 1, [])
    assert journal.prune(1, shared=False) == 0


def forged(journal: Journal, first: int, previous: bytes) -> tuple[Segment, bytes]:
    segment = Segment(FOREIGN, first, previous, 0, 0, (accepted(FOREIGN, 9),))
    return segment, encode(segment)


def test_what_is_held_is_not_taken_twice(db: apsw.Connection, journal: Journal) -> None:
    (stored,) = [s for s in journal.read(0) if s.incarnation == FOREIGN and s.first == 1]
    assert not journal.ingest(decode(stored.data), stored.data)
    assert journal.positions()[FOREIGN] == 5


def test_a_gap_and_another_hash_are_refused(journal: Journal) -> None:
    with pytest.raises(LookupError):
        journal.ingest(*forged(journal, 7, b"x" * 16))
    with pytest.raises(Diverged):
        journal.ingest(*forged(journal, 6, b"x" * 16))
    tip = journal.tip(FOREIGN)
    assert tip is not None
    assert journal.ingest(*forged(journal, 6, tip.hash))
    assert journal.positions()[FOREIGN] == 6


def test_an_incarnation_begins_with_who_minted_it(journal: Journal) -> None:
    segment = Segment(b"n" * 16, 1, b"", 0, 0, (accepted(b"n" * 16, 1),))
    with pytest.raises(LookupError):
        journal.ingest(segment, encode(segment))
    assert b"n" * 16 not in journal.incarnations


def test_a_snapshot_takes_the_place_of_older_segments(journal: Journal) -> None:
    journal.jump(FOREIGN, Mark(20, b"h" * 16), 7)
    assert lsns(journal) == [1, 3]
    assert journal.tip(FOREIGN) == Mark(20, b"h" * 16)
    assert journal.clock(THEIRS) == 7
    assert journal.start_for({OWN: 4, FOREIGN: 5}) is None
    journal.jump(FOREIGN, Mark(10, b"g" * 16), 3)
    assert journal.tip(FOREIGN) == Mark(20, b"h" * 16), "never back"


def test_a_hash_is_known_where_a_segment_ends(journal: Journal) -> None:
    tip = journal.tip(OWN)
    assert tip is not None
    assert journal.hash_at(OWN, 4) == tip.hash
    assert journal.hash_at(OWN, 3) is not None
    assert journal.hash_at(OWN, 2) is None
    assert journal.hash_at(b"unknown", 1) is None
