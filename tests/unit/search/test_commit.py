"""A crash at any step of a commit costs nothing that was committed; damage costs one partition."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from whoosh.index import open_dir
from whoosh.qparser import QueryParser

from appliance.search.catalogue import Document
from appliance.search.index import CATALOGUE, Index
from appliance.search.query import parse
from appliance.search.upkeep import due, merge, rebuild
from tests.unit.search.oracle import Letter, add, find, found_ids, letter, opened

STEPS = ("write segment", "write contents", "name contents", "sync folder", "commit catalogue")
AFTER = ("clean",)
TIDE = parse("tide", 0)


class Crash(Exception):
    """The power is gone."""


class Fuse:
    """Blows at the n-th time a step is reached."""

    def __init__(self) -> None:
        self.step = ""

    def __call__(self, step: str) -> None:
        if step == self.step:
            raise Crash(step)


def some(first: int, end: int) -> list[Letter]:
    return [letter(number, "tide") for number in range(first, end)]


def ids(first: int, end: int) -> list[str]:
    return [one.queue_id for one in reversed(some(first, end))]


@pytest.mark.parametrize("step", [*STEPS, *AFTER])
def test_a_crash_in_a_commit(tmp_path: Path, step: str) -> None:
    fuse = Fuse()
    index = Index(tmp_path, 10, fuse)
    index.open()
    add(index, some(0, 5))
    fuse.step = step
    with pytest.raises(Crash):
        add(index, some(5, 8))
    again = opened(tmp_path, 10)
    kept = 8 if step in AFTER else 5
    assert found_ids(again, TIDE) == ids(0, kept)
    assert again.mark.lsn == (3 if step in AFTER else 5)
    add(again, some(kept, 12))
    assert found_ids(again, TIDE) == ids(0, 12)
    assert found_ids(opened(tmp_path, 10), TIDE) == ids(0, 12)


@pytest.mark.parametrize("step", [*STEPS, *AFTER])
def test_a_crash_in_the_first_commit_of_a_partition(tmp_path: Path, step: str) -> None:
    fuse = Fuse()
    index = Index(tmp_path, 5, fuse)
    index.open()
    add(index, some(0, 5))
    fuse.step = step
    with pytest.raises(Crash):
        add(index, some(5, 8))
    again = opened(tmp_path, 5)
    kept = 8 if step in AFTER else 5
    assert not again.damaged
    assert found_ids(again, TIDE) == ids(0, kept)
    add(again, some(kept, 12))
    assert found_ids(opened(tmp_path, 5), TIDE) == ids(0, 12)


@pytest.mark.parametrize("step", [*STEPS, *AFTER])
def test_a_crash_in_a_merge(tmp_path: Path, step: str) -> None:
    fuse = Fuse()
    index = Index(tmp_path, 10, fuse)
    index.open()
    add(index, some(0, 12), 3)
    index.note(index.mark, [], ids(2, 4))
    fuse.step = step
    task = due(index, idle=True)
    assert task is not None
    with pytest.raises(Crash):
        drain(merge(index, task))
    again = opened(tmp_path, 10)
    assert found_ids(again, TIDE) == ids(4, 12) + ids(0, 2)
    add(again, some(12, 14))
    assert found_ids(opened(tmp_path, 10), TIDE) == ids(4, 14) + ids(0, 2)


def test_stock_whoosh_reads_and_merges_what_is_written(tmp_path: Path) -> None:
    index = opened(tmp_path, 100)
    text = "the tide tables of spring"
    letters = [letter(number, text, Subject="Harbour") for number in range(7)]
    add(index, letters, 3)
    stock = open_dir(str(tmp_path / "p000001"))
    parser = QueryParser("body", stock.schema)
    for query, hits in (
        ("tide", 7),
        ('"tide tables"', 7),
        ('"tables tide"', 0),
        ("tab*", 7),
        ("subject:harbour AND tide", 7),
        ("tide NOT spring", 0),
    ):
        assert len(stock.searcher().search(parser.parse(query))) == hits
    stock.optimize()
    found = open_dir(str(tmp_path / "p000001")).searcher().search(parser.parse("tide"))
    assert sorted(hit["queue_id"] for hit in found) == [one.queue_id for one in letters]


def drain(work: Iterator[None]) -> None:
    for _ in work:
        pass


def truncate(path: Path) -> None:
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-200:] = b"\xff" * 200
    path.write_bytes(bytes(data))


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("what", ["*.seg", "*.toc"])
@pytest.mark.parametrize("harm", [truncate, empty, garble, zero, Path.unlink])
def test_damage_costs_only_its_own_rebuild(
    tmp_path: Path, what: str, harm: Callable[[Path], None]
) -> None:
    index = opened(tmp_path, 10)
    letters = some(0, 30)
    add(index, letters)
    index.close()
    (broken,) = (tmp_path / "p000002").glob(what)
    others = {path: path.stat().st_mtime_ns for path in tmp_path.glob("p00000[13]/*")}
    harm(broken)
    again = opened(tmp_path, 10)
    if not again.damaged:  # nothing showed when it was opened
        assert find(again, TIDE, damaged=True).skipped
    assert list(again.damaged) == [2]
    assert found_ids(again, TIDE) == ids(20, 30) + ids(0, 10)
    fetched = list[str]()
    contents = {one.queue_id: one for one in letters if one.queue_id != letters[15].queue_id}

    def fetch(queue_id: str) -> tuple[Document, dict[str, list[str]]] | None:
        fetched.append(queue_id)
        return contents[queue_id].entry() if queue_id in contents else None

    drain(rebuild(again, 2, fetch))
    assert not again.damaged
    left = [one for one in ids(0, 30) if one != letters[15].queue_id]
    assert found_ids(again, TIDE) == left
    assert fetched == [one.queue_id for one in letters[10:20]]
    assert {path: path.stat().st_mtime_ns for path in others} == others
    assert list((tmp_path / "quarantine").iterdir())
    assert found_ids(opened(tmp_path, 10), TIDE) == left


def test_mail_goes_on_into_a_new_partition_beside_a_damaged_one(tmp_path: Path) -> None:
    index = opened(tmp_path, 10)
    add(index, some(0, 5))
    index.close()
    (broken,) = tmp_path.glob("p000001/*.seg")
    truncate(broken)
    again = opened(tmp_path, 10)
    add(again, some(5, 8))
    assert again.damaged == (1,)
    assert found_ids(again, TIDE) == ids(5, 8)
    contents = {one.queue_id: one for one in some(0, 5)}
    drain(rebuild(again, 1, lambda queue_id: contents[queue_id].entry()))
    assert found_ids(again, TIDE) == ids(0, 8)


def test_a_catalogue_that_is_no_database_is_no_index(tmp_path: Path) -> None:
    index = opened(tmp_path, 10)
    add(index, some(0, 5))
    index.close()
    (tmp_path / CATALOGUE).write_bytes(b"not a database" * 1000)
    again = opened(tmp_path, 10)
    assert again.documents == 0
    assert not again.mark.complete
    add(again, some(0, 5))
    assert found_ids(again, TIDE) == ids(0, 5)


@pytest.mark.parametrize("merging", [False, True])
def test_everything_is_on_the_disk_before_the_catalogue_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, merging: bool
) -> None:
    """A kill never shows a missing fsync: so what was synced, with its content then, is noted."""
    synced: dict[Path, bytes | set[str]] = {}
    real = os.fsync

    def fsync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        synced[path] = set(os.listdir(path)) if path.is_dir() else path.read_bytes()
        real(descriptor)

    missing = list[Path]()

    def step(name: str) -> None:
        if name != "commit catalogue":
            return
        folder = tmp_path / "p000001"
        if folder.name not in synced.get(tmp_path, ()):
            missing.append(folder)
        for path in folder.iterdir():
            # What was renamed since it was synced under its draft's name has that content.
            draft = synced.get(path.with_name(f"{path.name}.new"))
            if path.read_bytes() not in (synced.get(path), draft):
                missing.append(path)
            if path.name not in synced.get(folder, ()):
                missing.append(path)

    monkeypatch.setattr(os, "fsync", fsync)
    index = Index(tmp_path, 10, step)
    index.open()
    add(index, some(0, 12), 3)
    if merging:
        task = due(index, idle=True)
        assert task is not None
        drain(merge(index, task))
    assert not missing
    assert index.catalogue.changing().pragma("synchronous") == 2
    index.close()
