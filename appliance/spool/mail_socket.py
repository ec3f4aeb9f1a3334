"""The mail socket: the spool as delivery and control reach it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from appliance.ipc.frames import ConnectionLost
from appliance.ipc.mail import (
    AccountCall,
    AccountSaid,
    Call,
    CertificateCall,
    ChangePasswordCall,
    ChangeSiteCall,
    CommandCall,
    Durable,
    FiledMail,
    FileMailCall,
    HandOverCall,
    Leases,
    LeasesCall,
    PresentCall,
    Presented,
    PutRegistersCall,
    Renewed,
    ReportCall,
    Results,
    Revoked,
    Said,
    SalvageCall,
    Salvaged,
    TakeOverCall,
    Target,
    TellPeerCall,
    TellPostmasterCall,
    View,
    ViewCall,
    WatchPeerCall,
    WatchSiteCall,
)
from appliance.ipc.server import Peer
from appliance.ipc.wire import CallFailed, Failure
from appliance.mail.address import domain_key
from appliance.mail.reply import Refused
from appliance.mail.views import CommandResult, MailView, SalvageView
from appliance.mail.work import AttemptId
from appliance.spool.operations import Command, Present, Report, Salvage, TakeOver, Want
from appliance.spool.peer_socket import PeerSocket
from appliance.spool.salvage import SalvageReport
from appliance.spool.site_socket import SiteSocket
from appliance.spool.spool import Spool
from appliance.spool.wreck import Wreck

Client = Peer[Said, Call]
PairCall = TakeOverCall | SalvageCall | HandOverCall


class MailSocket:
    """Handles calls on `run/mail.sock`. One client at a time is delivery: the last to present."""

    def __init__(
        self,
        spool: Spool,
        view: Callable[[], MailView],
        emit: Callable[..., None],
        scratch: Path,
        site: SiteSocket,
        peer: PeerSocket,
        file: Callable[[FileMailCall], Awaitable[FiledMail]],
        to_postmaster: Callable[[TellPostmasterCall], Awaitable[FiledMail]],
        account: Callable[[AccountCall], Awaitable[AccountSaid]],
    ) -> None:
        """`scratch` is a folder to be made for the copy of a salvaged disk.

        `file` takes mail from elsewhere into a mailbox; raises Refused, OSError.
        `to_postmaster` takes what the node itself has to say; raises Refused, OSError.
        `account` is for the page of users; raises Refused, OSError.
        """
        self._file = file
        self._to_postmaster = to_postmaster
        self._account = account
        self._spool = spool
        self._view = view
        self._emit = emit
        self._scratch = scratch
        self.delivery: Client | None = None
        self._site = site
        self._peer = peer
        spool.on_revoke = self.revoke

    def connected(self, peer: Client) -> None:
        """Somebody connected; only this user and root can."""

    def lost(self, peer: Client, error: ConnectionLost) -> None:
        """A connection ended."""
        self._site.lost(peer)
        self._peer.lost(peer)
        if peer is self.delivery:
            self.delivery = None
            self._spool.submit(Want(None, 0))

    def pushed(self, peer: Client, message: Call) -> None:
        """Nothing is pushed to the spool."""

    def request(self, peer: Client, message: Call) -> Said | Coroutine[Any, Any, Said]:
        """Answer a call."""
        match message:
            case PresentCall():
                return self._present(peer, message)
            case LeasesCall() | ReportCall():
                return self._work(peer, message)
            case CommandCall():
                return self._command(message)
            case ViewCall():
                return View(self._view())
            case WatchSiteCall():
                return self._site.watch(peer)
            case WatchPeerCall() | TellPeerCall():
                return self._peer.request(peer, message)
            case ChangeSiteCall() | PutRegistersCall():
                return self._site.request(message)
            case FileMailCall() | TellPostmasterCall() | ChangePasswordCall() | CertificateCall():
                return self._pass_on(message)
            case _:
                return self._operate(message)

    def _work(self, peer: Client, message: LeasesCall | ReportCall) -> Coroutine[Any, Any, Said]:
        if peer is not self.delivery:
            raise CallFailed(Failure("not presented", "present your leases first"))
        if isinstance(message, LeasesCall):
            return self._lease(message)
        return self._report(message)

    def _operate(self, message: PairCall) -> Said | Coroutine[Any, Any, Said]:
        match message:
            case TakeOverCall():
                return self._take_over(message)
            case SalvageCall():
                return self._salvage(message)
            case HandOverCall():
                return self._hand_over(message)

    def renew(self) -> None:
        """Tell delivery that its leases go on being valid; about once a second."""
        if self.delivery is not None:
            self.delivery.push(Renewed())

    def revoke(self, attempts: frozenset[AttemptId]) -> None:
        """Tell delivery what it must not begin any more."""
        if self.delivery is not None:
            self.delivery.push(Revoked(tuple(attempts)))

    async def _present(self, peer: Client, call: PresentCall) -> Said:
        former, self.delivery = self.delivery, peer
        if former is not None and former is not peer:
            former.close()
        invalid = await self._spool.ask(lambda t: Present(t, frozenset(call.attempts)))
        assert isinstance(invalid, frozenset)
        peer.push(Renewed())
        return Presented(tuple(invalid))

    async def _lease(self, call: LeasesCall) -> Said:
        blocked = frozenset(call.blocked)
        leases = await self._spool.ask(lambda token: Want(token, call.limit, blocked, call.rooms))
        assert isinstance(leases, list)
        return Leases(tuple(leases))

    async def _report(self, call: ReportCall) -> Said:
        await self._spool.ask(lambda token: Report(token, call.outcomes))
        return Durable()

    async def _command(self, call: CommandCall) -> Said:
        self._emit("command", action=call.action, by=call.by, messages=len(call.targets))
        domain = domain_key(call.address) if call.address else ""
        waiting = [self._ask(call, target, domain) for target in call.targets]
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        results = [_result(*one) for one in zip(call.targets, ended, strict=True)]
        return Results(tuple(results))

    def _ask(self, call: CommandCall, target: Target, domain: str) -> asyncio.Future[object]:
        return self._spool.ask(
            lambda token: Command(
                token, call.action, target.queue_id, target.recipients, call.address, domain
            )
        )

    async def _take_over(self, call: TakeOverCall) -> Said:
        self._emit("command", action="take over", by=call.by)
        await self._spool.ask(TakeOver)
        return Durable()

    async def _pass_on(self, call: FileMailCall | TellPostmasterCall | AccountCall) -> Said:
        try:
            if isinstance(call, FileMailCall):
                return await self._file(call)
            if isinstance(call, TellPostmasterCall):
                return await self._to_postmaster(call)
            return await self._account(call)
        except (Refused, OSError) as error:
            raise _refused(error) from error

    async def _hand_over(self, call: HandOverCall) -> Said:
        self._emit("command", action="hand over", by=call.by)
        try:
            await self._spool.hand_over(call.patience)
        except Refused as error:
            raise _refused(error) from error
        return Durable()

    async def _salvage(self, call: SalvageCall) -> Said:
        self._emit("command", action="salvage", by=call.by, disk=call.disk)
        try:
            wreck = await asyncio.to_thread(Wreck, Path(call.disk), self._scratch)
        except (Refused, OSError) as error:
            raise _refused(error) from error
        try:
            report = await self._spool.ask(lambda token: Salvage(token, wreck))
        except Refused as error:
            raise _refused(error) from error
        assert isinstance(report, SalvageReport)
        return Salvaged(msgspec.convert(msgspec.structs.asdict(report), SalvageView))


def _result(target: Target, ended: object) -> CommandResult:
    if isinstance(ended, Refused):
        text = ended.reply.text
        return CommandResult(queue_id=target.queue_id, error=text, hint=ended.hint)
    if isinstance(ended, BaseException):
        raise ended
    assert isinstance(ended, int)
    return CommandResult(queue_id=target.queue_id, changed=ended)


def _refused(error: Refused | OSError) -> CallFailed:
    if isinstance(error, Refused):
        return CallFailed(Failure("refused", error.reply.text, error.hint))
    return CallFailed(Failure("refused", str(error), "check the path, and free space for a copy"))
