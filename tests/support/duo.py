"""Two real engines on simulated disks, joined by hand: nothing happens until a test says so."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from itertools import count

import msgspec

from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.reply import Reply
from appliance.mail.work import Lease, NewMessage, Outcome, RecipientOutcome, Result
from appliance.replica.frames import Frame
from appliance.replica.pair import Mode, Timing
from appliance.replica.record import Attempt
from appliance.spool.dump import dump
from appliance.spool.operations import (
    Accept,
    Command,
    HandOver,
    Operation,
    Present,
    Report,
    Want,
)
from appliance.spool.sizes import USUAL, Sizes
from tests.support.disk_vfs import DiskVFS
from tests.support.station import Station

SENDER = "sender@site.test"
INLINE = 300
_encode = msgspec.msgpack.Encoder().encode


Promise = Callable[[Station], None]
"""Raises AssertionError if it does not hold on a station."""


class Duo:
    """Stations `a` and `b`. Times in milliseconds."""

    def __init__(
        self,
        vfs: DiskVFS,
        seed: int = 1,
        sizes: Sizes = USUAL,
        timing: Timing | None = None,
    ) -> None:
        self.now = 1_000
        self.connected = self.reset = False
        self.tamper: Callable[[Frame], Frame | None] = lambda frame: frame
        """What the link makes of a frame; None if it is lost."""
        self.late: list[tuple[Station, Frame]] | None = None
        """Frames under way, while the link is slow."""
        self.a, self.b = (Station(name, vfs, seed, sizes, timing or Timing()) for name in "ab")
        self.promises: list[tuple[Station, str, Promise]] = []
        self._labels = count(1)

    def __enter__(self) -> Duo:
        return self

    def __exit__(self, *_: object) -> None:
        self.a.stop()
        self.b.stop()

    def start(self) -> None:
        """Start both, join them, and wait until they are paired."""
        for station in (self.a, self.b):
            if not station.up:
                station.start(self.now)
        self.connect()
        self.wait(3_000)
        assert self.a.engine.pair.mode is self.b.engine.pair.mode is Mode.PAIRED

    def connect(self) -> None:
        """The link is up."""
        self.connected, self.reset = True, False
        for station in (self.a, self.b):
            station.outbox.clear()
        for station in (self.a, self.b):
            station.engine.link_up(self.now)
        self.settle()

    def disconnect(self) -> None:
        """The link is dead."""
        self.connected = False
        for station in (self.a, self.b):
            station.outbox.clear()
            if station.up:
                station.engine.link_down(self.now)
                station.heed()

    def arrive(self) -> None:
        """What was under way arrives."""
        late, self.late = self.late, None
        for station, frame in late or ():
            station.engine.receive(frame, self.now)
        self.settle()

    def wait(self, milliseconds: int) -> None:
        """Let time pass, at most a second at a time; a connection that was reset is made anew."""
        until = self.now + milliseconds
        while self.now < until:
            self.now = min(until, self.now + 1_000)
            if self.reset and self.a.up and self.b.up:
                self.connect()
            for station in (self.a, self.b):
                if station.up:
                    station.engine.keep_alive(self.now)
            self.settle()

    def settle(self) -> None:
        """Do everything there is to do now."""
        for _ in range(10_000):
            if not any([self.step(self.a, self.b), self.step(self.b, self.a)]):
                return
        raise AssertionError("the two nodes never come to rest")

    def step(self, station: Station, other: Station) -> bool:
        """One turn with its commit, if there is anything to do; frames go to the other."""
        if not station.up:
            return False
        engine = station.engine
        engine.tick(self.now)
        busy = engine.busy(self.now)
        if busy and engine.turn(self.now):
            self.carry(station, other)  # while the commit is under way
            engine.commit()
            engine.committed(self.now)
        return self.carry(station, other) or busy

    def carry(self, station: Station, other: Station) -> bool:
        """Give what `station` said to `other`; True if it said something."""
        resets = len(station.resets)
        said = station.heed()
        frames = station.outbox[:]
        station.outbox.clear()
        if self.connected and other.up:
            for frame in frames:
                if self.late is not None:
                    self.late.append((other, frame))
                elif (came := self.tamper(frame)) is not None:
                    other.engine.receive(came, self.now)
        if len(station.resets) > resets and self.connected:
            self.disconnect()
            self.reset = True
        return said

    # What clients, delivery and operators do.

    def ask(
        self,
        station: Station,
        make: Callable[[object], Operation],
        promise: Promise | None = None,
    ) -> str:
        """Submit an operation made from a new token and settle; the token.

        `promise` is what must hold from the answer on.
        """
        token = f"{next(self._labels)}"
        if promise is not None:
            self.promises.append((station, token, promise))
        station.engine.submit(make(token))
        self.settle()
        return token

    def check_promises(self, station: Station) -> None:
        """What was promised holds on `station` without help from the other."""
        for asked, token, promise in self.promises:
            if token in asked.answers:
                if asked is station or asked.modes[token] is Mode.PAIRED:
                    promise(station)

    def accept(
        self, station: Station, content: bytes, *recipients: str, sender: str = SENDER
    ) -> tuple[str, str]:
        """A client sends a message: (token, queue id). Large content arrives in chunks."""
        engine = station.engine
        queue_id = engine.new_queue_id()
        body = None
        if len(content) > INLINE:
            body = station.bodies.create(queue_id)
            for offset in range(0, len(content), 100):
                chunk = content[offset : offset + 100]
                body.write(chunk)
                engine.body_chunk(queue_id, offset, chunk)
        envelope = Envelope(sender, tuple(Recipient(r) for r in recipients))
        token = self.ask(
            station,
            lambda token: Accept(
                token,
                queue_id,
                _encode(envelope),
                tuple(domain_key(r) for r in recipients),
                len(content),
                sha256(content).digest(),
                None if body else content,
                body,
            ),
            lambda where: _has(where, queue_id, content),
        )
        return token, queue_id

    def present(self, station: Station, *leases: Lease) -> str:
        """Delivery connects and presents its leases."""
        attempts = frozenset(lease.attempt for lease in leases)
        return self.ask(station, lambda token: Present(token, attempts))

    def lease(self, station: Station, limit: int = 10) -> list[Lease]:
        """Delivery asks for work; [] if there is none now."""
        token = self.ask(station, lambda token: Want(token, limit))
        leases = station.answers.get(token, [])
        assert isinstance(leases, list)
        return leases

    def report(
        self,
        station: Station,
        lease: Lease,
        result: Result = Result.DELIVERED,
        *,
        retry_in: int = 60_000,
        mailbox: str | None = None,
        dsn: bytes | None = None,
    ) -> str:
        """Delivery reports one end for all recipients of a lease."""
        reply = Reply(250, "2.0.0", "ok")
        told = tuple(
            RecipientOutcome(one.index, result, reply, "hop", retry_in, mailbox)
            for one in lease.recipients
        )
        news = () if dsn is None else (NewMessage(Envelope("", (Recipient(SENDER),)), dsn),)
        outcome = Outcome(lease.attempt, lease.queue_id, told, news)
        return self.ask(
            station,
            lambda token: Report(token, [outcome]),
            lambda where: _has_outcome(where, lease, result),
        )

    def command(self, station: Station, action: str, queue_id: str) -> str:
        """An operator's command."""
        return self.ask(station, lambda token: Command(token, action, queue_id))

    def hand_over(self, station: Station) -> str:
        """An operator lets a node give everything to the other."""
        return self.ask(station, HandOver)

    def same(self) -> bool:
        """True if the canonical dumps are equal."""
        return dump(self.a.store) == dump(self.b.store)


def _has(station: Station, queue_id: str, content: bytes) -> None:
    assert station.entry(queue_id).size == len(content)
    assert station.content(queue_id) == content, f"{queue_id} has other content"


def _has_outcome(station: Station, lease: Lease, result: Result) -> None:
    attempt = Attempt(lease.attempt.incarnation, lease.attempt.seq)
    for told in lease.recipients:
        recipient = station.entry(lease.queue_id).state.recipients[told.index]
        known = recipient.result_of(attempt)
        if result is Result.DEFERRED:
            assert known is None
            assert recipient.log.tries > told.tries
        else:
            assert known == int(result)
