"""node.toml: what is this machine's own, never replicated."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from appliance.config.account import AccountSettings
from appliance.config.alerts import AlertSettings
from appliance.config.balance import BalanceSettings, check_listeners
from appliance.config.document import read
from appliance.config.failover import FailoverSettings
from appliance.config.units import (
    Address,
    Duration,
    Hostname,
    LocalName,
    Network,
    NumericAddress,
    NumericEndpoint,
    Size,
    Wrong,
)

_LEAST_ADOPT_DELAY = Duration(5_000)
_LEAST_BETWEEN_BACKUPS = Duration(600_000)
_LEAST_EVENTS = Size(4 << 20)

OnPeerLoss = Literal["solo", "refuse"]


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where SMTP clients are served.

    `listen` is for other servers (25). At `submission` (587) a client has to ask for TLS before it
    may send anything, at `submissions` (465) TLS comes first (RFC 8314 §3.3).
    At `proxy_listen` each connection has to begin with a PROXY v2 header that names the client;
    only balancers in `proxy_networks` may connect there. `proxy_submission` and `proxy_submissions`
    are for their clients of those two ports.
    """

    listen: tuple[NumericEndpoint, ...]
    submission: tuple[NumericEndpoint, ...] = ()
    submissions: tuple[NumericEndpoint, ...] = ()
    proxy_listen: tuple[NumericEndpoint, ...] = ()
    proxy_submission: tuple[NumericEndpoint, ...] = ()
    proxy_submissions: tuple[NumericEndpoint, ...] = ()
    proxy_networks: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        if not self.listen:
            raise Wrong("no address to listen on", 'for example listen = ["192.0.2.11:25"]')
        known = [endpoint for endpoint in self.endpoints + self.proxied if endpoint.port]
        if len(set(known)) < len(known):
            hint = "25 for other servers, 587 for submission, 465 for submissions"
            raise Wrong("one endpoint has two purposes", hint)
        if self.proxied and not self.proxy_networks:
            hint = 'name the nodes of the pair: proxy_networks = ["192.0.2.11", "192.0.2.12"]'
            raise Wrong(f"{self.proxied[0]} is for nobody without proxy_networks", hint)

    @property
    def endpoints(self) -> tuple[NumericEndpoint, ...]:
        """Where clients connect themselves, whatever for."""
        return self.listen + self.submission + self.submissions

    @property
    def proxied(self) -> tuple[NumericEndpoint, ...]:
        """Where balancers connect for clients."""
        return self.proxy_listen + self.proxy_submission + self.proxy_submissions


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """/health and /metrics, answered to clients in the `status` networks only."""

    listen: tuple[NumericEndpoint, ...] = ()
    status: tuple[Network, ...] = ()


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The link between the nodes of the pair; `pairing` is open only while a code is valid."""

    listen: NumericEndpoint
    pairing: NumericEndpoint
    peer: NumericEndpoint | None = None

    def __post_init__(self) -> None:
        if self.listen == self.pairing or self.listen == self.peer:
            raise Wrong("listen, pairing and peer must be three different endpoints")


class PairSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The pair's delays and what a node without its peer does with new mail.

    head_delay: how long the peer stays at the head before catching up becomes paired.
    solo_grace: all paths dead for this long means solo; no_progress: so does a link on which
    nothing moves. adopt_delay: after this long dead, what the peer owned is adopted.
    stale_wait: how long a node that booted alone keeps its old backlog.
    """

    on_peer_loss: OnPeerLoss = "solo"
    head_delay: Duration = Duration(1_000)
    solo_grace: Duration = Duration(1_000)
    no_progress: Duration = Duration(5_000)
    adopt_delay: Duration = Duration(60_000)
    stale_wait: Duration = Duration(600_000)

    def __post_init__(self) -> None:
        if self.adopt_delay < _LEAST_ADOPT_DELAY:
            raise Wrong(
                f"adopt_delay must be at least {_LEAST_ADOPT_DELAY}",
                "leases are good for a third of it and renewed every second",
            )
        if self.adopt_delay <= max(self.solo_grace, self.no_progress):
            raise Wrong(
                "adopt_delay must be longer than solo_grace and no_progress",
                "a peer that is only slow still delivers: its mail must not be adopted",
            )


class PathSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Folders kept elsewhere than in the data directory."""

    spool: str | None = None
    run: str | None = None
    log: str | None = None
    index: str | None = None


class SearchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The search index of this node. `enabled`: there is one, and a process that keeps it."""

    enabled: bool = True


class BackupSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where backups of this node go: a folder, mostly on a stick; the newest `keep` stay there.

    `every`: one is made by itself so often if there is a target.
    """

    target: str = ""
    keep: int = 8
    every: Duration = Duration(86_400_000)

    def __post_init__(self) -> None:
        if self.target and not self.target.startswith("/"):
            raise Wrong(
                f"target {self.target!r} is no absolute path", 'for example "/media/backup"'
            )
        if self.every < _LEAST_BETWEEN_BACKUPS:
            raise Wrong(f"every must be at least {_LEAST_BETWEEN_BACKUPS}", 'for example "1d"')
        if self.keep < 1:
            raise Wrong("keep must be at least 1", "that many backups stay in the target")


class ConsoleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Operators at the console. Members of `group` may connect to the API, and log in there.

    `idle`: how long a session lasts without a call.
    """

    group: str | None = None
    idle: Duration = Duration(15 * 60_000)


class ClockSettings(msgspec.Struct, frozen=True, kw_only=True):
    """NTP servers in the site's network, if it has any: a GPS receiver, mostly."""

    servers: tuple[NumericAddress, ...] = ()


class EventSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The events of both nodes that this node keeps, at most so many bytes and for so long.

    `age` is that of the story of mail; connections are kept a tenth, what operators did and how
    addresses moved twelve times as long.
    """

    size: Size = Size(512 << 20)
    age: Duration = Duration(30 * 86_400_000)

    def __post_init__(self) -> None:
        if self.size < _LEAST_EVENTS:
            raise Wrong(f"events.size must be at least {_LEAST_EVENTS}", "512MiB unless said")


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of node.toml. `name` tells people the nodes apart; `hostname` greets in SMTP.

    `disk_reserve`: with less than this free on the spool's disk, new mail gets 452, so that
    accepted mail can still be delivered and its outcomes written down.
    `keep_ended`: how long a message that has come to its end, and lies in no mailbox, is kept.
    `failover`: None where no address moves. `account`: None where there is no page for users.
    """

    name: LocalName
    hostname: Hostname
    smtp: SmtpSettings
    link: LinkSettings
    http: HttpSettings = HttpSettings()
    pair: PairSettings = PairSettings()
    paths: PathSettings = PathSettings()
    balance: BalanceSettings | None = None
    search: SearchSettings = SearchSettings()
    alerts: AlertSettings = AlertSettings()
    account: AccountSettings | None = None
    backup: BackupSettings = BackupSettings()
    console: ConsoleSettings = ConsoleSettings()
    events: EventSettings = EventSettings()
    clock: ClockSettings = ClockSettings()
    disk_reserve: Size = Size(64 * 1024 * 1024)
    keep_ended: Duration = Duration(7 * 86_400_000)
    failover: FailoverSettings | None = None

    @property
    def virtual(self) -> tuple[Address, ...]:
        """The addresses that move between the nodes."""
        return self.failover.virtual if self.failover else ()

    @property
    def smtp_moving(self) -> tuple[NumericEndpoint, ...]:
        """The SMTP listeners at virtual addresses."""
        return tuple(one for one in self.smtp.endpoints if one.address in self.virtual)

    @property
    def smtp_fixed(self) -> tuple[NumericEndpoint, ...]:
        """The other ones."""
        moving = self.smtp_moving
        return tuple(one for one in self.smtp.endpoints if one not in moving)

    def __post_init__(self) -> None:
        if self.balance is not None:
            check_listeners(self.balance, self.smtp.endpoints, self.smtp.proxied)
        page = set(self.account.endpoints) if self.account is not None else set()
        if taken := page & {*self.served, *self.smtp.proxied, *self.http.listen}:
            raise Wrong(f"[account] wants {min(taken)}, which has another purpose")

    @property
    def served(self) -> tuple[NumericEndpoint, ...]:
        """Where SMTP clients reach this node, by its balancer too: none is a next hop."""
        return self.smtp.endpoints + (self.balance.listeners if self.balance is not None else ())


def load_node(path: Path) -> NodeSettings:
    """Read and check node.toml; raises ConfigError naming everything that is wrong."""
    return read(path, NodeSettings)
