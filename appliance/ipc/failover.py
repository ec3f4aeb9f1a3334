"""What travels on a node's failover socket: mail's health, who holds what, operators' commands."""

from __future__ import annotations

import msgspec

from appliance.ipc.wire import Codec


class Report(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Push of the mail process, on each change and several times a second; its silence counts.

    `serving`: it serves SMTP. `why`: why it takes no new mail all the same, "" if it does. `mode`
    of the pair. `exposed`: messages durable on this node only. `link` counts what came from the
    peer; `linked`: the link is up, or there is to be none.
    """

    serving: bool
    why: str
    mode: str
    exposed: int
    link: int
    linked: bool


class StatusCall(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Answered with `FailoverStatus`."""


class SwitchoverCall(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Leave the addresses of a virtual router (None: of all) to the peer; answered with `Done`.

    Refused if this node is not Active for it, or, unless `force`, if the peer could not serve.
    `here`: the other way round, the peer is to leave them to this node. `ask`: only say whether
    it would be done.
    """

    vrid: int | None
    force: bool = False
    ask: bool = False
    here: bool = False


class MaintenanceCall(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Hold no address until told otherwise, or take part again; answered with `Done`.

    Refused, unless `force`, if this node is Active and the peer could not serve. `ask` as in
    `SwitchoverCall`.
    """

    on: bool
    force: bool = False
    ask: bool = False


class PeerAnswer(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Push of the mail process: what the peer says to a `PeerSwitchover`; `error` is "" if done."""

    number: int
    text: str
    error: str
    hint: str


Call = Report | StatusCall | SwitchoverCall | MaintenanceCall | PeerAnswer


class Standing(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Push to everybody, on each change and each second.

    `peer_alive`: heard on any path, the link included; None while nobody can know. `held`: the
    virtual addresses that this node holds now. `states`: (vrid, state of RFC 9568) of each
    virtual router. `aside`: the peer is to deliver: in maintenance, or without a carrier.
    `peer_serves` False: the peer is heard, and says that it serves no mail. `leaving`: of `held`,
    what this node is about to give up in order.
    """

    peer_alive: bool | None
    held: tuple[str, ...]
    states: tuple[tuple[int, str], ...]
    aside: bool = False
    peer_serves: bool = True
    leaving: tuple[str, ...] = ()


NOTHING_HELD = Standing(None, (), ())
"""How a node stands without a failover process."""


class RouterView(msgspec.Struct, frozen=True, kw_only=True):
    """One virtual router: `priority` is what health leaves of `configured`, `why` if not all.

    `since`: milliseconds in this `state`. `held`: its addresses are bound here. `peer_active`: the
    other node says that it is Active. `transitions`: into which state how often since the start.
    """

    vrid: int
    state: str
    since: int
    priority: int
    configured: int
    why: str
    addresses: tuple[str, ...]
    held: bool
    peer_active: bool
    transitions: dict[str, int] = {}


class PathView(msgspec.Struct, frozen=True, kw_only=True):
    """One heartbeat path: `alive` if the peer is heard on it; `error` of this node's end or ""."""

    listen: str
    peer: str
    alive: bool
    error: str


class HeartbeatView(msgspec.Struct, frozen=True, kw_only=True):
    """What the peer last said of itself: whether it could serve, its mode, what it has alone."""

    ready: bool
    mode: str
    exposed: int


class ForeignView(msgspec.Struct, frozen=True, kw_only=True):
    """Another machine answers for an address held here: its hardware address, ms since heard."""

    address: str
    hardware: str
    ago: int


class FailoverView(msgspec.Struct, frozen=True, kw_only=True):
    """How the failover process is.

    `peer`: None if it is not heard. `rejected` counts packets that changed nothing, by reason.
    `maintenance`: told to hold nothing.
    """

    routers: tuple[RouterView, ...]
    paths: tuple[PathView, ...]
    peer_alive: bool
    peer: HeartbeatView | None
    rejected: dict[str, int]
    maintenance: bool
    foreign: tuple[ForeignView, ...]


class FailoverStatus(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """How the failover process is."""

    view: FailoverView


class Done(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """It is done; with `ask`, it would be. `text` says what, for people."""

    text: str


class PeerSwitchover(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Push to the mail process: have the peer do a switchover, and say how it ended."""

    number: int
    vrid: int | None
    force: bool


Said = Standing | FailoverStatus | Done | PeerSwitchover

SERVER_CODEC: Codec[Said, Call] = Codec(msgspec.msgpack.Decoder(Call))
CLIENT_CODEC: Codec[Call, Said] = Codec(msgspec.msgpack.Decoder(Said))
