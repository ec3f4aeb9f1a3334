"""What the rest of a node asks of the engine, and what the engine answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.mail.work import AttemptId, Lease, Outcome
from appliance.replica.frames import Frame
from appliance.spool.bodies import Body
from appliance.spool.wreck import Wreck

Token = object
"""Names a request; the engine gives it back with the answer."""


Rooms = Sequence[tuple[int, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Accept:
    """Take responsibility for a message; its content is given inline or as a file."""

    token: Token
    queue_id: str
    envelope: bytes
    domains: tuple[str, ...]
    size: int
    digest: bytes
    content: bytes | None = None
    body: Body | None = None
    held: bool = False
    bulk: bool = False


@dataclass(frozen=True, slots=True)
class Want:
    """Lease up to `limit` due (message, domain) pairs; answered when there is one.

    `rooms`: of the domains that each names, all together, no more than so many.
    """

    token: Token
    limit: int
    blocked: frozenset[str] = frozenset()
    rooms: Rooms = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Outcomes of attempts; answered when they are durable."""

    token: Token
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Present:
    """Delivery is connected and works on `attempts`; answered with those it must abort."""

    token: Token
    attempts: frozenset[AttemptId]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Leases that delivery never got: not attempted, due again."""

    leases: Sequence[Lease]


@dataclass(frozen=True, slots=True)
class Command:
    """An operator's command on recipients of one message (all if None)."""

    token: Token
    action: str
    queue_id: str
    recipients: tuple[int, ...] | None = None
    address: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Give everything to the peer, once no lease is open; answered when both nodes hold that.

    Refused if the pair is not paired, or if after `patience` milliseconds leases are open still.
    With `force` these are in doubt then, and everything is given all the same.
    """

    token: Token
    patience: int = 0
    force: bool = False


@dataclass(frozen=True, slots=True)
class CallOff:
    """A `HandOver` that waits is refused. Nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class StandAside:
    """From now on the peer is to deliver whatever this node accepts; or each its own again."""

    aside: bool


@dataclass(frozen=True, slots=True)
class TakeOver:
    """An operator says that the peer will not come back for now."""

    token: Token


@dataclass(frozen=True, slots=True)
class Sweep:
    """Prune some messages that ended more than `keep` milliseconds ago; to be asked for often.

    `keep` 0 where the disk is short. Nobody waits for an answer.
    """

    keep: int


@dataclass(frozen=True, slots=True)
class Salvage:
    """Take over what a dead node's disk still holds, turn by turn; answered with the report.

    The wreck is the engine's from here on: it is closed at the end, however that comes.
    """

    token: Token
    wreck: Wreck


@dataclass(frozen=True, slots=True)
class ChangeSite:
    """A new version of the site's document; answered with its id.

    `parent` is the head that it was made from, b"" if there was none; `at` wall-clock
    milliseconds. `settles` are branches that whoever made it had before them.
    """

    token: Token
    document: bytes
    parent: bytes
    author: str
    at: int
    comment: str = ""
    settles: tuple[bytes, ...] = ()
    while_alone: bool = False


@dataclass(frozen=True, slots=True)
class SeedSite:
    """The document that applies as long as there is no version: to be made the first one.

    Asked for again and again until there is one; nobody waits for an answer.
    """

    document: bytes


@dataclass(frozen=True, slots=True)
class PutRegisters:
    """Write registers (table, key, value) in one transaction; None deletes."""

    token: Token
    values: Sequence[tuple[str, str, bytes | None]]
    while_alone: bool = False


SiteOperation = ChangeSite | SeedSite | PutRegisters
Operation = (
    Accept
    | Want
    | Report
    | Present
    | Cancel
    | Command
    | HandOver
    | CallOff
    | StandAside
    | TakeOver
    | Sweep
    | Salvage
    | SiteOperation
)


@dataclass(frozen=True, slots=True)
class Send:
    """A frame for the peer."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class ResetLink:
    """Close the connection to the peer; a new one is wanted."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """A request is answered."""

    token: Token
    value: object = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A request is refused."""

    token: Token
    error: Exception


@dataclass(frozen=True, slots=True)
class Revoke:
    """Attempts that delivery must not begin any more: this node no longer owns them."""

    attempts: frozenset[AttemptId]


@dataclass(frozen=True, slots=True)
class Happened:
    """An event for the log."""

    event: str
    fields: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SiteChanged:
    """These tables are not what they were, durably here; `site.DOCUMENT` is the document."""

    tables: frozenset[str]


Effect = Send | ResetLink | Done | Failed | Revoke | Happened | SiteChanged
