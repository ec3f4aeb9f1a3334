"""Computes anew, from the states of the messages, every table that is kept beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

import apsw
import msgspec

from appliance.replica.message import FINAL, MessageState, RecipientState
from appliance.replica.record import Result
from appliance.spool.schema import HELD, NUMBER_BITS, Stage
from appliance.spool.tally import Standing
from tests.support.disk_files import DiskFiles

_decode = msgspec.msgpack.Decoder(MessageState).decode
_END = (1 << 62) - 1


@dataclass(frozen=True)
class Row:
    """One message as its table has it."""

    key: int
    queue_id: str
    size: int
    digest: bytes
    external: bool
    arrived: int
    stage: int
    since: int
    slots: list[list[Any]]
    state: MessageState
    envelope: bytes


def messages(db: apsw.Connection) -> Iterator[Row]:
    """All messages, in order of key."""
    tags = dict(_rows(db, "SELECT idx, tag FROM incarnation"))
    for key, size, digest, external, arrived, stage, since, slots, state, envelope in _rows(
        db,
        "SELECT key, size, digest, external, arrived, stage, since, slots, state, envelope"
        " FROM message ORDER BY key",
    ):
        yield Row(
            key,
            tags[key >> NUMBER_BITS] + _base32(key & (1 << NUMBER_BITS) - 1),
            size,
            digest,
            bool(external),
            arrived,
            stage,
            since,
            msgspec.msgpack.decode(slots),
            _decode(state),
            envelope,
        )


def check_derived(db: apsw.Connection, node: bytes) -> None:
    """Raises AssertionError for a table that does not say what the messages say."""
    found = list(messages(db))
    lanes = _lanes(db)
    _check_schedule(db, node, found, lanes)
    _check_leases(db, found)
    _check_mailboxes(db, found)
    _check_tally(db, found, lanes)
    _check_stages(found)
    counts = dict(_rows(db, "SELECT name, value FROM meta WHERE name IN ('duplicates', 'doubts')"))
    every = [recipient for row in found for recipient in row.state.recipients]
    doubts = sum(recipient.doubts for recipient in every)
    assert counts.get("doubts", 0) == doubts
    assert counts.get("duplicates", 0) == sum(r.duplicates for r in every) - doubts


def check_contents(db: apsw.Connection, files: DiskFiles) -> None:
    """Raises AssertionError unless each message has the content its record names, and none is left.

    What a message in a mailbox or in the queue needs is there, byte by byte; files that no message
    owns, and unfinished ones, are not.
    """
    inline = dict(_rows(db, "SELECT key, body FROM content"))
    names = set(files.list(""))
    for row in messages(db):
        if row.external:
            assert row.queue_id in names, f"{row.queue_id}: the body is missing"
            names.discard(row.queue_id)
            content = files.read(row.queue_id, 0, 1 << 40)
        else:
            assert row.key in inline, f"{row.queue_id}: the content is missing"
            content = inline.pop(row.key)
        assert len(content) == row.size, f"{row.queue_id}: {len(content)} of {row.size} bytes"
        assert sha256(content).digest() == row.digest, f"{row.queue_id}: another content"
    assert not inline, "content without a message"
    assert not names, f"stray files: {sorted(names)}"


def _lanes(db: apsw.Connection) -> dict[int, list[tuple[int, int, int]]]:
    """The lanes of each incarnation as (low, high, id), which leave no gap."""
    lanes: dict[int, list[tuple[int, int, int]]] = {}
    for id_, inc, low, high in _rows(db, "SELECT id, inc, low, high FROM lane ORDER BY inc, low"):
        lanes.setdefault(inc, []).append((low, high, id_))
    for known in lanes.values():
        assert known[0][0] == 0
        assert known[-1][1] == _END
        assert all(a[1] == b[0] for a, b in pairwise(known))
    return lanes


def _lane(lanes: dict[int, list[tuple[int, int, int]]], row: Row) -> int:
    (lane,) = [
        id_ for low, high, id_ in lanes[row.key >> NUMBER_BITS] if low < row.state.seq <= high
    ]
    return lane


def _waits(recipient: RecipientState) -> bool:
    ended = any(trial.result in FINAL for trial in recipient.trials)
    return not ended and not any(trial.result is Result.OPEN for trial in recipient.trials)


def _check_schedule(
    db: apsw.Connection, node: bytes, found: list[Row], lanes: dict[int, list[tuple[int, int, int]]]
) -> None:
    expected = dict[tuple[int, int, str], int | None]()
    for row in found:
        lane, domains = _lane(lanes, row), dict[str, list[RecipientState]]()
        for recipient in row.state.recipients:
            if _waits(recipient):
                domains.setdefault(recipient.log.domain, []).append(recipient)
        for domain, waiting in domains.items():
            dues = [HELD if r.log.held else r.log.due for r in waiting]
            # A due time of the peer's is kept in this node's time as it was reckoned then.
            own = all(r.log.held or r.stamp.node == node for r in waiting)
            expected[row.key, lane, domain] = min(dues) if own else None
        slots = {(row.key, lane, domain): wake for lane, domain, wake in row.slots}
        assert slots.keys() == {slot for slot in expected if slot[0] == row.key}, row.queue_id
    scheduled = {
        (key, lane, domain): wake
        for lane, domain, wake, key in _rows(db, "SELECT lane, domain, wake, key FROM schedule")
    }
    assert scheduled.keys() == expected.keys(), "the schedule is not what the messages say"
    assert scheduled == {
        (row.key, lane, domain): wake for row in found for lane, domain, wake in row.slots
    }
    for slot, due in expected.items():
        assert due is None or scheduled[slot] == due, f"{slot}: due at {due}, {scheduled[slot]}"


def _check_leases(db: apsw.Connection, found: list[Row]) -> None:
    index = dict(_rows(db, "SELECT id, idx FROM incarnation"))
    expected = {
        (index[trial.attempt.incarnation], trial.attempt.seq, row.key)
        for row in found
        for recipient in row.state.recipients
        for trial in recipient.trials
        if trial.result is Result.OPEN
    }
    assert set(_rows(db, "SELECT inc, seq, key FROM lease")) == expected, "leases"


def _check_mailboxes(db: apsw.Connection, found: list[Row]) -> None:
    expected = {
        (trial.mailbox, row.arrived, row.key, row.size)
        for row in found
        for recipient in row.state.recipients
        for trial in recipient.trials
        if trial.mailbox is not None
    }
    assert set(_rows(db, "SELECT mailbox, arrived, key, size FROM mailbox")) == expected, "boxes"


def _check_tally(
    db: apsw.Connection, found: list[Row], lanes: dict[int, list[tuple[int, int, int]]]
) -> None:
    expected = Counter[tuple[int, int]]()
    for row in found:
        for recipient in row.state.recipients:
            stands = _standing(recipient)
            if stands is not None:
                expected[_lane(lanes, row), stands] += 1
    counted = {
        (lane, stands): n
        for lane, stands, n in _rows(db, "SELECT lane, standing, recipients FROM tally")
        if n
    }
    assert counted == dict(expected), "the tally is not what the messages say"


def _standing(recipient: RecipientState) -> Standing | None:
    results = [trial.result for trial in recipient.trials]
    if any(result in FINAL for result in results):
        return None
    if Result.OPEN in results:
        return Standing.LEASED
    if recipient.log.held:
        return Standing.HELD
    return Standing.TRIED if results or recipient.log.tries else Standing.NEW


def _check_stages(found: list[Row]) -> None:
    for row in found:
        trials = [trial for recipient in row.state.recipients for trial in recipient.trials]
        ended = all(
            any(trial.result in FINAL for trial in recipient.trials)
            for recipient in row.state.recipients
        )
        if not ended or any(trial.result is Result.OPEN for trial in trials):
            assert row.stage == Stage.OPEN, row.queue_id
            assert row.since == row.arrived
        elif any(trial.mailbox is not None for trial in trials):
            assert row.stage == Stage.KEPT, row.queue_id
        else:
            assert row.stage == Stage.ENDED, row.queue_id


def _base32(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 32)
        digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[digit] + digits
    return digits.rjust(4, "0")


def _rows(db: apsw.Connection, sql: str) -> Any:
    return db.execute(sql)
