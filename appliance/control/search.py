"""Search over the control API: what is found, how the index is, and a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from aiohttp import web

from appliance.control.caller import Caller
from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, user
from appliance.control.roles import Role
from appliance.ipc.search import (
    CLIENT_CODEC,
    Call,
    FindCall,
    MessagePreview,
    Page,
    PreviewCall,
    ReindexCall,
    Said,
    SearchPage,
    SearchView,
    Shown,
    Status,
    StatusCall,
)
from appliance.mail.reply import Refused, Reply

_PATIENCE = 30.0
_DEFAULT_PAGE, _MOST = 20, 200


class Searching(Protocol):
    """The search process, over `run/search.sock`. Raises `Unavailable` when it is not there."""

    async def find(self, query: str, limit: int, after: str, snippets: bool) -> SearchPage:
        """Some hits; raises BadRequest for a query that cannot be meant."""

    async def preview(self, queue_id: str) -> MessagePreview:
        """How a message looks; raises LookupError."""

    async def view(self) -> SearchView:
        """How the index is."""

    async def reindex(self, by: str) -> SearchView:
        """Make the index anew; returns at once. `by` says for the log who asks."""


class SearchProcess:
    """Calls the search process."""

    def __init__(self, path: Path) -> None:
        self._caller: Caller[Call, Said] = Caller("search", path, CLIENT_CODEC)

    async def find(self, query: str, limit: int, after: str, snippets: bool) -> SearchPage:
        call = FindCall(query, limit, after, snippets)
        return (await self._caller.call(call, Page, _PATIENCE)).page

    async def preview(self, queue_id: str) -> MessagePreview:
        return (await self._caller.call(PreviewCall(queue_id), Shown, _PATIENCE)).message

    async def view(self) -> SearchView:
        return (await self._caller.call(StatusCall(), Status, _PATIENCE)).view

    async def reindex(self, by: str) -> SearchView:
        return (await self._caller.call(ReindexCall(by), Status, _PATIENCE)).view

    def close(self) -> None:
        """End the connection."""
        self._caller.close()


class SearchApi:
    """The handlers of the Unix socket that are about search."""

    def __init__(self, search: Searching | None) -> None:
        """`search` is None where the node keeps no index."""
        self._search = search

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/search", self.find, Role.OPERATOR)
        handlers.get("/messages/{id}/preview", self.preview, Role.OPERATOR)
        handlers.get("/search/status", self.status, Role.VIEWER)
        handlers.post("/search/reindex", self.reindex, Role.OPERATOR, "make the search index anew")

    async def find(self, request: web.Request) -> web.Response:
        asked = request.query
        limit = asked.get("limit", str(_DEFAULT_PAGE))
        if not limit.isascii() or not limit.isdecimal() or not 0 < int(limit) <= _MOST:
            raise BadRequest(f"limit {limit!r}", f"a page has 1 to {_MOST} hits")
        snippets = asked.get("snippets", "1") == "1"
        query, after = asked.get("query", ""), asked.get("after", "")
        return as_json(await self._there().find(query, int(limit), after, snippets))

    async def preview(self, request: web.Request) -> web.Response:
        return as_json(await self._there().preview(request.match_info["id"]))

    async def status(self, request: web.Request) -> web.Response:
        return as_json(await self._there().view())

    async def reindex(self, request: web.Request) -> web.Response:
        return as_json(await self._there().reindex(user(request)))

    def _there(self) -> Searching:
        if self._search is None:
            hint = "see search.enabled in docs/settings.md"
            raise Refused(Reply(450, "4.3.0", "this node keeps no search index"), hint)
        return self._search
