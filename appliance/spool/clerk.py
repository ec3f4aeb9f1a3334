"""What the processes of this node and its operators ask for, done in a turn."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from appliance.mail.work import Result
from appliance.replica.pair import Pair
from appliance.spool.batch import Batch
from appliance.spool.bodies import Bodies
from appliance.spool.claims import Claims
from appliance.spool.desk import Desk
from appliance.spool.handover import Handover
from appliance.spool.leasing import Leasing
from appliance.spool.operations import (
    Accept,
    CallOff,
    Cancel,
    ChangeSite,
    Command,
    Done,
    Effect,
    HandOver,
    Happened,
    Operation,
    Present,
    PutRegisters,
    Report,
    Salvage,
    SeedSite,
    StandAside,
    Sweep,
    TakeOver,
    Want,
)
from appliance.spool.owner import Owner
from appliance.spool.replication import Replication
from appliance.spool.retention import Retention
from appliance.spool.salvage_desk import SalvageDesk
from appliance.spool.site_desk import SiteDesk
from appliance.spool.store import Store
from appliance.spool.writer import Writer


class Clerk:
    """Takes operations at any time, and does them turn by turn.

    `answers` are given once what they tell of is durable, `said` at once; the engine takes both.
    """

    def __init__(
        self,
        store: Store,
        bodies: Bodies,
        owner: Owner,
        replication: Replication,
        pair: Pair,
        leasing: Leasing,
        claims: Claims,
        handover: Handover,
        desk: Desk,
        writer: Writer,
    ) -> None:
        self._store = store
        self._owner = owner
        self._replication = replication
        self._pair = pair
        self._leasing = leasing
        self._claims = claims
        self._handover = handover
        self._desk = desk
        self._writer = writer
        self._retention = Retention(store)
        self._site = SiteDesk(store, replication, pair, writer.write)
        self._salvage = SalvageDesk(
            store,
            bodies,
            owner,
            replication,
            writer.write,
            writer.written.append,
            leasing.worked_on,
        )
        self._operations: deque[Operation] = deque()
        self.results = Counter[Result]()
        """How many recipients' attempts came to which end since this start."""
        self.salvaged = False
        """True once messages came from a disk: what is exposed must be counted anew."""
        self.answers: list[Done] = []
        self.said: list[Effect] = []

    def submit(self, operation: Operation) -> None:
        """Ask for something."""
        if isinstance(operation, Want):
            self.said += self._leasing.want(operation)
        else:
            self._operations.append(operation)

    @property
    def busy(self) -> bool:
        """True if a turn would find something to do."""
        return bool(self._operations) or self._salvage.busy

    def work(self, now: int, running: int) -> None:
        """Do what waits, inside a transaction: as much as fits into one segment."""
        batch = Batch(self._owner)
        while self._operations and not batch.full:
            batch.begin()
            self._do(self._operations.popleft(), batch, now, running)
        self.results += batch.results
        if batch.records:
            self._writer.write(batch.records, batch.contents, running)
        for operation in batch.after:
            match operation:
                case Present():
                    self.said += self._leasing.present(operation, running)
                case Command():
                    self._decided(*self._desk.command(operation, running))
                case _:
                    self._decided(*self._site.operate(operation, running))
        self.said += self._claims.write(running)
        self._salvage_some(running)

    def _do(self, operation: Operation, batch: Batch, now: int, running: int) -> None:
        match operation:
            case Accept():
                self._accept(operation, batch)
            case Report():
                self._report(operation, batch, running)
            case Cancel():
                batch.cancel(operation.leases)
            case Present() | Command() | ChangeSite() | SeedSite() | PutRegisters():
                batch.after.append(operation)
            case HandOver() | CallOff() | StandAside():
                self.said += self._handover.take(operation, now)
            case TakeOver():
                if self._pair.take_over():
                    self._claims.take_over()
                self.answers.append(Done(operation.token))
            case Sweep():
                self._sweep(operation, running)
            case Salvage():
                self.said += self._salvage.begin(operation)

    def _accept(self, accept: Accept, batch: Batch) -> None:
        batch.accept(accept)
        if accept.body is not None:
            self._replication.body_complete(accept.queue_id, accept.size)
            self._store.durable_first(accept.body)
        self.answers.append(Done(accept.token))

    def _report(self, report: Report, batch: Batch, running: int) -> None:
        for reason in batch.report(report.outcomes, running):
            self.said.append(Happened("outcome_refused", {"reason": reason}))
        self.answers.append(Done(report.token))

    def _decided(self, done: Done | None, said: Sequence[Effect]) -> None:
        self.said += said
        if done:
            self.answers.append(done)

    def _sweep(self, sweep: Sweep, running: int) -> None:
        if self._replication.sending_snapshot:
            return
        self._replication.store_acks()
        record = self._retention.choose(running, sweep.keep, shared=not self._pair.alone)
        if record is not None:
            self._writer.write([record], {}, running)

    def _salvage_some(self, running: int) -> None:
        claims = self._store.ownership.claims
        done, said = self._salvage.step(running)
        if self._store.ownership.claims != claims:
            self.said += self._leasing.ownership_changed()
        self.said += said
        if done:
            self.salvaged = True
            if self._store.changed:
                self.answers.append(done)
            else:
                self.said.append(done)
