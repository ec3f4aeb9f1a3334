"""Salvaging a dead node's disk beside everything else the engine does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from appliance.mail.reply import Refused, Reply
from appliance.replica.record import Attempt, Record
from appliance.spool.bodies import Bodies
from appliance.spool.operations import Done, Effect, Failed, ResetLink, Salvage
from appliance.spool.owner import Owner
from appliance.spool.replication import Replication
from appliance.spool.salvage import Salvor, Written
from appliance.spool.store import Store


class SalvageDesk:
    """One salvage at a time, a step in each turn.

    `write` journals records of this node's own, `wrote` takes any segment that a peer must get,
    `keep` tells of which of this node's attempts delivery works.
    """

    def __init__(
        self,
        store: Store,
        bodies: Bodies,
        owner: Owner,
        replication: Replication,
        write: Callable[[Sequence[Record], Mapping[str, bytes], int], int],
        wrote: Callable[[Written], None],
        keep: Callable[[Attempt], bool],
    ) -> None:
        self._store = store
        self._bodies = bodies
        self._owner = owner
        self._replication = replication
        self._write = write
        self._wrote = wrote
        self._keep = keep
        self._under_way: tuple[Salvage, Salvor] | None = None

    @property
    def busy(self) -> bool:
        """True while there is more to take over."""
        return self._under_way is not None

    def begin(self, operation: Salvage) -> list[Effect]:
        """Start, or refuse."""
        peer = self._replication.peer
        if self._under_way is not None:
            problem, hint = "another disk is being salvaged", "wait until that is done"
        elif peer is not None and peer.node == operation.wreck.node:
            problem = "the node of this disk is connected"
            hint = "there is nothing to salvage: it sends what it has by itself"
        else:
            self._under_way = operation, Salvor(operation.wreck, self._store, self._bodies)
            return []
        operation.wreck.close()
        return [Failed(operation.token, Refused(Reply(450, "4.3.0", problem), hint))]

    def step(self, running: int) -> tuple[Done | None, list[Effect]]:
        """Some of it, inside a transaction: the answer once all is done, and what is said."""
        if self._under_way is None:
            return None, []
        operation, salvor = self._under_way
        try:
            for written in salvor.step(running):
                self._wrote(written)
        except OSError as error:
            self._end(operation)
            refused = Refused(Reply(452, "4.3.1", str(error)), "free space, then salvage again")
            return None, [Failed(operation.token, refused)]
        if not salvor.finished:
            return None, []
        self._end(operation)
        self._own(operation.wreck.node, running)
        reset = ResetLink("what was salvaged is in no journal: the peer needs a snapshot")
        return Done(operation.token, salvor.report), [reset] if salvor.incomplete else []

    def _end(self, operation: Salvage) -> None:
        self._under_way = None
        operation.wreck.close()

    def _own(self, dead: bytes, running: int) -> None:
        """What the dead node owned is this one's now; its open attempts are in doubt."""
        store = self._store
        scope = store.owned_by(dead)
        if dead != store.node and scope:
            # In doubt: a disk that turns up later need not be the last state of its node.
            segment, data = store.write_claim(store.node, "salvaged", True, running, scope)
            self._wrote((segment, data, {}))
        nodes = store.ownership.nodes
        offs = self._owner.write_offs(
            lambda attempt: nodes.get(attempt.incarnation) != dead or self._keep(attempt)
        )
        if offs:
            self._write(offs, {}, running)
