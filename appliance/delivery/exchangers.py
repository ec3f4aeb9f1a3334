"""Where to connect for a domain's mail, by DNS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from appliance.delivery.lookup import NoSuchName
from appliance.mail import mx
from appliance.mail.address import domain_key
from appliance.mail.mx import Exchanger, Itself, Place
from appliance.mail.reply import Refused

SMTP_PORT = 25  # RFC 5321 §4.5.4.2: MX knows no other


class Directory(Protocol):
    """DNS as this needs it. Raises NoSuchName, and Refused (4yz) where it gave no answer."""

    async def exchangers(self, domain: str) -> Sequence[Exchanger]: ...
    async def addresses(self, host: str) -> tuple[str, ...]: ...


class Exchangers:
    """Finds the mail hosts of a domain. `random` is from [0, 1)."""

    def __init__(
        self,
        directory: Directory,
        itself: Itself,
        random: Callable[[], float],
        port: int = SMTP_PORT,
    ) -> None:
        self._directory = directory
        self._itself = itself
        self._random = random
        self._port = port

    async def places(self, address: str) -> list[Place]:
        """Where mail for the recipient `address` goes, best first; raises Refused."""
        literal = mx.literal(address)
        if literal is not None:
            host = Exchanger(0, literal)
            return mx.places([host], {literal: (literal,)}, self._itself, self._port, self._random)
        domain = domain_key(address)
        try:
            records = await self._directory.exchangers(domain)
        except NoSuchName:
            raise Refused(mx.NO_DOMAIN, "check the address for a typing error") from None
        hosts = mx.exchangers(domain, records, self._itself)
        looked_up = await asyncio.gather(*[self._addresses(host.host) for host in hosts])
        addresses = {}
        unknown = None
        for host, found in zip(hosts, looked_up, strict=True):
            if isinstance(found, Refused):
                unknown = found
                found = ()
            addresses[host.host] = found
        if unknown is not None and not any(addresses.values()):
            raise unknown  # one of them may have an address
        return mx.places(hosts, addresses, self._itself, self._port, self._random)

    async def _addresses(self, host: str) -> tuple[str, ...] | Refused:
        try:
            return await self._directory.addresses(host)
        except NoSuchName:
            return ()
        except Refused as refused:
            return refused
