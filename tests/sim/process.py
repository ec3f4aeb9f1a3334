"""One start of the spool process: the real engine, driven by virtual time as the service does."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

import apsw

from appliance.replica.frames import Frame
from appliance.spool.engine import Engine
from appliance.spool.operations import (
    Done,
    Effect,
    Failed,
    Happened,
    Operation,
    ResetLink,
    Revoke,
    Send,
)
from tests.sim.clock import Clock, Monotonic
from tests.support.disk_faults import PowerCut

KEEP_ALIVE = 4_000
_LONGEST_SLEEP = 5_000


class Host(Protocol):
    """The node that the process runs on."""

    stopped_until: int

    def send(self, frame: Frame) -> None: ...
    def reset_link(self, reason: str) -> None: ...
    def answered(self, token: object, value: object) -> None: ...
    def refused(self, token: object, error: Exception) -> None: ...
    def revoked(self, effect: Revoke) -> None: ...
    def happened(self, event: Happened) -> None: ...
    def housekeep(self) -> None:
        """From time to time."""

    def died(self, error: BaseException) -> None:
        """A call to the engine raised: the process is no more."""


class SpoolProcess:
    """Turns and commits of one engine, until `end`."""

    def __init__(
        self, clock: Clock, now: Monotonic, rng: Random, engine: Engine, host: Host
    ) -> None:
        self._clock, self._now, self._rng = clock, now, rng
        self.engine = engine
        self._host = host
        self._committing = False
        self.alive = True
        self._clock.after(KEEP_ALIVE, self._keep_alive)
        self.poke()

    def end(self) -> None:
        """The process was killed, or died."""
        self.alive = False

    def submit(self, operation: Operation) -> None:
        """Hand in an operation."""
        self.engine.submit(operation)
        self.poke()

    def receive(self, frame: Frame) -> None:
        """A frame from the peer."""
        if self._attempt(lambda: self.engine.receive(frame, self._now())):
            self.heed()
            self.poke()

    def link_up(self) -> None:
        """A connection is there."""
        self.engine.link_up(self._now())
        self.heed()

    def link_down(self) -> None:
        """The connection is gone."""
        if self.alive and self._attempt(lambda: self.engine.link_down(self._now())):
            self.heed()
            self.poke()

    def hear(self, alive: bool | None, serves: bool = True) -> None:
        """What is known of the peer's heartbeat, and what it says of its mail."""
        self.engine.heartbeat(alive, self._now(), serves)
        self.heed()
        self.poke()

    def poke(self) -> None:
        """Take a turn when this moment's events are over."""
        self._clock.after(0, self._step)

    def _step(self) -> None:
        if not self.alive or self._committing or self._clock.now < self._host.stopped_until:
            return
        if not self._attempt(self._turn):
            return
        self.heed()
        if not self._changed:
            if self.engine.replication.behind:
                self.poke()
            else:
                self._set_timer()

    def _turn(self) -> None:
        now = self._now()
        self.engine.tick(now)
        self._changed = self.engine.busy(now) and self.engine.turn(now)
        if self._changed:
            self._committing = True
            self._clock.after(self._rng.randint(0, 4), self._commit)

    def _commit(self) -> None:
        if not self.alive:
            return
        if (wait := self._host.stopped_until - self._clock.now) > 0:
            self._clock.after(wait, self._commit)
            return
        if self._attempt(self.engine.commit):
            self._committing = False
            self.engine.committed(self._now())
            self.heed()
            self.poke()

    def _attempt(self, call: Callable[[], None]) -> bool:
        """False if the process died of it: a power cut, or a disk that fails."""
        try:
            call()
        except (PowerCut, OSError, apsw.Error) as error:
            self._host.died(error)
            return False
        return True

    def _set_timer(self) -> None:
        due = self.engine.next_timer(self._now())
        if due is not None and (wait := max(1, due - self._now())) <= _LONGEST_SLEEP:
            self._clock.after(wait, self._step)

    def _keep_alive(self) -> None:
        if not self.alive:
            return
        if self._clock.now >= self._host.stopped_until:
            self.engine.keep_alive(self._now())
            self._host.housekeep()
            self.heed()
            self.poke()
        self._clock.after(KEEP_ALIVE, self._keep_alive)

    def heed(self) -> None:
        """Do what the engine wants done, in order."""
        while self.alive and self.engine.effects:
            effects, self.engine.effects = self.engine.effects, []
            for effect in effects:
                if self.alive:
                    self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._host.send(effect.frame)
            case Done():
                self._host.answered(effect.token, effect.value)
            case ResetLink():
                self._host.reset_link(effect.reason)
            case Failed():
                self._host.refused(effect.token, effect.error)
            case Revoke():
                self._host.revoked(effect)
            case Happened():
                self._host.happened(effect)
