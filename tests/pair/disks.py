"""What both disks of a pair hold, read from copies: the canonical dumps and SQLite's own check."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import apsw

from appliance.link.identity import KeyStore
from appliance.spool.dump import dump
from appliance.spool.store import Store
from tests.pair.harness import Node

_FILES = ("spool.db", "spool.db-wal")


def copied(node: Node, folder: Path) -> Path:
    """A copy of the node's database, as a crash at this moment would leave it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _FILES:
        source = node.layout.spool / name
        if source.exists():
            shutil.copyfile(source, folder / name)
    return folder / "spool.db"


def dumped(node: Node, folder: Path) -> Sequence[bytes]:
    """The canonical dump of a node that does not run; fails if its database is not sound."""
    connection = apsw.Connection(str(copied(node, folder)))
    try:
        assert connection.pragma("integrity_check") == "ok"
        assert not list(connection.execute("SELECT * FROM unapplied"))
        identity = KeyStore(node.layout.keys).identity()
        return dump(Store(connection, identity.node_id, bytes(16), 0))
    finally:
        connection.close()
