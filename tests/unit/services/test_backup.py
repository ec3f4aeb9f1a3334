"""A node's backup and restore, killed at each step: whole, or nothing under the final name."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.backup.recovery import TABLE, RecoveryKey, encoded
from appliance.backup.sealed import BadBackup, Reader
from appliance.backup.target import Target, TargetFailed
from appliance.link.identity import KeyStore
from appliance.services import restore as restores
from appliance.services.backup import BackupRefused, create, read_through, verify
from appliance.services.restore import RestoreRefused, restore
from appliance.spool.bodies import Bodies
from appliance.spool.files import PosixFiles
from appliance.spool.operations import ChangeSite, PutRegisters
from appliance.spool.schema import open_writer
from appliance.spool.store import Store
from tests.support.restored import check_same
from tests.unit.spool_reader.nodes import Node

KEY = RecoveryKey(b"recovery key of test")
NODE_TOML = """\
name = "a"
hostname = "a.site.test"
[smtp]
listen = ["127.0.0.1:2525"]
[link]
listen = "127.0.0.1:2526"
pairing = "127.0.0.1:2527"
"""
SITE_TOML = 'domains = ["site.test"]\npostmaster = "alice"\n[users.alice]\n'
KILLED = 99
Steps = list[tuple[object, str]]


@dataclass
class Place:
    data: Path
    stick: Path
    new: Path
    node: Node

    def backup(self) -> Path:
        made = create(self.data, self.stick, 2, quiet)
        return self.stick / made.name


@dataclass
class Restored:
    store: Store
    bodies: Bodies


def quiet(stage: str, done: int, total: int) -> None:
    """Nobody looks."""


def opened(data: Path) -> Restored:
    db = open_writer(str(data / "spool" / "spool.db"))
    identity = KeyStore(data / "keys").identity()
    store = Store(db, identity.node_id, b"later" * 3 + b"!", 0)
    return Restored(store, Bodies(PosixFiles(str(data / "spool" / "content"))))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    data, stick = tmp_path / "data", tmp_path / "stick"
    for folder in (data, stick):
        folder.mkdir()
    (data / "node.toml").write_text(NODE_TOML)
    (data / "site.toml").write_text(SITE_TOML)
    node = Node(data / "spool", "a", 1, alone=True)
    node.submit(ChangeSite("v", b'{"domains": ["site.test"]}', b"", "root", 1, while_alone=True))
    value = (TABLE, KEY.recipient().id, encoded(KEY.recipient()))
    node.submit(PutRegisters("key", [value], while_alone=True))
    for number in range(3):
        node.accept(content=b"filed %d" % number)
    node.deliver("alice")
    node.accept("x@large.test", content=bytes(300_000), external=True)
    node.accept("x@away.test")
    yield Place(data, stick, tmp_path / "new", node)
    node.close()


def test_a_restored_node_has_everything_and_a_new_identity(place: Place) -> None:
    path = place.backup()
    verify(place.data, path, quiet)
    manifest, _ = read_through(path, KEY, quiet)
    assert (manifest.node, manifest.node_toml, manifest.site_toml) == ("a", NODE_TOML, SITE_TOML)
    report = restore(path, KEY, place.new, None, quiet)
    new = opened(place.new)
    check_same(place.node, new, report)
    assert new.store.node.hex() == report.node_id
    assert new.store.node != place.node.store.node
    assert (place.new / "node.toml").read_text() == NODE_TOML
    assert (place.new / "keys").stat().st_mode & 0o777 == 0o700
    new.store.connection.close()


def test_without_a_recovery_key_there_is_no_backup(place: Place) -> None:
    value = (TABLE, KEY.recipient().id, None)
    place.node.submit(PutRegisters("no key", [value], while_alone=True))
    with pytest.raises(BackupRefused) as caught:
        place.backup()
    assert "backup key create" in caught.value.hint
    assert list(place.stick.iterdir()) == []


def test_a_backup_that_is_not_whole_touches_nothing(place: Place) -> None:
    path = place.backup()
    path.write_bytes(path.read_bytes()[:-1])
    before = sorted(place.new.parent.iterdir())
    with pytest.raises(BadBackup):
        restore(path, KEY, place.new, None, quiet)
    with pytest.raises(BadBackup):
        restore(path, RecoveryKey(b"of somebody else now"), place.new, None, quiet)
    with pytest.raises(BadBackup):
        verify(place.data, path, quiet)
    assert sorted(place.new.parent.iterdir()) == before


def test_a_node_that_is_there_is_never_overwritten(place: Place) -> None:
    path = place.backup()
    for taken in (place.data, path):
        with pytest.raises(RestoreRefused, match="there already"):
            restore(path, KEY, taken, None, quiet)
    place.new.mkdir()  # an empty one, as made by whoever prepares the disk
    owner = (1234, 5678) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(place.new, *owner)
    restore(path, KEY, place.new, None, quiet)
    found = [place.new, *place.new.rglob("*")]
    assert {(one.stat().st_uid, one.stat().st_gid) for one in found} == {owner}


def test_a_mount_point_is_told_of(place: Place) -> None:
    path = place.backup()
    with pytest.raises(RestoreRefused, match="mount point") as caught:
        restore(path, KEY, Path("/"), None, quiet)
    assert "then move" in caught.value.hint


def test_a_full_target_leaves_no_half_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0

    def write(descriptor: int, data: bytes) -> int:
        nonlocal written
        written += len(data)
        if written > 500:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(TargetFailed, match="No space"):
        place.backup()
    monkeypatch.undo()
    assert list(place.stick.iterdir()) == []


def test_a_full_disk_leaves_no_half_node(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.backup()
    before = sorted(place.new.parent.iterdir())

    def full(self: Store) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Store, "commit", full)
    with pytest.raises(OSError, match="No space"):
        restore(path, KEY, place.new, None, quiet)
    assert sorted(place.new.parent.iterdir()) == before


def killed_at(step: int, act: Callable[[], object], places: Steps) -> bool:
    """Run `act` in a process that dies before its `step`th call of one of `places`."""
    child = os.fork()
    if child == 0:
        calls = 0

        def dying(original: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **named: object) -> object:
                nonlocal calls
                calls += 1
                if calls == step:
                    os._exit(KILLED)
                return original(*arguments, **named)

            return call

        code = 1
        try:
            for owner, name in places:
                setattr(owner, name, dying(getattr(owner, name)))
            act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED), f"step {step}"
    return code == KILLED


# Store.commit stands for all that a transaction writes; what SQLite does is tested elsewhere.
BACKUP_STEPS: Steps = [
    *((os, name) for name in ("open", "write", "fsync", "rename", "unlink", "close")),
    (Reader, "check_seal"),
]
RESTORE_STEPS: Steps = [
    *((os, name) for name in ("mkdir", "fsync", "rename", "replace")),
    (Store, "commit"),
    (KeyStore, "identity"),
    (restores, "sync_directory"),
]


def test_a_backup_killed_at_any_step_is_whole_or_not_there(place: Place) -> None:
    for step in range(1, 200):
        if not killed_at(step, place.backup, BACKUP_STEPS):
            break
        for one in Target(place.stick).files():
            read_through(place.stick / one.name, KEY, quiet)
    else:
        pytest.fail("it has no end")
    assert step > 10
    place.backup()
    assert [path.name for path in sorted(place.stick.iterdir()) if path.suffix != ".backup"] == []
    assert len(list(place.stick.iterdir())) == 2


def test_a_restore_killed_at_any_step_is_whole_or_not_there(place: Place) -> None:
    path = place.backup()
    report = restore(path, KEY, place.new.with_name("other"), None, quiet)

    def act() -> None:
        restore(path, KEY, place.new, None, quiet)

    for step in range(1, 200):
        killed = killed_at(step, act, RESTORE_STEPS)
        if place.new.exists():
            new = opened(place.new)
            check_same(place.node, new, report)
            new.store.connection.close()
            break
        assert killed
    else:
        pytest.fail("it has no end")
    assert step > 15
    left = [one.name for one in place.new.parent.iterdir() if one.name.startswith(".")]
    assert left == []
