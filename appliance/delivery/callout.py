"""Asks a next hop whether it would take mail for a recipient, and sends none."""

from __future__ import annotations

from collections.abc import Callable

from appliance.delivery.smtp import ConnectFailed, Connector, Session
from appliance.delivery.wire import Lost
from appliance.mail.reply import Reply
from appliance.mail.route import Mx, Routes, Smtp
from appliance.mail.verdicts import NoAnswer


class Callout:
    """`routes` are those of the moment; `aliased` says whether an address stands for others."""

    def __init__(
        self, connector: Connector, routes: Callable[[], Routes], aliased: Callable[[str], bool]
    ) -> None:
        self._connector = connector
        self._routes = routes
        self._aliased = aliased

    def relayed(self, address: str) -> bool:
        """Whether mail for `address` goes to a next hop."""
        transport = self._routes().resolve(address).transport
        return isinstance(transport, Smtp | Mx) and not self._aliased(address)

    async def ask(self, address: str) -> Reply | None:
        """None if the next hop takes it, else its 5yz to the recipient; raises NoAnswer.

        A 5yz before the recipient is named is none of the recipient's: the null sender, or this
        node, is not welcome there.
        """
        session = await self._session(address)
        try:
            if not (session.peer.smtputf8 or address.isascii()):
                raise NoAnswer(f"{session.remote} takes no UTF-8 addresses (RFC 6531)")
            replies = await session.verify(address)
        except Lost as lost:
            raise NoAnswer(str(lost)) from lost
        except BaseException:
            session.abort()
            raise
        session.quit()
        last = replies[-1]
        if len(replies) == 2 and last.positive:
            return None
        if len(replies) == 2 and last.permanent:
            text = f"The next hop does not take it: {last.text}"
            return Reply(550, "5.1.1", text.replace("\n", " ")[:400])
        raise NoAnswer(f"{session.remote} said: {last}")

    async def _session(self, address: str) -> Session:
        transport = self._routes().resolve(address).transport
        try:
            if isinstance(transport, Mx):
                return await self._connector.exchange(address, transport.tls)
            if isinstance(transport, Smtp):
                return await self._connector.connect(transport.next_hops)
        except ConnectFailed as failed:
            raise NoAnswer(str(failed)) from failed
        raise NoAnswer("it is not relayed any more")
