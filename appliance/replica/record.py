"""The journal's records, and the segments in which they are hashed, stored and sent.

A segment holds the records that one transaction wrote, without gaps. It names the hash of its
predecessor, so two nodes that hold the same number with another hash find out. It is encoded
once: what the journal stores is what the peer gets. Content travels beside it, by digest.
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import sha256
from typing import Annotated

import msgspec

from appliance.replica.position import Incarnation, Mark, Node, Number, Reading, Time
from appliance.replica.registers import Register
from appliance.replica.site_versions import SiteVersion


class Result(IntEnum):
    """How an attempt stands for one recipient (the wire form of `mail.work.Result`)."""

    OPEN = 0
    DELIVERED = 1
    DEFERRED = 2
    CANCELLED = 3
    BOUNCED = 4
    EXPIRED = 5
    DOUBT = 6
    REMOVED = 7


class Note(msgspec.Struct, frozen=True, array_like=True):
    """What the next hop said last: reply code, enhanced status, text, and who said it."""

    code: Number
    enhanced: str
    text: str
    remote: str = ""


class Log(msgspec.Struct, frozen=True, array_like=True):
    """The owner's log of one recipient: the whole value, so the latest one simply wins.

    `due` is milliseconds of the writing node's running time; `domain` routes the recipient;
    `address` is set by a redirect. `bulk`: it may wait for interactive mail.
    """

    due: Time
    domain: str
    held: bool = False
    tries: Number = 0
    delay_notified: bool = False
    address: str | None = None
    note: Note | None = None
    bulk: bool = False


class Attempt(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Names an attempt: the position of its lease record."""

    incarnation: Incarnation
    seq: Number


class Started(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """The first record of an incarnation: which node minted it."""

    node: Node


class Accepted(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A message for which this node took responsibility (RFC 5321 §4.2.5).

    `envelope` is opaque here. `domains` has the routing domain of each recipient. `external`:
    the content is a file, durable on every node that holds this record. `bulk`: see `Log`.
    """

    queue_id: str
    envelope: bytes
    domains: tuple[str, ...]
    size: Number
    digest: bytes
    external: bool = False
    held: bool = False
    bulk: bool = False


class Leased(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The owner is about to attempt `recipients`; the record's own position names the attempt.

    `stale`: the other node may have attempted them meanwhile without this one knowing.
    """

    queue_id: str
    recipients: tuple[Number, ...]
    stale: bool = False


class Ending(msgspec.Struct, frozen=True, array_like=True):
    """How an attempt ended for one recipient; `log` unless that was final."""

    index: Number
    result: Result
    note: Note | None = None
    mailbox: str | None = None
    log: Log | None = None


class Ended(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The outcome of an attempt. Facts: they hold whoever owns the recipient by now."""

    queue_id: str
    attempt: Attempt
    endings: tuple[Ending, ...]


class Logged(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The owner held, released, redirected or hastened recipients (`action` says which)."""

    queue_id: str
    action: str
    logs: tuple[tuple[Number, Log], ...]


class Removed(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """An operator removed recipients from the queue: final, without a DSN."""

    queue_id: str
    recipients: tuple[Number, ...]


class Claimed(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """`owner` owns, from the segment's epoch on, what `scope` covers (adopted or handed over).

    `doubt`: attempts that nobody here knows of may have been made before.
    """

    owner: Node
    scope: dict[Incarnation, Number]
    reason: str
    doubt: bool = False


class Pruned(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Messages that had come to their end, in the journals of both nodes, are forgotten."""

    queue_ids: tuple[str, ...]


class Foreign(msgspec.Struct, frozen=True, array_like=True, tag=-1):
    """A record of a kind that a later release has made: `data` is its encoding.

    Never written: it is what `decode` makes of one. It is carried, and applied by the release
    that understands it.
    """

    kind: int
    data: bytes


Record = (
    Started
    | Accepted
    | Leased
    | Ended
    | Logged
    | Removed
    | Claimed
    | Pruned
    | SiteVersion
    | Register
    | Foreign
)
BASE = frozenset(range(8))
"""The kinds that every release writes (kinds are the structs' tags)."""
SITE, REGISTER = 8, 9
KINDS = BASE | {SITE, REGISTER}
"""The kinds of record this release understands.

Others than BASE are written only once the peer has said that it understands them (rule 11). A
node that goes back to the release before carries what came meanwhile (see `Foreign`).
"""


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """Consecutive records of one incarnation, the first with sequence number `first`.

    `previous` is the hash of the segment before (b"" for the first); `epoch` that of the latest
    claim the writer knew of; `at` milliseconds of its running time.
    """

    incarnation: Incarnation
    first: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]
    previous: bytes
    epoch: Number
    at: Reading
    records: tuple[Record, ...]

    @property
    def last(self) -> int:
        """The sequence number of its last record."""
        return self.first + len(self.records) - 1


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Segment)


class _Sealed(msgspec.Struct, array_like=True):
    """A segment whose records are not looked into."""

    incarnation: Incarnation
    first: Number
    previous: bytes
    epoch: Number
    at: Reading
    records: tuple[msgspec.Raw, ...]


_sealed = msgspec.msgpack.Decoder(_Sealed)
_one: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def encode(segment: Segment) -> bytes:
    """The bytes that are hashed, stored and sent."""
    return _encoder.encode(segment)


def decode(data: bytes) -> Segment:
    """The segment in `data`; raises msgspec.ValidationError or DecodeError if it is none."""
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError:
        # Records of kinds that are not known make it a segment of a later release, nothing else.
        sealed = _sealed.decode(data)
        if all(_kind(raw) in KINDS for raw in sealed.records):
            raise
    records = tuple([opened(bytes(raw)) for raw in sealed.records])
    head = (sealed.incarnation, sealed.first, sealed.previous, sealed.epoch, sealed.at)
    return Segment(*head, records)


def opened(data: bytes) -> Record:
    """One record, `Foreign` if its kind is not known; raises msgspec.DecodeError."""
    kind = _kind(data)
    return _one.decode(data) if kind in KINDS else Foreign(kind, data)


def _kind(data: bytes | msgspec.Raw) -> int:
    match msgspec.msgpack.decode(data):
        case [int(kind), *_] if kind >= 0:
            return kind
    raise msgspec.ValidationError("a record without a kind")


def mark(segment: Segment, data: bytes) -> Mark:
    """The position and hash after `segment`, whose encoding is `data`."""
    return Mark(segment.last, sha256(data).digest()[:16])


class Diverged(Exception):
    """The same sequence number with another hash: one of the two journals is not what it was."""


def follows(segment: Segment, tip: Mark | None) -> bool:
    """True if `segment` continues a journal that ends at `tip`, False if it is already held.

    Raises Diverged for another predecessor and LookupError for a gap.
    """
    have = tip.seq if tip else 0
    if segment.last <= have:
        return False
    if segment.first != have + 1:
        raise LookupError(f"segment {segment.first}..{segment.last} after {have}")
    if segment.previous != (tip.hash if tip else b""):
        raise Diverged(
            f"incarnation {segment.incarnation.hex()}: record {have} has another hash on the peer"
        )
    return True
