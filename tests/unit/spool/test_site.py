"""The site's versions and registers on two real engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from appliance.replica import frames, record, site_versions
from appliance.replica.frames import Frame, Hello, SnapshotPart
from appliance.replica.pair import Mode
from appliance.replica.record import Segment
from appliance.replica.site_versions import SiteVersion, identity
from appliance.spool import schema
from appliance.spool.operations import ChangeSite, PutRegisters, SeedSite
from appliance.spool.schema import open_writer
from appliance.spool.site import DOCUMENT
from appliance.spool.sizes import Sizes
from tests.support.disk_vfs import DiskVFS
from tests.support.duo import Duo
from tests.support.station import Station


@pytest.fixture
def pair() -> Iterator[Duo]:
    with DiskVFS() as vfs, Duo(vfs) as two:
        two.start()
        yield two


def head(station: Station) -> bytes:
    """The document in force."""
    found = station.store.site.lineage.head
    return station.store.site.version(found.id).document if found else b""


def head_id(station: Station) -> bytes:
    found = station.store.site.lineage.head
    return found.id if found else b""


def change(
    pair: Duo,
    station: Station,
    document: bytes,
    *,
    parent: bytes | None = None,
    settles: tuple[bytes, ...] = (),
    alone: bool = False,
) -> str:
    """An operator's change, from the head unless `parent` says otherwise."""
    base = head_id(station) if parent is None else parent
    return pair.ask(
        station,
        lambda token: ChangeSite(token, document, base, "root", 5, "", settles, alone),
        lambda where: _holds(where, document),
    )


def _holds(station: Station, document: bytes) -> None:
    site = station.store.site
    assert document in [site.version(one.id).document for one in site.lineage]


def put(pair: Duo, station: Station, value: bytes | None, *, alone: bool = False) -> str:
    return pair.ask(station, lambda token: PutRegisters(token, [("t", "k", value)], alone))


def values(station: Station) -> dict[str, bytes]:
    return station.store.site.table("t")


def seed(pair: Duo, document: bytes = b"seed") -> None:
    for station in (pair.a, pair.b):
        station.engine.submit(SeedSite(document))
        pair.settle()


def split(pair: Duo) -> None:
    pair.disconnect()
    pair.wait(3_000)
    assert pair.a.engine.pair.mode is pair.b.engine.pair.mode is Mode.SOLO


def heal(pair: Duo) -> None:
    pair.connect()
    pair.wait(3_000)
    assert pair.a.engine.pair.mode is pair.b.engine.pair.mode is Mode.PAIRED
    assert pair.same()


# The document.


def test_one_node_makes_the_first_version(pair: Duo) -> None:
    pair.b.engine.submit(SeedSite(b"of b"))
    pair.settle()
    assert not len(pair.b.store.site.lineage)
    pair.a.engine.submit(SeedSite(b"of a"))
    pair.settle()
    assert head(pair.a) == head(pair.b) == b"of a"
    seed(pair)
    assert len(pair.a.store.site.lineage) == 1


def test_nodes_apart_make_no_first_version(pair: Duo) -> None:
    split(pair)
    seed(pair)
    assert not len(pair.a.store.site.lineage)


def test_a_node_of_its_own_makes_the_first_version() -> None:
    with DiskVFS() as vfs, Duo(vfs) as two:
        two.a.start(two.now, alone=True)
        two.a.engine.submit(SeedSite(b"seed"))
        two.settle()
        assert head(two.a) == b"seed"


def test_a_change_is_on_both_nodes_when_it_is_answered(pair: Duo) -> None:
    seed(pair)
    token = change(pair, pair.b, b"changed")
    assert pair.b.answers[token] == head_id(pair.a) == head_id(pair.b)
    assert head(pair.a) == b"changed"
    for station in (pair.a, pair.b):
        station.power_cut()
        station.start(pair.now)
        assert head(station) == b"changed"
        pair.check_promises(station)


def test_a_change_is_not_answered_before_the_peer_has_it(pair: Duo) -> None:
    seed(pair)
    pair.late = []
    token = change(pair, pair.a, b"changed")
    assert token not in pair.a.answers
    pair.arrive()
    assert token in pair.a.answers


def test_a_change_of_what_was_changed_meanwhile_is_refused(pair: Duo) -> None:
    seed(pair)
    old = head_id(pair.a)
    change(pair, pair.a, b"changed")
    token = change(pair, pair.a, b"other", parent=old)
    assert "changed meanwhile: its latest version is version 2" in str(pair.a.refusals[token])
    assert head(pair.a) == b"changed"


def test_a_node_alone_is_changed_only_on_demand(pair: Duo) -> None:
    seed(pair)
    split(pair)
    token = change(pair, pair.a, b"changed")
    assert "the pair is solo" in str(pair.a.refusals[token])
    change(pair, pair.a, b"changed", alone=True)
    assert head(pair.a) == b"changed"
    heal(pair)
    assert head(pair.b) == b"changed"
    assert not pair.b.store.site.lineage.branches


def test_of_two_changes_in_a_split_one_is_a_branch_until_it_is_settled(pair: Duo) -> None:
    seed(pair)
    split(pair)
    change(pair, pair.a, b"of a", alone=True)
    change(pair, pair.b, b"of b", alone=True)
    heal(pair)
    assert head(pair.a) == head(pair.b) == b"of b"  # the same epoch: the higher node
    (branch,) = pair.a.store.site.lineage.branches
    assert pair.b.store.site.version(branch.id).document == b"of a"
    change(pair, pair.a, b"of both", settles=(branch.id,))
    assert head(pair.b) == b"of both"
    assert not pair.b.store.site.lineage.branches


def test_who_adopted_wins(pair: Duo) -> None:
    seed(pair)
    split(pair)
    for number in range(3):
        change(pair, pair.b, b"of b %d" % number, alone=True)
    pair.b.kill()
    pair.wait(70_000)  # a adopts
    change(pair, pair.a, b"of a", alone=True)
    pair.b.start(pair.now)
    heal(pair)
    assert head(pair.a) == b"of a"
    assert len(pair.a.store.site.lineage.branches) == 1


def test_a_version_that_nobody_knows_cannot_be_settled(pair: Duo) -> None:
    seed(pair)
    token = change(pair, pair.a, b"changed", settles=(b"x" * 32,))
    assert "there is no version" in str(pair.a.refusals[token])


def test_a_document_that_is_too_large(pair: Duo) -> None:
    token = change(pair, pair.a, b"x" * (4 << 20) + b"x")
    assert "larger" in str(pair.a.refusals[token])


def test_a_comment_that_is_too_long(pair: Duo) -> None:
    token = pair.ask(pair.a, lambda t: ChangeSite(t, b"document", b"", "root", 5, "x" * 1001))
    assert "too long" in str(pair.a.refusals[token])


def test_a_version_that_cannot_be_is_set_aside(pair: Duo) -> None:
    store = pair.a.store
    store.begin()
    store.write([SiteVersion(b"", 7, 0, b"n", "", 0, "", (), b"")], {}, store.running(pair.now))
    store.flush(store.running(pair.now))
    store.commit()
    assert store.unapplied == 1
    assert not len(store.site.lineage)


def test_old_versions_are_let_go(pair: Duo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_versions, "KEEP", 3)
    for number in range(5):
        change(pair, pair.a, b"version %d" % number)
    assert [one.number for one in pair.b.store.site.lineage] == [5, 4, 3]
    assert pair.same()
    pair.b.power_cut()
    pair.b.start(pair.now)
    assert [one.number for one in pair.b.store.site.lineage] == [5, 4, 3]


def test_whoever_asks_is_told_which_tables_changed(pair: Duo) -> None:
    seed(pair)
    pair.a.changes.clear()
    pair.b.changes.clear()
    change(pair, pair.a, b"changed")
    put(pair, pair.b, b"v")
    assert pair.a.changes == pair.b.changes == [DOCUMENT, "t"]


# Registers.


def test_a_register_is_on_both_nodes_when_it_is_answered(pair: Duo) -> None:
    token = put(pair, pair.a, b"one")
    assert token in pair.a.answers
    assert values(pair.b) == {"k": b"one"}
    put(pair, pair.b, b"two")
    for station in (pair.a, pair.b):
        station.power_cut()
        station.start(pair.now)
        assert values(station) == {"k": b"two"}


def test_what_is_deleted_stays_deleted(pair: Duo) -> None:
    put(pair, pair.a, b"one")
    put(pair, pair.b, None)
    assert values(pair.a) == {}
    deleted = pair.a.store.site.register("t", "k")
    assert deleted is not None
    assert deleted.value is None


def test_what_is_written_as_it_was_is_not_written(pair: Duo) -> None:
    put(pair, pair.a, b"one")
    before = pair.a.store.journal.head
    token = put(pair, pair.a, b"one")
    assert token in pair.a.answers
    assert pair.a.store.journal.head == before


def test_the_later_of_two_writers_wins(pair: Duo) -> None:
    put(pair, pair.a, b"one")
    split(pair)
    token = put(pair, pair.a, b"refused")
    assert token in pair.a.refusals
    put(pair, pair.a, b"of a", alone=True)
    put(pair, pair.b, b"of b", alone=True)
    put(pair, pair.a, b"of a again", alone=True)
    heal(pair)
    assert values(pair.a) == values(pair.b) == {"k": b"of a again"}


def test_several_writes_of_one_key_in_one_go(pair: Duo) -> None:
    pair.ask(pair.a, lambda t: PutRegisters(t, [("t", "k", b"1"), ("t", "k", b"2")]))
    assert values(pair.b) == {"k": b"2"}


@pytest.mark.parametrize(
    "written",
    [
        [("", "k", b"")],
        [("t" * 64, "k", b"")],
        [("t", "k" * 257, b"")],
        [("t", "k", b"v" * (256 * 1024 + 1))],
        [("t", f"{n}", None) for n in range(10_001)],
        [("t", f"{n}", b"v" * 200_000) for n in range(30)],
    ],
    ids=["no table", "long table", "long key", "large", "many", "much"],
)
def test_registers_that_cannot_be(pair: Duo, written: list[tuple[str, str, bytes | None]]) -> None:
    token = pair.ask(pair.a, lambda t: PutRegisters(t, written))
    assert token in pair.a.refusals
    assert values(pair.a) == {}


# Other releases, other disks.


def older(frame: Frame) -> Frame:
    """What a release says that knows neither versions nor registers."""
    return (
        frames.decode(frames.encode(frame))
        if not isinstance(frame, Hello)
        else Hello(
            frame.node,
            frame.name,
            frame.incarnation,
            frame.marks,
            frame.claims,
            frame.clock,
            frame.mode,
            record.BASE,
        )
    )


def test_nothing_is_written_that_an_older_peer_could_not_read() -> None:
    with DiskVFS() as vfs, Duo(vfs) as two:
        two.tamper = older
        two.start()
        seed(two)
        for token in (change(two, two.a, b"new"), put(two, two.a, b"v")):
            assert "release could not read" in str(two.a.refusals[token])
        split(two)
        token = change(two, two.a, b"new", alone=True)
        assert "release could not read" in str(two.a.refusals[token])
        assert not len(two.a.store.site.lineage)
        two.tamper = lambda frame: frame
        heal(two)
        seed(two)
        assert head(two.b) == b"seed"


def test_a_peer_that_could_not_read_a_snapshot_gets_none() -> None:
    with DiskVFS() as vfs, Duo(vfs, sizes=Sizes(keep=1)) as two:
        two.start()
        seed(two)
        for number in range(300):
            put(two, two.a, b"value %d" % number)
        two.b.restore({})
        two.b.start(two.now)
        two.disconnect()
        two.tamper = older
        two.connect()
        assert any("does not know record kinds [8, 9]" in reason for reason in two.a.resets)


def test_a_spool_of_the_last_release_gets_the_new_tables(tmp_path: Path) -> None:
    path = str(tmp_path / "spool.db")
    db = apsw.Connection(path)
    db.execute(schema._SCHEMA)
    db.execute("INSERT INTO meta(name, value) VALUES('clock', 7)")
    db.pragma("user_version", 1)
    db.close()
    migrated = open_writer(path)
    assert migrated.pragma("user_version") == schema.VERSION
    assert migrated.execute("SELECT count(*) FROM site").get == 0
    assert migrated.execute("SELECT value FROM meta").get == 7
    migrated.close()


def test_a_snapshot_brings_versions_and_registers() -> None:
    with DiskVFS() as vfs, Duo(vfs, sizes=Sizes(keep=1)) as two:
        two.start()
        seed(two)
        for number in range(300):  # more than the journal keeps
            put(two, two.a, b"value %d" % number)
        change(two, two.a, b"changed")
        two.b.restore({})
        two.b.start(two.now)
        seen: list[Frame] = []

        def watch(frame: Frame) -> Frame:
            seen.append(frame)
            return frame

        two.tamper = watch
        two.disconnect()
        heal(two)
        assert any(isinstance(frame, SnapshotPart) and frame.versions for frame in seen)
        assert head(two.b) == b"changed"
        assert values(two.b) == {"k": b"value 299"}


def test_a_segment_with_a_version_reads_back() -> None:
    version = SiteVersion(b"", 1, 0, b"n", "root", 5, "why", (), b"document")
    segment = Segment(b"i" * 16, 1, b"", 0, 5, (version,))
    (read,) = record.decode(record.encode(segment)).records
    assert isinstance(read, SiteVersion)
    assert identity(read) == identity(version)
