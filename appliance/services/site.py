"""The site of a running process: read when it starts, and again whenever it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from appliance.config import ConfigError, Layout, NodeSettings
from appliance.config.live import Site
from appliance.config.site import SiteSettings
from appliance.ipc.client import Client, connect
from appliance.ipc.mail import CLIENT_CODEC, Call, Durable, Said, SiteMoved, WatchSiteCall
from appliance.ipc.wire import CallFailed
from appliance.mail.route import NextHop
from appliance.mail.views import Unavailable
from appliance.spool.site import DOCUMENT
from appliance.spool.site_reader import SiteReader
from appliance.spool.site_state import SiteState

_RETRY = 0.2
"""Seconds."""


class StoredSite(Site):
    """The site as the spool has it. `state` is None while the spool cannot be read."""

    def __init__(self, reader: SiteReader) -> None:
        """Raises ConfigError if neither the spool nor site.toml tells the settings."""
        self._reader = reader
        self.state = self._read_state()
        settings = self.state.settings if self.state else None
        super().__init__(settings or reader.file(), self._read_registers)

    def refresh(self, tables: Iterable[str] | None = None) -> None:
        """Read anew what changed; everything if that is not known. Tells whoever watches."""
        if tables is None or DOCUMENT in tables:
            self.state = self._read_state() or self.state
            if self.state is not None and self.state.settings is not None:
                self.changed(self.state.settings)
        self.registers_changed(tables)

    def file(self) -> SiteSettings | None:
        """What site.toml says, None if it says nothing that could be used."""
        with suppress(ConfigError):
            return self._reader.file()
        return None

    def _read_state(self) -> SiteState | None:
        with suppress(Unavailable):
            return self._reader.state()
        return None

    def _read_registers(self, name: str) -> Mapping[str, bytes] | None:
        with suppress(Unavailable):
            return self._reader.table(name)
        return None


def site_reader(layout: Layout, node: NodeSettings) -> SiteReader:
    """Reads the site of a node."""
    own = own_hops(node)
    return SiteReader(layout.spool, layout.site_toml, lambda settings: settings.table(own))


def open_site(layout: Layout, node: NodeSettings) -> StoredSite:
    """The site of a node; raises ConfigError."""
    return StoredSite(site_reader(layout, node))


def own_hops(node: NodeSettings) -> Sequence[NextHop]:
    """Where no route may lead: this node's own listeners."""
    return [NextHop(endpoint.host, endpoint.port) for endpoint in node.served]


@asynccontextmanager
async def following(mail_socket: Path, site: StoredSite) -> AsyncIterator[None]:
    """Keep `site` as it is, as long as this lasts, in a process other than the mail process.

    What whoever watches the site raises ends this, and is raised here.
    """
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_follow(mail_socket, site.refresh))
        try:
            yield
        finally:
            task.cancel()


async def _follow(path: Path, refresh: Callable[[Iterable[str] | None], None]) -> None:
    while True:
        moved = asyncio.Queue[Iterable[str] | None]()
        client = await _watch(path, moved)
        if client is not None:
            try:
                refresh(None)  # what changed before anybody told us
                while (tables := await moved.get()) is not None:
                    refresh(tables)
            finally:
                client.close()
        await asyncio.sleep(_RETRY)


async def _watch(
    path: Path, moved: asyncio.Queue[Iterable[str] | None]
) -> Client[Call, Said] | None:
    """Have `moved` told which tables change, and None once nobody tells any more."""

    def pushed(message: Said) -> None:
        if isinstance(message, SiteMoved):
            moved.put_nowait(message.tables)

    try:
        client = await connect(
            path, CLIENT_CODEC, on_push=pushed, on_lost=lambda error: moved.put_nowait(None)
        )
        await client.request(WatchSiteCall(), Durable)
    except (OSError, CallFailed):
        return None
    return client
