"""Forgets messages, in the writer's transaction; `retention` chooses which."""

from __future__ import annotations

from collections.abc import Collection

import apsw

from appliance.replica.record import Ended, Leased, Logged, Pruned, Record, Removed
from appliance.spool.journal import Journal
from appliance.spool.messages import Entry, Messages, key_of, stage_of
from appliance.spool.schema import NUMBER_BITS, Stage, rows
from appliance.spool.unapplied import Unapplied


class Pruning:
    """Each method finds the working set written."""

    def __init__(
        self, connection: apsw.Connection, journal: Journal, messages: Messages, aside: Unapplied
    ) -> None:
        self._db = connection
        self._journal = journal
        self._messages = messages
        self._aside = aside
        self.dropped: list[str] = []
        """Bodies to be removed once the pruning of their messages is committed."""

    def apply(self, record: Pruned) -> None:
        """Forget what the record names; ValueError if any of it has not ended here."""
        alive = []
        for queue_id in record.queue_ids:
            key = key_of(queue_id, self._journal)
            self._aside.forget(key)
            if key not in self._messages:
                continue
            entry = self._messages.by_key(key)
            if stage_of(entry.state) is Stage.ENDED:
                self._drop(entry)
            else:
                alive.append(queue_id)
        if alive:
            raise ValueError(f"pruned by the peer, but not ended here: {', '.join(alive)}")

    def absent(self, incarnation: bytes, upto: int, present: Collection[int]) -> None:
        """Forget messages accepted up to record `upto` whose rows are not `present`.

        The peer pruned them: they had ended here, too, before this node's disk was restored to
        an older state. What a mailbox holds is not forgotten.
        """
        first = self._journal.incarnations[incarnation].idx << NUMBER_BITS
        found = rows(
            self._db,
            "SELECT key FROM message WHERE key>=? AND key<? AND seq<=? AND stage<>?",
            (first, first + (1 << NUMBER_BITS), upto, Stage.KEPT),
        )
        for key in [key for (key,) in found if key not in present]:
            self._drop(self._messages.by_key(key))
        self._journal.note_pruned(incarnation, upto)

    def _drop(self, entry: Entry) -> None:
        self._messages.drop(entry)
        self._journal.note_pruned(entry.state.incarnation, entry.state.seq)
        if entry.external:
            self.dropped.append(entry.queue_id)

    def is_late(self, record: Record) -> bool:
        """True for a record about a message that was here and was pruned (rule 11).

        Records come after those they depend on: so a message that is not here, though its
        acceptance could be applied, was pruned.
        """
        if not isinstance(record, Leased | Ended | Logged | Removed):
            return False
        try:
            key = key_of(record.queue_id, self._journal)
        except LookupError:
            return False
        return key not in self._messages and key not in self._aside
