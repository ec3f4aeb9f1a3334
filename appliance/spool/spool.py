"""The spool in the mail process: the engine on an event loop, one commit at a time.

Everything that arrives while a commit is under way becomes the next transaction, so one fsync
serves all who wait. SQLite is used on the loop's thread; only commits and checkpoints, which wait
for the disk, run in another, while nobody else touches that connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from appliance.mail.work import AttemptId, Lease
from appliance.replica.frames import Batch, BodyChunk, decode, encode
from appliance.spool.checkpoint import Checkpointer
from appliance.spool.disk_thread import DiskThread
from appliance.spool.engine import Engine
from appliance.spool.operations import (
    CallOff,
    Cancel,
    Done,
    Effect,
    Failed,
    HandOver,
    Happened,
    Operation,
    PutRegisters,
    ResetLink,
    Revoke,
    Send,
    SiteChanged,
    StandAside,
)

FRAME, CHUNK = 1, 2
"""Kinds of link frame."""


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
    """Drives an engine: requests in, answers out, frames to and from the peer."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], int],
        emit: Callable[..., None],
        checkpointer: Checkpointer,
        starving: Callable[[], bool],
    ) -> None:
        """`clock` is monotonic, in milliseconds; `starving`: nothing more of the peer's fits."""
        self._starving = starving
        self.engine = engine
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_revoke: Callable[[frozenset[AttemptId]], None] = lambda attempts: None
        self.on_site: Callable[[frozenset[str]], None] = lambda tables: None
        """Told which of the site's tables changed. It must not raise."""
        self._aside: set[str] = set()
        self._mode_at = clock()
        self._heard_at: int | None = None
        self._clock = clock
        self._emit = emit
        self._checkpointer = checkpointer
        self._loop = asyncio.get_running_loop()
        self._disk = DiskThread(self._loop, "commit")
        self._copier = DiskThread(self._loop, "checkpoint")
        self._connection: Connection | None = None
        self._committing = False
        self._copying = False
        self._idle = asyncio.Event()
        self._idle.set()
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
        await self._idle.wait()
        self._disk.stop()
        self._copier.stop()

    async def send_chunk(self, queue_id: str, offset: int, data: bytes) -> None:
        """Give the peer part of a large body; waits while the link is slow."""
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
    def aside(self) -> frozenset[str]:
        """Why the peer is to deliver what this node accepts; empty if it is not."""
        return frozenset(self._aside)

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

    async def hand_over(self, patience: int, *, force: bool = False) -> None:
        """Give everything to the peer (rule 5); raises Refused, at the latest after `patience` ms.

        With `force` what is under way by then is given in doubt.

        Leasing stops at once, and delivery gives back what it has not begun. Called off if the
        caller is cancelled.
        """
        try:
            await self.ask(lambda token: HandOver(token, patience, force))
        except asyncio.CancelledError:
            self.submit(CallOff())
            raise

    async def put_registers(
        self, *values: tuple[str, str, bytes | None], while_alone: bool = False
    ) -> None:
        """Write registers (table, key, value), all or none; None deletes. Raises Refused.

        Durable on both nodes when this returns; alone only with `while_alone`.
        """
        await self.ask(lambda token: PutRegisters(token, values, while_alone))

    def stand_aside(self, why: str, aside: bool) -> None:
        """Let the peer deliver what this node accepts, as long as it is `aside` for any reason."""
        before = bool(self._aside)
        (self._aside.add if aside else self._aside.discard)(why)
        if bool(self._aside) is not before:
            self.submit(StandAside(not before))

    def heartbeat(self, alive: bool | None, serves: bool = True) -> None:
        """Whether the peer is heard on any path; see `Pair.heartbeat`."""
        self.engine.heartbeat(alive, self._clock(), serves)
        self._heed()
        self._poke()

    def look_at_trial(self, note: Path) -> None:
        """The trial of a release ends when its note is gone (see `Engine.on_trial`)."""
        if self.engine.on_trial and not note.exists():
            self.engine.end_trial(self._clock())
            self._heed()
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
        if isinstance(frame, Batch | BodyChunk) and self._starving():
            # Better alone, with an alarm, than dead of a full disk.
            self._reset_link("this node's disk is full")
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
        self.engine.room = self._connection is None or self._connection.writable
        try:
            self.engine.tick(now)
            changed = self.engine.busy(now) and self.engine.turn(now)
        except Exception as error:  # a spool in an unknown state must not answer anybody
            self._fail(error)
            return
        if changed:
            self._committing = True
            self._idle.clear()
            self._disk.do(self.engine.commit, self._committed)
            self._heed()
            return
        self._heed()
        if self.engine.replication.behind:
            self._pump_later()
        self._set_timer(now)

    def _committed(self, error: BaseException | None) -> None:
        self._committing = False
        self._idle.set()
        if self.failed.done():
            return
        if error is not None:
            # After a failed fsync nobody knows what is on the disk: only a new incarnation may
            # go on from there (rule 11).
            self._fail(error)
            return
        self.engine.committed(self._clock())
        self._heed()
        self._poke()
        if self._checkpointer.worthwhile and not self._copying:
            self._copying = True
            self._copier.do(self._checkpointer.copy, self._copied)

    def _copied(self, error: BaseException | None) -> None:
        self._copying = False
        if error is not None:
            self._fail(error)

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
                self._refuse(effect)
            case Revoke():
                self.on_revoke(effect.attempts)
            case ResetLink():
                self._reset_link(effect.reason)
            case SiteChanged():
                self.on_site(effect.tables)
            case Happened():
                if effect.event == "mode":
                    self._mode_at = self._clock()
                self._emit(effect.event, **effect.fields)

    def _refuse(self, failed: Failed) -> None:
        if isinstance(failed.token, asyncio.Future) and not failed.token.done():
            failed.token.set_exception(failed.error)

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


async def _until_writable(connection: Connection) -> None:
    try:
        await connection.wait_writable()
    except ConnectionError:
        return
