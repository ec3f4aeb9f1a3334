"""Users and aliases over the control API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from aiohttp import web

from appliance.config.document import convert
from appliance.config.site import SiteSettings
from appliance.control import roster
from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, decoded, user
from appliance.control.observer import Observer
from appliance.control.roles import Role
from appliance.control.roster import Document
from appliance.control.schema import (
    AddAliases,
    AddUsers,
    Aliases,
    AliasView,
    Done,
    NewPassword,
    Users,
    UserView,
    WhileAlone,
)
from appliance.control.site import SiteCommands
from appliance.mail.views import SiteView


class PeopleReader(Protocol):
    """Reads the site from the spool, for one thread at a time. Raises `Unavailable`."""

    def view(self, names: Mapping[str, str]) -> SiteView:
        """The site as it is."""

    def table(self, name: str) -> Mapping[str, bytes]:
        """The registers of a table."""


class PeopleCommands(SiteCommands, Protocol):
    """The mail process. Raises `Unavailable` when it does not answer, and `Refused`."""

    async def put_registers(
        self, values: Sequence[tuple[str, str, bytes | None]], while_alone: bool
    ) -> None:
        """Write registers (table, key, value), all or none; None deletes."""


class Passwords(Protocol):
    """What is kept of passwords, and in which tables of registers."""

    credentials: str
    disabled: str

    def kept(self, password: str) -> bytes:
        """What is kept of a new password; takes its time. Raises ValueError for a bad one."""

    def set_at(self, kept: bytes) -> int | None:
        """When it was set, in milliseconds since 1970; None if nobody can log in with it."""


class PeopleApi:
    """The handlers of the Unix socket that are about users and aliases."""

    def __init__(
        self,
        observer: Observer,
        reader: PeopleReader,
        commands: PeopleCommands,
        passwords: Passwords,
        emit: Callable[..., None],
    ) -> None:
        self._observer = observer
        self._reader = reader
        self._commands = commands
        self._passwords = passwords
        self._emit = emit

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/users", self.users, Role.VIEWER)
        handlers.post("/users", self.add, Role.ADMINISTRATOR, "add users")
        handlers.post(
            "/users/{name}/password",
            self.password,
            Role.ADMINISTRATOR,
            "set password of {name}",
        )
        handlers.post(
            "/users/{name}/disable", self.disable, Role.ADMINISTRATOR, "disable user {name}"
        )
        handlers.post("/users/{name}/enable", self.enable, Role.ADMINISTRATOR, "enable user {name}")
        handlers.post("/users/{name}/remove", self.remove, Role.ADMINISTRATOR, "remove user {name}")
        handlers.get("/aliases", self.aliases, Role.VIEWER)
        handlers.post("/aliases", self.add_aliases, Role.ADMINISTRATOR, "add aliases")
        handlers.post(
            "/aliases/{address}/remove",
            self.remove_alias,
            Role.ADMINISTRATOR,
            "remove alias {address}",
        )

    async def users(self, request: web.Request) -> web.Response:
        site = _settings((await self._view()).document)
        kept = await self._observer.read(self._reader.table, self._passwords.credentials)
        disabled = await self._observer.read(self._reader.table, self._passwords.disabled)
        found = [
            UserView(
                name=name,
                mailbox=str(one.mailbox or name),
                addresses=tuple(site.addresses(name)),
                may_send_as=one.may_send_as,
                disabled=one.disabled or name in disabled,
                password_set_at=self._passwords.set_at(kept[name]) if name in kept else None,
            )
            for name, one in sorted(site.users.items())
        ]
        return as_json(Users(tuple(found)))

    async def add(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), AddUsers)
        kept = {one.name: await self._kept(one.password) for one in body.users}
        names = ", ".join(kept) if len(kept) < 5 else f"{len(kept)} users"
        note(request, users=names)
        comment = body.comment or f"adds {names}"
        await self._edit(
            request, lambda site: roster.with_users(site, body.users), comment, body.while_alone
        )
        # What a user of that name once had must not let this one in.
        values = [(self._passwords.credentials, name, value) for name, value in kept.items()]
        values += [(self._passwords.disabled, name, None) for name in kept]
        await self._commands.put_registers(values, body.while_alone)
        return as_json(Done(f"{names} added"))

    async def password(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], decoded(await request.read(), NewPassword)
        await self._known(name)
        kept = await self._kept(body.password)
        value = (self._passwords.credentials, name, kept)
        await self._commands.put_registers([value], body.while_alone)
        self._tell(request, "set password", name)
        return as_json(Done(f"{name} has a new password"))

    async def disable(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], decoded(await request.read(), WhileAlone)
        await self._known(name)
        by = user(request).encode()
        await self._commands.put_registers([(self._passwords.disabled, name, by)], body.while_alone)
        self._tell(request, "disable user", name)
        return as_json(Done(f"{name} may not log in any more"))

    async def enable(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], decoded(await request.read(), WhileAlone)
        site = await self._known(name)
        if site.users[name].disabled:
            await self._edit(
                request,
                lambda document: roster.enabled(document, name),
                f"enables {name}",
                body.while_alone,
            )
        await self._commands.put_registers(
            [(self._passwords.disabled, name, None)], body.while_alone
        )
        self._tell(request, "enable user", name)
        return as_json(Done(f"{name} may log in"))

    async def remove(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], decoded(await request.read(), WhileAlone)
        await self._edit(
            request,
            lambda document: roster.without_user(document, name),
            f"removes {name}",
            body.while_alone,
        )
        values = [(self._passwords.credentials, name, None), (self._passwords.disabled, name, None)]
        await self._commands.put_registers(values, body.while_alone)
        return as_json(Done(f"{name} is no user any more; the mailbox stays"))

    async def aliases(self, request: web.Request) -> web.Response:
        site = _settings((await self._view()).document)
        found = [AliasView(address, to) for address, to in sorted(site.aliases.items())]
        return as_json(Aliases(tuple(found)))

    async def add_aliases(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), AddAliases)
        names = [one.address for one in body.aliases]
        told = ", ".join(names) if len(names) < 5 else f"{len(names)} aliases"
        note(request, aliases=told)
        await self._edit(
            request,
            lambda document: roster.with_aliases(document, body.aliases, body.replace),
            body.comment or f"adds {told}",
            body.while_alone,
        )
        return as_json(Done(f"{told} added"))

    async def remove_alias(self, request: web.Request) -> web.Response:
        address, body = request.match_info["address"], decoded(await request.read(), WhileAlone)
        await self._edit(
            request,
            lambda document: roster.without_alias(document, address),
            f"removes {address}",
            body.while_alone,
        )
        return as_json(Done(f"{address} is no alias any more"))

    async def _view(self) -> SiteView:
        return await self._observer.read(self._reader.view, {})

    async def _known(self, name: str) -> SiteSettings:
        """The site; raises LookupError if it has no such user."""
        site = _settings((await self._view()).document)
        if name not in site.users:
            raise LookupError(f"there is no user {name}")
        return site

    async def _kept(self, password: str | None) -> bytes | None:
        if password is None:
            return None
        try:
            return await asyncio.to_thread(self._passwords.kept, password)
        except ValueError as error:
            raise BadRequest(str(error), "choose another one, or let one be generated") from None

    async def _edit(
        self,
        request: web.Request,
        change: Callable[[Document], Document],
        comment: str,
        while_alone: bool,
    ) -> None:
        """Make a new version of the site; the mail process refuses what is wrong with it."""
        view = await self._view()
        document = change(view.document)
        if document == view.document:
            return
        await self._commands.change_site(
            msgspec.json.encode(document, order="sorted"),
            view.head.id if view.head else "",
            user(request),
            comment,
            (),
            while_alone,
        )

    def _tell(self, request: web.Request, action: str, name: str) -> None:
        self._emit("command", action=action, user=name, by=user(request))


def _settings(document: Document) -> SiteSettings:
    return convert(document, SiteSettings)
