"""The failover socket: mail reports, everybody is told how this node stands, people command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from appliance.failover.advertisement import Rejection
from appliance.failover.parameters import CENTISECOND
from appliance.failover.router import State
from appliance.ipc.failover import (
    Call,
    Done,
    FailoverStatus,
    FailoverView,
    ForeignView,
    HeartbeatView,
    MaintenanceCall,
    PathView,
    PeerAnswer,
    PeerSwitchover,
    Report,
    RouterView,
    Said,
    StatusCall,
    SwitchoverCall,
)
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.server import Peer
from appliance.ipc.wire import CallFailed, Failure
from appliance.monitor.events import Emit, Event
from appliance.vip.keeper import Keeper

Client = Peer[Said, Call]

_MOVES = 3
"""Active_Down_Intervals in which the peer must have taken what was left to it."""
_EVERY = 1.0
_PEER_PATIENCE = 120.0
"""Seconds: deliveries under way on the peer end first."""
_FOREIGN_SHOWN = 300_000
"""Milliseconds."""


class Desk:
    """Handles `run/failover.sock`. Whoever reports is the mail process: the last to do so."""

    def __init__(
        self,
        keeper: Keeper,
        rejected: Mapping[Rejection, int],
        emit: Emit,
        clock: Callable[[], int],
    ) -> None:
        """`clock` in milliseconds."""
        self._keeper = keeper
        self._rejected = rejected
        self._emit = emit
        self._clock = clock
        self._clients: set[Client] = set()
        self._mail: Client | None = None
        self._asked = 0
        self._answers: dict[int, asyncio.Future[PeerAnswer | None]] = {}
        self._changed = asyncio.Event()

    async def keep_telling(self) -> None:
        """Tell everybody each second; until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            self.tell()

    def tell(self) -> None:
        """Tell everybody how this node stands."""
        self._changed.set()
        standing = self._keeper.standing
        for client in self._clients:
            client.push(standing)

    # What the server calls.

    def connected(self, peer: Client) -> None:
        self._clients.add(peer)
        peer.push(self._keeper.standing)

    def lost(self, peer: Client, error: ConnectionLost) -> None:
        self._clients.discard(peer)
        if peer is self._mail:
            self._mail = None
            for answered in self._answers.values():
                if not answered.done():
                    answered.set_result(None)
            self._keeper.mail_lost()

    def pushed(self, peer: Client, message: Call) -> None:
        if isinstance(message, Report):
            self._mail = peer
            self._keeper.report(message)
        elif isinstance(message, PeerAnswer) and message.number in self._answers:
            answered = self._answers[message.number]
            if not answered.done():
                answered.set_result(message)

    def request(self, peer: Client, message: Call) -> Said | Coroutine[Any, Any, Said]:
        match message:
            case StatusCall():
                return FailoverStatus(self.view())
            case SwitchoverCall():
                return self._switch_over(message)
            case MaintenanceCall():
                return self._maintain(message)
            case Report() | PeerAnswer():
                raise CallFailed(Failure("malformed", "this is pushed", permanent=True))

    # Commands.

    async def _switch_over(self, call: SwitchoverCall) -> Said:
        if call.here:
            return await self._fetch(call)
        vrids = self._active(call.vrid)
        if not vrids:
            raise _refused(
                "this node does not have the addresses",
                "to bring them here: twinpost switchover --here",
            )
        if any(self._keeper.driver.node.routers[v].parameters.preempt for v in vrids):
            raise _refused(
                "with preempt the addresses would come back at once",
                "use `twinpost maintenance on`, or take preempt out of node.toml",
            )
        self._check_peer(call.force)
        if call.ask:
            return Done("")
        self._emit(Event.SWITCHOVER, vrids=vrids)
        await self._keeper.farewell(vrids)
        for vrid in vrids:
            self._keeper.leave(vrid)
        try:
            taken = await self._left(vrids)
        finally:
            for vrid in vrids:
                self._keeper.stay(vrid)
        if not taken:
            raise _refused(
                "the peer did not take the addresses; this node takes them again",
                "see `twinpost failover status` on the other node",
            )
        return Done(f"The other node is Active for {_numbered(vrids)}.")

    async def _fetch(self, call: SwitchoverCall) -> Said:
        """Have the peer leave them to this node."""
        wanted = self._wanted(call.vrid)
        if not self._keeper.driver.peer_active.intersection(wanted):
            hint = "see `twinpost failover status` on both nodes"
            raise _refused("the other node does not have the addresses", hint)
        if self._mail is None:
            raise _refused("the mail process is not there to reach the other node", "run it there")
        answer = await self._ask_peer(self._mail, call)
        if answer is None:
            raise _refused("the other node does not answer", "run it there")
        if answer.error:
            raise _refused(f"the other node: {answer.error}", answer.hint)
        return Done(f"This node is Active for {_numbered(wanted)}.")

    async def _ask_peer(self, mail: Client, call: SwitchoverCall) -> PeerAnswer | None:
        """None if no answer comes: the link is lost, or the mail process."""
        self._asked += 1
        number = self._asked
        answered: asyncio.Future[PeerAnswer | None] = asyncio.get_running_loop().create_future()
        self._answers[number] = answered
        try:
            mail.push(PeerSwitchover(number, call.vrid, call.force))
            async with asyncio.timeout(_PEER_PATIENCE):
                return await answered
        except TimeoutError:
            return None
        finally:
            del self._answers[number]

    async def _maintain(self, call: MaintenanceCall) -> Said:
        vrids = self._active(None) if call.on else []
        if vrids:
            self._check_peer(call.force)
        if call.ask:
            return Done("")
        await self._keeper.farewell(vrids)
        self._keeper.maintain(call.on)
        if not call.on:
            return Done("This node takes part again; it is Backup until it is needed.")
        if vrids and not await self._left(vrids):
            return Done("In maintenance; the addresses are on no node: the peer did not take them.")
        return Done("In maintenance: this node holds no address until `twinpost maintenance off`.")

    def _active(self, vrid: int | None) -> Sequence[int]:
        routers = self._keeper.driver.node.routers
        return [one for one in self._wanted(vrid) if routers[one].state is State.ACTIVE]

    def _wanted(self, vrid: int | None) -> Sequence[int]:
        routers = self._keeper.driver.node.routers
        if vrid is None:
            return list(routers)
        if vrid not in routers:
            known = ", ".join(map(str, routers))
            raise _refused(f"there is no virtual router {vrid}", f"known: {known}")
        return [vrid]

    def _check_peer(self, force: bool) -> None:
        if force or self._keeper.peer_ready:
            return
        heard = self._keeper.driver.peer_heard
        why = "says that it could not serve" if heard else "is not heard"
        hint = "see `twinpost status` on the other node; --force does it all the same"
        raise _refused(f"the other node {why}", hint)

    async def _left(self, vrids: Sequence[int]) -> bool:
        """Wait until the addresses are gone from here and the peer is Active for them."""
        driver = self._keeper.driver
        await driver.settled()
        routers = (driver.node.routers[vrid].parameters for vrid in vrids)
        longest = max(3 * router.interval + router.interval for router in routers) * CENTISECOND
        try:
            async with asyncio.timeout(_MOVES * longest / 1e9):
                while not driver.peer_active.issuperset(vrids):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    # What people are shown.

    def view(self) -> FailoverView:
        """How this node is."""
        driver, now = self._keeper.driver, self._clock()
        heard = driver.peer_heard
        return FailoverView(
            routers=tuple(self._routers(now)),
            paths=tuple(
                PathView(
                    listen=str(channel.path.listen),
                    peer=str(channel.path.peer),
                    alive=driver.path_alive(number),
                    error=channel.error,
                )
                for number, channel in driver.channels.items()
            ),
            peer_alive=driver.peer_alive,
            peer=HeartbeatView(ready=heard.mail_healthy, mode=heard.mode, exposed=heard.exposed)
            if heard
            else None,
            rejected={str(reason): self._rejected.get(reason, 0) for reason in Rejection},
            maintenance=self._keeper.health.maintenance,
            foreign=tuple(
                ForeignView(address=address, hardware=hardware, ago=now - at)
                for (address, hardware), at in self._keeper.holders.items()
                if now - at < _FOREIGN_SHOWN
            ),
        )

    def _routers(self, now: int) -> Iterable[RouterView]:
        keeper = self._keeper
        for vrid, router in keeper.driver.node.routers.items():
            yield RouterView(
                vrid=vrid,
                state=str(router.state),
                since=now - keeper.since[vrid],
                priority=router.priority,
                configured=router.parameters.priority,
                why=keeper.verdict(vrid).why,
                addresses=tuple(map(str, router.parameters.addresses)),
                held=vrid in keeper.driver.holds,
                peer_active=vrid in keeper.driver.peer_active,
                transitions=dict(keeper.transitions[vrid]),
            )


def _refused(text: str, hint: str) -> CallFailed:
    return CallFailed(Failure("refused", text, hint))


def _numbered(vrids: Sequence[int]) -> str:
    return f"virtual router {' and '.join(map(str, vrids))}"
