"""What travels on a node's balance socket: how the servers are, operators' commands."""

from __future__ import annotations

import msgspec

from appliance.ipc.wire import Codec


class ViewCall(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Answered with `View`, as every call here."""


class ShareCall(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Let the server `name` have this weight (None: node.toml's), and give it clients or none.

    Until the next start: what lasts is a register. `by`: who asks. `ask`: only say whether it would
    be done.
    """

    name: str
    weight: int | None
    draining: bool
    by: str
    ask: bool = False


Call = ViewCall | ShareCall


class ServerView(msgspec.Struct, frozen=True, kw_only=True):
    """One server of the balancer.

    `state`: up, down, draining or drained (the last connection has ended). `up`: what its checks
    say, since `since` milliseconds; `checked`: milliseconds ago, None if never; `error`: of the
    last check, or of a connection that failed since. `served`: clients it was given; `missed`:
    those for which it could not be connected to, and who were offered to the next. `configured`:
    its weight in node.toml.
    """

    name: str
    address: str
    own: bool
    state: str
    up: bool
    since: int
    weight: int
    configured: int
    backup: bool
    limit: int
    connections: int
    served: int
    missed: int
    check: str
    checked: int | None
    error: str


class BalanceView(msgspec.Struct, frozen=True, kw_only=True):
    """How the balancer of a node is.

    `listening`: where it takes clients now: nowhere, if this node has no virtual address.
    `refused`: clients whom no server could take.
    """

    algorithm: str
    listening: tuple[str, ...]
    clients: int
    refused: int
    servers: tuple[ServerView, ...]


class View(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """How the balancer is; after a command, how it has become."""

    view: BalanceView


Said = View

SERVER_CODEC: Codec[Said, Call] = Codec(msgspec.msgpack.Decoder(Call))
CLIENT_CODEC: Codec[Call, Said] = Codec(msgspec.msgpack.Decoder(Said))
