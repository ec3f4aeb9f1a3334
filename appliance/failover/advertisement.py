"""Advertisements and the packets that carry them between the two nodes of a pair.

VRRP version 3 authenticates nothing (RFC 9568 §9), so this is not its wire format: a packet of
fixed length, closed by an HMAC-SHA256 over all of it with the key of the pair.

    magic, version | path | sender | challenge: nonce, generation | echo: nonce, generation
    counter | status: mode, mail healthy, exposed | vrid, priority, interval, address | HMAC

A packet whose vrid is 0 carries no advertisement: it is the heartbeat of a node that is Active
for nothing. `conversation` says what challenge, echo and counter are for.
"""

from __future__ import annotations

import hmac
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from struct import Struct

import msgspec

from appliance.failover.parameters import MAX_INTERVAL, Address

_MAGIC = b"TwP\x01"
_LAYOUT = Struct(">4sB8s16sI16sIQB?IBBH16s")
_TAG = 32
SIZE = _LAYOUT.size + _TAG
_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291 §2.5.5.2
_MOST = 0xFFFFFFFF


class Rejection(StrEnum):
    """Why a packet changed nothing."""

    LENGTH = "length"
    FOREIGN = "foreign"
    FORGED = "forged"
    PATH = "path"
    STALE = "stale"
    REPLAYED = "replayed"


class Rejected(Exception):
    """A packet changed nothing, because of `reason`."""

    def __init__(self, reason: Rejection) -> None:
        super().__init__(reason)
        self.reason = reason


class PairMode(StrEnum):
    """What a 250 of the sender means; the words are those of the pair's replication."""

    SOLO = "solo"
    CATCHING_UP = "catching up"
    PAIRED = "paired"


_MODES = list(PairMode)


class Status(msgspec.Struct, frozen=True):
    """What a node tells its peer about itself; `exposed`: messages durable on it alone."""

    mode: PairMode = PairMode.SOLO
    exposed: int = 0
    mail_healthy: bool = False


class Sender(msgspec.Struct, frozen=True):
    """Who advertises: the primary address decides between equal priorities (RFC 9568 §6.4.3).

    It is the configured one, the same on every path, and the id of the node decides between
    two nodes behind one address, as in a demo on loopback: two winners must not exist.
    """

    address: Address
    node_id: bytes

    def beats(self, other: Sender) -> bool:
        """True if this node keeps the addresses at equal priority."""
        return (_packed(self.address), self.node_id) > (_packed(other.address), other.node_id)


class Advertisement(msgspec.Struct, frozen=True):
    """An ADVERTISEMENT (RFC 9568 §5.2): `interval` is Max Advertise Interval in centiseconds."""

    vrid: int
    priority: int
    interval: int
    sender: Sender


class Challenge(msgspec.Struct, frozen=True):
    """A number used once: the nonce of a start, and how often the peer changed since."""

    nonce: bytes
    generation: int = 0


class Packet(msgspec.Struct, frozen=True):
    """What one datagram says."""

    path: int
    sender: bytes
    challenge: Challenge
    echo: Challenge
    counter: int
    status: Status
    advertisement: Advertisement | None = None


def seal(packet: Packet, key: bytes) -> bytes:
    """The datagram: `SIZE` bytes."""
    said, status = packet.advertisement, packet.status
    fields = (
        (said.vrid, said.priority, said.interval, _packed(said.sender.address))
        if said
        else (0, 0, 0, bytes(16))
    )
    body = _LAYOUT.pack(
        _MAGIC,
        packet.path,
        packet.sender,
        packet.challenge.nonce,
        packet.challenge.generation,
        packet.echo.nonce,
        packet.echo.generation,
        packet.counter,
        _MODES.index(status.mode),
        status.mail_healthy,
        min(status.exposed, _MOST),
        *fields,
    )
    return body + hmac.digest(key, body, "sha256")


def unseal(data: bytes, key: bytes) -> Packet:
    """What the datagram says if it was made with the key; raises Rejected."""
    if len(data) != SIZE:
        raise Rejected(Rejection.LENGTH)
    body, tag = data[:-_TAG], data[-_TAG:]
    if not body.startswith(_MAGIC):
        raise Rejected(Rejection.FOREIGN)
    if not hmac.compare_digest(tag, hmac.digest(key, body, "sha256")):
        raise Rejected(Rejection.FORGED)
    _, path, sender, nonce, own, echoed, theirs, counter, *rest = _LAYOUT.unpack(body)
    mode, healthy, exposed, vrid, priority, interval, address = rest
    if mode >= len(_MODES) or (vrid and not 1 <= interval <= MAX_INTERVAL):
        raise Rejected(Rejection.FOREIGN)  # our key, but not our version
    return Packet(
        path,
        sender,
        Challenge(nonce, own),
        Challenge(echoed, theirs),
        counter,
        Status(_MODES[mode], exposed, healthy),
        Advertisement(vrid, priority, interval, Sender(_unpacked(address), sender))
        if vrid
        else None,
    )


def _packed(address: Address) -> bytes:
    return _MAPPED + address.packed if isinstance(address, IPv4Address) else address.packed


def _unpacked(packed: bytes) -> Address:
    address = IPv6Address(packed)
    return address.ipv4_mapped or address
