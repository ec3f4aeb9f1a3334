"""What operators are shown of the queue, the mailboxes and the pair.

The spool fills these in and control passes them on; as JSON they are the API's answers
(docs/json.md). Ages and delays are milliseconds of running time, `received_at` is wall-clock
milliseconds as a client's message got them. `owner` and other nodes are named as in node.toml,
or by the node id in hex as long as no name is known.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Unavailable(Exception):
    """Who would have to be asked cannot be now; later it may be. `hint` says what to do, or ""."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class RecipientStatus(StrEnum):
    """Where one recipient stands. The first five are in the queue, the rest has ended.

    QUEUED: before its first attempt. LEASED: delivery has it in hand. DEFERRED: attempted, to be
    attempted again. HELD: until an operator releases it. WAITING: this node may not act on it
    yet (backlog older than its boot, or owned by the peer out of reach).
    """

    QUEUED = "queued"
    LEASED = "leased"
    DEFERRED = "deferred"
    HELD = "held"
    WAITING = "waiting"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    REMOVED = "removed"


IN_QUEUE = frozenset(
    {
        RecipientStatus.QUEUED,
        RecipientStatus.LEASED,
        RecipientStatus.DEFERRED,
        RecipientStatus.HELD,
        RecipientStatus.WAITING,
    }
)


class RecipientView(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient of a message.

    `original` is the address in the envelope, `address` the one it goes to (they differ after a
    redirect). `due_in`: until the next attempt, None if none is planned. `reply` and `remote`:
    what was said last, and by whom. `deliveries` over 1 are duplicates; `doubts` are attempts
    of which nobody knows how they ended.
    """

    index: int
    address: str
    original: str
    status: RecipientStatus
    tries: int = 0
    due_in: int | None = None
    reply: str = ""
    remote: str = ""
    mailbox: str | None = None
    deliveries: int = 0
    doubts: int = 0


class QueueEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One message in a list; `others` counts the recipients that were not asked for."""

    queue_id: str
    sender: str
    size: int
    age: int
    received_at: int
    owner: str
    recipients: tuple[RecipientView, ...]
    others: int = 0


class QueueFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which recipients are meant: those that fit everything given.

    `sender` and `recipient` are an address, "@domain" or "@.subdomains-of"; `status` none means
    everything in the queue. `text` is any part of the sender's or recipient's address, or the
    beginning of the queue id. `ended` looks at messages that left the queue, too.
    """

    status: tuple[RecipientStatus, ...] = ()
    sender: str = ""
    recipient: str = ""
    text: str = ""
    ended: bool = False


class QueuePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some entries, newest first; `after` asks for the next page, "" if this was the last."""

    entries: tuple[QueueEntry, ...]
    after: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a message, as the journal tells it.

    `kind` is the record's: accepted, leased, ended, logged, removed. `ago`: before now.
    """

    ago: int
    node: str
    kind: str
    recipients: tuple[int, ...] = ()
    detail: str = ""


class MessageStory(msgspec.Struct, frozen=True, kw_only=True):
    """Everything this node knows about one message; `steps` as far as the journal reaches back."""

    queue_id: str
    sender: str
    size: int
    age: int
    received_at: int
    owner: str
    client: str
    helo: str
    envid: str | None
    recipients: tuple[RecipientView, ...]
    steps: tuple[Step, ...] = ()


class MailboxView(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox and what it holds; `size` in bytes."""

    name: str
    messages: int
    size: int


class MailboxEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One message in a mailbox; `recipients` are those for whom it was filed there."""

    queue_id: str
    sender: str
    recipients: tuple[str, ...]
    size: int
    received_at: int


class MailboxPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some messages of a mailbox, oldest first; `after` as in `QueuePage`."""

    entries: tuple[MailboxEntry, ...]
    after: str = ""


AGES = (60_000, 600_000, 3_600_000, 14_400_000, 86_400_000)
"""Milliseconds: upper ends of the ages by which the queue is counted."""


class QueueCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients in the queue by state, of this node's own and of those its peer owns."""

    queued: int = 0
    leased: int = 0
    deferred: int = 0
    held: int = 0
    waiting: int = 0
    owned_here: int = 0
    owned_by_peer: int = 0


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a command did to one message: `changed` recipients, or why not and what to do."""

    queue_id: str
    changed: int = 0
    error: str = ""
    hint: str = ""


class SalvageView(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken over from the disk of the dead node `node` (its id in hex).

    `segments` of its journal and `messages` that were new here; `merged`: messages known here of
    which more is known now; `lost`: messages whose content is gone; `damaged`: places that could
    not be read. `problems` are the first of what could not be taken over.
    """

    node: str
    segments: int = 0
    messages: int = 0
    merged: int = 0
    lost: int = 0
    damaged: int = 0
    problems: tuple[str, ...] = ()


class SiteVersionView(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the site's document. `id`, `parent` and `settles` are hashes in hex.

    `standing`: "head" for the one in force, "branch" for one that was set aside and that nobody
    has settled yet, "" for the others. `at` is 0 and `author` "" for what a site.toml said first.
    """

    id: str
    number: int
    parent: str
    author: str
    at: int
    node: str
    comment: str
    size: int
    settles: tuple[str, ...] = ()
    standing: str = ""


class SiteView(msgspec.Struct, frozen=True, kw_only=True):
    """The site as it is: `document` is in force, without what was not set.

    `head` is None as long as the pair runs by site.toml. `applied` is the id of the version whose
    document applies: not the head if `problem` says why that cannot be read. `file_differs`: this
    node's site.toml says something else, and is not heeded.
    """

    head: SiteVersionView | None
    applied: str
    problem: str
    branches: tuple[SiteVersionView, ...]
    document: dict[str, object]
    file_differs: bool


class SiteDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A version with its document."""

    version: SiteVersionView
    document: dict[str, object]


class PeerView(msgspec.Struct, frozen=True, kw_only=True):
    """The peer as this node sees it.

    `name` is "" if it never said hello. `lag`: records the peer has not acknowledged as durable.
    """

    name: str
    node_id: str
    connected: bool
    last_heard_ago: int | None
    lag: int
    lag_ms: int
    exposed: int | None = None


class VerificationView(msgspec.Struct, frozen=True, kw_only=True):
    """The verification of recipients at next hops, counted since the mail process started.

    `hits` and `misses` are of the recipient validation cache: a recipient of whom an answer was
    kept, or was not. `unanswered` counts callouts.
    """

    enabled: bool = False
    cached: int = 0
    cached_refusals: int = 0
    hits: int = 0
    misses: int = 0
    callouts: int = 0
    unanswered: int = 0
    under_way: int = 0
    waiting: int = 0


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """What the site's policy did on one node since the mail process started.

    `refused`: recipients, messages and connections by the restriction that refused them. `held`,
    `discarded`: recipients. `tracked`: clients and users with a rate.
    """

    refused: dict[str, int] = {}
    held: int = 0
    discarded: int = 0
    tracked: int = 0
    verification: VerificationView = VerificationView()


class HistogramView(msgspec.Struct, frozen=True, kw_only=True):
    """How long things took: how many by bucket (`mail.histogram.BOUNDS`), seconds in all."""

    counts: tuple[int, ...] = ()
    total: float = 0.0


class ReceptionView(msgspec.Struct, frozen=True, kw_only=True):
    """Connections of clients, counted since the mail process started.

    `faults`: commands that broke the protocol. `tls`: handshakes by version.
    """

    admitted: int = 0
    refused: int = 0
    faults: int = 0
    tls: dict[str, int] = {}
    tls_failed: int = 0


class MailView(msgspec.Struct, frozen=True, kw_only=True):
    """The mail process of one node: its view of the pair and its counters since it started.

    `mode`: paired, catching up, solo or split. `exposed`: messages durable on this node only.
    `accepting` False says in `reason` why a client would get 4yz now. `positions` are
    {incarnation in hex: last sequence}. `unapplied`: records stored that could not be applied.
    `deferred` counts attempts, `bounced` and `expired` recipients. `commit`: from the end of a
    message's data to what allows its 250. `site_branches`: versions of the site that wait to be
    settled; `site_problem`: why the latest
    one is not applied.
    """

    node_id: str
    incarnation: str
    uptime: int
    mode: str
    mode_for: int
    synced: bool
    accepting: bool
    reason: str = ""
    exposed: int = 0
    duplicates: int = 0
    doubts: int = 0
    unapplied: int = 0
    site_branches: int = 0
    site_problem: str = ""
    epoch: int = 0
    positions: dict[str, int] = {}
    peer: PeerView | None = None
    accepted: int = 0
    rejected: int = 0
    delivered: int = 0
    connections: int = 0
    logins: int = 0
    failed_logins: int = 0
    open_leases: int = 0
    delivery_connected: bool = False
    policy: PolicyView = PolicyView()
    deferred: int = 0
    bounced: int = 0
    expired: int = 0
    reception: ReceptionView = ReceptionView()
    commit: HistogramView = HistogramView()
