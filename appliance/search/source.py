"""What the index is fed from: the spool, as `spool.feed.Feed` gives it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from appliance.mail.feed import Changes, Mail
from appliance.mail.views import RecipientStatus

Place = tuple[int, int, int]


class Source(Protocol):
    """For one thread at a time. Every method raises `mail.views.Unavailable`."""

    def identity(self) -> str:
        """Tells this spool from another one at the same place."""

    def head(self) -> Changes:
        """The end of the journal."""

    def changes(self, lsn: int, tips: Mapping[int, int], limit: int) -> Changes:
        """What comes behind a place in the journal."""

    def census(self, after: Place | None, limit: int) -> tuple[Sequence[str], Place | None]:
        """Some of all queue ids, and where to go on; None at the end."""

    def count(self) -> int:
        """How many messages there are."""

    def arrived(self, queue_id: str) -> int | None:
        """When a message arrived, in running time."""

    def status(self, queue_id: str) -> frozenset[RecipientStatus] | None:
        """Where a message's recipients stand; None if it is not there."""

    def letters(self, queue_ids: Iterable[str], limit: int) -> Iterator[tuple[Mail, bytes]]:
        """Those of the messages that are there, with their beginnings, b"" if it is lost."""

    def close(self) -> None:
        """Let go of the spool until the next call."""
