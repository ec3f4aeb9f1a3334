"""A dead node's disk, and a living node that salvages it."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw

from appliance.spool.operations import Salvage
from appliance.spool.salvage import SalvageReport
from appliance.spool.wreck import Wreck
from tests.unit.spool_reader.nodes import Node, Wire

LARGE = bytes(range(256)) * 20


class Scene:
    """Nodes a and b were paired; b went on alone, then died. Its disk is `disk`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        self.a = Node(folder / "a", "a", 1)
        self.b = Node(folder / "b", "b", 1, now=700_000)
        self.wire = Wire(self.a, self.b)

    def part(self) -> None:
        """The link is cut; both notice."""
        self.wire.cut()
        for node in (self.a, self.b):
            node.now += 20_000
            node.settle()

    def die(self, closed: bool = False) -> None:
        """b dies; a adopts what it knows of."""
        if closed:
            self.b.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        shutil.copytree(self.b.folder, self.disk / "spool")
        (self.disk / "spool" / "spool.db-shm").unlink(missing_ok=True)
        self.b.close()
        self.a.now += 100_000
        self.a.settle()

    def salvage(self, node: Node | None = None) -> SalvageReport:
        node = node or self.a
        wreck = Wreck(self.disk, self.folder / f"scratch {node.folder.name}")
        node.submit(Salvage("salvage", wreck))
        assert not (self.folder / f"scratch {node.folder.name}").exists()
        report = node.done["salvage"]
        assert isinstance(report, SalvageReport)
        return report

    def fresh(self, name: str = "c", keep: int = 99) -> Node:
        """A node that knows nothing."""
        return Node(self.folder / name, name, 1, now=5, keep=keep)


def queued(node: Node) -> set[str]:
    return {str(lease.queue_id) for lease in node.lease()}
