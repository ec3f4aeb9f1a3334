"""Updates over the control API: how they stand, what is on sticks, begin one, go back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from aiohttp import web

from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.helper import Helper
from appliance.control.http import BadRequest, NotDone, as_json, decoded, user
from appliance.control.received import Received
from appliance.control.roles import Role
from appliance.control.roll import Roll
from appliance.control.schema_updates import (
    BundlePart,
    Bundles,
    ChosenBundle,
    FoundBundle,
    Updates,
    UpdateView,
)
from appliance.ipc.machine_updates import GoBack, StartUpdate, UpdateBegun


class Installed(Protocol):
    """What is installed on this machine; everything blocks."""

    def update(self) -> UpdateView | None:
        """How the latest update stands, None where there was none."""

    def before(self) -> str:
        """The release that going back would use, "" if there is none."""

    def bundles(self) -> Sequence[FoundBundle]:
        """Those on sticks that are mounted."""

    def release_of(self, bundle: Path) -> str:
        """Read all of a bundle; its release. Raises BadRequest if it can't be used here."""


class UpdatesApi:
    """The handlers of the Unix socket that are about updates."""

    def __init__(
        self,
        node: str,
        release: str,
        installed: Installed,
        helper: Helper,
        received: Received,
        roll: Roll | None,
    ) -> None:
        """`roll` is None for a node without a peer."""
        self._node = node
        self._release = release
        self._installed = installed
        self._helper = helper
        self._received = received
        self._roll = roll
        self._busy = asyncio.Lock()

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        get, post, chief = handlers.get, handlers.post, Role.ADMINISTRATOR
        get("/machine/updates", self.view, Role.VIEWER)
        get("/machine/bundles", self.bundles, Role.VIEWER)
        # A part changes nothing that counts: what is made of them is audited, and asks root.
        handlers.any("/machine/updates/part", self.part, chief)
        post("/machine/updates/start", self.start, chief, "update this node")
        post("/machine/updates/back", self.back, chief, "go back to the release before")
        post("/machine/updates/pair", self.pair, chief, "update the pair")
        post("/machine/updates/pair/stop", self.stop, chief, "stop the update of the pair")

    async def view(self, request: web.Request) -> web.Response:
        update, before = await asyncio.to_thread(
            lambda: (self._installed.update(), self._installed.before())
        )
        return as_json(
            Updates(
                node=self._node,
                release=self._release,
                managed=self._helper.there,
                update=update,
                roll=self._roll.view if self._roll is not None else None,
                before=before,
                received=self._received.digest,
            )
        )

    async def bundles(self, request: web.Request) -> web.Response:
        return as_json(Bundles(tuple(await asyncio.to_thread(self._installed.bundles))))

    async def part(self, request: web.Request) -> web.Response:
        part = decoded(await request.read(), BundlePart)
        async with self._busy:
            await asyncio.to_thread(self._received.take, part)
        return as_json({})

    async def start(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), ChosenBundle)
        release = await self._chosen(body)
        note(request, release=release, while_alone=body.while_alone)
        await self._helper.ask(StartUpdate(body.while_alone), UpdateBegun, user(request))
        return as_json(await asyncio.to_thread(self._installed.update), 202)

    async def back(self, request: web.Request) -> web.Response:
        await self._helper.ask(GoBack(), UpdateBegun, user(request))
        return as_json(await asyncio.to_thread(self._installed.update), 202)

    async def pair(self, request: web.Request) -> web.Response:
        body, roll = decoded(await request.read(), ChosenBundle), self._rolls()
        if not self._helper.there:
            hint = "only a node of an installed Twinpost does: use the bundle's installer"
            raise NotDone("this node does not manage its machine", hint)
        release = await self._chosen(body)
        note(request, release=release)
        return as_json(roll.begin(release, self._received.digest, user(request)), 202)

    async def stop(self, request: web.Request) -> web.Response:
        return as_json(self._rolls().stop())

    def _rolls(self) -> Roll:
        if self._roll is None:
            raise NotDone("this node has no peer", "`twinpost update FILE` updates it alone")
        return self._roll

    async def _chosen(self, chosen: ChosenBundle) -> str:
        """Its release, once it lies where the update takes it from; raises BadRequest."""
        async with self._busy:
            if chosen.name:
                found = await asyncio.to_thread(self._installed.bundles)
                known = {(one.folder, one.name): one for one in found}
                one = known.get((chosen.folder, chosen.name))
                if one is None:
                    raise BadRequest("there is no such bundle on a stick", "is it mounted?")
                if one.problem:
                    raise BadRequest(one.problem, one.hint)
                await asyncio.to_thread(self._received.fetch, Path(one.folder) / one.name)
            if not self._received.digest:
                raise BadRequest("no bundle was sent to this node", "name one on a stick")
            return await asyncio.to_thread(self._installed.release_of, self._received.path)
