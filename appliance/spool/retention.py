"""Which messages may be forgotten: those that came to their end long ago, the oldest first.

A message may go once every recipient has ended, no mailbox holds it, and the peer holds durably
every record that changed it here. Then it has ended in the peer's eyes, too, and nothing either
node does later can bring it back: so pruning is safe in every mode of the pair and whoever owns
the message. It is a record, so both nodes forget the same; the one that owns a message writes it.
"""

from __future__ import annotations

import apsw
import msgspec

from appliance.replica.message import MessageState
from appliance.replica.record import Pruned, Result
from appliance.spool.messages import last_lsn, queue_id_of
from appliance.spool.schema import NUMBER_BITS, Stage, rows
from appliance.spool.store import Store

_DOUBT = 86_400_000
"""Milliseconds. What an attempt in doubt really did may still be reported by its delivery
process: until then a message is kept even where the disk is short."""

_ENDED = (
    "SELECT since, key, seq, trace, state FROM message"
    " WHERE stage=? AND since<? AND (since, key) > (?, ?) ORDER BY since, key LIMIT ?"
)
_BEGINNING = (-1 << 62, 0)
_decode_state = msgspec.msgpack.Decoder(MessageState).decode


class Retention:
    """Sweeps over the ended messages again and again, a batch at a time.

    Those that may not go yet are passed over and met again in the next round, so a call costs
    the same however many there are.
    """

    def __init__(self, store: Store, batch: int = 200) -> None:
        self._store = store
        self._batch = batch
        self._place = _BEGINNING

    def choose(self, running: int, keep: int, shared: bool) -> Pruned | None:
        """What to prune now, of the messages that ended more than `keep` milliseconds ago.

        `shared`: there is a peer, and it must hold what goes.
        """
        store = self._store
        journal = store.journal
        reached: int | None = journal.head
        if shared:
            reached = journal.start_for({i.id: i.shared for i in journal.incarnations.values()})
        if reached is None:
            return None
        found = list(
            rows(
                store.connection,
                _ENDED,
                (Stage.ENDED, running - keep, *self._place, self._batch),
            )
        )
        self._place = found[-1][:2] if len(found) == self._batch else _BEGINNING
        chosen = tuple(
            [
                queue_id_of(key, journal)
                for since, key, seq, trace, state in found
                if last_lsn(trace) < reached
                and store.mine(store.lanes.of(key >> NUMBER_BITS, seq))
                and (running - since >= _DOUBT or not _doubtful(state))
            ]
        )
        return Pruned(chosen) if chosen else None


def _doubtful(state: bytes) -> bool:
    return any(
        trial.result is Result.DOUBT
        for recipient in _decode_state(state).recipients
        for trial in recipient.trials
    )


def reusable(connection: apsw.Connection) -> int:
    """Bytes in the database that pruning freed: they serve new mail, though the file stays long.

    To be added to the file system's free space where a reserve is kept.
    """
    free, size = connection.pragma("freelist_count"), connection.pragma("page_size")
    assert isinstance(free, int)
    assert isinstance(size, int)
    return free * size
