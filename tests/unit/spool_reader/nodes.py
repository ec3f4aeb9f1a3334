"""Two engines on real files, their frames carried by hand, their clock in the test's hands."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec

from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.reply import Reply
from appliance.mail.work import Lease, Outcome, RecipientOutcome, Result
from appliance.replica.frames import Frame, decode, encode
from appliance.replica.pair import Pair, Timing
from appliance.spool.bodies import Bodies
from appliance.spool.dump import dump
from appliance.spool.engine import Engine
from appliance.spool.files import PosixFiles
from appliance.spool.operations import (
    Accept,
    Done,
    Failed,
    Operation,
    Present,
    Report,
    ResetLink,
    Send,
    Want,
)
from appliance.spool.schema import open_writer
from appliance.spool.sizes import Sizes
from appliance.spool.store import Store

OK = Reply(250, "2.0.0", "ok")


class Node:
    """A node's spool in `folder`; it starts with each object made."""

    def __init__(
        self, folder: Path, name: str, start: int, now: int = 0, alone: bool = False, keep: int = 99
    ) -> None:
        self.folder = folder
        self.content = folder / "content"
        self.content.mkdir(parents=True, exist_ok=True)
        self.db = open_writer(str(folder / "spool.db"))
        self.db.pragma("synchronous", "OFF")  # nothing here is about power
        identity = name.encode().ljust(8, b"-")
        incarnation = sha256(b"%s %d" % (identity, start)).digest()[:16]
        self.store = Store(self.db, identity, incarnation, now)
        self.bodies = Bodies(PosixFiles(str(self.content)))
        self.bodies.sweep(self.store.holds)
        pair = Pair(Timing(), now, alone=alone)
        self.engine = Engine(self.store, self.bodies, pair, name, now, Sizes(keep=keep))
        self.now = now
        self.carry: Callable[[], None] = self.settle
        self.outbox: list[bytes] = []
        self.done: dict[object, object] = {}
        self.failed: dict[object, Exception] = {}
        self.resets: list[str] = []

    def close(self) -> None:
        self.db.close()

    def pair_alone(self) -> None:
        """As if it had never had a peer."""
        self.engine.pair.alone = True

    def submit(self, operation: Operation) -> None:
        self.engine.submit(operation)
        self.carry()

    def settle(self) -> None:
        """Turns and commits until nothing is left to do."""
        while self.step():
            pass

    def step(self) -> bool:
        self.engine.tick(self.now)
        busy = self.engine.busy(self.now)
        if busy and self.engine.turn(self.now):
            self.engine.commit()
            self.engine.committed(self.now)
        effects, self.engine.effects = self.engine.effects, []
        for effect in effects:
            match effect:
                case Send():
                    self.outbox.append(encode(effect.frame))
                case Done():
                    self.done[effect.token] = effect.value
                case Failed():
                    self.failed[effect.token] = effect.error
                case ResetLink():
                    self.resets.append(effect.reason)
        return busy

    def accept(self, *recipients: str, content: bytes = b"content", external: bool = False) -> str:
        """A message; its queue id."""
        chosen = recipients or ("al@one.test",)
        queue_id = self.engine.new_queue_id()
        envelope = Envelope("sender@site.test", tuple(Recipient(one) for one in chosen))
        body = None
        if external:
            body = self.bodies.create(queue_id)
            body.write(content)
            self.engine.body_chunk(queue_id, 0, content)
        self.submit(
            Accept(
                ("accept", queue_id),
                queue_id,
                msgspec.msgpack.encode(envelope),
                tuple(domain_key(one) for one in chosen),
                len(content),
                sha256(content).digest(),
                None if body else content,
                body,
            )
        )
        return queue_id

    def lease(self) -> list[Lease]:
        """Everything that is due."""
        self.submit(Present("present", frozenset()))
        self.submit(Want("want", 100))
        leases = self.done.pop("want", [])
        assert isinstance(leases, list)
        return leases

    def report(self, leases: list[Lease], mailbox: str | None = None) -> None:
        """All of it was delivered."""
        outcomes = [
            Outcome(
                lease.attempt,
                lease.queue_id,
                tuple(
                    RecipientOutcome(one.index, Result.DELIVERED, OK, "hop", mailbox=mailbox)
                    for one in lease.recipients
                ),
            )
            for lease in leases
        ]
        self.submit(Report("report", outcomes))

    def deliver(self, mailbox: str | None = None) -> None:
        """Deliver everything that is due."""
        self.report(self.lease(), mailbox)

    def dump(self) -> list[bytes]:
        return dump(self.store)


class Wire:
    """The link between two nodes."""

    def __init__(self, *nodes: Node) -> None:
        self.nodes = nodes
        for node in nodes:
            node.carry = self.settle
            node.engine.link_up(node.now)
        self.settle()
        for _ in range(2):  # head_delay
            self.wait(1_000)

    def wait(self, milliseconds: int) -> None:
        """Time passes on both nodes."""
        for node in self.nodes:
            node.now += milliseconds
            node.engine.keep_alive(node.now)
        self.settle()

    def settle(self) -> None:
        """Carry frames until nothing moves any more."""
        first, second = self.nodes
        moving = True
        while moving:
            for node in self.nodes:
                node.settle()
            moving = False
            for sender, receiver in ((first, second), (second, first)):
                frames, sender.outbox = sender.outbox, []
                for data in frames:
                    moving = True
                    frame: Frame = decode(data)
                    receiver.engine.receive(frame, receiver.now)

    def cut(self) -> None:
        for node in self.nodes:
            node.carry = node.settle
            node.engine.link_down(node.now)
            node.settle()
            node.outbox.clear()
