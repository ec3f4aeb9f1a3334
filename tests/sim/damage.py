"""Schedules to the single frame: what rots on a disk or is damaged on the link.

Like `exact`.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from appliance.replica.frames import Batch, BodyChunk, Frame, SnapshotPart
from appliance.replica.pair import Mode
from appliance.spool.messages import key_of
from appliance.spool.sizes import Sizes
from tests.sim.joined import LARGE, duo, paired_is_whole
from tests.support.duo import Duo


def damaged_content() -> None:
    """Bits of a message flip on the way."""

    def flip(frame: Frame) -> Frame:
        if isinstance(frame, Batch) and frame.contents:
            return replace(frame, contents=dict.fromkeys(frame.contents, b"ONE"))
        return frame

    _damaged(b"one", flip)


def damaged_body() -> None:
    """Bits of a large body flip on the way."""

    def flip(frame: Frame) -> Frame:
        return replace(frame, data=frame.data[::-1]) if isinstance(frame, BodyChunk) else frame

    _damaged(LARGE, flip)


def lost_body() -> None:
    """A large body does not come before its record."""
    _damaged(LARGE, lambda frame: None if isinstance(frame, BodyChunk) else frame)


def _damaged(content: bytes, tamper: Callable[[Frame], Frame | None]) -> None:
    with duo() as two:
        two.tamper = tamper
        _, queue_id = two.accept(two.a, content, "al@one.test")
        two.wait(2_000)
        paired_is_whole(two)
        two.tamper = lambda frame: frame
        two.wait(5_000)
        assert two.b.content(queue_id) == content
        paired_is_whole(two)


def rotten_on_disk(content: bytes, rot: Callable[[Duo, str], None], keep: int = 1000) -> None:
    """A node is away; what waits for it rots on the other's disk. The rest must not wait for it."""
    with duo(Sizes(keep=keep)) as two:
        two.b.kill()
        two.disconnect()
        two.wait(3_000)
        _, rotten = two.accept(two.a, content, "al@one.test")
        _, sound = two.accept(two.a, b"sound", "bo@two.test")
        rot(two, rotten)
        if keep == 1:
            two.b.restore({})
        two.b.start(two.now)
        two.connect()
        two.wait(5_000)
        assert two.b.engine.pair.mode is Mode.PAIRED, "one message holds up all others"
        assert two.b.content(sound) == b"sound"
        assert not two.b.store.holds(rotten)
        assert two.b.store.unapplied == 1, "nobody is told"
        _, later = two.accept(two.a, b"later", "bo@two.test")
        assert two.b.content(later) == b"later"


def _rot_row(two: Duo, queue_id: str) -> None:
    store = two.a.store
    store.connection.execute(
        "UPDATE content SET body=? WHERE key=?", (b"rot", key_of(queue_id, store.journal))
    )


def _rot_file(two: Duo, queue_id: str) -> None:
    two.a.disk.flip_bit(f"content/{queue_id}", 7)


def _lose_file(two: Duo, queue_id: str) -> None:
    two.a.disk.mount.unlink(f"content/{queue_id}")


def rotten_row() -> None:
    """Content in the database is not what was accepted."""
    rotten_on_disk(b"one", _rot_row)


def rotten_body() -> None:
    """A large body is not what was accepted."""
    rotten_on_disk(LARGE, _rot_file)


def vanished_body() -> None:
    """The file of a large body is gone."""
    rotten_on_disk(LARGE, _lose_file)


def rotten_row_in_a_snapshot() -> None:
    """The peer's disk is new, and content is not what was accepted."""
    rotten_on_disk(b"one", _rot_row, keep=1)


def rotten_body_in_a_snapshot() -> None:
    """The peer's disk is new, and a large body is not what was accepted."""
    rotten_on_disk(LARGE, _rot_file, keep=1)


def damaged_snapshot() -> None:
    """Bits of a message flip on the way to a node whose disk is new."""

    def flip(frame: Frame) -> Frame:
        if isinstance(frame, SnapshotPart):
            copies = tuple(replace(copy, content=b"ONE") for copy in frame.copies)
            return replace(frame, copies=copies)
        return frame

    with duo(Sizes(keep=1)) as two:
        for _ in range(5):
            two.accept(two.a, b"one", "al@one.test")
        two.b.restore({})
        two.disconnect()
        two.b.start(two.now)
        two.tamper = flip
        two.connect()
        two.wait(3_000)
        paired_is_whole(two)
        two.tamper = lambda frame: frame
        two.wait(5_000)
        assert two.b.engine.pair.mode is Mode.PAIRED
        paired_is_whole(two)


def numbers_used_twice() -> None:
    """A machine is resumed from an older image of its memory, and goes on as it was then."""
    with duo() as two:
        image = two.a.disk.snapshot()
        two.disconnect()
        two.a.kill()
        lives = b"the same life".ljust(16)
        two.a.start(two.now, incarnation=lives)
        two.connect()
        two.accept(two.a, b"before", "al@one.test")
        two.disconnect()
        two.a.restore(image)
        two.a.start(two.now, incarnation=lives)
        two.accept(two.a, b"after!", "bo@two.test")
        two.a.kill()
        two.a.start(two.now)
        two.connect()
        two.wait(5_000)
        paired_is_whole(two)
        assert any(station.engine.replication.diverged for station in (two.a, two.b))


def rotten_segment() -> None:
    """A bit of the journal rots on the disk before the peer has got it."""
    with duo() as two:
        two.disconnect()
        for recipient in ("al@one.test", "bo@two.test"):
            two.accept(two.a, b"one", recipient)
        journal = two.a.store.connection
        ((lsn, segment),) = journal.execute(
            "SELECT lsn, segment FROM journal WHERE instr(segment, CAST('al@one' AS BLOB))"
        )
        assert isinstance(segment, bytes)
        rotten = segment.replace(b"al@one", b"al@oNe")
        journal.execute("UPDATE journal SET segment=? WHERE lsn=?", (rotten, lsn))
        two.connect()
        two.wait(5_000)
        if two.a.engine.pair.mode is Mode.PAIRED:
            assert two.same(), "paired, and not the same"
        assert any(station.engine.replication.diverged for station in (two.a, two.b))


DAMAGE = (
    damaged_content,
    damaged_body,
    lost_body,
    damaged_snapshot,
    rotten_row,
    rotten_body,
    vanished_body,
    rotten_row_in_a_snapshot,
    rotten_body_in_a_snapshot,
    numbers_used_twice,
    rotten_segment,
)
