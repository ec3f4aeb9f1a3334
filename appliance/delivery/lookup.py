"""DNS, for sites that have it: asked for MX routes only, answers kept as long as they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.resolver
import msgspec
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from appliance.config.delivery import DnsSettings
from appliance.mail.disposition import Trouble, unreachable
from appliance.mail.mx import Exchanger
from appliance.mail.reply import Refused
from appliance.mail.visible import visible

_LONGEST = 86_400  # seconds; RFC 1035 would allow 68 years
_MOST_KNOWN = 10_000  # answers kept
_RESOLV_CONF = Path("/etc/resolv.conf")


class NoSuchName(Exception):
    """DNS is certain that there is no such name (RFC 8020)."""


class _Known(msgspec.Struct, frozen=True):
    until: float
    records: Sequence[dns.rdata.Rdata] | None
    """None: there is no such name."""


class Lookup:
    """Asks the name servers of the settings or else of resolv.conf. `clock` counts seconds.

    Its methods raise NoSuchName, and Refused (4.4.3) where nobody gave an answer: what is
    wrong with the name servers is no reason to return mail.
    """

    def __init__(
        self, settings: DnsSettings, clock: Callable[[], float], resolv_conf: Path = _RESOLV_CONF
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._resolv_conf = resolv_conf
        self._known: dict[tuple[str, dns.rdatatype.RdataType], _Known] = {}

    def configure(self, settings: DnsSettings) -> None:
        """Other settings; what other servers said is forgotten."""
        if settings != self._settings:
            self._settings = settings
            self._known.clear()

    async def exchangers(self, domain: str) -> list[Exchanger]:
        """The MX records of `domain`; empty if it has none."""
        records = await self._records(domain, dns.rdatatype.MX)
        return [
            Exchanger(record.preference, _host(record.exchange))
            for record in records
            if isinstance(record, MX)
        ]

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The IPv4 and then the IPv6 addresses of `host`."""
        v4 = await self._records(host, dns.rdatatype.A)
        v6 = await self._records(host, dns.rdatatype.AAAA)
        return tuple([r.address for r in (*v4, *v6) if isinstance(r, A | AAAA)])

    async def _records(self, name: str, kind: dns.rdatatype.RdataType) -> Sequence[dns.rdata.Rdata]:
        known = self._known.get((name, kind))
        if known is None or known.until <= self._clock():
            known = await self._ask(name, kind)
            self._known.pop((name, kind), None)
            if len(self._known) >= _MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[name, kind] = known
        if known.records is None:
            raise NoSuchName(name)
        return known.records

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> _Known:
        try:
            # Absolute: never completed by the search list of resolv.conf.
            absolute = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError):
            return _Known(self._clock() + _LONGEST, None)
        try:
            answer = await self._resolver().resolve(
                absolute,
                kind,
                raise_on_no_answer=False,
                lifetime=self._settings.timeout.seconds,
                backend=dns.asyncbackend.get_backend("asyncio"),
            )
        except dns.resolver.NXDOMAIN as error:
            response: dns.message.QueryMessage = error.kwargs["responses"][absolute]
            return _Known(self._until(response), None)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            # ValueError: what stands in resolv.conf is no address.
            text = visible(f"DNS could not be asked about {name}: {error}", 500)
            hint = "look at the [dns] servers of site.toml, or at /etc/resolv.conf"
            raise Refused(unreachable(Trouble.NAME_UNKNOWN, text), hint) from error
        return _Known(self._until(answer.response), tuple(answer.rrset or ()))

    def _until(self, response: dns.message.QueryMessage) -> float:
        return self._clock() + min(response.resolve_chaining().minimum_ttl, _LONGEST)

    def _resolver(self) -> dns.asyncresolver.Resolver:
        # Read anew for each question that the cache can't answer: resolv.conf may change.
        resolver = dns.asyncresolver.Resolver(configure=False)
        servers = self._settings.servers
        if servers:
            resolver.nameservers = [
                dns.nameserver.Do53Nameserver(server.host, server.port) for server in servers
            ]
        else:
            resolver.read_resolv_conf(self._resolv_conf)
        return resolver


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True) if len(name) > 1 else ""
