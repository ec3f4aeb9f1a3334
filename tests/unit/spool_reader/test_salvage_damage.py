"""Salvage of damaged disks, and of what is no disk of a node."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import apsw
import pytest
from msgspec.structs import replace

from appliance.mail.reply import Refused
from appliance.replica.record import decode, encode
from appliance.spool import salvage as salvaging
from appliance.spool.files import PosixFiles
from appliance.spool.operations import Salvage
from appliance.spool.wreck import Wreck
from tests.unit.spool_reader.dead_disk import LARGE, Scene, queued


def test_a_damaged_segment_is_passed_over_and_its_messages_are_merged(scene: Scene) -> None:
    scene.part()
    names = [scene.b.accept() for _ in range(4)]
    lsn = scene.b.db.execute("SELECT max(lsn)-2 FROM journal").get
    scene.b.db.execute("UPDATE journal SET segment=zeroblob(length(segment)) WHERE lsn=?", (lsn,))
    scene.die()
    report = scene.salvage()
    assert report.damaged >= 1
    assert report.problems
    assert all(scene.a.store.holds(name) for name in names)
    assert queued(scene.a) == set(names)


def test_a_segment_with_another_hash_is_damaged_though_it_reads_well(scene: Scene) -> None:
    scene.part()
    name = scene.b.accept()
    lsn, data = scene.b.db.execute(
        "SELECT lsn, segment FROM journal ORDER BY lsn DESC LIMIT 1"
    ).fetchall()[0]
    assert isinstance(data, bytes)
    altered = encode(replace(decode(data), at=1))
    scene.b.db.execute("UPDATE journal SET segment=? WHERE lsn=?", (altered, lsn))
    scene.die()
    report = scene.salvage()
    assert (report.damaged, report.segments) == (1, 0)
    assert queued(scene.a) == {name}


@pytest.mark.parametrize("damaged", [None, LARGE[:-1], LARGE[:-1] + b"?"])
@pytest.mark.parametrize("pruned", [False, True])
def test_lost_content_is_told_and_holds_up_nothing(
    scene: Scene, damaged: bytes | None, pruned: bool
) -> None:
    scene.part()
    external = damaged is not None
    lost, other = scene.b.accept(content=LARGE, external=external), scene.b.accept()
    if damaged is not None:
        (scene.b.content / lost).write_bytes(damaged)
    else:
        scene.b.db.execute("UPDATE content SET body=zeroblob(9) WHERE length(body)>100")
    if pruned:
        scene.b.db.execute("DELETE FROM journal")
    scene.die()
    report = scene.salvage()
    assert (report.lost, report.messages) == (1, 1)
    assert lost in report.problems[0]
    assert scene.a.store.unapplied == 1
    assert not scene.a.store.holds(lost)
    assert queued(scene.a) == {other}


def test_damaged_pages_cost_what_was_on_them_and_nothing_else(scene: Scene) -> None:
    scene.part()
    names = [scene.b.accept(content=b"x" * 3000) for _ in range(60)]
    scene.die(closed=True)
    database = scene.disk / "spool" / "spool.db"
    probe = apsw.Connection(str(database))
    tables = {
        page: name
        for name in ("journal", "message", "content")
        for (page,) in probe.execute(
            "SELECT pageno FROM dbstat WHERE name=? AND pagetype='leaf'", (name,)
        )
    }
    size = probe.pragma("page_size")
    probe.close()
    assert isinstance(size, int)
    hit = [page for page in sorted(tables) if tables[page] != "content"][3::7]
    garbage = Random(1)
    with open(database, "r+b") as file:
        for page in hit:
            file.seek((page - 1) * size)
            file.write(garbage.randbytes(size))
    report = scene.salvage()
    held = [name for name in names if scene.a.store.holds(name)]
    assert report.damaged > 0
    assert len(held) >= 40
    assert set(held) <= queued(scene.a)
    assert all(scene.a.store.content(name) == b"x" * 3000 for name in held)


def test_bytes_that_are_no_message_are_passed_over(scene: Scene) -> None:
    scene.part()
    name, other = scene.b.accept(), scene.b.accept()
    key = scene.b.db.execute("SELECT max(key)-1 FROM message").get
    scene.b.db.execute("UPDATE message SET state=x'c1' WHERE key=?", (key,))
    scene.b.db.execute("DELETE FROM journal")
    scene.die()
    report = scene.salvage()
    assert report.damaged == 1
    assert scene.a.store.holds(other)
    assert not scene.a.store.holds(name)


def test_a_folder_without_a_spool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"no spool\.db"):
        Wreck(tmp_path, tmp_path / "scratch")


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_a_file_that_is_no_spool_is_refused_and_leaves_no_copy(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "spool.db").write_bytes(content)
    with pytest.raises(Refused) as refused:
        Wreck(tmp_path, tmp_path / "scratch")
    assert refused.value.hint
    assert not (tmp_path / "scratch").exists()


def test_the_disk_of_a_connected_peer_is_refused(scene: Scene) -> None:
    shutil.copytree(scene.b.folder, scene.disk / "spool")
    wreck = Wreck(scene.disk, scene.folder / "scratch")
    scene.a.submit(Salvage("salvage", wreck))
    assert isinstance(scene.a.failed["salvage"], Refused)
    assert not (scene.folder / "scratch").exists()
    scene.b.close()


def test_one_disk_at_a_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salvaging, "BUDGET", 1)
    scene.part()
    scene.b.accept()
    scene.die()
    first, second = (Wreck(scene.disk, scene.folder / name) for name in ("first", "second"))
    scene.a.engine.submit(Salvage("first", first))
    scene.a.step()
    scene.a.engine.submit(Salvage("second", second))
    scene.a.settle()
    assert isinstance(scene.a.failed["second"], Refused)
    assert "first" in scene.a.done
    assert not (scene.folder / "second").exists()


def test_a_disk_that_takes_no_more_ends_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.part()
    scene.b.accept(content=LARGE, external=True)
    scene.die()

    def full(*arguments: object) -> None:
        raise OSError(28, "no space left")

    wreck = Wreck(scene.disk, scene.folder / "scratch")
    with monkeypatch.context() as patched:
        patched.setattr(PosixFiles, "write", full)
        scene.a.submit(Salvage("salvage", wreck))
    assert isinstance(scene.a.failed["salvage"], Refused)
    assert scene.salvage().messages == 1


def test_a_better_image_fills_in_what_the_first_one_lacked(scene: Scene) -> None:
    scene.part()
    small, large = scene.b.accept(), scene.b.accept(content=LARGE, external=True)
    row = scene.b.accept()
    whole = scene.folder / "whole"
    shutil.copytree(scene.b.folder, whole)
    scene.b.db.execute("DELETE FROM journal")
    scene.b.db.execute("UPDATE content SET body=x''")
    scene.b.db.execute("UPDATE message SET state=x'c1' WHERE key=(SELECT max(key) FROM message)")
    (scene.b.content / large).unlink()
    scene.die()
    first = scene.salvage()
    assert (first.messages, first.lost, first.damaged) == (0, 2, 1)
    assert scene.a.store.unapplied == 2
    shutil.rmtree(scene.disk)
    shutil.copytree(whole, scene.disk)
    assert scene.salvage().messages == 3
    assert scene.a.store.unapplied == 0
    assert queued(scene.a) == {small, large, row}
