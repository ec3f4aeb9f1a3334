"""A new node from a backup: nothing is touched before all of it was read and is whole.

Crash windows: the node is made in a folder beside the one it is to have, `.NAME.restoring`, and
gets its name by a rename once everything is durable. Before that there is no node, and the next
restore removes what is left; after it there is a whole one.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import msgspec

from appliance.backup.contents import Manifest, manifest
from appliance.backup.recovery import RecoveryKey
from appliance.backup.sealed import BadBackup, Reader
from appliance.backup.target import sync_directory
from appliance.config import Layout, NodeSettings, open_layout
from appliance.link.identity import KeyStore
from appliance.services.backup import Tell, decoded, read_through
from appliance.services.clock import monotonic
from appliance.spool.bodies import Bodies
from appliance.spool.files import PosixFiles
from appliance.spool.restoring import Inconsistent, Restorer, RestoreReport
from appliance.spool.schema import open_writer
from appliance.spool.store import Store


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """The new node: its id, whose backup it was, and what came of it."""

    node_id: str
    node: str
    messages: int
    held: int
    lost: int


class RestoreRefused(Exception):
    """Nothing was restored; `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


def restore(
    backup: Path, key: RecoveryKey, data: Path, node_toml: Path | None, tell: Tell
) -> Restored:
    """Make a node in `data` from a backup, with its settings or those in `node_toml`.

    Raises RestoreRefused, BadBackup, ConfigError, OSError.
    """
    data = data.absolute()
    owner = _check_free(data)
    start, _ = read_through(backup, key, tell)
    work = data.with_name(f".{data.name}.restoring")
    shutil.rmtree(work, ignore_errors=True)
    try:
        layout, node = _prepare(work, start, node_toml)
        report, node_id = _fill(backup, key, layout, tell)
        if owner is not None and os.geteuid() == 0:
            _give(work, *owner)
        _sync(work)
        os.rename(work, data)
        sync_directory(data.parent)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return Restored(
        node_id=node_id,
        node=str(node.name),
        messages=report.messages,
        held=report.held,
        lost=report.lost,
    )


def _check_free(data: Path) -> tuple[int, int] | None:
    """Who owns the empty directory that waits there, None if there is none."""
    with suppress(FileNotFoundError):
        found = data.lstat()
        if os.path.ismount(data):
            raise RestoreRefused(
                f"{data} is a mount point, whose name a restored node cannot take",
                f"restore to {data / 'new'}, then move what is in it up",
            )
        if data.is_dir() and not any(data.iterdir()):
            return found.st_uid, found.st_gid
        raise RestoreRefused(
            f"{data} is there already", "a backup is restored to a new directory: name another one"
        )
    return None


def _give(work: Path, uid: int, gid: int) -> None:
    """Everything in it to whom the directory belongs that it takes the place of."""
    for folder, _, names in os.walk(work):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.chown(path, uid, gid, follow_symlinks=False)


def _prepare(work: Path, start: Manifest, node_toml: Path | None) -> tuple[Layout, NodeSettings]:
    work.mkdir(mode=0o700, parents=True)
    settings = node_toml.read_text(encoding="utf-8") if node_toml else start.node_toml
    (work / "node.toml").write_text(settings, encoding="utf-8")
    if start.site_toml:
        (work / "site.toml").write_text(start.site_toml, encoding="utf-8")
    layout, node = open_layout(work)
    if not layout.spool.is_relative_to(work):
        raise RestoreRefused(
            f"its [paths] spool, {layout.spool}, lies outside the data directory",
            "restore with --node-toml without it, then move the folder and set it",
        )
    layout.create()
    return layout, node


def _fill(backup: Path, key: RecoveryKey, layout: Layout, tell: Tell) -> tuple[RestoreReport, str]:
    identity = KeyStore(layout.keys).identity()
    content = layout.spool / "content"
    content.mkdir()
    connection = open_writer(str(layout.spool / "spool.db"), exclusive=True)
    try:
        now = monotonic()
        store = Store(connection, identity.node_id, os.urandom(16), now)
        restorer = Restorer(store, Bodies(PosixFiles(str(content))), store.running(now))
        with open(backup, "rb") as file:
            items = Reader(file).items(key)
            manifest(items)
            report = restorer.restore(decoded(items), lambda done: tell("restoring", done, 0))
    except Inconsistent as error:
        raise BadBackup(f"it cannot be restored: {error}") from error
    finally:
        connection.close()
    return report, identity.node_id.hex()


def _sync(work: Path) -> None:
    """Everything in it durable, and the names."""
    for folder, _, names in os.walk(work):
        for name in names:
            descriptor = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(Path(folder))
