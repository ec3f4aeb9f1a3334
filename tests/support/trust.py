"""Certificates for tests, made once, and whom a client trusts."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address

from appliance.trust.authority import Authority, new_key
from appliance.trust.certificate import key_pem
from appliance.trust.contexts import client_context, server_context

NOW = datetime.now(UTC)
"""OpenSSL looks at the real clock."""


@cache
def authority(name: str = "site.test") -> Authority:
    """An authority of that name, always the same."""
    return Authority.create(name, NOW)


@cache
def server(
    *hosts: str, issuer: str = "site.test", now: datetime = NOW, address: str = "127.0.0.1"
) -> ssl.SSLContext:
    """A server with a certificate for these names, at `address`."""
    key = new_key()
    names = hosts or ("node.site.test",)
    chain = authority(issuer).issue(key, names, [ip_address(address)], now)
    return server_context(chain.pem(), key_pem(key))


class Trusting:
    """Trusts these authorities when a server has to be verified (`delivery.secure.Trust`)."""

    def __init__(self, *names: str) -> None:
        self.names: Sequence[str] = names

    def context(self, verify: bool) -> ssl.SSLContext:
        trusted = [authority(name).chain.pem() for name in self.names]
        return client_context(trusted, verify=verify)
