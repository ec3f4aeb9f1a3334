"""Routes, next hops and the balancer as the console could get them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from appliance.control.schema import RouteList, RouteView
from appliance.ipc.balance import BalanceView
from appliance.ipc.delivery import DeliveryView, DestinationView, HopView, MemberView
from appliance.monitor.snapshot import PauseView
from tests.support.control import SERVER

WHEN = 1_790_000_000_000
SATELLITE, RADIO, LINE = "192.0.2.25:25", "192.0.2.26:25", "198.51.100.7:25"


def route(key: str, transport: str, *hops: str, **more: str) -> RouteView:
    """A route of the site."""
    return RouteView(
        key=key,
        transport=transport,
        next_hops=hops,
        mx=False,
        pool=more.get("pool"),
        tls="may",
        mailbox=more.get("mailbox"),
    )


def hop(name: str, state: str = "up", **more: object) -> HopView:
    """A next hop in use."""
    shown = HopView(
        name=name,
        state=state,
        rest=0,
        reason="",
        connections=3,
        idle=1,
        limit=10,
        messages_per_minute=None,
        transactions=1234,
        hits=1000,
        opened=40,
        failed=2,
    )
    return replace(shown, **more)


ROUTES = RouteList(
    routes=(
        route("port.test", "smtp", pool="port"),
        route("yard.test", "smtp", LINE),
        route("held.test", "hold"),
        route("fleet@ship.test", "mailbox", mailbox="fleet"),
        route("*", "smtp", SATELLITE),
    ),
    pauses=(
        PauseView(what="yard.test", reason="\x1b[31mits disk is full", by="anna", at=WHEN),
        PauseView(what="far.test", reason="", by="bert", at=WHEN),
        PauseView(what=RADIO, reason="the mast is down", by="anna", at=WHEN),
    ),
)
DELIVERY = DeliveryView(
    hops=(
        hop(SATELLITE, "resting", rest=20_000, reason="450 4.4.1 no answer", limit=2),
        hop(RADIO, "paused", connections=0, idle=0),
        hop("mx:far.test", messages_per_minute=60),
    ),
    destinations=(
        DestinationView(
            name="pool:port",
            waiting=12,
            members=(
                MemberView(name=RADIO, state="paused", weight=3, backup=False),
                MemberView(name=LINE, state="up", weight=1, backup=True),
            ),
        ),
        DestinationView(
            name=SATELLITE,
            waiting=1840,
            members=(MemberView(name=SATELLITE, state="resting", weight=1, backup=False),),
        ),
    ),
    connections=6,
    idle=2,
    transactions=3702,
    hits=3000,
    opened=120,
    failed=6,
)
BALANCE = BalanceView(
    algorithm="weighted",
    listening=("127.0.0.10:2525",),
    clients=5,
    refused=2,
    servers=(
        SERVER,
        replace(
            SERVER,
            name="b",
            own=False,
            address="127.0.0.12:2529",
            state="draining",
            weight=3,
            connections=1,
            missed=2,
            error="HTTP 503",
        ),
    ),
)
WAYS: Mapping[str, object] = {
    "/routes": ROUTES,
    "/routes/status": DELIVERY,
    "/balance": BALANCE,
}
