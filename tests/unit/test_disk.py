"""The simulated disk tells the truth: what was synced stays, what was not can go."""

from __future__ import annotations

from errno import EIO, ENOSPC
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.disk import Disk
from tests.support.disk_faults import PowerCut, Step
from tests.support.disk_inode import Inode

SEEDS = range(100)


def new_disk(seed: int = 0, capacity: int | None = None) -> Disk:
    return Disk("a", Random(seed), capacity)


def store(disk: Disk, path: str, content: bytes) -> None:
    """Put a file on the platter, name and all."""
    file = disk.mount.open(path, create=True)
    file.write(0, content)
    file.sync()
    disk.mount.sync_directory("")


def test_what_was_synced_survives_every_power_cut() -> None:
    for seed in SEEDS:
        disk = new_disk(seed)
        store(disk, "body", b"x" * 5000)
        disk.power_cut()
        assert disk.snapshot() == {"body": b"x" * 5000}


def test_a_file_without_its_directory_synced_may_be_gone() -> None:
    found = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        file = disk.mount.open("body", create=True)
        file.write(0, b"x")
        file.sync()
        disk.power_cut()
        found.add(disk.snapshot().get("body"))
    assert found == {None, b"x"}


def test_a_write_without_sync_survives_or_is_lost_or_torn() -> None:
    old, new = b"o" * 8192, b"n" * 8192
    found = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        store(disk, "body", old)
        disk.mount.open("body").write(0, new)
        disk.power_cut()
        content = disk.snapshot()["body"]
        assert len(content) == len(old)
        assert set(content) <= set(old + new)
        found.add("whole" if content == new else "lost" if content == old else "torn")
    assert found == {"whole", "lost", "torn"}


def test_a_growing_file_may_keep_its_new_length_without_the_bytes() -> None:
    found = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        store(disk, "body", b"")
        disk.mount.open("body").write(0, b"n" * 512)
        disk.power_cut()
        content = disk.snapshot()["body"]
        found.add({b"": "short", b"n" * 512: "whole", bytes(512): "zeros"}.get(content, "rubbish"))
    assert found == {"short", "whole", "zeros", "rubbish"}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 3000), st.binary(min_size=1, max_size=1500)),
            st.tuples(st.just("truncate"), st.integers(0, 3000), st.just(b"")),
            st.tuples(st.just("sync"), st.just(0), st.just(b"")),
        ),
        max_size=12,
    ),
    st.integers(0, 2**32),
)
def test_each_sector_is_as_it_was_at_some_moment_since_the_last_sync(
    changes: list[tuple[str, int, bytes]], seed: int
) -> None:
    inode = Inode(bytearray())
    moments = [b""]
    for op, offset, data in changes:
        if op == "write":
            inode.write(offset, data)
        elif op == "truncate":
            inode.truncate(offset)
        else:
            inode.sync()
            moments.clear()
        moments.append(bytes(inode.content))
    platter = bytes(inode.settle(Random(seed)))
    assert len(platter) in {len(moment) for moment in moments}
    for start in range(0, len(platter), 512):
        part = platter[start : start + 512]
        seen = {moment[start : start + 512].ljust(512, b"\0")[: len(part)] for moment in moments}
        # Rubbish may only be where the platter had nothing.
        assert part in seen or len(moments[0]) <= start


def rename_and_cut(seed: int, sync: bool) -> dict[str, bytes]:
    disk = new_disk(seed)
    store(disk, "final", b"old")
    store(disk, "draft", b"new")
    disk.mount.rename("draft", "final")
    if sync:
        disk.mount.sync_directory("")
    disk.power_cut()
    return dict(disk.snapshot())


def test_a_rename_without_directory_sync_may_be_lost_but_never_half_done() -> None:
    before, after = {"final": b"old", "draft": b"new"}, {"final": b"new"}
    found = [rename_and_cut(seed, sync=False) for seed in SEEDS]
    assert before in found
    assert after in found
    assert all(state in (before, after) for state in found)
    assert all(rename_and_cut(seed, sync=True) == after for seed in SEEDS)


def test_a_move_between_directories_needs_both_synced() -> None:
    disk = new_disk()
    store(disk, "draft", b"x")
    disk.mount.rename("draft", "content/final")
    disk.mount.sync_directory("content")
    assert disk.durable() == {"draft": b"x"}
    disk.mount.sync_directory("")
    assert disk.durable() == {"content/final": b"x"}


def test_an_unlink_without_directory_sync_may_be_undone() -> None:
    found = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        store(disk, "body", b"x")
        disk.mount.unlink("body")
        assert not disk.mount.exists("body")
        disk.power_cut()
        found.add(disk.mount.exists("body"))
    assert found == {True, False}


def test_bytes_of_a_failed_sync_are_lost_though_the_next_sync_succeeds() -> None:
    found = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        store(disk, "body", b"old")
        file = disk.mount.open("body")
        file.write(0, b"new")
        disk.faults.fail_at("fsync", "body", EIO)
        with pytest.raises(OSError, match="Input/output error"):
            file.sync()
        assert file.read(0, 3) == b"new"
        file.sync()
        disk.power_cut()
        found.add(disk.snapshot()["body"])
    assert found == {b"old", b"new"}


def test_a_full_disk_takes_what_fits() -> None:
    disk = new_disk(capacity=10)
    file = disk.mount.open("body", create=True)
    file.write(0, b"123456")
    with pytest.raises(OSError, match="No space left") as raised:
        file.write(6, b"789abc")
    assert raised.value.errno == ENOSPC
    assert file.read(0, 20) == b"123456789a"
    file.write(0, b"replaced")
    disk.capacity = 12
    file.write(10, b"bc")


def test_a_failing_write_may_be_short() -> None:
    disk = new_disk()
    file = disk.mount.open("body", create=True)
    disk.faults.fail_at("write", "body", EIO, nth=2, written=3)
    file.write(0, b"first")
    with pytest.raises(OSError, match="Input/output error"):
        file.write(5, b"second")
    assert disk.snapshot() == {"body": b"firstsec"}


def test_a_failing_call_changes_nothing() -> None:
    disk = new_disk()
    store(disk, "body", b"x")
    for op in ("create", "truncate", "rename", "unlink", "fsync-directory", "read"):
        disk.faults.fail_at(op, "*", EIO, nth=None)
    file = disk.mount.open("body")
    for call in (
        lambda: disk.mount.open("other", create=True),
        lambda: file.truncate(0),
        lambda: file.read(0, 1),
        lambda: disk.mount.rename("body", "other"),
        lambda: disk.mount.unlink("body"),
        lambda: disk.mount.sync_directory(""),
    ):
        with pytest.raises(OSError, match="Input/output error"):
            call()
    assert disk.snapshot() == disk.durable() == {"body": b"x"}


def test_power_fails_at_one_labelled_step() -> None:
    disk = new_disk()
    disk.faults.crash_at("fsync", "*.eml", nth=2)
    first, second = (disk.mount.open(f"{n}.eml", create=True) for n in (1, 2))
    first.sync()
    with pytest.raises(PowerCut):
        second.sync()
    for call in (first.sync, second.sync, lambda: disk.mount.open("3.eml", create=True)):
        with pytest.raises(PowerCut):
            call()
    disk.power_cut()
    with pytest.raises(PowerCut):
        first.sync()
    disk.mount.open("3.eml", create=True).sync()


def test_steps_are_traced_with_their_labels() -> None:
    disk = new_disk()
    disk.faults.record()
    store(disk, "body", b"x")
    disk.mount.open("body").read(0, 1)
    disk.mount.rename("body", "kept")
    disk.mount.unlink("kept")
    disk.faults.clear()
    store(disk, "other", b"x")
    assert disk.faults.trace == [
        Step("create", "body"),
        Step("write", "body"),
        Step("fsync", "body"),
        Step("fsync-directory", ""),
        Step("rename", "kept"),
        Step("unlink", "kept"),
    ]


def test_a_misspelt_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="fdatasync"):
        new_disk().faults.crash_at("fdatasync")


def test_a_sync_that_lies_loses() -> None:
    disk = new_disk()
    store(disk, "body", b"old")
    disk.faults.ignore("fsync")
    file = disk.mount.open("body")
    file.write(0, b"new")
    file.sync()
    assert disk.durable() == {"body": b"old"}


def test_killed_programs_leave_the_cache() -> None:
    disk = new_disk()
    file = disk.mount.open("body", create=True)
    file.write(0, b"x")
    disk.kill()
    with pytest.raises(PowerCut):
        file.sync()
    assert disk.mount.open("body").read(0, 9) == b"x"


def test_images_are_copies() -> None:
    disk = new_disk()
    store(disk, "body", b"one")
    backup = disk.snapshot()
    disk.mount.open("body").write(0, b"two")
    twin = disk.clone("b", Random(1))
    disk.restore(backup)
    assert disk.snapshot() == disk.durable() == {"body": b"one"}
    assert twin.snapshot() == twin.durable() == {"body": b"two"}


def test_bits_rot() -> None:
    disk = new_disk()
    store(disk, "body", b"\x00\x00")
    disk.flip_bit("body", 9)
    assert disk.snapshot() == disk.durable() == {"body": b"\x00\x02"}


def test_the_same_seed_tells_the_same_story() -> None:
    def story(seed: int) -> list[dict[str, bytes]]:
        disk, chapters = new_disk(seed), []
        for chapter in range(5):
            for name in "abc":
                file = disk.mount.open(f"{name}{chapter}", create=True)
                file.write(0, bytes([chapter + 1]) * 3000)
            disk.power_cut()
            chapters.append(dict(disk.snapshot()))
        return chapters

    assert story(7) == story(7)
    assert story(7) != story(8)
