"""A reader of a spool that a test writes."""

from __future__ import annotations

from appliance.mail.views import (
    MailView,
    PeerView,
    QueueFilter,
)
from appliance.spool.reader import Reader
from tests.unit.spool_reader.writer import A, B, Writer

IN_QUEUE, ALL = QueueFilter(), QueueFilter(ended=True)


class Desk:
    """A reader with the mail process's word and the clock in the test's hands."""

    def __init__(self, writer: Writer) -> None:
        self.mail: MailView | None = None
        self.clock = 0
        self._writer = writer
        self.reader = Reader(writer.folder, "a", lambda: self.mail, lambda: self.clock)

    def say(self, synced: bool = True, connected: bool = True) -> None:
        """What the mail process says from now on."""
        store = self._writer.store
        self.mail = MailView(
            node_id=A.hex(),
            incarnation=store.incarnation.hex(),
            uptime=0,
            mode="paired",
            mode_for=0,
            synced=synced,
            accepting=True,
            peer=PeerView(
                name="b",
                node_id=B.hex(),
                connected=connected,
                last_heard_ago=0,
                lag=0,
                lag_ms=0,
            ),
        )

    def ids(self, wanted: QueueFilter = IN_QUEUE, limit: int = 100) -> list[str]:
        """The queue ids of all pages."""
        found, after = list[str](), ""
        while True:
            page = self.reader.queue(wanted, limit, after)
            found += [entry.queue_id for entry in page.entries]
            after = page.after
            if not after:
                return found
