"""What travels on a node's delivery socket: how next hops and their connections are."""

from __future__ import annotations

import msgspec

from appliance.ipc.wire import Codec
from appliance.mail.views import HistogramView


class ViewCall(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Answered with `View`."""


Call = ViewCall


class HopView(msgspec.Struct, frozen=True, kw_only=True):
    """One next hop, whatever destinations lead there; for MX one recipient domain.

    `state`: up, resting (after `reason`, for `rest` more milliseconds) or paused. `connections`:
    open now, of which `idle` wait for the next message; `limit`: transactions that it may be
    given at the same time now. Since the start: `transactions`, of which `hits` went over a
    connection that was open already; connections `opened`, and `failed` to open; how long messages
    `waited` for their first attempt, and attempts `took`.
    """

    name: str
    state: str
    rest: int
    reason: str
    connections: int
    idle: int
    limit: int
    messages_per_minute: int | None
    transactions: int
    hits: int
    opened: int
    failed: int
    waited: HistogramView = HistogramView()
    took: HistogramView = HistogramView()


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """A next hop of a destination; `state` is that of the next hop, or out."""

    name: str
    state: str
    weight: int
    backup: bool


class DestinationView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a route leads: its next hops, and the messages in hand that `wait` for them."""

    name: str
    waiting: int
    members: tuple[MemberView, ...]


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """Connections of a node to next hops; the figures since its delivery process started.

    `tls` counts handshakes by version, `tls_failed` those that failed.
    """

    hops: tuple[HopView, ...]
    destinations: tuple[DestinationView, ...]
    connections: int
    idle: int
    transactions: int
    hits: int
    opened: int
    failed: int
    tls: dict[str, int] = {}
    tls_failed: int = 0
    waited: HistogramView = HistogramView()
    took: HistogramView = HistogramView()


class View(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """How delivery is."""

    view: DeliveryView


Said = View

SERVER_CODEC: Codec[Said, Call] = Codec(msgspec.msgpack.Decoder(Call))
CLIENT_CODEC: Codec[Call, Said] = Codec(msgspec.msgpack.Decoder(Said))
