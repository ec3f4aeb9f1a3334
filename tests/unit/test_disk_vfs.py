"""SQLite on the simulated disk: full syncs never lose a commit, and a missing one is found out."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EIO
from random import Random

import apsw
import pytest

from tests.support.disk import Disk
from tests.support.disk_faults import PowerCut, Step
from tests.support.disk_vfs import DiskVFS, abandon

COMMITS = 12
MODES = [("wal", "normal", "full"), ("wal", "exclusive", "full"), ("delete", "normal", "extra")]


@pytest.fixture(scope="module")
def vfs() -> Iterator[DiskVFS]:
    with DiskVFS() as registered:
        yield registered


@pytest.fixture
def disk(vfs: DiskVFS) -> Disk:
    return new_disk(vfs, 0)


def new_disk(vfs: DiskVFS, seed: int) -> Disk:
    disk = Disk("a", Random(seed))
    vfs.attach(disk)
    return disk


def connect(
    vfs: DiskVFS, journal: str = "wal", locking: str = "normal", synchronous: str = "full"
) -> apsw.Connection:
    """`wal_autocheckpoint` is small, for a workload of a few commits to see several checkpoints."""
    db = apsw.Connection("/a/spool.db", vfs=vfs.name)
    try:
        db.pragma("locking_mode", locking)
        db.pragma("journal_mode", journal)
        db.pragma("synchronous", synchronous)
        db.pragma("wal_autocheckpoint", 8)
    except BaseException:
        abandon(db)
        raise
    return db


def fill(db: apsw.Connection, acknowledged: list[int]) -> None:
    """Commit numbered rows large enough to change several pages; note each commit that returned."""
    db.execute("create table if not exists t(n integer primary key, content blob)")
    for n in range(COMMITS):
        db.execute("insert into t values(?, ?)", (n, bytes([n]) * 5000))
        acknowledged.append(n)


def read_back(vfs: DiskVFS, journal: str, locking: str) -> list[int]:
    """Rows found at the next start; a damaged row or database fails."""
    db = connect(vfs, journal, locking)
    try:
        assert db.pragma("integrity_check") == "ok"
        if not db.execute("select count(*) from sqlite_schema").get:
            return []
        rows = list(db.execute("select n, content from t order by n"))
        assert all(content == bytes([n]) * 5000 for n, content in rows)
        return [n for n, _ in rows]
    finally:
        db.close()


def run_until_cut(vfs: DiskVFS, disk: Disk, journal: str, locking: str, sync: str) -> list[int]:
    """The workload, ended by the crash armed on the disk or else by a cut after the last commit."""
    acknowledged: list[int] = []
    try:
        db = connect(vfs, journal, locking, sync)
    except PowerCut:
        disk.power_cut()
        return acknowledged
    try:
        fill(db, acknowledged)
        db.close()
    except PowerCut:
        abandon(db)
    disk.power_cut()
    return acknowledged


@pytest.mark.parametrize("journal,locking,sync", MODES)
def test_a_commit_survives_a_power_cut_at_every_step(
    vfs: DiskVFS, journal: str, locking: str, sync: str
) -> None:
    rehearsal = new_disk(vfs, 0)
    rehearsal.faults.record()
    acknowledged = run_until_cut(vfs, rehearsal, journal, locking, sync)
    assert acknowledged == list(range(COMMITS))
    steps = len(rehearsal.faults.trace)
    assert steps > 5 * COMMITS
    for nth in range(1, steps + 1):
        disk = new_disk(vfs, nth)
        disk.faults.crash_at(nth=nth)
        acknowledged = run_until_cut(vfs, disk, journal, locking, sync)
        found = read_back(vfs, journal, locking)
        # The commit under way may have become durable without having been acknowledged.
        assert found in (acknowledged, [*acknowledged, len(acknowledged)]), f"cut at step {nth}"


def loses(vfs: DiskVFS, disk: Disk, synchronous: str = "full", journal: str = "wal") -> bool:
    """Whether a power cut in the middle of the workload loses a commit or the whole database."""
    disk.faults.crash_at("write", "spool.db*", nth=disk.rng.randrange(20, 60))
    acknowledged = run_until_cut(vfs, disk, journal, "normal", synchronous)
    try:
        found = read_back(vfs, journal, "normal")
    except (apsw.Error, AssertionError):
        return True
    return not set(acknowledged) <= set(found)


def test_the_mutations_below_find_nothing_when_nothing_is_missing(vfs: DiskVFS) -> None:
    assert not any(loses(vfs, new_disk(vfs, seed)) for seed in range(60))


def test_synchronous_off_is_found_out(vfs: DiskVFS) -> None:
    assert any(loses(vfs, new_disk(vfs, seed), "off") for seed in range(60))


def test_a_rollback_journal_needs_more_than_full(vfs: DiskVFS) -> None:
    """Only EXTRA syncs the directory after the deletion that is the commit."""
    assert any(loses(vfs, new_disk(vfs, seed), "full", "delete") for seed in range(60))
    assert not any(loses(vfs, new_disk(vfs, seed), "extra", "delete") for seed in range(60))


@pytest.mark.parametrize(
    "op,path",
    [("fsync", "spool.db-wal"), ("fsync", "spool.db"), ("fsync-directory", "")],
)
def test_each_missing_sync_is_found_out(vfs: DiskVFS, op: str, path: str) -> None:
    for seed in range(60):
        disk = new_disk(vfs, seed)
        disk.faults.ignore(op, path)
        if loses(vfs, disk):
            return
    pytest.fail(f"no schedule noticed that {op} of {path!r} did nothing")


def test_a_torn_wal_is_cut_at_the_last_whole_commit(vfs: DiskVFS) -> None:
    torn = 0
    for seed in range(30):
        disk = new_disk(vfs, seed)
        db = connect(vfs)
        fill(db, [])
        before = disk.snapshot()["spool.db-wal"]
        disk.faults.crash_at("fsync", "spool.db-wal")
        with pytest.raises(PowerCut):
            db.execute("insert into t values(?, ?)", (COMMITS, bytes([COMMITS]) * 5000))
        written = disk.snapshot()["spool.db-wal"]
        abandon(db)
        disk.power_cut()
        torn += disk.snapshot()["spool.db-wal"] not in (before, written)
        found = read_back(vfs, "wal", "normal")
        assert found in (list(range(COMMITS)), list(range(COMMITS + 1)))
    assert torn > 5


def test_a_failed_sync_fails_the_commit_and_keeps_the_others(vfs: DiskVFS) -> None:
    for seed in range(20):
        disk = new_disk(vfs, seed)
        db = connect(vfs)
        fill(db, [])
        disk.faults.fail_at("fsync", "spool.db-wal", EIO)
        with pytest.raises(apsw.IOError, match=r"spool\.db-wal"):
            db.execute("insert into t values(?, x'')", (COMMITS,))
        disk.kill()
        abandon(db)
        disk.power_cut()
        db = connect(vfs)
        assert db.execute("select count(*) from t where n < ?", (COMMITS,)).get == COMMITS
        db.close()


def test_a_full_disk_refuses_the_commit_and_nothing_else(vfs: DiskVFS, disk: Disk) -> None:
    db = connect(vfs)
    fill(db, [])
    disk.capacity = sum(len(content) for content in disk.snapshot().values()) + 6000
    with pytest.raises(apsw.FullError):
        db.execute("insert into t values(?, ?)", (COMMITS, bytes(500_000)))
    assert db.execute("select count(*) from t").get == COMMITS
    disk.capacity = None
    db.execute("insert into t values(?, ?)", (COMMITS, bytes([COMMITS]) * 5000))
    db.close()
    disk.power_cut()
    assert read_back(vfs, "wal", "normal") == list(range(COMMITS + 1))


def test_readers_see_commits_while_the_writer_is_open(vfs: DiskVFS, disk: Disk) -> None:
    db = connect(vfs)
    fill(db, [])
    reader = apsw.Connection("/a/spool.db", vfs=vfs.name, flags=apsw.SQLITE_OPEN_READONLY)
    db.execute("begin immediate; insert into t values(100, x'')")
    assert reader.execute("select count(*) from t").get == COMMITS
    db.execute("commit")
    assert reader.execute("select count(*) from t").get == COMMITS + 1
    reader.close()
    db.close()
    assert list(disk.snapshot()) == ["spool.db"]


def test_an_exclusive_writer_keeps_others_out(vfs: DiskVFS, disk: Disk) -> None:
    db = connect(vfs, locking="exclusive")
    fill(db, [])
    with pytest.raises(apsw.BusyError):
        connect(vfs)
    db.close()


def test_a_connection_of_an_earlier_boot_touches_nothing(vfs: DiskVFS, disk: Disk) -> None:
    old = connect(vfs)
    fill(old, [])
    disk.power_cut()
    new = connect(vfs)
    new.execute("insert into t values(100, x'')")
    before = disk.snapshot()
    with pytest.raises(PowerCut):
        old.execute("insert into t values(101, x'')")
    abandon(old)
    assert disk.snapshot() == before
    new.close()


def test_a_kill_loses_nothing_that_was_written(vfs: DiskVFS, disk: Disk) -> None:
    db = connect(vfs, synchronous="off")
    fill(db, [])
    disk.kill()
    abandon(db)
    assert read_back(vfs, "wal", "normal") == list(range(COMMITS))


def test_a_rolled_back_machine_starts_from_its_image(vfs: DiskVFS, disk: Disk) -> None:
    db = connect(vfs)
    fill(db, [])
    image = disk.snapshot()
    db.execute("insert into t values(100, x'')")
    disk.restore(image)
    abandon(db)
    assert read_back(vfs, "wal", "normal") == list(range(COMMITS))


def test_a_rotten_bit_in_the_wal_ends_it_there(vfs: DiskVFS, disk: Disk) -> None:
    db = connect(vfs)
    db.execute("create table t(n)")
    db.execute("insert into t values(1)")
    disk.kill()
    abandon(db)
    disk.flip_bit("spool.db-wal", (len(disk.snapshot()["spool.db-wal"]) - 10) * 8)
    db = connect(vfs)
    assert db.execute("select count(*) from t").get == 0
    db.close()


def test_an_unreadable_page_is_an_error(vfs: DiskVFS, disk: Disk) -> None:
    db = connect(vfs)
    fill(db, [])
    db.close()
    db = connect(vfs)
    disk.faults.fail_at("read", "spool.db", EIO)
    with pytest.raises(apsw.IOError):
        db.execute("select sum(length(content)) from t").fetchall()
    db.close()


def test_a_commit_syncs_the_wal_and_a_new_wal_its_directory(vfs: DiskVFS, disk: Disk) -> None:
    db = connect(vfs)
    disk.faults.record()
    db.execute("create table t(n)")
    db.execute("insert into t values(1)")
    syncs = [step for step in disk.faults.trace if step.op.startswith("fsync")]
    assert syncs == [
        Step("fsync", "spool.db-wal"),
        Step("fsync-directory", ""),
        Step("fsync", "spool.db-wal"),
        Step("fsync", "spool.db-wal"),
    ]
    db.close()


def test_temporary_tables_spill_to_files_that_leave_no_trace(vfs: DiskVFS, disk: Disk) -> None:
    db = connect(vfs)
    db.pragma("temp_store", 1)
    db.execute("create temp table big(n, content)")
    db.pragma("cache_size", 10, schema="temp")
    db.execute(
        "with recursive c(n) as (select 1 union all select n + 1 from c where n < 1000)"
        " insert into big select n, zeroblob(1000) from c"
    )
    assert db.execute("select count(*) from big where content = zeroblob(1000)").get == 1000
    db.close()
    assert list(disk.snapshot()) == ["spool.db"]


def test_unregistering_leaves_nothing() -> None:
    with DiskVFS("short-lived") as registered:
        registered.attach(Disk("b", Random(0)))
        apsw.Connection("/b/x.db", vfs="short-lived").close()
        assert "short-lived" in apsw.vfs_names()
    assert "short-lived" not in apsw.vfs_names()
