"""What control needs of a node's spool: a reader of its own, and commands to its one writer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from appliance.ipc.mail import Target
from appliance.mail.views import (
    CommandResult,
    MailboxPage,
    MailboxView,
    MailView,
    MessageStory,
    QueueCounts,
    QueueFilter,
    QueuePage,
    SalvageView,
)


class QueueReader(Protocol):
    """Reads the spool on a read-only connection, in transactions well under a second.

    Called from one thread at a time. Raises `Unavailable` if there is no spool to read.
    """

    def counts(self) -> QueueCounts:
        """How many recipients are in the queue, by state: cheap however long the queue is."""

    def oldest(self) -> int:
        """Age in ms of the oldest message in the queue that is not held, 0 if there is none."""

    def ages(self) -> Sequence[int]:
        """Messages in the queue by age: up to each of `mail.views.AGES`, and older."""

    def queue(self, wanted: QueueFilter, limit: int, after: str) -> QueuePage:
        """At most `limit` messages that fit, newest first, from behind `after` ("" at first).

        May return fewer, even none, and still a place to go on from, so that a search through a
        long queue is many short transactions.
        """

    def message(self, queue_id: str) -> MessageStory:
        """One message with its story; raises LookupError."""

    def mailboxes(self) -> Sequence[MailboxView]:
        """All mailboxes that hold something, by name."""

    def mailbox(self, name: str, limit: int, after: str, newest: bool = False) -> MailboxPage:
        """At most `limit` messages of a mailbox, oldest or newest first, from behind `after`."""

    def chunks(self, queue_id: str) -> Iterator[bytes]:
        """The content in blocks of at most 256 KiB; raises LookupError if there is none."""


class Commands(Protocol):
    """The mail process, over `run/mail.sock`. Raises `Unavailable` when it does not answer.

    `by` says for the journal and the log who asks. A command on recipients that the peer owns
    is passed on to it; out of reach, it is refused in the result. Results come in the order of
    the targets, when the changes are durable.
    """

    async def view(self) -> MailView:
        """How the mail process is."""

    async def hold(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        """Keep recipients from being attempted."""

    async def release(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        """Make held recipients due."""

    async def retry(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        """Make deferred recipients due now."""

    async def redirect(
        self, targets: Sequence[Target], address: str, by: str
    ) -> Sequence[CommandResult]:
        """Send recipients to another address, with tries counted anew."""

    async def remove(self, targets: Sequence[Target], by: str) -> Sequence[CommandResult]:
        """End recipients without a DSN."""

    async def take_over(self, by: str) -> str:
        """Act on the old backlog though the peer was not heard since the boot (rule 4).

        Returns one line on what happened; raises `mail.reply.Refused` if the peer is there.
        """

    async def salvage(self, disk: str, by: str) -> SalvageView:
        """Take over what a dead node's data directory holds; takes as long as it takes.

        Raises `mail.reply.Refused` if it cannot be read, or its node is alive.
        """
