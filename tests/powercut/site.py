"""One machine or a pair at work: frames, turns and commits in an order that a seed decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import apsw

from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.reply import Reply
from appliance.mail.work import (
    AttemptId,
    Lease,
    LeasedRecipient,
    NewMessage,
    Outcome,
    RecipientOutcome,
    Result,
)
from appliance.replica import record as records
from appliance.replica.frames import Ack, Batch, Frame, Hello, decode, encode
from appliance.replica.pair import Mode
from appliance.spool.operations import (
    Cancel,
    ChangeSite,
    Command,
    Done,
    Effect,
    Failed,
    Happened,
    Operation,
    Present,
    PutRegisters,
    Report,
    ResetLink,
    Revoke,
    Send,
    Sweep,
    Want,
)
from appliance.spool.schema import Stage
from tests.powercut.chain import Registry, note_records
from tests.powercut.derived import messages
from tests.powercut.ledger import ABSENT, REGISTER, VERSION, Fact, Ledger
from tests.powercut.machine import Machine, Request, Upload
from tests.support.disk_faults import PowerCut

_REPLY = Reply(250, "2.0.0", "as the script says")
FATES = {
    "never.test": (Result.BOUNCED, None),
    "later.test": (Result.DEFERRED, None),
    "box.test": (Result.DELIVERED, "box"),
}
"""How attempts at a domain end; those at others deliver."""


class Down(Exception):
    """A machine lost its power; with `error`, only its spool process ended, because of that."""

    def __init__(self, machine: Machine, error: Exception | None = None) -> None:
        super().__init__(f"{machine.name}: {error or 'power cut'}")
        self.machine = machine
        self.error = error


class Site:
    """Machines, the link between them, the clients, and what they were told."""

    def __init__(self, machines: Sequence[Machine], rng: Random) -> None:
        self.machines = machines
        self.ledger = Ledger()
        self.registry: Registry = {}
        self.promised: dict[str, dict[bytes, int]] = {machine.name: {} for machine in machines}
        """What each machine acknowledged to hold durably."""
        self.events: list[str] = []
        self.carried = Counter[str]()
        """Frames sent, by kind."""
        self.now = 10**9
        self._rng = rng
        self._linked = False

    # Machines and the link.

    def boot(self, machine: Machine) -> None:
        """Raises Down."""
        self._guard(machine, lambda: machine.boot(self.now))
        self._heed(machine)

    def connect(self) -> None:
        """A new connection; nothing if a machine is off."""
        if len(self.machines) == 2 and all(machine.up for machine in self.machines):
            self._linked = True
            for machine in self.machines:
                self._do(machine, lambda m: m.engine.link_up(m.clock(self.now)))

    def disconnect(self) -> None:
        """The connection breaks; what was under way on it is lost."""
        if self._linked:
            self._linked = False
            for machine in self.machines:
                machine.inbox.clear()
            for machine in self.machines:
                if machine.up:
                    self._do(machine, lambda m: m.engine.link_down(m.clock(self.now)))

    def hear(self, alive: bool) -> None:
        """Heartbeats come, or have ceased."""
        for machine in self.machines:
            if machine.up:
                self._do(machine, partial(self._hear, alive))

    def _hear(self, alive: bool, machine: Machine) -> None:
        machine.engine.heartbeat(alive, machine.clock(self.now))

    def wait(self, milliseconds: int) -> None:
        """Let time pass, and do what it brings."""
        self.now += milliseconds
        for machine in self.machines:
            if machine.up:
                self._do(machine, self._tick)
        self.run()

    def _tick(self, machine: Machine) -> None:
        machine.engine.tick(machine.clock(self.now))
        machine.engine.keep_alive(machine.clock(self.now))

    def settle(self) -> None:
        """Until the pair is paired, and what one node answered for is on both."""
        for _ in range(20):
            self.run()
            if all(machine.engine.pair.mode is Mode.PAIRED for machine in self.machines):
                break
            self.wait(1100)
            if not self._linked:
                self.connect()
        else:
            raise AssertionError(f"the nodes don't come together: {self.events[-5:]}")
        self.ledger.shared(machine.name for machine in self.machines)

    def run(self) -> None:
        """Until nothing is left to do."""
        while self.step():
            pass

    def step(self) -> bool:
        """One frame, turn or commit, of one machine."""
        possible = [
            partial(do, machine)
            for machine in self.machines
            if machine.up
            for do in self._possible(machine)
        ]
        if not possible:
            return False
        self._rng.choice(possible)()
        return True

    def _possible(self, machine: Machine) -> list[Callable[[Machine], None]]:
        steps = list[Callable[[Machine], None]]()
        if machine.inbox:
            steps.append(partial(self._do, call=self._take_frame))
        if machine.committing:
            steps.append(partial(self._do, call=lambda m: m.commit(self.now)))
        elif not machine.idle and machine.engine.busy(machine.clock(self.now)):
            steps.append(partial(self._do, call=self._turn))
        return steps

    def _take_frame(self, machine: Machine) -> None:
        frame = machine.inbox.popleft()
        if isinstance(frame, Batch):
            note_records(self.registry, frame.segment)
        machine.engine.receive(frame, machine.clock(self.now))

    def _turn(self, machine: Machine) -> None:
        now = machine.clock(self.now)
        machine.engine.tick(now)
        machine.committing = machine.engine.turn(now)
        if not machine.committing and not machine.engine.replication.behind:
            machine.idle = True

    def _do(self, machine: Machine, call: Callable[[Machine], None]) -> None:
        machine.idle = False
        self._guard(machine, lambda: call(machine))
        self._heed(machine)

    def _guard(self, machine: Machine, call: Callable[[], None]) -> None:
        mount = machine.disk.mount
        try:
            call()
            return
        except (PowerCut, apsw.Error, OSError) as error:
            # SQLite may have made an error of a power cut.
            reason = error if mount.alive and isinstance(error, Exception) else None
        # Not from within the handler: what the call had open must be gone by now.
        raise Down(machine, reason and reason.with_traceback(None))

    def cut(self, machine: Machine) -> None:
        """The power of a machine is gone; it may come back with `boot`."""
        machine.off()
        machine.open = frozenset()
        machine.disk.power_cut()
        self.disconnect()

    def kill(self, machine: Machine) -> None:
        """The spool process has ended; the cache stays, and so does the delivery process."""
        machine.off()
        machine.disk.kill()
        self.disconnect()

    # What engines want done.

    def _heed(self, machine: Machine) -> None:
        while machine.up and machine.engine.effects:
            effects, machine.engine.effects = machine.engine.effects, []
            for effect in effects:
                self._heed_one(machine, effect)

    def _heed_one(self, machine: Machine, effect: Effect) -> None:
        match effect:
            case Send():
                self._send(machine, effect.frame)
            case Done(Request() as request, value):
                request.answered = True
                request.then(value)
            case Failed(Request() as request, error):
                request.error = error
            case ResetLink():
                self.disconnect()
            case Revoke():
                machine.open -= effect.attempts
            case Happened():
                self.events.append(f"{machine.name}: {effect.event} {effect.fields}")

    def _send(self, machine: Machine, frame: Frame) -> None:
        if not self._linked:
            return
        self.carried[type(frame).__name__] += 1
        if isinstance(frame, Ack):
            self.promised[machine.name] |= frame.positions
        if isinstance(frame, Hello):
            self.promised[machine.name] |= {i: mark.seq for i, mark in frame.marks.items()}
        for other in self.machines:
            if other is not machine:
                other.inbox.append(decode(encode(frame)))
                other.idle = False

    # What clients, operators and delivery do.

    def submit(self, machine: Machine, operation: Operation) -> None:
        """Hand in an operation."""
        self._do(machine, lambda m: m.engine.submit(operation))

    def _holders(self, machine: Machine) -> list[str]:
        """The machines on which something just answered by `machine` must be durable."""
        if machine.engine.pair.mode is Mode.PAIRED:
            return [one.name for one in self.machines]
        return [machine.name]

    def send(
        self, machine: Machine, recipients: list[str], content: bytes, sender: str = "a@here.test"
    ) -> str:
        """A client sends a message; returns its queue id."""
        envelope, facts = Envelope(sender, tuple(map(Recipient, recipients))), list[Fact]()
        request = Request(lambda _: self._told(machine, facts))
        upload = machine.upload(request, envelope, content)
        facts.append(self.ledger.message(upload.queue_id, upload.envelope, content))
        while not upload.finished:
            if not self._uploaded(machine, upload):
                return upload.queue_id
            if self._rng.random() < 0.5:
                self._meanwhile(upload)
        self.submit(machine, upload.operation())
        return upload.queue_id

    def _uploaded(self, machine: Machine, upload: Upload) -> bool:
        """False if the disk did not take it: the client gets 452."""
        try:
            self._do(machine, lambda m: upload.chunk())
        except Down as down:
            if down.error is None:
                raise
            upload.abort()
            return False
        return True

    def _meanwhile(self, upload: Upload) -> None:
        try:
            self.step()
        except Down as down:
            if down.machine is not upload.machine:
                upload.abort()  # the script ends here, so the client goes
            raise

    def _told(self, machine: Machine, facts: list[Fact]) -> None:
        for fact in facts:
            fact.answered(1, self._holders(machine))

    def command(
        self, machine: Machine, action: str, queue_id: str, index: int, address: str = ""
    ) -> Request:
        """An operator's command on one recipient."""
        domain = address.rpartition("@")[2]
        what, value = {
            "hold": ("held", True),
            "release": ("held", False),
            "redirect": ("address", address),
            "remove": ("removed", True),
        }[action]
        fact = self.ledger.recipient(queue_id, index, what, None if address else False)
        place = fact.asked(value)
        request = Request(lambda _: fact.answered(place, self._holders(machine)))
        self.submit(machine, Command(request, action, queue_id, (index,), address, domain))
        return request

    def present(self, machine: Machine) -> None:
        """The delivery process of a machine connects."""

        def invalid(attempts: frozenset[AttemptId]) -> None:
            machine.open -= attempts

        self.submit(machine, Present(Request(invalid), machine.open))
        self.run()

    def lease(self, machine: Machine, limit: int = 20) -> list[Lease]:
        """What delivery is given to attempt now."""
        given = list[Lease]()

        def take(leases: list[Lease]) -> None:
            given.extend(leases)
            for lease in leases:
                machine.open |= {lease.attempt}
                for one in lease.recipients:
                    fact = self._attempt(lease, one)
                    fact.answered(fact.asked(records.Result.OPEN), self._holders(machine))

        self.submit(machine, Want(Request(take), limit))
        self.run()
        self.submit(machine, Want(Request(), 0))
        return given

    def _attempt(self, lease: Lease, recipient: LeasedRecipient) -> Fact:
        return self.ledger.recipient(lease.queue_id, recipient.index, lease.attempt, None)

    def report(self, machine: Machine, leases: Sequence[Lease]) -> Request:
        """Outcomes of attempts, as their domains have it; a bounce causes a DSN."""
        facts = list[tuple[Fact, int]]()
        outcomes = [self._outcome(lease, facts) for lease in leases]

        def acknowledged(_: object) -> None:
            for fact, place in facts:
                fact.answered(place, self._holders(machine))
            machine.open -= {lease.attempt for lease in leases}

        request = Request(acknowledged)
        self.submit(machine, Report(request, outcomes))
        return request

    def _outcome(self, lease: Lease, facts: list[tuple[Fact, int]]) -> Outcome:
        domain = domain_key(lease.recipients[0].address)
        result, mailbox = FATES.get(domain, (Result.DELIVERED, None))
        notifications = list[NewMessage]()
        for one in lease.recipients:
            fact = self._attempt(lease, one)
            ended = None if result is Result.DEFERRED else records.Result(result)
            facts.append((fact, fact.asked(ended)))
        if result is Result.BOUNCED:
            content = b"DSN %s %d" % (lease.queue_id.encode(), lease.attempt.seq)
            index = lease.recipients[0].index
            self.ledger.notifications[lease.attempt] = (lease.queue_id, index, content)
            envelope = Envelope("", (Recipient(lease.envelope.sender),))
            notifications.append(NewMessage(envelope, content))
        told = tuple(
            [
                RecipientOutcome(one.index, result, _REPLY, retry_in=1000, mailbox=mailbox)
                for one in lease.recipients
            ]
        )
        return Outcome(lease.attempt, lease.queue_id, told, tuple(notifications))

    def change(self, machine: Machine, document: bytes) -> Request:
        """An operator changes the document of the site."""
        head = machine.engine.store.site.lineage.head
        fact = self.ledger.recipient(VERSION, 0, document, False)
        place = fact.asked(True)
        request = Request(lambda _: fact.answered(place, self._holders(machine)))
        parent = head.id if head else b""
        change = ChangeSite(request, document, parent, "root", 5, while_alone=True)
        self.submit(machine, change)
        return request

    def put(self, machine: Machine, key: str, value: bytes | None) -> Request:
        """Somebody writes a register."""
        fact = self.ledger.recipient(REGISTER, 0, key, None)
        place = fact.asked(value)
        request = Request(lambda _: fact.answered(place, self._holders(machine)))
        self.submit(machine, PutRegisters(request, [(REGISTER, key, value)], while_alone=True))
        return request

    def sweep(self, machine: Machine) -> None:
        """Let a machine forget some or all of what has ended."""
        for row in messages(machine.db):
            fact = self.ledger.facts.get((row.queue_id, 0, ""))
            if fact is not None and row.stage == Stage.ENDED:
                fact.asked(ABSENT)
        self.submit(machine, Sweep(0))

    def cancel(self, machine: Machine, leases: Sequence[Lease]) -> None:
        """Leases that delivery never got."""
        for lease in leases:
            for one in lease.recipients:
                self._attempt(lease, one).asked(None)
        machine.open -= {lease.attempt for lease in leases}
        self.submit(machine, Cancel(leases))
