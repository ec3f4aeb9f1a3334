"""What the control processes of the two nodes say to each other, through the mail processes' link.

One call: `Asked`, `AskedMore`…, then `Answered`, `AnsweredMore`… Each part waits until the one
before was `Heard`, so a call never has more than one part under way: replication frames and
heartbeats pass, and nobody needs room for more than a part of a call. Either side may say `Ended`.
"""

from __future__ import annotations

import msgspec

PART = 64 << 10
"""Bytes of content in a part at most."""
MOST_ASKED = 1 << 20
"""Bytes of a request's body at most."""
MOST_ANSWERED = 8 << 20
"""Bytes of an answer at most."""
PACKET_LIMIT = PART + (16 << 10)
"""Bytes of an encoded packet at most: a part, and a path."""


class Asked(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """A call of the control API, with the first part of its body; `last`: it is all.

    `call` is a random number of the caller's. `by` and `role`: for whom it is.
    """

    call: bytes
    method: str
    path: str
    by: str
    role: str
    data: bytes
    last: bool


class AskedMore(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The next part of the body."""

    call: bytes
    data: bytes
    last: bool


class Answered(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The answer (`kind` is its Content-Type), with the first part of its body."""

    call: bytes
    status: int
    kind: str
    data: bytes
    last: bool


class AnsweredMore(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The next part of it."""

    call: bytes
    data: bytes
    last: bool


class Heard(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The last part of the other side has come; the next one may."""

    call: bytes


class Ended(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Whoever says it has no more to do with the call; `why` is for people."""

    call: bytes
    why: str


Packet = Asked | AskedMore | Answered | AnsweredMore | Heard | Ended

_decoder: msgspec.msgpack.Decoder[Packet] = msgspec.msgpack.Decoder(Packet)


def encode(packet: Packet) -> bytes:
    """The bytes of a packet."""
    return msgspec.msgpack.encode(packet)


def decode(data: bytes) -> Packet:
    """Raises msgspec.DecodeError for what is no packet of this release."""
    return _decoder.decode(data)
