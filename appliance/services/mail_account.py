"""The page of users in the mail process: it has the authenticator and the certificate."""

from __future__ import annotations

from appliance.identity.authenticator import TOO_OFTEN, WRONG, Authenticator
from appliance.identity.credential import CREDENTIALS, BadPassword, encoded
from appliance.identity.hasher import Busy, Hasher
from appliance.identity.own_password import check
from appliance.ipc.mail import (
    AccountCall,
    AccountSaid,
    CertificateSaid,
    ChangePasswordCall,
    PasswordSaid,
)
from appliance.mail.reply import Refused, Reply
from appliance.monitor.events import Emit, Event
from appliance.services.clock import wall
from appliance.spool.spool import Spool
from appliance.trust.keeper import Keeper

_MECHANISM = "PAGE"
"""In the log, beside SASL's."""


class AccountDesk:
    """Answers the account process."""

    def __init__(
        self, accounts: Authenticator, hasher: Hasher, keeper: Keeper, spool: Spool, emit: Emit
    ) -> None:
        self._accounts = accounts
        self._hasher = hasher
        self._keeper = keeper
        self._spool = spool
        self._emit = emit

    async def answer(self, call: AccountCall) -> AccountSaid:
        """Raises Refused."""
        if isinstance(call, ChangePasswordCall):
            return await self._change(call)
        return self._certificate()

    async def _change(self, call: ChangePasswordCall) -> PasswordSaid:
        """The old password counts as a login does: the same tries, the same lock-out."""
        if self._accounts.locked_out(call.client):
            return PasswordSaid("too often")
        try:
            check(self._accounts.people.name(call.login), call.old, call.new)
            user = await self._accounts.password(call.client, _MECHANISM, call.login, call.old)
            kept = await self._hasher.made(call.new, wall())
        except BadPassword as bad:
            return PasswordSaid("unfit", str(bad))
        except Busy:
            return PasswordSaid("busy")
        except Refused as refused:
            if refused.reply == WRONG:
                return PasswordSaid("wrong")
            return PasswordSaid("too often" if refused.reply == TOO_OFTEN else "busy")
        # Also while the other node is away: it is the user's own, and nobody else sets it.
        await self._spool.put_registers((CREDENTIALS, user, encoded(kept)), while_alone=True)
        self._emit(Event.PASSWORD_CHANGED, client=call.client, user=user)
        return PasswordSaid("changed")

    def _certificate(self) -> CertificateSaid:
        keeper = self._keeper
        if keeper.served is None:
            raise Refused(Reply(450, "4.7.5", "this node has no certificate"), "see the log")
        certificates, key = keeper.served
        return CertificateSaid(str(keeper.organization), certificates, key, keeper.revocations())
