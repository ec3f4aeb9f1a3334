"""The mail process as control reaches it: `Commands` over `run/mail.sock`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from appliance.control.caller import Caller
from appliance.ipc.mail import (
    CLIENT_CODEC,
    Call,
    ChangeSiteCall,
    CommandCall,
    Durable,
    FiledMail,
    FileMailCall,
    HandOverCall,
    PutRegistersCall,
    Results,
    Said,
    SalvageCall,
    Salvaged,
    SiteVersionMade,
    TakeOverCall,
    Target,
    TellPostmasterCall,
    View,
    ViewCall,
)
from appliance.mail.reply import Refused, Reply
from appliance.mail.views import CommandResult, MailView, SalvageView, Unavailable

Answer = TypeVar("Answer")

_PATIENCE = 10.0
"""Seconds. A command is durable within milliseconds, or something is wrong."""
_BODY_PATIENCE = 300.0
"""Seconds. A large message goes to the other node first."""


class MailProcess:
    """Calls the mail process, over one connection that is made again when it was lost."""

    def __init__(self, path: Path) -> None:
        self.last: MailView | None = None
        """What `view` said last, None if it failed."""
        self._caller: Caller[Call, Said] = Caller("mail", path, CLIENT_CODEC)

    async def view(self) -> MailView:
        """How the mail process is; raises Unavailable, as everything here."""
        try:
            self.last = (await self._call(ViewCall(), View)).view
        except Unavailable:
            self.last = None
            raise
        return self.last

    async def hold(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        """Keep recipients from being attempted."""
        return await self._command("hold", targets, by)

    async def release(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        """Make held recipients due."""
        return await self._command("release", targets, by)

    async def retry(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        """Make deferred recipients due now."""
        return await self._command("retry", targets, by)

    async def redirect(
        self, targets: Sequence[Target], address: str, by: str
    ) -> Sequence[CommandResult]:
        """Send recipients to another address."""
        return await self._command("redirect", targets, by, address)

    async def remove(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        """End recipients without a DSN."""
        return await self._command("remove", targets, by)

    async def take_over(self, by: str) -> str:
        """Act on the old backlog without the peer; raises Refused if nothing waits for it."""
        if (await self.view()).synced:
            raise Refused(
                Reply(450, "4.3.0", "no mail waits for the peer"), "there is nothing to take over"
            )
        await self._call(TakeOverCall(by), Durable)
        return "The backlog goes out now; attempts the peer may have made are counted as doubts."

    async def hand_over(self, patience: int, by: str) -> None:
        """Give everything to the peer; raises Refused if that is not done in `patience` ms."""
        await self._call(HandOverCall(patience, by), Durable, patience=_PATIENCE + patience / 1000)

    async def salvage(self, disk: str, by: str) -> SalvageView:
        """Take over a dead node's disk; waits for as long as it takes."""
        return (await self._call(SalvageCall(disk, by), Salvaged, patience=None)).view

    async def change_site(
        self,
        document: bytes,
        parent: str,
        by: str,
        comment: str,
        settles: Sequence[str],
        while_alone: bool,
    ) -> str:
        """Make a new version of the site; its id."""
        ended = tuple(bytes.fromhex(one) for one in settles)
        call = ChangeSiteCall(document, bytes.fromhex(parent), by, comment, ended, while_alone)
        return (await self._call(call, SiteVersionMade)).id.hex()

    async def put_registers(
        self, values: Sequence[tuple[str, str, bytes | None]], while_alone: bool
    ) -> None:
        """Write registers, all or none."""
        await self._call(PutRegistersCall(tuple(values), while_alone), Durable)

    async def file_mail(self, mailbox: str, path: str, by: str) -> str:
        """File the message in a file; its queue id, "" if the mailbox has just got the same."""
        call = FileMailCall(mailbox, path, by)
        return (await self._call(call, FiledMail, patience=_BODY_PATIENCE)).queue_id

    async def tell_postmaster(self, content: bytes) -> str:
        """Send the postmaster a message of the node's own; its queue id."""
        return (await self._call(TellPostmasterCall(content), FiledMail)).queue_id

    def close(self) -> None:
        """End the connection."""
        self._caller.close()

    async def _command(
        self, action: str, targets: Sequence[Target], by: str, address: str = ""
    ) -> Sequence[CommandResult]:
        call = CommandCall(action, tuple(targets), by, address)
        return (await self._call(call, Results)).results

    async def _call(
        self, call: Call, expect: type[Answer], patience: float | None = _PATIENCE
    ) -> Answer:
        return await self._caller.call(call, expect, patience)
