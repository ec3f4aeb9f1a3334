"""Which settings are in force, and how people are shown the versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from appliance.config.site import SiteSettings
from appliance.mail.route import NextHop
from appliance.mail.views import Unavailable
from appliance.replica.registers import written
from appliance.replica.site_versions import SiteVersion, first, identity
from appliance.spool.schema import open_writer
from appliance.spool.site import SiteStore
from appliance.spool.site_reader import SiteReader

A, B = b"a" * 8, b"b" * 8
ITSELF = NextHop("127.0.0.1", 25)
BACK_HERE = (
    b'{"domains":["x.test"],"routes":{"*":{"next_hops":["127.0.0.1:25"],"transport":"smtp"}}}'
)


class Disk:
    """A spool that only holds the site, and a reader of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.toml = folder / "site.toml"
        self.toml.write_text('domains = ["file.test"]\n')
        self.db = open_writer(str(folder / "spool.db"))
        self.store = SiteStore(self.db)
        self.reader = SiteReader(folder, self.toml, self.check)

    def check(self, settings: SiteSettings) -> None:
        settings.table([ITSELF])

    def add(self, document: bytes, parent: bytes = b"", number: int = 1, node: bytes = A) -> bytes:
        version = SiteVersion(parent, number, 0, node, "root", 5, "why", (), document)
        self.store.merge(version)
        return identity(version)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.db.close()


def domains(disk: Disk) -> list[str]:
    settings = disk.reader.state().settings
    assert settings is not None
    return list(settings.domains)


def test_the_file_applies_as_long_as_there_is_no_version(disk: Disk) -> None:
    assert disk.reader.state().settings is None
    view = disk.reader.view({})
    assert view.head is None
    assert view.document == {"domains": ["file.test"]}
    assert not view.file_differs
    disk.store.merge(first(b'{"domains":["one.test"]}'))
    view = disk.reader.view({})
    assert view.head is not None
    assert (view.head.number, view.head.author, view.applied) == (1, "", view.head.id)
    assert view.document == {"domains": ["one.test"]}
    assert view.file_differs


@pytest.mark.parametrize(
    "document, why",
    [
        (b'{"domains":["x.test"],"not_yet":{}}', "unknown key"),
        (b'{"domains":[]}', "a site needs a domain"),
        (b"\x00", "is no document"),
        (BACK_HERE, "leads back to this pair"),
    ],
    ids=["of a later release", "wrong", "garbage", "not for this node"],
)
def test_what_cannot_be_used_does_not_apply(disk: Disk, document: bytes, why: str) -> None:
    old = disk.add(b'{"domains":["one.test"]}')
    newer = disk.add(document, old, 2)
    state = disk.reader.state()
    assert state.head is not None
    assert state.applied is not None
    assert (state.head.id, state.applied.id) == (newer, old)
    assert why in state.problem
    assert domains(disk) == ["one.test"]
    assert why in disk.reader.view({}).problem
    disk.add(b'{"domains":["two.test"]}', newer, 3)
    assert domains(disk) == ["two.test"]
    assert not disk.reader.state().problem


def test_nothing_that_could_be_used(disk: Disk) -> None:
    disk.add(b"garbage")
    state = disk.reader.state()
    assert state.settings is None
    assert state.problem
    assert disk.reader.view({}).document == {"domains": ["file.test"]}


def test_who_is_disabled_in_a_branch_is_disabled(disk: Disk) -> None:
    root = disk.add(b'{"domains":["x.test"],"users":{"bob":{}}}')
    disk.add(b'{"domains":["x.test"],"users":{"bob":{"disabled":true}}}', root, 2, A)
    disk.add(b'{"domains":["y.test"],"users":{"bob":{}}}', root, 2, B)
    assert domains(disk) == ["y.test"]
    assert disk.reader.view({}).document["users"] == {"bob": {"disabled": True}}


def test_a_branch_that_cannot_be_read_forbids_nothing(disk: Disk) -> None:
    root = disk.add(b'{"domains":["x.test"]}')
    disk.add(b'{"domains":["x.test"],"not_yet":{}}', root, 2, A)
    disk.add(b'{"domains":["y.test"]}', root, 2, B)
    state = disk.reader.state()
    assert domains(disk) == ["y.test"]
    assert len(state.branches) == 1


def test_versions_are_named_by_number_and_id(disk: Disk) -> None:
    root = disk.add(b'{"domains":["one.test"]}')
    disk.add(b'{"domains":["of-a.test"]}', root, 2, A)
    of_b = disk.add(b'{"domains":["of-b.test"]}', root, 2, B)
    names = {A.hex(): "a", B.hex(): "b"}
    assert disk.reader.version("1", names).document == {"domains": ["one.test"]}
    assert disk.reader.version("head", names).version.id == of_b.hex()
    assert disk.reader.version(of_b.hex()[:6], names).version.node == "b"
    for unknown in ("9", "abcdef0123", "", "abc", "x" * 300):
        with pytest.raises(LookupError, match="there is no version"):
            disk.reader.version(unknown, names)
    with pytest.raises(LookupError, match="name its id"):
        disk.reader.version("2", names)
    told = disk.reader.history(names)
    assert [(one.number, one.node, one.standing) for one in told] == [
        (2, "b", "head"),
        (2, "a", "branch"),
        (1, "a", ""),
    ]


def test_registers(disk: Disk) -> None:
    one = written(None, "t", "k", b"v", 0, A)
    disk.store.merge(one)
    disk.store.merge(written(None, "t", "gone", None, 0, A))
    disk.store.merge(written(None, "u", "k", b"w", 0, A))
    assert disk.reader.table("t") == {"k": b"v"}
    assert disk.reader.table("none") == {}
    assert disk.store.take_changes() == {"t", "u"}
    assert disk.store.take_changes() == frozenset()


def test_no_spool(tmp_path: Path) -> None:
    reader = SiteReader(tmp_path, tmp_path / "site.toml", lambda settings: None)
    for ask in (reader.state, lambda: reader.view({}), lambda: reader.history({})):
        with pytest.raises(Unavailable, match="no spool"):
            ask()


def test_a_spool_of_another_release(tmp_path: Path) -> None:
    db = apsw.Connection(str(tmp_path / "spool.db"))
    db.pragma("user_version", 99)
    db.close()
    reader = SiteReader(tmp_path, tmp_path / "site.toml", lambda settings: None)
    with pytest.raises(Unavailable, match="release"):
        reader.state()


def test_a_damaged_spool(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(b"no database at all" * 100)
    reader = SiteReader(tmp_path, tmp_path / "site.toml", lambda settings: None)
    with pytest.raises(Unavailable, match="cannot be read"):
        reader.state()
