"""The site as other processes of the node reach it on the mail socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from appliance.config import ConfigError
from appliance.config.site_document import decoded
from appliance.ipc.mail import (
    Call,
    ChangeSiteCall,
    Durable,
    PutRegistersCall,
    Said,
    SiteCall,
    SiteMoved,
    SiteVersionMade,
)
from appliance.ipc.server import Peer
from appliance.ipc.wire import CallFailed, Failure
from appliance.mail.reply import Refused
from appliance.spool.operations import ChangeSite
from appliance.spool.site_state import Check, usable
from appliance.spool.spool import Spool

Client = Peer[Said, Call]
_NEW = "the new version"


class SiteSocket:
    """Takes changes, and tells those who watch of them."""

    def __init__(
        self,
        spool: Spool,
        wall: Callable[[], int],
        check: Check,
        problem: Callable[[], str],
        emit: Callable[..., None],
    ) -> None:
        """`wall` dates versions; `problem` says why the head cannot be read, "" if it can."""
        self._spool = spool
        self._wall = wall
        self._check = check
        self._problem = problem
        self._emit = emit
        self._watching: set[Client] = set()

    def watch(self, peer: Client) -> Said:
        """Tell this client of changes from now on."""
        self._watching.add(peer)
        return Durable()

    def lost(self, peer: Client) -> None:
        """A connection ended."""
        self._watching.discard(peer)

    def moved(self, tables: Iterable[str]) -> None:
        """Tell whoever watches."""
        for peer in self._watching:
            peer.push(SiteMoved(tuple(tables)))

    async def request(self, call: SiteCall) -> Said:
        """Carry out a change; it is durable when this returns."""
        try:
            if isinstance(call, PutRegistersCall):
                await self._spool.put_registers(*call.values, while_alone=call.while_alone)
                return Durable()
            return await self._change(call)
        except Refused as error:
            raise CallFailed(Failure("refused", error.reply.text, error.hint)) from error

    async def _change(self, call: ChangeSiteCall) -> Said:
        try:
            usable(decoded(call.document, _NEW), _NEW, self._check)
        except ConfigError as error:
            raise CallFailed(Failure("refused", str(error), "nothing was changed")) from error
        if problem := self._problem():
            # Whoever cannot read what is in force would drop what they cannot read.
            hint = "change the site on the other node, or bring this one to the same release"
            raise CallFailed(
                Failure("refused", f"the site in force is not readable: {problem}", hint)
            )
        id_ = await self._spool.ask(
            lambda token: ChangeSite(
                token,
                call.document,
                call.parent,
                call.by,
                self._wall(),
                call.comment,
                call.settles,
                call.while_alone,
            )
        )
        assert isinstance(id_, bytes)
        self._emit("command", action="change site", by=call.by, version=id_.hex()[:10])
        return SiteVersionMade(id_)
