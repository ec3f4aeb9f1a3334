"""A spool's writer without engine or peer: records in, as a test names them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import apsw
import msgspec

from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.queue_id import queue_id, tag
from appliance.replica.record import (
    Accepted,
    Attempt,
    Ended,
    Ending,
    Leased,
    Log,
    Logged,
    Note,
    Record,
    Result,
)
from appliance.spool.schema import open_writer
from appliance.spool.store import Store

A, B = b"node-a--", b"node-b--"
OK, LATER = Note(250, "2.0.0", "ok", "hop"), Note(450, "4.2.0", "later", "hop")


class Writer:
    """The store in `folder`; each method is a turn of its own at running time `now`."""

    def __init__(self, folder: Path, node: bytes = A, incarnation: bytes = b"1" * 16) -> None:
        self.folder = folder
        self.content = folder / "content"
        self.content.mkdir(parents=True, exist_ok=True)
        self.db: apsw.Connection = open_writer(str(folder / "spool.db"))
        self.db.pragma("synchronous", "OFF")  # nothing here is about power
        self.store = Store(self.db, node, incarnation, 0)
        self.now = 1000
        self._number = 0
        self._turn(lambda: self.store.start(self.now))

    def _turn(self, act: object) -> None:
        self.store.begin()
        assert callable(act)
        act()
        self.store.flush(self.now)
        self.store.commit()

    def write(self, *records: Record, contents: dict[str, bytes] | None = None) -> int:
        """Journal records; the number of the first."""
        first = 0

        def act() -> None:
            nonlocal first
            first = self.store.write(records, contents or {}, self.now)[0].first

        self._turn(act)
        return first

    def ingest(self, data: bytes, contents: dict[str, bytes] | None = None) -> None:
        """A segment of the peer's."""
        self._turn(lambda: self.store.ingest(data, contents or {}, self.now))

    def claim(self, owner: bytes, doubt: bool = False) -> None:
        """Everything known is `owner`'s from now on."""
        self._turn(lambda: self.store.write_claim(owner, "adopted", doubt, self.now))

    def accept(
        self,
        *recipients: str,
        sender: str = "sender@site.test",
        content: bytes = b"content",
        external: bool = False,
        held: bool = False,
    ) -> str:
        """A message; its queue id."""
        self._number += 1
        name = queue_id(tag(self.store.incarnation), self._number)
        chosen = recipients or ("al@one.test",)
        envelope = Envelope(
            sender,
            tuple(Recipient(one) for one in chosen),
            client="192.0.2.1",
            helo="client.test",
            received_at=self._number,
        )
        if external:
            (self.content / name).write_bytes(content)
        self.write(
            Accepted(
                name,
                msgspec.msgpack.encode(envelope),
                tuple(domain_key(one) for one in chosen),
                len(content),
                sha256(content).digest(),
                external,
                held,
            ),
            contents={} if external else {name: content},
        )
        return name

    def lease(self, name: str, *recipients: int) -> Attempt:
        """An attempt begins."""
        chosen = recipients or tuple(range(len(self.store.messages.get(name).state.recipients)))
        return Attempt(self.store.incarnation, self.write(Leased(name, chosen)))

    def end(self, name: str, attempt: Attempt, *endings: Ending) -> None:
        """An attempt ends."""
        self.write(Ended(name, attempt, endings))

    def deliver(self, name: str, mailbox: str | None = None) -> None:
        """All recipients get it in one attempt."""
        attempt = self.lease(name)
        count = len(self.store.messages.get(name).state.recipients)
        ending = [Ending(i, Result.DELIVERED, OK, mailbox) for i in range(count)]
        self.end(name, attempt, *ending)

    def defer(self, name: str, retry_in: int = 60_000) -> None:
        """All recipients are to be tried again."""
        attempt = self.lease(name)
        recipients = self.store.messages.get(name).state.recipients
        self.store.messages.forget()
        self.end(
            name,
            attempt,
            *(
                Ending(
                    index,
                    Result.DEFERRED,
                    log=Log(self.now + retry_in, r.log.domain, tries=r.log.tries + 1, note=LATER),
                )
                for index, r in enumerate(recipients)
            ),
        )

    def log(self, name: str, action: str, log: Log, index: int = 0) -> None:
        """The owner changes its log."""
        self.write(Logged(name, action, ((index, log),)))

    def close(self) -> None:
        """As if the process ended."""
        self.db.close()
