"""Stand-ins for what control asks: a spool with five messages, and a mail process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from appliance.config.shares import Share
from appliance.control.handlers import Handlers
from appliance.ipc.balance import BalanceView, ServerView
from appliance.ipc.failover import FailoverView, HeartbeatView, PathView, RouterView
from appliance.ipc.mail import Target
from appliance.mail.reply import Refused, Reply
from appliance.mail.tls_views import CertificateView, TlsView
from appliance.mail.views import (
    CommandResult,
    MailboxEntry,
    MailboxPage,
    MailboxView,
    MailView,
    MessageStory,
    PeerView,
    QueueCounts,
    QueueEntry,
    QueueFilter,
    QueuePage,
    RecipientStatus,
    RecipientView,
    SalvageView,
    Unavailable,
)
from tests.support.operators import Door


def handlers() -> Handlers:
    """Handlers that root and the user of this process may call."""
    return Door().handlers


PEER = PeerView(name="b", node_id="b" * 16, connected=True, last_heard_ago=10, lag=0, lag_ms=0)
MAIL = MailView(
    node_id="a" * 16,
    incarnation="c" * 32,
    uptime=1000,
    mode="paired",
    mode_for=500,
    synced=True,
    accepting=True,
    peer=PEER,
    accepted=7,
    delivery_connected=True,
)
CERTIFICATE = CertificateView(
    subject="CN=a.site.test",
    issuer="CN=site.test mail CA,O=site.test",
    names=("a.site.test", "127.0.0.11"),
    begins="2025-09-20T00:00:00Z",
    ends="2027-12-24T00:00:00Z",
    days_left=397,
    fingerprint="ab" * 32,
)
TLS = TlsView(
    certificate=CERTIFICATE, imported=False, authority=CERTIFICATE, shared=True, trusted=()
)
ROUTER = RouterView(
    vrid=1,
    state="Active",
    since=5000,
    priority=200,
    configured=200,
    why="",
    addresses=("127.0.0.10",),
    held=True,
    peer_active=False,
)
PATH = PathView(listen="127.0.0.11:2528", peer="127.0.0.12:2528", alive=True, error="")
FAILOVER = FailoverView(
    routers=(ROUTER,),
    paths=(PATH,),
    peer_alive=True,
    peer=HeartbeatView(ready=True, mode="paired", exposed=0),
    rejected={"forged": 3, "stale": 0},
    maintenance=False,
    foreign=(),
)
RECIPIENT = RecipientView(
    index=0, address="bob@site.test", original="bob@site.test", status=RecipientStatus.HELD
)


def entry(number: int, sender: str) -> QueueEntry:
    return QueueEntry(
        queue_id=f"Q{number}",
        sender=sender,
        size=100,
        age=5,
        received_at=0,
        owner="a",
        recipients=(RECIPIENT,),
    )


class Reader:
    def __init__(self) -> None:
        self.asked: list[QueueFilter] = []
        self.up = True
        self.sender = "alice@site.test"

    def counts(self) -> QueueCounts:
        if not self.up:
            raise Unavailable("no spool yet")
        return QueueCounts(held=3, owned_here=3)

    def oldest(self) -> int:
        if not self.up:
            raise Unavailable("no spool yet")
        return 0

    def ages(self) -> Sequence[int]:
        self.oldest()
        return (3, 0, 0, 0, 0, 1)

    def queue(self, wanted: QueueFilter, limit: int, after: str) -> QueuePage:
        self.asked.append(wanted)
        first = int(after or 1)
        last = min(first + limit, 6)
        return QueuePage(
            entries=tuple(entry(number, self.sender) for number in range(first, last)),
            after=str(last) if last < 6 else "",
        )

    def message(self, queue_id: str) -> MessageStory:
        if queue_id != "Q1":
            raise LookupError(f"no message {queue_id}")
        return MessageStory(
            queue_id="Q1",
            sender=self.sender,
            size=1,
            age=1,
            received_at=0,
            owner="a",
            client="",
            helo="",
            envid=None,
            recipients=(RECIPIENT,),
        )

    def mailboxes(self) -> Sequence[MailboxView]:
        return [MailboxView(name="bob", messages=1, size=10)]

    def mailbox(self, name: str, limit: int, after: str, newest: bool = False) -> MailboxPage:
        found = MailboxEntry(
            queue_id="Q1", sender=self.sender, recipients=(name,), size=1, received_at=0
        )
        return MailboxPage(entries=(found,))

    def chunks(self, queue_id: str) -> Iterator[bytes]:
        if queue_id not in ("Q1", "ROTTEN"):
            raise LookupError(f"no message {queue_id}")
        yield b"Subject: x\r\n\r\n"
        if queue_id == "ROTTEN":
            raise OSError("the disk does not give the rest")
        yield b"y" * 200_000


class Failover:
    """A failover process that is Active for one virtual router."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.shown: FailoverView | None = FAILOVER
        self.refusal: Refused | None = None

    async def view(self) -> FailoverView:
        if self.shown is None:
            raise Unavailable("the failover process does not answer")
        return self.shown

    async def switch_over(
        self, vrid: int | None, force: bool, *, ask: bool = False, here: bool = False
    ) -> str:
        return self._note(force, "ask" if ask else "fetch" if here else "switch over", vrid)

    async def maintain(self, on: bool, force: bool, *, ask: bool = False) -> str:
        return self._note(force, "ask" if ask else "maintain", on)

    def _note(self, force: bool, *told: object) -> str:
        if self.refusal is not None and not force:
            raise self.refusal
        self.told.append(told)
        return "moved"


class Mail:
    def __init__(self) -> None:
        self.handed_over = 0
        self.keeps: Refused | None = None
        self.told: list[tuple[str, Sequence[Target], str, str]] = []
        self.shown: MailView | None = MAIL
        self.results: list[CommandResult] = []

    async def view(self) -> MailView:
        if self.shown is None:
            raise Unavailable("the mail process does not answer")
        return self.shown

    async def hold(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        return self._note("hold", targets, "", by)

    async def release(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        return self._note("release", targets, "", by)

    async def retry(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        return self._note("retry", targets, "", by)

    async def redirect(
        self, targets: Sequence[Target], address: str, by: str
    ) -> Sequence[CommandResult]:
        return self._note("redirect", targets, address, by)

    async def remove(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        return self._note("remove", targets, "", by)

    async def hand_over(self, patience: int, by: str) -> None:
        if self.keeps is not None:
            raise self.keeps
        self.handed_over += 1

    async def take_over(self, by: str) -> str:
        raise Refused(Reply(450, "4.3.0", "the peer is there"), "nothing to take over")

    async def salvage(self, disk: str, by: str) -> SalvageView:
        if not disk.startswith("/"):
            raise Refused(Reply(450, "4.3.0", f"{disk} holds no spool"), "name a data directory")
        return SalvageView(node="ab" * 8, messages=3, merged=1, problems=("one row \x1b[2J",))

    def _note(
        self, action: str, targets: Sequence[Target], address: str, by: str
    ) -> Sequence[CommandResult]:
        self.told.append((action, targets, address, by))
        if self.results:
            return self.results
        return [CommandResult(queue_id=target.queue_id, changed=1) for target in targets]


SERVER = ServerView(
    name="a",
    address="127.0.0.11:2529",
    own=True,
    state="up",
    up=True,
    since=61_000,
    weight=2,
    configured=2,
    backup=False,
    limit=1000,
    connections=4,
    served=30,
    missed=0,
    check="http",
    checked=500,
    error="",
)


class Tls:
    """Certificates as they usually are."""

    def __init__(self) -> None:
        self.shown = TLS

    def view(self) -> TlsView:
        return self.shown


class Balance:
    """A balancer for servers a and b; `told` is what it was asked to change."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Share]] = []
        self.up = True
        self.shown = BalanceView(
            algorithm="weighted",
            listening=("127.0.0.10:25",),
            clients=4,
            refused=1,
            servers=(
                SERVER,
                msgspec.structs.replace(
                    SERVER,
                    name="b",
                    own=False,
                    backup=True,
                    state="down",
                    up=False,
                    error="greeting: 421 \x1b[2J",
                ),
            ),
        )

    async def view(self) -> BalanceView:
        if not self.up:
            raise Unavailable("the balance process is not there")
        return self.shown

    async def share(self, name: str, share: Share, *, ask: bool = False) -> BalanceView:
        self._check(name)
        if name == "b" and share.draining:
            raise Refused(Reply(450, "4.3.0", "b is the last one"), "resume another one first")
        if not ask:
            self.told.append((name, share))
        return self.shown

    def _check(self, name: str) -> None:
        if name not in ("a", "b"):
            raise LookupError(f"no server is named {name!r}: there are a, b")
