"""Pairing over the control API: a code to show, or one to join with."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.http import as_json, decoded
from appliance.control.observer import Observer
from appliance.control.roles import Role
from appliance.control.schema import Done
from appliance.control.schema_pair import (
    Attempt,
    InvitationView,
    Invite,
    JoinPair,
    PairPeer,
    PairView,
)
from appliance.mail.reply import Refused, Reply


class Pairings(Protocol):
    """Does the pairing. Raises BadRequest, Refused, Unavailable."""

    listen: str
    """Where a joiner finds this node."""

    def standing(self) -> tuple[str, PairPeer | None]:
        """This node's id, and its peer; reads files."""

    def attempt(self) -> Attempt | None:
        """What the last pairing came to, or how it goes."""

    def invitation(self) -> InvitationView | None:
        """The code that is good now."""

    async def invite(self, replacing: bool) -> InvitationView:
        """Wait for a joiner, in place of whom was waited for before."""

    async def cancel(self) -> None:
        """Wait no more."""

    async def join(self, code: str, at: str, replacing: bool) -> PairPeer:
        """Join the node that shows a code."""


class PairingApi:
    """The handlers of the Unix socket that are about pairing.

    Once paired the node starts its services anew, this process among them.
    """

    def __init__(self, observer: Observer, pairings: Pairings) -> None:
        self._observer = observer
        self._pairings = pairings

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        administrator = Role.ADMINISTRATOR
        handlers.get("/pair", self.view, Role.VIEWER)
        handlers.get("/pair/invitation", self.invitation, administrator)
        handlers.post("/pair/invite", self.invite, administrator, "invite a node")
        handlers.post("/pair/cancel", self.cancel, administrator, "cancel an invitation")
        handlers.post("/pair/join", self.join, administrator, "join a node")

    async def view(self, request: web.Request) -> web.Response:
        node_id, peer = await self._observer.read(self._pairings.standing)
        mail = await self._observer.mail()
        view = PairView(
            node_id=node_id,
            listen=self._pairings.listen,
            peer=peer,
            link=mail.peer if mail and peer else None,
            attempt=self._pairings.attempt(),
        )
        return as_json(view)

    async def invitation(self, request: web.Request) -> web.Response:
        found = self._pairings.invitation()
        if found is None:
            raise LookupError("no code is good now")
        return as_json(found)

    async def invite(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), Invite)
        note(request, replacing=body.replacing)
        if body.replacing:
            await self._refuse_if_peer_lives()
        return as_json(await self._pairings.invite(body.replacing))

    async def cancel(self, request: web.Request) -> web.Response:
        await self._pairings.cancel()
        return as_json(Done("No code is good any more."))

    async def join(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), JoinPair)
        note(request, at=body.at, replacing=body.replacing)
        peer = await self._pairings.join(body.code, body.at, body.replacing)
        said = f"Paired with node {peer.node_id} at {peer.endpoint}. The services start anew."
        return as_json(Done(said))

    async def _refuse_if_peer_lives(self) -> None:
        mail = await self._observer.mail()
        if mail is not None and mail.peer is not None and mail.peer.connected:
            hint = "stop it first; a node that comes back would own mail that this one has taken"
            raise Refused(Reply(450, "4.3.0", "the peer is alive and connected"), hint)
