"""The site on a dead node's disk: what only that node knew is merged, never lost."""

from __future__ import annotations

import apsw
import pytest

from appliance.spool.operations import ChangeSite, PutRegisters
from appliance.spool.wreck import Wreck
from tests.unit.spool_reader.dead_disk import Scene
from tests.unit.spool_reader.nodes import Node


def change(node: Node, document: bytes) -> None:
    head = node.store.site.lineage.head
    parent = head.id if head else b""
    node.submit(ChangeSite(document, document, parent, "root", 5, while_alone=True))
    assert document in node.done


def put(node: Node, value: bytes) -> None:
    node.submit(PutRegisters(value, [("t", "k", value)], while_alone=True))
    assert value in node.done


def documents(node: Node) -> set[bytes]:
    site = node.store.site
    return {site.version(one.id).document for one in site.lineage}


def of_both(scene: Scene) -> None:
    """Both nodes know of a version; each changes it without the other."""
    change(scene.a, b"one")
    scene.part()
    change(scene.b, b"of b")
    put(scene.b, b"of b")


@pytest.mark.parametrize("journal", [True, False], ids=["by its journal", "without"])
def test_what_only_the_dead_node_had_is_merged(scene: Scene, journal: bool) -> None:
    of_both(scene)
    if not journal:
        scene.b.db.execute("DELETE FROM journal")
    scene.die(closed=not journal)
    change(scene.a, b"of a")
    report = scene.salvage()
    assert report.damaged == 0
    assert documents(scene.a) == {b"one", b"of b", b"of a"}
    assert len(scene.a.store.site.lineage.branches) == 1
    assert scene.a.store.site.table("t") == {"k": b"of b"}


def test_what_cannot_be_read_is_passed_over(scene: Scene) -> None:
    of_both(scene)
    scene.b.db.execute("DELETE FROM journal")
    scene.b.db.execute("INSERT INTO site(id, header, version) VALUES(x'00', x'00', x'c1')")
    scene.die(closed=True)
    assert scene.salvage().damaged == 1
    assert documents(scene.a) == {b"one", b"of b"}


def test_a_disk_of_the_last_release(scene: Scene) -> None:
    scene.part()
    name = scene.b.accept()
    scene.die()
    db = apsw.Connection(str(scene.disk / "spool" / "spool.db"))
    db.execute("DROP TABLE site; DROP TABLE register")
    db.pragma("user_version", 1)
    db.close()
    wreck = Wreck(scene.disk, scene.folder / "scratch")
    assert not list(wreck.versions())
    assert not list(wreck.registers())
    wreck.close()
    assert scene.salvage().messages == 1
    assert scene.a.store.holds(name)
