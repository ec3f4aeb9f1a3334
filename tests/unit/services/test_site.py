"""A process's site is that of the spool: at the start, after each change, and after an absence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config import ConfigError
from appliance.config.site import SiteSettings
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.mail import SERVER_CODEC, Call, Durable, Said, SiteMoved, WatchSiteCall
from appliance.ipc.server import Peer, serve
from appliance.ipc.wire import CallFailed, Failure
from appliance.replica.registers import written
from appliance.replica.site_versions import SiteVersion, identity
from appliance.services.site import StoredSite, following
from appliance.spool.schema import open_writer
from appliance.spool.site import DOCUMENT, SiteStore
from appliance.spool.site_reader import SiteReader
from tests.support.patience import patiently

NODE = b"n" * 8


class Spool:
    """What the mail process does for the others: the tables, and the calls of those who watch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "site.toml").write_text('domains = ["file.test"]\n')
        self.db = open_writer(str(folder / "spool.db"))
        self.store = SiteStore(self.db)
        self.peers: set[Peer[Said, Call]] = set()
        self.watching = asyncio.Event()
        self._last = b""

    def site(self) -> StoredSite:
        return StoredSite(SiteReader(self.folder, self.folder / "site.toml", lambda one: None))

    def change(self, domain: str) -> None:
        head = self.store.lineage.head
        number, parent = (head.number + 1, head.id) if head else (1, b"")
        document = b'{"domains":["%s"]}' % domain.encode()
        version = SiteVersion(parent, number, 0, NODE, "root", 5, "", (), document)
        self.store.merge(version)
        self._last = identity(version)

    def put(self, value: bytes) -> None:
        known = self.store.register("t", "k")
        self.store.merge(written(known, "t", "k", value, 0, NODE))

    def push(self, *tables: str) -> None:
        for peer in self.peers:
            peer.push(SiteMoved(tables))

    def connected(self, peer: Peer[Said, Call]) -> None:
        """Not yet among those who watch."""

    def lost(self, peer: Peer[Said, Call], error: ConnectionLost) -> None:
        self.peers.discard(peer)
        self.watching.clear()

    def pushed(self, peer: Peer[Said, Call], message: Call) -> None:
        """Nothing is."""

    def request(self, peer: Peer[Said, Call], message: Call) -> Said:
        if isinstance(message, WatchSiteCall):
            self.peers.add(peer)
            self.watching.set()
            return Durable()
        raise CallFailed(Failure("internal", "never asked"))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path)
    yield made
    made.db.close()


def domain(settings: SiteSettings) -> str:
    return str(settings.domains[0])


async def test_a_start_reads_the_spool_or_else_the_file(spool: Spool) -> None:
    assert domain(spool.site().current) == "file.test"
    spool.change("one.test")
    assert domain(spool.site().current) == "one.test"
    (spool.folder / "site.toml").unlink()
    assert domain(spool.site().current) == "one.test"
    assert spool.site().file() is None


async def test_a_start_with_neither(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        StoredSite(SiteReader(tmp_path, tmp_path / "site.toml", lambda one: None))


async def test_what_changed_is_read_and_told(spool: Spool) -> None:
    spool.change("one.test")
    site, told = spool.site(), list[str]()
    site.watch(lambda settings: told.append(domain(settings)))
    spool.change("two.test")
    spool.put(b"v")
    site.refresh(["t"])
    assert (domain(site.current), site.registers("t")) == ("one.test", {"k": b"v"})
    site.refresh([DOCUMENT])
    assert told == [domain(site.current)] == ["two.test"]


async def test_what_cannot_be_read_changes_nothing(spool: Spool) -> None:
    spool.change("one.test")
    site = spool.site()
    (spool.folder / "spool.db").rename(spool.folder / "away")
    site.refresh()
    assert domain(site.current) == "one.test"
    assert site.registers("t") == {}
    (spool.folder / "away").rename(spool.folder / "spool.db")
    spool.put(b"v")
    assert site.registers("t") == {"k": b"v"}


async def test_what_a_watcher_raises_is_not_hidden(spool: Spool) -> None:
    def broken(settings: SiteSettings) -> None:
        raise ZeroDivisionError

    site, path = spool.site(), spool.folder / "mail.sock"
    site.watch(broken)
    server = await serve(path, SERVER_CODEC, spool)

    async def serve_clients() -> None:
        async with following(path, site):
            await patiently(spool.watching.wait())
            spool.change("one.test")
            spool.push(DOCUMENT)
            await patiently(asyncio.Event().wait())

    with pytest.raises(ExceptionGroup) as caught:
        await serve_clients()
    assert caught.group_contains(ZeroDivisionError)
    server.close()


async def test_another_process_follows(spool: Spool) -> None:
    site, changed = spool.site(), asyncio.Queue[str]()
    site.watch(lambda settings: changed.put_nowait(domain(settings)))
    values = asyncio.Queue[bytes]()
    site.watch_registers("t", lambda table: values.put_nowait(table.get("k", b"")))
    path = spool.folder / "mail.sock"
    async with following(path, site):
        # It was changed before anybody listened.
        spool.change("one.test")
        server = await serve(path, SERVER_CODEC, spool)
        assert await patiently(changed.get()) == "one.test"
        assert await patiently(values.get()) == b""
        spool.change("two.test")
        spool.push(DOCUMENT)
        assert await patiently(changed.get()) == "two.test"
        spool.put(b"v")
        spool.push("t")
        assert await patiently(values.get()) == b"v"
        # The mail process dies, and what changes meanwhile is found when it is back.
        server.close()
        spool.change("three.test")
        server = await serve(path, SERVER_CODEC, spool)
        assert await patiently(changed.get()) == "three.test"
        server.close()
