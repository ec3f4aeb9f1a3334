"""A DNS server on loopback with the zone that a test writes, over UDP and TCP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from appliance.config.delivery import DnsSettings
from appliance.config.units import Duration, NumericEndpoint
from appliance.delivery.exchangers import Exchangers
from appliance.mail.mx import Exchanger, Itself

UDP_LIMIT = 512  # RFC 1035 §4.2.1
TTL = 300
SOA = "ns.test. hostmaster.test. 1 7200 3600 86400"  # and how long a "no" is remembered
NEGATIVE_TTL = 60

Zone = Mapping[str, Mapping[str, Sequence[str]] | str]
"""Name → type → records, "CNAME" too; or the name of an rcode; or "silence".

A name that is missing does not exist.
"""


class Nameserver:
    """`async with Nameserver({"a.test": {"MX": ["10 mx.a.test"]}}) as server`."""

    def __init__(self, zone: Zone) -> None:
        self.zone: dict[str, Mapping[str, Sequence[str]] | str] = dict(zone)
        self.asked: list[str] = []
        """"MX a.test" for each question, in the order of arrival; over TCP "MX a.test tcp"."""
        self.port = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    @property
    def settings(self) -> DnsSettings:
        """Ask this one only."""
        server = NumericEndpoint(f"127.0.0.1:{self.port}")
        return DnsSettings(servers=(server,), timeout=Duration(20_000))

    async def __aenter__(self) -> Nameserver:
        self._tcp = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._tcp.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Udp(self), ("127.0.0.1", self.port), family=socket.AF_INET
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._udp is not None
        assert self._tcp is not None
        self._udp.close()
        self._tcp.close()
        await self._tcp.wait_closed()

    def answer(self, wire: bytes, limit: int | None) -> bytes | None:
        """The response to a question; None for silence. `limit`: of a UDP response."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{kind} {name}" + ("" if limit else " tcp"))
        response = dns.message.make_response(query)
        if self._fill(response, name, kind) == "silence":
            return None
        full = response.to_wire()
        if limit is None or len(full) <= limit:
            return full
        response.answer.clear()
        response.flags |= dns.flags.TC
        return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> str:
        found = self.zone.get(name, "NXDOMAIN")
        if isinstance(found, str):
            if found != "silence":
                response.set_rcode(dns.rcode.from_text(found))
                response.authority.append(
                    dns.rrset.from_text("test.", TTL, "IN", "SOA", f"{SOA} {NEGATIVE_TTL}")
                )
            return found
        if "CNAME" in found and kind != "CNAME":
            (target,) = found["CNAME"]
            response.answer.append(dns.rrset.from_text(f"{name}.", TTL, "IN", "CNAME", target))
            return self._fill(response, target.rstrip("."), kind)
        if found.get(kind):
            response.answer.append(
                dns.rrset.from_text_list(f"{name}.", TTL, "IN", kind, found[kind])
            )
        return ""

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2))
        answer = self.answer(await reader.readexactly(length), None)
        if answer is not None:
            writer.write(len(answer).to_bytes(2) + answer)
            await writer.drain()
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: Nameserver) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.answer(data, UDP_LIMIT)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


class _NotAsked:
    """Fails a test in which DNS is asked."""

    async def exchangers(self, domain: str) -> Sequence[Exchanger]:
        raise AssertionError(f"DNS was asked for the MX of {domain}")

    async def addresses(self, host: str) -> tuple[str, ...]:
        raise AssertionError(f"DNS was asked for the addresses of {host}")


WITHOUT_DNS = Exchangers(_NotAsked(), Itself(frozenset(), frozenset()), lambda: 0.0)
