"""What a message's state means to people now: who owns it, where its recipients stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import apsw
import msgspec

from appliance.mail.envelope import Envelope
from appliance.mail.views import MailView, RecipientStatus, RecipientView
from appliance.replica.message import MessageState, RecipientState
from appliance.replica.ownership import Claim, Ownership
from appliance.replica.record import Note, Result
from appliance.spool.schema import rows
from appliance.spool.tally import Standing, standing

_ENDED = {
    Result.DELIVERED: RecipientStatus.DELIVERED,
    Result.BOUNCED: RecipientStatus.BOUNCED,
    Result.EXPIRED: RecipientStatus.EXPIRED,
    Result.REMOVED: RecipientStatus.REMOVED,
}
_QUEUED = {
    Standing.NEW: RecipientStatus.QUEUED,
    Standing.TRIED: RecipientStatus.DEFERRED,
    Standing.HELD: RecipientStatus.HELD,
    Standing.LEASED: RecipientStatus.LEASED,
}
_NO_ATTEMPT = (Result.OPEN, Result.REMOVED)
_decode_claim = msgspec.msgpack.Decoder(Claim).decode


@dataclass(frozen=True)
class Scene:
    """One moment of a spool. `now` is the node's running time, `mail` its mail process's word."""

    node: bytes
    name: str
    now: int
    offsets: Mapping[bytes, int]
    incarnations: Mapping[int, bytes]
    ownership: Ownership
    mail: MailView | None

    def owner(self, index: int, seq: int) -> bytes:
        """The node that owns the message accepted as record `seq` of incarnation `index`."""
        return self.ownership.owner(self.incarnations[index], seq)

    def acts(self, index: int, owner: bytes) -> bool:
        """Whether anybody may act now on what `owner` owns of an incarnation (rules 4 and 7)."""
        if owner != self.node:
            peer = self.mail.peer if self.mail else None
            return peer is not None and peer.connected and peer.node_id == owner.hex()
        if self.mail is None or self.mail.synced:
            return True
        return self.mail.incarnation == self.incarnations[index].hex()

    def status(self, stands: Standing, acts: bool) -> RecipientStatus:
        """What an operator is told of a recipient in the queue."""
        if not acts and stands in (Standing.NEW, Standing.TRIED):
            return RecipientStatus.WAITING
        return _QUEUED[stands]

    def name_of(self, node: bytes) -> str:
        """A node as node.toml names it, by its id in hex while that name is not known."""
        if node == self.node:
            return self.name
        peer = self.mail.peer if self.mail else None
        return peer.name if peer and peer.node_id == node.hex() else node.hex()

    def local(self, time: int, node: bytes) -> int:
        """A node's running time as this node's."""
        return time + self.offsets.get(node, 0)

    def recipients(
        self, envelope: Envelope, state: MessageState, acts: bool, last: Mapping[int, Note]
    ) -> tuple[RecipientView, ...]:
        """Every recipient; `last` has the final replies as far as they are known."""
        return tuple(
            [
                self._recipient(index, envelope.recipients[index].address, recipient, acts, last)
                for index, recipient in enumerate(state.recipients)
            ]
        )

    def _recipient(
        self,
        index: int,
        original: str,
        recipient: RecipientState,
        acts: bool,
        last: Mapping[int, Note],
    ) -> RecipientView:
        log, final = recipient.log, recipient.final
        stands = standing(recipient)
        due = None
        if stands is None or final is not None:
            status = _ENDED[final or Result.REMOVED]
            note = last.get(index)
        else:
            status = self.status(stands, acts)
            note = log.note
            if status in (RecipientStatus.QUEUED, RecipientStatus.DEFERRED):
                due = max(0, self.local(log.due, recipient.stamp.node) - self.now)
        trials = recipient.trials
        return RecipientView(
            index=index,
            address=log.address or original,
            original=original,
            status=status,
            tries=log.tries + sum(trial.result not in _NO_ATTEMPT for trial in trials),
            due_in=due,
            reply=reply_text(note) if note else "",
            remote=note.remote if note else "",
            mailbox=next((t.mailbox for t in trials if t.mailbox is not None), None),
            deliveries=sum(trial.result is Result.DELIVERED for trial in trials),
            doubts=recipient.doubts,
        )


def reply_text(note: Note) -> str:
    """A reply as one text: code, enhanced status if there is one, text."""
    return " ".join(part for part in (str(note.code), note.enhanced, note.text) if part)


def read_scene(db: apsw.Connection, name: str, mail: MailView | None, monotonic: int) -> Scene:
    """The scene as the spool has it; `monotonic` is the clock its writer uses, in milliseconds."""
    meta = dict(rows(db, "SELECT name, value FROM meta"))
    found = list(rows(db, "SELECT idx, id, node FROM incarnation"))
    claims = [_decode_claim(claim) for (claim,) in rows(db, "SELECT claim FROM claim")]
    return Scene(
        node=meta["node"],
        name=name,
        # The clock in the table is that of the last transaction.
        now=max(meta["clock"], meta["running from"] + monotonic),
        offsets={
            bytes.fromhex(key[7:]): value for key, value in meta.items() if key[:7] == "offset:"
        },
        incarnations={index: id_ for index, id_, _ in found},
        ownership=Ownership({id_: node for _, id_, node in found}, claims),
        mail=mail,
    )
