"""Drives `appliance.failover.node.Node`: datagrams and timers in, its effects out, in order.

Everything that has arrived is handed in before a timer. After a stop of this process the node
drops its addresses before anything else, whatever is handed in first.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol

from appliance.config.failover import HeartbeatPath
from appliance.failover.advertisement import Status
from appliance.failover.node import Effect, Node, PeerAlive, Send
from appliance.failover.router import (
    AcquireAddresses,
    Announce,
    ReleaseAddresses,
    State,
    Transition,
)
from appliance.vip.binder import Binder, BinderFailed, VirtualAddress
from appliance.vip.channel import Channel

_BINDER_PATIENCE = 1.0
_STOP_PATIENCE = 2.0
_AGAIN = 1.0


class Follower(Protocol):
    """Who is told what happens; called on the loop's thread."""

    def transition(self, transition: Transition) -> None:
        """A virtual router changed its state; its addresses are bound or gone by now."""

    def held(self) -> None:
        """`Driver.held` has changed."""

    def peer(self) -> None:
        """The peer is heard again or no more, or says something else of itself."""

    def binder_failed(self, vrid: int, error: BinderFailed) -> None:
        """Addresses could not be acquired, or may not have been released."""


class Driver:
    """One node's part in the failover of a pair.

    `addresses` of each virtual router; `clock` in nanoseconds goes on while the machine sleeps.
    Paths are numbered from 1, as they stand in the settings.
    """

    def __init__(
        self,
        node: Node,
        binder: Binder,
        addresses: Mapping[int, Sequence[VirtualAddress]],
        paths: Sequence[HeartbeatPath],
        clock: Callable[[], int],
    ) -> None:
        self.node = node
        self._binder = binder
        self._addresses = addresses
        self._clock = clock
        self._loop = loop = asyncio.get_running_loop()
        self.channels = {
            number: Channel(path, loop, self._readable) for number, path in enumerate(paths, 1)
        }
        self.holds: set[int] = set()
        """The virtual routers whose addresses are bound here."""
        self.peer_alive = False
        self.failed: asyncio.Future[None] = loop.create_future()
        """Ends with what nobody had foreseen: the process must end, too."""
        self._follower: Follower | None = None
        self._peer_said: tuple[Status | None, frozenset[int]] = None, frozenset()
        self._effects: deque[Effect] = deque()
        self._binding: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: int | None = None
        self._stopping = False

    @property
    def held(self) -> tuple[VirtualAddress, ...]:
        """The virtual addresses bound here."""
        return self.bound(self.holds)

    def bound(self, vrids: Iterable[int]) -> tuple[VirtualAddress, ...]:
        """Those of `held` that belong to these virtual routers."""
        found = self.holds.intersection(vrids)
        return tuple(one for vrid in sorted(found) for one in self._addresses[vrid])

    @property
    def peer_heard(self) -> Status | None:
        """What the peer says of itself; None if no heartbeat of it comes."""
        living = self.node.living_paths(self._clock()) - {Node.LINK}
        return self.node.peer if living else None

    def path_alive(self, number: int) -> bool:
        """The peer is heard on the path."""
        return number in self.node.living_paths(self._clock())

    @property
    def peer_active(self) -> frozenset[int]:
        """The virtual routers for which the peer advertises that it is Active."""
        now = self._clock()
        return frozenset(v for v in self.node.routers if self.node.peer_active(now, v))

    # What drives it.

    def start(self, follower: Follower) -> None:
        """Take part, and tell `follower`."""
        self._follower = follower
        for channel in self.channels.values():
            channel.open()
        self._do(self.node.start(self._clock()))

    async def stop(self) -> None:
        """Give up the addresses, tell the peer so, and end."""
        self._do(self.node.stop(self._clock()))
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
        try:
            async with asyncio.timeout(_STOP_PATIENCE):
                await self._idle.wait()
        except TimeoutError:
            pass  # a binder that hangs: the addresses go with this process
        for channel in self.channels.values():
            channel.close()
        self._binder.close()

    def health(self, vrid: int, priority: int) -> None:
        """What health leaves of this node's priority; 0 gives the addresses up."""
        if self.node.routers[vrid].priority != priority and not self._stopping:
            self._do(self.node.health(self._clock(), vrid, priority))

    def link_progress(self) -> None:
        """Something came from the peer over the link."""
        if not self._stopping:
            self._do(self.node.heard(self._clock(), Node.LINK))

    async def settled(self) -> None:
        """Return when all that was decided so far is done."""
        await self._idle.wait()

    # Datagrams and timers.

    def _readable(self) -> None:
        for number, channel in self.channels.items():
            for data in channel.take():
                self._perform(self.node.receive(self._clock(), number, data))
        self._look()

    def _due(self) -> None:
        self._timer = self._timer_at = None
        self._readable()
        self._do(self.node.timer(self._clock()))

    def _do(self, effects: Sequence[Effect]) -> None:
        self._perform(effects)
        self._look()

    def _look(self) -> None:
        """After anything: set the timer, notice what the peer says."""
        if not self._stopping:
            self._set_timer()
        says = self.node.peer, self.peer_active
        if says != self._peer_said:
            self._peer_said = says
            self._told(lambda follower: follower.peer())

    def _set_timer(self) -> None:
        due = self.node.next_timer()
        if due == self._timer_at and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = due
        if due is not None:
            # Loops count in milliseconds: rounded up, or the timer would come too early.
            wait = math.ceil(max(0, due - self._clock()) / 1_000_000) / 1000
            self._timer = self._loop.call_later(wait, self._due)

    # Effects.

    def _perform(self, effects: Sequence[Effect]) -> None:
        self._effects.extend(effects)
        self._go_on()

    def _go_on(self) -> None:
        """Carry out what waits, up to what takes time: that is waited for before the rest."""
        while self._effects and self._binding is None:
            self._carry_out(self._effects.popleft())
        if not self._effects and self._binding is None:
            self._idle.set()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send():
                self.channels[effect.path].send(effect.data)
            case AcquireAddresses():
                self._bind(self._acquire(effect.vrid))
            case ReleaseAddresses():
                self._bind(self._release(effect.vrid))
            case Announce():
                if effect.vrid in self.holds:
                    self._binder.announce(self._addresses[effect.vrid])
            case Transition():
                self._told(lambda follower: follower.transition(effect))
            case PeerAlive():
                self.peer_alive = effect.alive
                self._told(lambda follower: follower.peer())

    def _bind(self, work: Coroutine[Any, Any, None]) -> None:
        self._idle.clear()
        self._binding = self._loop.create_task(work)
        self._binding.add_done_callback(self._bound)

    def _bound(self, task: asyncio.Task[None]) -> None:
        self._binding = None
        if (error := task.exception()) is not None and not self.failed.done():
            self.failed.set_exception(error)
        self._go_on()

    async def _acquire(self, vrid: int) -> None:
        try:
            async with asyncio.timeout(_BINDER_PATIENCE):
                await self._binder.acquire(self._addresses[vrid])
        except (BinderFailed, TimeoutError) as error:
            self._failed(vrid, error)
        else:
            self.holds.add(vrid)
            self._told(lambda follower: follower.held())

    async def _release(self, vrid: int) -> None:
        # Told before it is done: whoever listens at the addresses closes meanwhile.
        if vrid in self.holds:
            self.holds.discard(vrid)
            self._told(lambda follower: follower.held())
        try:
            async with asyncio.timeout(_BINDER_PATIENCE):
                await self._binder.release(self._addresses[vrid])
        except (BinderFailed, TimeoutError) as error:
            self._failed(vrid, error)
            self._loop.call_later(_AGAIN, self._release_again, vrid)

    def _release_again(self, vrid: int) -> None:
        router = self.node.routers[vrid]
        if router.state is not State.ACTIVE and not self._stopping:
            self._effects.append(ReleaseAddresses(vrid, router.parameters.addresses))
            self._go_on()

    def _failed(self, vrid: int, error: BinderFailed | TimeoutError) -> None:
        if isinstance(error, TimeoutError):
            error = BinderFailed(f"not done within {_BINDER_PATIENCE:.0f} s", "is the kernel busy?")
        failed = error
        self._told(lambda follower: follower.binder_failed(vrid, failed))

    def _told(self, tell: Callable[[Follower], None]) -> None:
        if self._follower is not None:
            tell(self._follower)
