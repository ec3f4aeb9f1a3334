"""A lease in hand, and the jobs that it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from appliance.delivery.content import Content
from appliance.mail.address import domain_key
from appliance.mail.work import Lease, LeasedRecipient, RecipientOutcome


class Errand:
    """A lease until each of its recipients has an outcome.

    `fence` says whether it may still be sent; `since` is when it came in hand, by the clock.
    """

    __slots__ = ("content", "fence", "lease", "outcomes", "passed_on", "since")

    def __init__(
        self, lease: Lease, content: Content, fence: Callable[[], bool], since: float
    ) -> None:
        self.lease = lease
        self.content = content
        self.fence = fence
        self.since = since
        self.outcomes: dict[int, RecipientOutcome] = {}
        self.passed_on: set[int] = set()
        """Recipients that a next hop took which reports their success itself (RFC 3461)."""

    @property
    def done(self) -> bool:
        return len(self.outcomes) == len(self.lease.recipients)

    def open(self) -> list[LeasedRecipient]:
        """Those without an outcome."""
        return [r for r in self.lease.recipients if r.index not in self.outcomes]


class Job:
    """Recipients of an errand that go to one destination in one transaction."""

    __slots__ = ("began", "connected", "errand", "recipients")

    def __init__(self, errand: Errand, recipients: Sequence[LeasedRecipient]) -> None:
        self.errand = errand
        self.recipients = recipients
        """Those that have not come to an end."""
        self.began: float | None = None
        """When a worker took it up, by the clock."""
        self.connected: float | None = None
        """When that worker had a connection."""

    @property
    def bulk(self) -> bool:
        """Whether it may wait for interactive mail."""
        return self.errand.lease.bulk

    @property
    def domain(self) -> str:
        """The recipients' routing domain: all of a lease share one."""
        return domain_key(self.errand.lease.recipients[0].address)
