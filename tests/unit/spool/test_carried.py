"""A node of an older release keeps what a newer one writes, and acts on it once it is newer, too.

A later release is one that knows a kind of record more: here `Noted`, which changes a register, so
that anybody can see whether it was applied.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from appliance.replica import record
from appliance.replica.frames import Frame, SnapshotPart
from appliance.replica.pair import Mode
from appliance.replica.record import Foreign, Record, Started
from appliance.replica.registers import Register, Turn
from appliance.spool import carried, store
from appliance.spool.sizes import Sizes
from appliance.spool.store import Store
from tests.support.disk_vfs import DiskVFS
from tests.support.duo import Duo
from tests.support.station import Station

KIND = 77
NOTED = msgspec.msgpack.encode([KIND, "noted"])


class LaterKinds:
    """Makes the node that is to act the later release; both nodes run in this process."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def know(self) -> None:
        apply = Store._apply_one

        def applied(self: Store, one: Record, *others: object) -> None:
            if isinstance(one, Foreign):
                value = Register("noted", "all", b"yes", Turn(1, 1, b"n"))
                self.site.merge(value)
            else:
                apply(self, one, *others)  # type: ignore[arg-type]

        for module in (record, carried, store):
            self._patch.setattr(module, "KINDS", record.KINDS | {KIND})
        self._patch.setattr(store, "opened", lambda data: Foreign(KIND, data))
        self._patch.setattr(Store, "_apply_one", applied)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> LaterKinds:
    return LaterKinds(monkeypatch)


@pytest.fixture
def pair() -> Iterator[Duo]:
    with DiskVFS() as vfs, Duo(vfs, sizes=Sizes(keep=1)) as two:
        two.start()
        yield two


def write(two: Duo, station: Station, data: bytes = NOTED) -> None:
    """As a later release writes it: a segment of its own, in a turn."""
    tip = station.store.journal.tip(station.store.incarnation)
    assert tip is not None
    segment = msgspec.msgpack.encode(
        [station.store.incarnation, tip.seq + 1, tip.hash, 0, two.now, [msgspec.Raw(data)]]
    )
    station.store.begin()
    taken = station.store.ingest(segment, {}, two.now)
    assert taken is not None
    station.store.flush(two.now)
    station.store.commit()
    station.engine.committed(two.now)
    two.settle()


def restart(two: Duo, station: Station) -> None:
    station.kill()
    two.disconnect()
    station.start(two.now)
    two.connect()
    two.wait(3_000)
    assert two.a.engine.pair.mode is two.b.engine.pair.mode is Mode.PAIRED


def kept(station: Station) -> list[bytes]:
    return [one.data for one in station.store.carried]


def test_it_is_kept_by_both_nodes_and_mail_goes_on(pair: Duo) -> None:
    write(pair, pair.a)
    restart(pair, pair.b)
    assert kept(pair.a) == kept(pair.b) == [NOTED]
    pair.accept(pair.a, b"mail", "al@one.test")
    assert pair.same()
    assert pair.a.store.unapplied == pair.b.store.unapplied == 0
    assert not pair.a.resets + pair.b.resets


def test_it_is_applied_by_the_release_that_understands_it(pair: Duo, later: LaterKinds) -> None:
    write(pair, pair.a)
    restart(pair, pair.b)
    later.know()
    for station in (pair.a, pair.b):
        restart(pair, station)
        assert kept(station) == []
        assert station.store.site.table("noted") == {"all": b"yes"}
    assert pair.same()


def test_a_lost_disk_gets_it_back_from_a_node_that_only_carries_it(
    pair: Duo, later: LaterKinds
) -> None:
    write(pair, pair.a)
    restart(pair, pair.b)
    for number in range(300):  # the journal forgets the record
        pair.accept(pair.a, b"mail %d" % number, "al@one.test")
    seen: list[Frame] = []

    def watch(frame: Frame) -> Frame:
        seen.append(frame)
        return frame

    pair.tamper = watch
    pair.a.restore({})
    restart(pair, pair.a)
    assert any(isinstance(frame, SnapshotPart) and frame.carried for frame in seen)
    assert kept(pair.a) == [NOTED]
    later.know()
    restart(pair, pair.a)
    assert pair.a.store.site.table("noted") == {"all": b"yes"}


def test_one_that_only_says_it_is_foreign_is_set_aside(pair: Duo) -> None:
    """Else it would be applied at the next start, past what the journal checks."""
    write(pair, pair.a, msgspec.msgpack.encode(Foreign(0, msgspec.msgpack.encode(Started(b"x")))))
    assert kept(pair.a) == []
    assert pair.a.store.unapplied == 1
