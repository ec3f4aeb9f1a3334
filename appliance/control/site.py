"""The site over the control API: what is in force, its history, and changes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from aiohttp import web

from appliance.config import toml
from appliance.config.document import ConfigError, parse
from appliance.config.plain import sparse
from appliance.config.site import SiteSettings
from appliance.config.site_document import changes
from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, decoded, user, wrong_text
from appliance.control.observer import Observer
from appliance.control.roles import Role
from appliance.control.schema import ChangeSite, SiteHistory
from appliance.control.schema_site import CheckSite, SettingChange, SiteDraft, SiteText
from appliance.mail.views import SiteDocument, SiteVersionView, SiteView


class SiteReader(Protocol):
    """Reads the site from the spool, for one thread at a time. Raises `Unavailable`.

    `names` are those of nodes, by their ids in hex.
    """

    def view(self, names: Mapping[str, str]) -> SiteView:
        """The site as it is."""

    def history(self, names: Mapping[str, str]) -> Sequence[SiteVersionView]:
        """Every version that is kept, the strongest first."""

    def version(self, wanted: str, names: Mapping[str, str]) -> SiteDocument:
        """A version by "head", number, or the beginning of its id; raises LookupError."""


class SiteCommands(Protocol):
    """The mail process, over `run/mail.sock`. Raises `Unavailable` when it does not answer."""

    async def change_site(
        self,
        document: bytes,
        parent: str,
        by: str,
        comment: str,
        settles: Sequence[str],
        while_alone: bool,
    ) -> str:
        """A new version, made from `parent` ("" from none); its id. Raises `mail.reply.Refused`."""


class SiteApi:
    """The handlers of the Unix socket that are about the site."""

    def __init__(
        self, name: str, observer: Observer, reader: SiteReader, commands: SiteCommands
    ) -> None:
        """`name` is this node's."""
        self._name = name
        self._observer = observer
        self._reader = reader
        self._commands = commands

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/site", self.view, Role.VIEWER)
        handlers.get("/site/history", self.history, Role.VIEWER)
        handlers.get("/site/versions/{version}", self.version, Role.VIEWER)
        handlers.get("/site/versions/{version}/draft", self.draft, Role.VIEWER)
        handlers.get("/site/text", self.text, Role.VIEWER)
        handlers.post("/site/check", self.check, Role.ADMINISTRATOR, "check a draft of the site")
        handlers.post("/site", self.change, Role.ADMINISTRATOR, "change the site")

    async def view(self, request: web.Request) -> web.Response:
        names = await self._names()
        return as_json(await self._observer.read(self._reader.view, names))

    async def history(self, request: web.Request) -> web.Response:
        names = await self._names()
        found = await self._observer.read(self._reader.history, names)
        return as_json(SiteHistory(tuple(found)))

    async def version(self, request: web.Request) -> web.Response:
        return as_json(await self._version(request.match_info["version"]))

    async def text(self, request: web.Request) -> web.Response:
        site = await self._observer.read(self._reader.view, await self._names())
        return as_json(SiteText(text=toml.written(site.document), parent=_head(site)))

    async def check(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), CheckSite)
        try:
            document = sparse(parse(body.text, SiteSettings, "the draft"))
        except ConfigError as error:
            raise wrong_text(error) from None
        assert isinstance(document, dict)
        return as_json(await self._drafted(document))

    async def draft(self, request: web.Request) -> web.Response:
        found = await self._version(request.match_info["version"])
        return as_json(await self._drafted(found.document))

    async def _drafted(self, document: dict[str, object]) -> SiteDraft:
        site = await self._observer.read(self._reader.view, await self._names())
        found = tuple(
            SettingChange(key=one.key, before=one.before, after=one.after)
            for one in changes(site.document, document)
        )
        return SiteDraft(document=document, changes=found, parent=_head(site))

    async def change(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), ChangeSite)
        note(request, comment=body.comment)
        for id_ in (body.parent, *body.settles):
            _check(id_)
        made = await self._commands.change_site(
            msgspec.json.encode(body.document, order="sorted"),
            body.parent,
            user(request),
            body.comment,
            body.settles,
            body.while_alone,
        )
        return as_json((await self._version(made)).version)

    async def _version(self, wanted: str) -> SiteDocument:
        return await self._observer.read(self._reader.version, wanted, await self._names())

    async def _names(self) -> Mapping[str, str]:
        mail = await self._observer.mail()
        if mail is None:
            return {}
        names = {mail.node_id: self._name}
        if mail.peer is not None and mail.peer.name:
            names[mail.peer.node_id] = mail.peer.name
        return names


def _head(site: SiteView) -> str:
    return site.head.id if site.head is not None else ""


def _check(id_: str) -> None:
    try:
        bytes.fromhex(id_)
    except ValueError:
        raise BadRequest(f"{id_!r} is no id of a version", "ids are in hex") from None
