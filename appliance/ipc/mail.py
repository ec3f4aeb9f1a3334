"""What travels on a node's mail socket: delivery's leases and outcomes, operators' commands."""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.ipc.wire import Codec
from appliance.mail.views import CommandResult, MailView, SalvageView
from appliance.mail.work import AttemptId, Lease, Outcome


class Target(msgspec.Struct, frozen=True, array_like=True):
    """Recipients of one message, by their place in the envelope; all that are open if None."""

    queue_id: str
    recipients: tuple[int, ...] | None = None


class PresentCall(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Delivery's first call: the attempts it still works on. Answered with `Presented`."""

    attempts: tuple[AttemptId, ...]


Rooms = tuple[tuple[int, tuple[str, ...]], ...]


class LeasesCall(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Answered with `Leases` when something is due, or when the next such call comes.

    `rooms`: of the domains that each names, all together, no more than so many.
    """

    limit: int
    blocked: tuple[str, ...]
    rooms: Rooms = ()


class ReportCall(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Answered with `Durable`."""

    outcomes: tuple[Outcome, ...]


class CommandCall(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """hold, release, retry, redirect or remove; answered with `Results`."""

    action: str
    targets: tuple[Target, ...]
    by: str
    address: str = ""


class ViewCall(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Answered with `View`."""


class TakeOverCall(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Act on the old backlog without the peer; answered with `Durable`."""

    by: str


class SalvageCall(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Take over what the dead node's data directory `disk` holds; answered with `Salvaged`."""

    disk: str
    by: str


class HandOverCall(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Give everything to the peer within `patience` milliseconds; answered with `Durable`."""

    patience: int
    by: str


class WatchSiteCall(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """From now on push `SiteMoved` to this client. Answered with `Durable`."""


class ChangeSiteCall(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """A new version of the site's document, made from version `parent` (b"" from none).

    Answered with `SiteVersionMade`. `settles` are the branches that this change puts an end to.
    """

    document: bytes
    parent: bytes
    by: str
    comment: str = ""
    settles: tuple[bytes, ...] = ()
    while_alone: bool = False


class PutRegistersCall(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """Write registers (table, key, value), all or none; None deletes. Answered with `Durable`."""

    values: tuple[tuple[str, str, bytes | None], ...]
    while_alone: bool = False


class FileMailCall(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """File the message in the file `path` in a mailbox; answered with `FiledMail`."""

    mailbox: str
    path: str
    by: str


class TellPostmasterCall(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """Accept a message of the node's own for the postmaster; answered with `FiledMail`.

    `content` is at most 256 KiB: it crosses a process boundary.
    """

    content: bytes


class WatchPeerCall(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """From now on push `PeerSaid` and `PeerLinked` to this client, and to no other.

    Answered with `Durable`.
    """


class TellPeerCall(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """Give the packet (`ipc.peer`) to whoever watches on the other node.

    Answered with `Durable` when it is on its way, refused if the link is down.
    """

    packet: bytes


PeerCall = WatchPeerCall | TellPeerCall


class ChangePasswordCall(msgspec.Struct, frozen=True, array_like=True, tag=15):
    """A user's own new password, as the page got it from `client`; answered by `PasswordSaid`."""

    client: str
    login: str
    old: str
    new: str

    def __repr__(self) -> str:
        return "ChangePasswordCall(…)"


class CertificateCall(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """What TLS is to be served with now; answered by `CertificateSaid`."""


AccountCall = ChangePasswordCall | CertificateCall
SiteCall = ChangeSiteCall | PutRegistersCall
Call = (
    PresentCall
    | LeasesCall
    | ReportCall
    | CommandCall
    | ViewCall
    | TakeOverCall
    | SalvageCall
    | HandOverCall
    | WatchSiteCall
    | SiteCall
    | FileMailCall
    | TellPostmasterCall
    | PeerCall
    | AccountCall
)


class Presented(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """`invalid`: attempts that delivery must abort."""

    invalid: tuple[AttemptId, ...]


class Leases(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Work."""

    leases: tuple[Lease, ...]


class Durable(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """It is done, and durable."""


class Results(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """In the order of the targets."""

    results: tuple[CommandResult, ...]


class View(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """How the mail process is."""

    view: MailView


class Salvaged(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """What came of a salvage."""

    view: SalvageView


class Revoked(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Push: attempts that must not be begun any more."""

    attempts: tuple[AttemptId, ...]


class Renewed(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Push, about once a second: the mail process is alive, leases go on being valid."""


class SiteMoved(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Push: these tables of registers changed, or the document (""). Read them from the spool."""

    tables: tuple[str, ...]


class SiteVersionMade(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """The new version's id."""

    id: bytes


class FiledMail(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """It is durable under that queue id; "": the mailbox has just got the same."""

    queue_id: str


class PeerSaid(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """Push: a packet from whoever watches on the other node. It may be anything."""

    packet: bytes


class PeerLinked(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """Push: whether the link is up now, at first and whenever that changes."""

    up: bool


PasswordOutcome = Literal["changed", "unfit", "wrong", "too often", "busy"]


class PasswordSaid(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """Durable if changed; `text` says why a new password is unfit."""

    outcome: PasswordOutcome
    text: str = ""


class CertificateSaid(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """In PEM; `crl` (DER) is empty where the authority signs none. `site`: its first domain."""

    site: str
    certificates: str
    key: str
    crl: bytes

    def __repr__(self) -> str:
        return "CertificateSaid(…)"


AccountSaid = PasswordSaid | CertificateSaid
Said = (
    Presented
    | Leases
    | Durable
    | Results
    | View
    | Revoked
    | Renewed
    | Salvaged
    | SiteMoved
    | SiteVersionMade
    | FiledMail
    | PeerSaid
    | PeerLinked
    | AccountSaid
)

SERVER_CODEC: Codec[Said, Call] = Codec(msgspec.msgpack.Decoder(Call))
CLIENT_CODEC: Codec[Call, Said] = Codec(msgspec.msgpack.Decoder(Said))
