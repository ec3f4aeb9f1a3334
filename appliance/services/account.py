"""The account process: the page at which users change their password.

It asks the mail process for everything: whether a password is right, and the certificate.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from appliance.account.listeners import Listeners, changing
from appliance.account.web import Away, Unchanged, account_pages, plain_pages
from appliance.balance.listen import listening_socket
from appliance.config.units import NumericEndpoint
from appliance.control.caller import Caller
from appliance.ipc.mail import (
    CLIENT_CODEC,
    Call,
    CertificateCall,
    CertificateSaid,
    ChangePasswordCall,
    PasswordOutcome,
    PasswordSaid,
    Said,
)
from appliance.mail.reply import Refused
from appliance.mail.views import Unavailable
from appliance.monitor.events import Event
from appliance.services.moving import Follower, listen
from appliance.services.process import Context
from appliance.trust.contexts import server_context

_NICE = 10
_PATIENCE = 20.0
"""Seconds for an answer: passwords are tried one after the other."""
_AGAIN = 0.2
_EVERY = 1.0
"""Seconds between two looks at the certificate."""
_SHUTDOWN = 5.0
_TEXTS: Mapping[PasswordOutcome, tuple[HTTPStatus, str]] = {
    "wrong": (
        HTTPStatus.FORBIDDEN,
        "Name and password do not belong together. Nothing was changed.",
    ),
    "too often": (
        HTTPStatus.TOO_MANY_REQUESTS,
        "There were too many wrong passwords. Wait a quarter of an hour, then try again.",
    ),
    "busy": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many people try at once. Nothing was changed; try again in a minute.",
    ),
}


class MailAccounts:
    """`account.web.Accounts` over `run/mail.sock`, and what TLS and the list are made of."""

    def __init__(self, path: Path) -> None:
        self.said: CertificateSaid | None = None
        self._caller: Caller[Call, Said] = Caller("mail", path, CLIENT_CODEC)
        self._context: ssl.SSLContext | None = None

    @property
    def site(self) -> str:
        """The site's domain."""
        return self.said.site if self.said is not None else ""

    @property
    def revocations(self) -> bytes:
        """The list of revoked certificates, b"" if there is none."""
        return self.said.crl if self.said is not None else b""

    @property
    def context(self) -> ssl.SSLContext:
        """What TLS that begins now is made of; there is one since `renew` was first True."""
        assert self._context is not None
        return self._context

    async def change(self, client: str, login: str, old: str, new: str) -> None:
        call = ChangePasswordCall(client, login, old, new)
        try:
            said = await self._caller.call(call, PasswordSaid, _PATIENCE)
        except (Unavailable, Refused) as error:
            raise Away from error
        if said.outcome == "unfit":
            text = f"This won't do: {said.text}. Choose another one."
            raise Unchanged(HTTPStatus.UNPROCESSABLE_ENTITY, text)
        if said.outcome != "changed":
            raise Unchanged(*_TEXTS[said.outcome])

    async def renew(self) -> bool:
        """Ask for the certificate of now; whether there has been one so far."""
        with suppress(Unavailable, Refused, ssl.SSLError):
            said = await self._caller.call(CertificateCall(), CertificateSaid, _PATIENCE)
            known = self.said
            if known is None or (known.certificates, known.key) != (said.certificates, said.key):
                context = server_context(said.certificates, said.key)
                # One form needs no second connection: so no key has to outlive a handshake.
                context.options |= ssl.OP_NO_TICKET
                context.num_tickets = 0
                self._context = context
            self.said = said
        return self._context is not None

    def close(self) -> None:
        """End the connection."""
        self._caller.close()


async def serve(context: Context) -> None:
    """Run until told to stop; raises OSError if an address cannot be listened on."""
    settings = context.node.account
    if settings is None:
        raise RuntimeError("node.toml has no [account]")
    os.nice(_NICE)  # handshakes cost a processor; mail comes first
    accounts = MailAccounts(context.layout.mail_socket)
    stopped = asyncio.create_task(context.stop.wait())
    ports = {one.host: one.port for one in settings.listen} | {"": settings.listen[0].port}
    runners = [
        web.AppRunner(one, access_log=None, shutdown_timeout=_SHUTDOWN)
        for one in (account_pages(accounts), plain_pages(lambda: accounts.revocations, ports))
    ]
    try:
        while not await accounts.renew() and not await _ended(stopped, _AGAIN):
            pass
        if not stopped.done():
            await _serve(context, accounts, runners, stopped)
    finally:
        stopped.cancel()
        for runner in runners:
            await runner.cleanup()
        accounts.close()


async def _serve(
    context: Context,
    accounts: MailAccounts,
    runners: Sequence[web.AppRunner],
    stopped: asyncio.Task[bool],
) -> None:
    settings = context.node.account
    assert settings is not None
    for runner in runners:
        await runner.setup()
    page = Listeners(runners[0], listening_socket, context.emit, changing(lambda: accounts.context))
    plain = Listeners(runners[1], listening_socket, context.emit)
    running = [
        asyncio.create_task((await _follower(context, listeners, endpoints)).run())
        for listeners, endpoints in ((page, settings.listen), (plain, settings.http))
    ]
    context.ready()
    try:
        while not await _ended(stopped, _EVERY):
            await accounts.renew()
            for task in running:
                if task.done():
                    task.result()  # raises what ended it
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        page.close()
        plain.close()


async def _follower(
    context: Context, listeners: Listeners, endpoints: Sequence[NumericEndpoint]
) -> Follower:
    moving = await listen(listeners, endpoints, context.node)
    path = context.layout.failover_socket
    return Follower(path, listeners, moving, context.emit, Event.ACCOUNT_NOT_LISTENING)


async def _ended(stopped: asyncio.Task[bool], seconds: float) -> bool:
    """Wait for the end, no longer than that."""
    await asyncio.wait([stopped], timeout=seconds)
    return stopped.done()
