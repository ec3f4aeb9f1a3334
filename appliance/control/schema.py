"""The control API's own messages; those about mail are in `appliance.mail.views`."""

from __future__ import annotations

import msgspec

from appliance.control.schema_alerts import AlertView
from appliance.ipc.delivery import DeliveryView
from appliance.ipc.failover import FailoverView
from appliance.mail.tls_views import TlsView
from appliance.mail.views import CommandResult, MailboxView, MailView, QueueCounts, SiteVersionView
from appliance.monitor.availability import AvailabilityView
from appliance.monitor.snapshot import Disk, PauseView, Process

API = "/v1"
TARGETS_LIMIT = 1000
"""Messages in one command."""
PAGE_LIMIT = 1000
"""Entries in one page."""


class Virtual(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual address, and whether this node serves it now."""

    address: str
    here: bool


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual router changed its state: `reason` is the router's, `why` that of its health.

    `at` is RFC 3339 in UTC by the clock of `node`; `lasted`: milliseconds in the state `before`.
    """

    at: str
    node: str
    vrid: int
    before: str
    after: str
    reason: str
    why: str
    lasted: int


class History(msgspec.Struct, frozen=True):
    """The last transitions on both nodes, newest first."""

    transitions: tuple[Transition, ...]


class Switchover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Leave the addresses of virtual router `vrid`, of all if null, to the other node.

    `here`: the other way round. `force`: also if the one that gets them could not serve.
    """

    vrid: int | None = None
    force: bool = False
    here: bool = False


class Maintenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold no virtual address until told otherwise (`on`); `force` as for `Switchover`."""

    on: bool
    force: bool = False


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One node and its pair, as this node sees them.

    `healthy`: no alarm. `summary` is one sentence. `mode` is that of `mail`, or "down".
    `mail` is None while the mail process does not answer, `queue` while there is no spool,
    `failover` while the failover process does not answer, and where no address moves, `tls` while
    there is no spool, `delivery` while the delivery process does not answer.
    """

    name: str
    hostname: str
    version: str
    healthy: bool
    summary: str
    mode: str
    mail: MailView | None
    queue: QueueCounts | None
    processes: tuple[Process, ...]
    disk: Disk
    virtual: tuple[Virtual, ...]
    failover: FailoverView | None
    tls: TlsView | None
    alarms: tuple[AlertView, ...]
    delivery: DeliveryView | None = None
    paused: tuple[PauseView, ...] = ()
    availability: tuple[AvailabilityView, ...] = ()


class Selection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recipients of one message, by their place in the envelope; all that are open if null."""

    queue_id: str
    recipients: tuple[int, ...] | None = None


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of hold, release, retry, remove and redirect (which needs `address`)."""

    targets: tuple[Selection, ...]
    address: str = ""


class CommandAnswer(msgspec.Struct, frozen=True):
    """One result for each target, in their order."""

    results: tuple[CommandResult, ...]


class MailboxList(msgspec.Struct, frozen=True):
    """All mailboxes that hold something."""

    mailboxes: tuple[MailboxView, ...]


class ChangeSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new version of the site, made from version `parent` (the head's id; "" from none).

    `settles`: ids of the branches that this change puts an end to. `while_alone`: also if the
    other node would not have it.
    """

    document: dict[str, object]
    parent: str
    comment: str = ""
    settles: tuple[str, ...] = ()
    while_alone: bool = False


class SiteHistory(msgspec.Struct, frozen=True):
    """The versions that are kept, the strongest first."""

    versions: tuple[SiteVersionView, ...]


class TlsImport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Certificates in PEM, their issuers after them, and the key of the first one ("": none)."""

    certificates: str
    key: str = ""
    while_alone: bool = False


class TlsForget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Use no more: "certificate", or the authority whose fingerprint begins with `name`."""

    name: str
    while_alone: bool = False


class TlsRenew(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """New certificates for both nodes; `authority`: from a new authority."""

    authority: bool = False
    while_alone: bool = False


class Digests(msgspec.Struct, frozen=True):
    """SHA-256 in hex of the content of everything in a mailbox, in no order."""

    digests: tuple[str, ...]


class Filed(msgspec.Struct, frozen=True):
    """A message is on its way into a mailbox; `queue_id` is "" if the same was taken just now."""

    queue_id: str


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A user to be added, as site.toml has it; one without `password` can't log in."""

    name: str
    mailbox: str = ""
    addresses: tuple[str, ...] | None = None
    may_send_as: tuple[str, ...] = ()
    password: str | None = None


class AddUsers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them, or none. `while_alone`: as for the site."""

    users: tuple[NewUser, ...]
    comment: str = ""
    while_alone: bool = False


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A password to be set."""

    password: str
    while_alone: bool = False


class WhileAlone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change that needs no more said: also if the other node would not have it?"""

    while_alone: bool = False


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    """A user; `password_set_at` in milliseconds since 1970, None without a password."""

    name: str
    mailbox: str
    addresses: tuple[str, ...]
    may_send_as: tuple[str, ...]
    disabled: bool
    password_set_at: int | None


class Users(msgspec.Struct, frozen=True):
    """By name."""

    users: tuple[UserView, ...]


class AliasView(msgspec.Struct, frozen=True):
    """An address, and the users and addresses that it stands for."""

    address: str
    to: tuple[str, ...]


class Aliases(msgspec.Struct, frozen=True):
    """By address."""

    aliases: tuple[AliasView, ...]


class AddAliases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them, or none; those that are there are replaced only with `replace`."""

    aliases: tuple[AliasView, ...]
    replace: bool = False
    comment: str = ""
    while_alone: bool = False


class RouteView(msgspec.Struct, frozen=True, kw_only=True):
    """A route of the site, as it was set."""

    key: str
    transport: str
    next_hops: tuple[str, ...]
    mx: bool
    pool: str | None
    tls: str
    mailbox: str | None


class RouteList(msgspec.Struct, frozen=True):
    """The site's routes, and what is paused."""

    routes: tuple[RouteView, ...]
    pauses: tuple[PauseView, ...]


class RouteTest(msgspec.Struct, frozen=True, kw_only=True):
    """Which way mail for `address` takes, and `why`.

    `key`: of the route that decides, or the address that a mailbox has; "" if there is none.
    `tls`: the levels of its next hops. `paused`: what of it is paused. `reply`: how it bounces.
    """

    address: str
    key: str
    transport: str
    destination: str
    next_hops: tuple[str, ...]
    pool: str | None
    tls: tuple[str, ...]
    mailbox: str | None
    reply: str
    paused: tuple[str, ...]
    why: str


class PauseChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pause mail for a domain or next hop (`what`), or let it go on."""

    what: str
    paused: bool
    reason: str = ""
    while_alone: bool = False


class SalvageRequest(msgspec.Struct, frozen=True):
    """Take over what is in a dead node's data directory `disk`, as the node sees the path."""

    disk: str


class ServerChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of one server of the balancer, until its next start: one of the two."""

    weight: int | None = None
    draining: bool | None = None


class Done(msgspec.Struct, frozen=True):
    """A command without results of its own: what happened, in one line."""

    text: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The body of /health: 200 if this node can accept durable mail, else 503 and why not."""

    ok: bool
    mode: str
    reason: str


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer that is not 2xx.

    `code`: bad_request, forbidden, not_found, refused, unavailable or internal.
    """

    code: str
    error: str
    hint: str = ""
