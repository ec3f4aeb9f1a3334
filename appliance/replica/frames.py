"""What two nodes say to each other over the peer link."""

from __future__ import annotations

import msgspec

from appliance.replica.ownership import Claim
from appliance.replica.position import Incarnation, Mark, Node, Number, Reading, Time
from appliance.replica.registers import Register
from appliance.replica.site_versions import SiteVersion


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """First frame of each side on every connection.

    `marks` is what is durable here. `claims` fence the receiver before its journal knows of
    them. `clock` is the sender's running time in milliseconds. `kinds` are the record kinds it
    understands: the other writes no others.
    """

    node: Node
    name: str
    incarnation: Incarnation
    marks: dict[Incarnation, Mark]
    claims: tuple[Claim, ...]
    clock: Time
    mode: str
    kinds: frozenset[int]


class Batch(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """One encoded segment and the inline content of the messages it accepts.

    `gone`: those whose content the sender has no more, because it was pruned since. `damaged`:
    those whose content is not on the sender's disk any more as it was accepted.
    """

    segment: bytes
    contents: dict[str, bytes]
    gone: frozenset[str] = frozenset()
    damaged: frozenset[str] = frozenset()


class Ack(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Positions that became durable at the sender; also says that it is alive.

    `takes`: it may be given what the receiver owns.
    """

    positions: dict[Incarnation, Number]
    clock: Time
    mode: str
    exposed: Number
    takes: bool = True


class BodyChunk(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Part of a large body, sent in order, before the segment that accepts its message."""

    queue_id: str
    offset: Number
    data: bytes


class Ask(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A command for the owner of a message, forwarded."""

    request: Number
    action: str
    queue_id: str
    recipients: tuple[Number, ...] | None
    address: str
    domain: str


class Answer(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """How it went; `problem` is empty if it was done, which changed so many recipients."""

    request: Number
    problem: str
    hint: str
    changed: Number = 0


class Introduced(msgspec.Struct, frozen=True, array_like=True):
    """An incarnation as a snapshot names it; `at` is its node's running time at the tip.

    Of the messages accepted up to record `pruned`, those that the snapshot lacks were pruned.
    """

    id: Incarnation
    node: Node
    tip: Mark
    at: Reading
    pruned: Number


class SnapshotBegin(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """The journal no longer reaches back far enough: whole messages follow, to be merged.

    `damaged`: messages that the sender could never apply; that it lacks them says nothing.
    """

    incarnations: tuple[Introduced, ...]
    claims: tuple[Claim, ...]
    damaged: frozenset[str]


class Copy(msgspec.Struct, frozen=True, array_like=True):
    """One message with its state; `content` is None if it went ahead as body chunks.

    `damaged`: it is not on the sender's disk any more as it was accepted.
    """

    queue_id: str
    size: Number
    digest: bytes
    external: bool
    age: Time
    state: bytes
    envelope: bytes
    content: bytes | None
    damaged: bool = False


class Carried(msgspec.Struct, frozen=True, array_like=True):
    """A record that the sender could only carry (see `record.Foreign`), with what names it."""

    incarnation: Incarnation
    seq: Number
    epoch: Number
    at: Reading
    kind: Number
    data: bytes


class SnapshotPart(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Some messages in key order, and what the sender had applied when it read them.

    Or some of the site's versions and registers, for a peer that understands them.
    """

    known: dict[Incarnation, Number]
    copies: tuple[Copy, ...]
    versions: tuple[SiteVersion, ...] = ()
    registers: tuple[Register, ...] = ()
    carried: tuple[Carried, ...] = ()


class SnapshotEnd(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Everything up to the positions named at the beginning has been sent."""


Frame = Hello | Batch | Ack | BodyChunk | Ask | Answer | SnapshotBegin | SnapshotPart | SnapshotEnd

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    """The bytes of one frame on the link."""
    return _encoder.encode(frame)


def decode(data: bytes) -> Frame:
    """Raises msgspec.ValidationError or DecodeError if `data` is no frame."""
    return _decoder.decode(data)
