"""The spool in the mail process: the engine on an event loop, one commit at a time.

Everything that arrives while a commit is under way becomes the next transaction, so one fsync
serves all who wait. SQLite is used on the loop's thread; only commits and checkpoints, which wait
for the disk, run in another, while nobody else touches that connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Protocol

import msgspec

from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope
from appliance.mail.queue_id import QueueId
from appliance.mail.reply import Refused
from appliance.mail.work import AttemptId, Lease
from appliance.replica.frames import BodyChunk, decode, encode
from appliance.spool.bodies import Bodies, Body
from appliance.spool.engine import Engine
from appliance.spool.operations import (
    Accept,
    Cancel,
    Done,
    Effect,
    Failed,
    Happened,
    Operation,
    ResetLink,
    Revoke,
    Send,
)

FRAME, CHUNK = 1, 2
"""Kinds of link frame."""

_encode_envelope = msgspec.msgpack.Encoder().encode


class Connection(Protocol):
    """The live connection to the peer, as the spool uses it."""

    @property
    def writable(self) -> bool:
        """False while too much waits to be sent."""

    def send(self, kind: int, payload: bytes) -> None:
        """Send a frame; raises ConnectionError."""

    async def wait_writable(self) -> None:
        """Wait for room; raises ConnectionError."""

    def close(self) -> None:
        """End the connection."""


class Spool:
    """Drives an engine; accepts mail (`smtpd.intake.Intake`) and serves the mail socket."""

    def __init__(
        self,
        engine: Engine,
        bodies: Bodies,
        clock: Callable[[], int],
        emit: Callable[..., None],
        gate: Callable[[], Refused | None],
        checkpoint: Callable[[], None],
        inline_limit: int = 256 * 1024,
    ) -> None:
        """`clock` is monotonic, in milliseconds; `gate` says why nothing may be accepted now."""
        self.engine = engine
        self.inline_limit = inline_limit
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_revoke: Callable[[frozenset[AttemptId]], None] = lambda attempts: None
        self.accepted = 0
        self._mode_at = clock()
        self._heard_at: int | None = None
        self._bodies = bodies
        self._clock = clock
        self._emit = emit
        self._gate = gate
        self._checkpoint = checkpoint
        self._loop = asyncio.get_running_loop()
        self._committer = ThreadPoolExecutor(1, "commit")
        self._checkpointer = ThreadPoolExecutor(1, "checkpoint")
        self._connection: Connection | None = None
        self._commit: asyncio.Future[None] | None = None
        self._committing = False
        self._stepping = False
        self._timer: asyncio.TimerHandle | None = None
        self._keeper: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to work."""
        self._keep_alive()

    async def stop(self) -> None:
        """Finish the commit under way; nothing is accepted any more."""
        for timer in (self._timer, self._keeper):
            if timer:
                timer.cancel()
        self._stepping = True  # no further turn begins
        if self._commit is not None:
            await asyncio.wait([self._commit])
        await self._loop.run_in_executor(None, self._committer.shutdown)
        await self._loop.run_in_executor(None, self._checkpointer.shutdown)

    # Intake.

    def available(self) -> None:
        """Raise Refused if a message could not be accepted now."""
        refused = self._gate()
        if refused is not None:
            raise refused

    def new_queue_id(self) -> QueueId:
        """A queue id for a message about to arrive."""
        return self.engine.new_queue_id()

    async def accept(self, queue_id: QueueId, envelope: Envelope, content: bytes) -> None:
        """Durable as the mode demands when this returns; raises Refused."""
        self.available()
        await self.ask(
            lambda token: Accept(
                token,
                queue_id,
                _encode_envelope(envelope),
                _domains(envelope),
                len(content),
                sha256(content).digest(),
                content,
            )
        )
        self.accepted += 1

    async def open_body(self, queue_id: QueueId) -> BodyStream:
        """Start a large body."""
        self.available()
        return BodyStream(self, queue_id, self._bodies.create(queue_id))

    async def accept_body(self, queue_id: QueueId, envelope: Envelope, body: object) -> None:
        """Like `accept`, for a body written before to what `open_body` gave."""
        assert isinstance(body, BodyStream)
        self.available()
        await self.ask(
            lambda token: Accept(
                token,
                queue_id,
                _encode_envelope(envelope),
                _domains(envelope),
                body.body.size,
                body.body.digest,
                None,
                body.body,
            )
        )
        self.accepted += 1

    async def send_chunk(self, queue_id: str, offset: int, data: bytes) -> None:
        """Give the peer part of a body; waits while the link is slow."""
        self.engine.body_chunk(queue_id, offset, data)
        self._heed()
        connection = self._connection
        if connection is not None and not connection.writable:
            try:
                await connection.wait_writable()
            except ConnectionError:
                return  # the body goes to the peer later, with its record

    # What people are shown.

    @property
    def committing(self) -> bool:
        """True while a commit is under way: then the store must be left alone."""
        return self._committing

    @property
    def now(self) -> int:
        """The monotonic clock, in milliseconds."""
        return self._clock()

    @property
    def mode_for(self) -> int:
        """Milliseconds since the mode last changed."""
        return self._clock() - self._mode_at

    @property
    def peer_heard_ago(self) -> int | None:
        """Milliseconds since the peer's last frame, None before the first."""
        return None if self._heard_at is None else self._clock() - self._heard_at

    # Requests.

    def ask(self, make: Callable[[object], Operation]) -> asyncio.Future[object]:
        """Submit an operation; the future has the engine's answer or its refusal."""
        future: asyncio.Future[object] = self._loop.create_future()
        self.engine.submit(make(future))
        self._poke()
        return future

    def submit(self, operation: Operation) -> None:
        """Submit an operation nobody waits for."""
        self.engine.submit(operation)
        self._poke()

    # The link.

    def link_up(self, connection: Connection) -> None:
        """A connection to the peer is there."""
        self._connection = connection
        self.engine.link_up(self._clock())
        self._heed()

    def link_frame(self, payload: bytes) -> None:
        """A frame from the peer."""
        try:
            frame = decode(payload)
        except msgspec.DecodeError as error:
            self._reset_link(f"a frame that is none: {error}")
            return
        self._heard_at = now = self._clock()
        self.engine.receive(frame, now)
        self._heed()
        self._poke()

    def link_down(self) -> None:
        """The connection is gone."""
        self._connection = None
        self.engine.link_down(self._clock())
        self._heed()
        self._poke()

    def _reset_link(self, reason: str) -> None:
        self._emit("link_reset", reason=reason)
        if self._connection is not None:
            self._connection.close()

    # The engine's driver.

    def _poke(self) -> None:
        """Take a turn when this round of the loop has handed in everything it has."""
        if not self._stepping and not self._committing:
            self._stepping = True
            self._loop.call_soon(self._step)

    def _step(self) -> None:
        self._stepping = False
        if self._committing or self.failed.done():
            return
        now = self._clock()
        try:
            self.engine.tick(now)
            changed = self.engine.busy(now) and self.engine.turn(now)
        except Exception as error:  # a spool in an unknown state must not answer anybody
            self._fail(error)
            return
        if changed:
            self._committing = True
            self._commit = self._loop.run_in_executor(self._committer, self.engine.commit)
            self._commit.add_done_callback(self._committed)
            self._heed()
            return
        self._heed()
        if self.engine.replication.behind:
            self._pump_later()
        self._set_timer(now)

    def _committed(self, commit: asyncio.Future[None]) -> None:
        self._committing = False
        if commit.cancelled() or self.failed.done():
            return
        error = commit.exception()
        if error is not None:
            # After a failed fsync nobody knows what is on the disk: only a new incarnation may
            # go on from there (rule 11).
            self._fail(error)
            return
        self.engine.committed(self._clock())
        self._heed()
        self._loop.run_in_executor(self._checkpointer, self._checkpoint)
        self._poke()

    def _fail(self, error: BaseException) -> None:
        if not self.failed.done():
            self._emit("spool_failed", error=f"{type(error).__name__}: {error}")
            self.failed.set_exception(error)
        if self._connection is not None:
            self._connection.close()

    def _pump_later(self) -> None:
        connection = self._connection
        if connection is None:
            return
        if connection.writable:
            self._poke()
            return
        waiting = self._loop.create_task(_until_writable(connection))
        waiting.add_done_callback(lambda _: self._poke())

    def _set_timer(self, now: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.engine.next_timer(now)
        if due is not None:
            self._timer = self._loop.call_later(max(0.001, (due - now) / 1000), self._poke)

    def _keep_alive(self) -> None:
        self._keeper = self._loop.call_later(1.0, self._keep_alive)
        if not self.failed.done():
            self.engine.keep_alive(self._clock())
            self._heed()
            self._poke()

    def _heed(self) -> None:
        while self.engine.effects:
            effects, self.engine.effects = self.engine.effects, []
            for effect in effects:
                self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Done():
                if isinstance(effect.token, asyncio.Future):
                    self._answer(effect.token, effect.value)
            case Send():
                self._send(effect)
            case Failed():
                if isinstance(effect.token, asyncio.Future) and not effect.token.done():
                    effect.token.set_exception(effect.error)
            case Revoke():
                self.on_revoke(effect.attempts)
            case ResetLink():
                self._reset_link(effect.reason)
            case Happened():
                if effect.event == "mode":
                    self._mode_at = self._clock()
                self._emit(effect.event, **effect.fields)

    def _answer(self, waiting: asyncio.Future[object], value: object) -> None:
        if not waiting.done():
            waiting.set_result(value)
        elif isinstance(value, list) and value and isinstance(value[0], Lease):
            self.submit(Cancel(value))  # whoever asked for these leases is gone

    def _send(self, effect: Send) -> None:
        if self._connection is None:
            return
        kind = CHUNK if isinstance(effect.frame, BodyChunk) else FRAME
        try:
            self._connection.send(kind, encode(effect.frame))
        except ConnectionError:
            return  # link_down follows


class BodyStream:
    """A large body on its way to both nodes (`smtpd.intake.BodyWriter`)."""

    def __init__(self, spool: Spool, queue_id: str, body: Body) -> None:
        self.body = body
        self._spool = spool
        self._queue_id = queue_id

    async def write(self, chunk: bytes) -> None:
        """Append `chunk` here and on the peer; raises OSError."""
        offset = self.body.size
        self.body.write(chunk)
        await self._spool.send_chunk(self._queue_id, offset, chunk)

    async def abort(self) -> None:
        """Forget the body."""
        self.body.discard()


async def _until_writable(connection: Connection) -> None:
    try:
        await connection.wait_writable()
    except ConnectionError:
        return


def _domains(envelope: Envelope) -> tuple[str, ...]:
    recipients = envelope.recipients
    if len(recipients) == 1:
        return (domain_key(recipients[0].address),)
    return tuple([domain_key(recipient.address) for recipient in recipients])
