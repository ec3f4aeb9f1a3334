"""What delivery needs of a spool, and of its content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from appliance.mail.queue_id import QueueId
from appliance.mail.work import AttemptId, Lease, Outcome

Rooms = tuple[tuple[int, tuple[str, ...]], ...]


class Work(Protocol):
    """The spool as delivery sees it (over IPC in the product).

    Each method raises ConnectionError when the spool is lost; then `present` comes first again.
    """

    async def present(self, attempts: Sequence[AttemptId]) -> None:
        """Name the leases this process still works on; first call on every connection.

        Whatever this node leased and is not named becomes in doubt and is retried.
        """

    async def leases(self, limit: int, blocked: Sequence[str], rooms: Rooms) -> Sequence[Lease]:
        """Wait for due recipients, at most `limit` leases; none for a domain in `blocked`.

        Of the domains that each of `rooms` names, all together, no more than so many.

        A later call makes an earlier one that still waits return nothing, so `blocked` can
        change at once and no lease gets lost on the way; with `limit` 0 a call does only that.
        """

    async def report(self, outcomes: Sequence[Outcome]) -> None:
        """Return when the outcomes are durable; until then the caller keeps and repeats them."""

    def may_send(self, lease: Lease) -> bool:
        """The fence, asked just before DATA: still connected, still owner, renewed lately."""


class ContentReader(Protocol):
    """Reads accepted content by queue id, read-only."""

    def read(self, queue_id: QueueId) -> bytes | None:
        """The whole content (CRLF line ends) if it is inline (at most 256 KiB), else None."""

    def chunks(self, queue_id: QueueId, size: int = 65536) -> Chunks:
        """The content in blocks, however large; LookupError if there is none."""


class Chunks(Protocol):
    """An iterator over content blocks."""

    def __iter__(self) -> Chunks: ...
    def __next__(self) -> bytes: ...
