"""Whom this site trusts when its mail goes out: the delivery process's part of TLS."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

from appliance.trust.contexts import client_context
from appliance.trust.holdings import Keys, holdings


class Outbound:
    """Contexts of clients, made anew when the registers of the site's TLS have changed."""

    def __init__(self, keys: Keys, told: Callable[[str], object]) -> None:
        """`told` hears of what could not be used."""
        self._keys = keys
        self._told = told
        self._table: Mapping[str, bytes] = {}
        self._checking: ssl.SSLContext | None = None
        self._any = client_context((), verify=False)

    def heed(self, table: Mapping[str, bytes]) -> None:
        """The registers are these from now on."""
        self._table = table
        self._checking = None

    def context(self, verify: bool) -> ssl.SSLContext:
        """One that checks certificates, or one that takes any."""
        if not verify:
            return self._any
        if self._checking is None:
            self._checking = client_context(self._trusted(), verify=True)
        return self._checking

    def _trusted(self) -> list[str]:
        held = holdings(self._table)
        for problem in held.problems:
            self._told(problem)
        trusted = [chain.pem() for chain in held.trusted.values()]
        authority = held.authority or self._keys.own_authority()
        if authority is not None:
            trusted.append(authority.chain.pem())
        return trusted
