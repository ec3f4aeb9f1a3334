"""The delivery process's end of `run/delivery.sock`: how next hops and connections are."""

from __future__ import annotations

from collections.abc import Callable

from appliance.delivery.dispatch import Dispatcher
from appliance.delivery.gate import Figures, Gate
from appliance.delivery.hop import Hop
from appliance.delivery.relays import Member
from appliance.delivery.secure import Handshakes
from appliance.ipc.delivery import (
    Call,
    DeliveryView,
    DestinationView,
    HopView,
    MemberView,
    Said,
    View,
)
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.server import Peer


class DeliverySocket:
    """A handler of an IPC server. `clock` counts seconds, the dispatcher's."""

    def __init__(
        self, dispatcher: Dispatcher, handshakes: Handshakes, clock: Callable[[], float]
    ) -> None:
        self._dispatcher = dispatcher
        self._handshakes = handshakes
        self._clock = clock

    def connected(self, peer: Peer[Said, Call]) -> None:
        """Everybody who may open the socket may ask."""

    def lost(self, peer: Peer[Said, Call], error: ConnectionLost) -> None:
        """Nothing is kept for anybody."""

    def pushed(self, peer: Peer[Said, Call], message: Call) -> None:
        """Calls want an answer: nobody pushes."""

    def request(self, peer: Peer[Said, Call], message: Call) -> Said:
        """There is one question."""
        return View(self.view())

    def view(self) -> DeliveryView:
        """How delivery is now."""
        gates, now = self._dispatcher.gates, self._clock()
        known, total = gates.all(), Figures()
        for figures in (gates.total, *(gate.figures for gate in known)):
            total.add(figures)
        return DeliveryView(
            hops=tuple(_hop(gate, now) for gate in known),
            destinations=tuple(_destination(hop, now) for hop in self._dispatcher.hops),
            connections=sum(gate.sending + gate.idle for gate in known),
            idle=sum(gate.idle for gate in known),
            transactions=total.transactions,
            hits=total.hits,
            opened=total.opened,
            failed=total.failed,
            tls=dict(self._handshakes.done),
            tls_failed=self._handshakes.failed,
            waited=total.waited.view(),
            took=total.took.view(),
        )


def _hop(gate: Gate, now: float) -> HopView:
    rest = gate.throttle.rest(now)
    return HopView(
        name=gate.name,
        state=_state(gate, now),
        rest=round(1000 * rest),
        reason=str(gate.throttle.reason) if rest else "",
        connections=gate.sending + gate.idle,
        idle=gate.idle,
        limit=gate.throttle.limit,
        messages_per_minute=None if gate.rate is None else gate.rate.per_minute,
        transactions=gate.figures.transactions,
        hits=gate.figures.hits,
        opened=gate.figures.opened,
        failed=gate.figures.failed,
        waited=gate.figures.waited.view(),
        took=gate.figures.took.view(),
    )


def _destination(hop: Hop, now: float) -> DestinationView:
    members = tuple(_member(member, now) for member in hop.relays.members)
    return DestinationView(name=hop.name, waiting=hop.waiting, members=members)


def _member(member: Member, now: float) -> MemberView:
    state = _state(member.gate, now)
    return MemberView(
        name=member.server.name,
        state="out" if member.out and state != "paused" else state,
        weight=member.server.weight,
        backup=member.server.backup,
    )


def _state(gate: Gate, now: float) -> str:
    if gate.paused:
        return "paused"
    return "resting" if gate.throttle.rest(now) else "up"
