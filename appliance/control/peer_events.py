"""Fetches the other node's events, so that each node has those of both."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol
from urllib.parse import urlencode

import msgspec

from appliance.control.events import FEED_LIMIT, Events
from appliance.control.http import BadRequest
from appliance.control.schema import API
from appliance.mail.reply import Refused
from appliance.mail.views import Unavailable
from appliance.monitor.log.store import Feed, Source

_EVERY, _LATER = 2.0, 15.0
"""Seconds between two looks, and after one that failed."""
_FAILURES = (Unavailable, LookupError, BadRequest, Refused, OSError, sqlite3.Error)
_decode = msgspec.json.Decoder(Feed).decode


class Peer(Protocol):
    """The control API of the other node. Raises `Unavailable`, and what that API's failures are."""

    async def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Its answer."""


class PeerEvents:
    """Asks the peer for what is new; `take` stores it, `begin_anew` gives numbers a new name."""

    def __init__(
        self,
        peer: Peer,
        events: Events,
        take: Callable[[Feed], Future[None]],
        begin_anew: Callable[[], None],
    ) -> None:
        self._peer = peer
        self._events = events
        self._take = take
        self._begin_anew = begin_anew
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            try:
                await self.look()
            except (*_FAILURES, msgspec.DecodeError):
                # It is asked again, and what it has is not lost.
                await asyncio.sleep(_LATER)
            else:
                await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Fetch all there is now; raises what the peer and the store raise."""
        async with self._looking:
            theirs = (await self._ask("", 0)).sources
            ours = (await self._events.ask(self._events.reader.feed, "", 0, 1)).sources
            known = {one.store: one for one in ours}
            own = next((one for one in ours if one.own), None)
            for source in theirs:
                here = known.get(source.store)
                if own is not None and source.store == own.store:
                    if source.last > own.last:  # a backup or a snapshot was restored here
                        self._begin_anew()
                elif here is None or here.last < source.last:
                    await self._fetch(source, here.last if here else 0)

    async def _fetch(self, source: Source, after: int) -> None:
        while after < source.last:
            feed = await self._ask(source.store, after)
            if feed.upto <= after:
                return
            await asyncio.wrap_future(self._take(feed))
            after = feed.upto

    async def _ask(self, store: str, after: int) -> Feed:
        asked = urlencode({"store": store, "after": after, "limit": FEED_LIMIT})
        return _decode(await self._peer.request("GET", f"{API}/events/feed?{asked}"))
