"""Changes of the site's document and registers: refused, or written as records of this node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from appliance.mail.reply import Refused, Reply
from appliance.replica import record, registers, site_versions
from appliance.replica.pair import Mode, Pair
from appliance.replica.record import Record
from appliance.replica.registers import Register
from appliance.replica.site_versions import SiteVersion
from appliance.spool.operations import (
    ChangeSite,
    Done,
    Effect,
    Failed,
    PutRegisters,
    SeedSite,
    SiteOperation,
)
from appliance.spool.replication import Replication
from appliance.spool.store import Store

_MAX_BYTES = 4 << 20
"""Of one operation: a segment fits into one frame."""
_MAX_COMMENT = 1000
_MAX_REGISTERS = 10_000
_MAX_KEY = 256
_MAX_TABLE = 63
Write = Callable[[Sequence[Record], Mapping[str, bytes], int], int]


class SiteDesk:
    """Takes what operators and the product itself change in the site."""

    def __init__(self, store: Store, replication: Replication, pair: Pair, write: Write) -> None:
        self._store = store
        self._replication = replication
        self._pair = pair
        self._write = write

    def operate(
        self, operation: SiteOperation, running: int
    ) -> tuple[Done | None, Sequence[Effect]]:
        """Do it: the answer to give when durable, and what is said at once."""
        try:
            match operation:
                case ChangeSite():
                    return self._change(operation, running), []
                case PutRegisters():
                    return self._put(operation, running), []
                case SeedSite():
                    self._seed(operation, running)
        except Refused as error:
            assert not isinstance(operation, SeedSite)
            return None, [Failed(operation.token, error)]
        return None, []

    def _change(self, change: ChangeSite, running: int) -> Done:
        self._check(record.SITE, change.while_alone)
        lineage = self._store.site.lineage
        head = lineage.head
        if change.parent != (head.id if head else b""):
            was = f"version {head.number} ({head.id.hex()[:10]})" if head else "not there"
            raise _refused(
                f"the site was changed meanwhile: its latest version is {was}",
                "look at that change (`twinpost config diff`), then make yours anew from it",
            )
        if unknown := [id_.hex()[:10] for id_ in change.settles if id_ not in lineage]:
            raise _refused(f"there is no version {', '.join(unknown)}", "see `config history`")
        if len(change.comment) > _MAX_COMMENT:
            raise _refused("the comment is too long", f"at most {_MAX_COMMENT} characters")
        if len(change.document) > _MAX_BYTES:
            raise _refused(f"the document is larger than {_MAX_BYTES} bytes", "make it smaller")
        version = SiteVersion(
            change.parent,
            head.number + 1 if head else 1,
            max(self._store.epoch, head.epoch if head else 0),
            self._store.node,
            change.author,
            change.at,
            change.comment,
            change.settles,
            change.document,
        )
        self._write([version], {}, running)
        return Done(change.token, site_versions.identity(version))

    def _put(self, put: PutRegisters, running: int) -> Done:
        self._check(record.REGISTER, put.while_alone)
        size = sum(len(table) + len(key) + len(value or b"") for table, key, value in put.values)
        if len(put.values) > _MAX_REGISTERS or size > _MAX_BYTES:
            raise _refused("too much at once", f"at most {_MAX_REGISTERS} registers in one go")
        new: dict[tuple[str, str], Register] = {}
        for table, key, value in put.values:
            if not 0 < len(table) <= _MAX_TABLE or len(key) > _MAX_KEY:
                raise _refused(f"{table!r}, {key!r} names no register", "shorten it")
            if value is not None and len(value) > registers.MAX_VALUE:
                raise _refused(f"the value of {key!r} is too large", f"{registers.MAX_VALUE} bytes")
            known = new.get((table, key)) or self._store.site.register(table, key)
            if known is None or known.value != value:
                new[table, key] = registers.written(
                    known, table, key, value, self._store.epoch, self._store.node
                )
        if new:
            self._write(list(new.values()), {}, running)
        return Done(put.token)

    def _seed(self, seed: SeedSite, running: int) -> None:
        """Make the first version, on one node of the pair and only if neither has any.

        A node that has not met its peer runs by its own file meanwhile, and may be given a
        version by an operator.
        """
        if len(self._store.site.lineage):
            return
        peer = self._replication.peer
        if not self._pair.alone:
            if self._pair.mode is not Mode.PAIRED or peer is None or peer.node < self._store.node:
                return
            if record.SITE not in peer.kinds:
                return
        self._write([site_versions.first(seed.document)], {}, running)

    def _check(self, kind: int, while_alone: bool) -> None:
        if self._pair.alone:
            return
        kinds = self._store.peer_words.kinds
        if kinds is not None and kind not in kinds:
            raise _refused(
                "the other node's release could not read this change",
                "bring both nodes to the same release",
            )
        if self._pair.mode is not Mode.PAIRED and not while_alone:
            raise _refused(
                f"the pair is {self._pair.mode}: the other node would not have this change",
                "wait for it; or repeat with --while-alone, and if the other node is changed too"
                " meanwhile, one of the two changes will wait as a branch",
            )


def _refused(what: str, hint: str) -> Refused:
    return Refused(Reply(450, "4.3.0", what), hint)
