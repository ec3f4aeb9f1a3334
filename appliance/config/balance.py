"""[balance] of node.toml: the TCP balancer in front of the pair's SMTP servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec

from appliance.config.units import Duration, Endpoint, LocalName, NumericEndpoint, Wrong

Algorithm = Literal["round-robin", "weighted", "least-connections"]
Check = Literal["tcp", "smtp", "http"]
MOST_WEIGHT = 1000
Weight = Annotated[int, msgspec.Meta(ge=1, le=MOST_WEIGHT)]
Times = Annotated[int, msgspec.Meta(ge=1, le=100)]
_LONGEST_STOP = Duration(20_000)


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One server: `address` is its smtp.proxy_listen, and so on with the other two.

    backup: gets clients only when no other server can take one. limit: connections at one
    moment. check: "tcp" connects, "smtp" reads the greeting and says QUIT, "http" asks
    check_address (the server's http.listen) for /health.
    """

    name: LocalName
    address: NumericEndpoint
    submission: NumericEndpoint | None = None
    submissions: NumericEndpoint | None = None
    weight: Weight = 1
    backup: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1)] = 1000
    check: Check = "smtp"
    check_address: NumericEndpoint | None = None

    def __post_init__(self) -> None:
        if self.check == "http" and self.check_address is None:
            hint = 'for example check_address = "192.0.2.11:8025", that node\'s http.listen'
            raise Wrong('check "http" needs check_address', hint)

    @property
    def checked(self) -> NumericEndpoint:
        """Where the check connects."""
        return self.check_address or self.address


class CheckSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How servers are checked: `fall` failures in a row take one out, `rise` successes back."""

    interval: Duration = Duration(2_000)
    timeout: Duration = Duration(1_000)
    fall: Times = 3
    rise: Times = 2

    def __post_init__(self) -> None:
        for name in ("interval", "timeout"):
            if not getattr(self, name):
                raise Wrong(f"{name} must not be 0", 'for example "2s"')


class BalanceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Clients of `listen` are spread over `servers`, and those of `submission` and `submissions`.

    connect_timeout: for a server to take a connection, greeting_timeout: to say its first word;
    then the next one is tried.
    idle_timeout: how long nothing may move on a connection; longer than SMTP's own timeouts.
    stop_timeout: how long clients get to finish when the balancer stops.
    """

    listen: tuple[NumericEndpoint, ...]
    servers: tuple[ServerSettings, ...]
    submission: tuple[NumericEndpoint, ...] = ()
    submissions: tuple[NumericEndpoint, ...] = ()
    algorithm: Algorithm = "weighted"
    connect_timeout: Duration = Duration(1_000)
    greeting_timeout: Duration = Duration(5_000)
    idle_timeout: Duration = Duration(900_000)
    stop_timeout: Duration = Duration(10_000)
    checks: CheckSettings = CheckSettings()

    def __post_init__(self) -> None:
        if not self.listen:
            raise Wrong("no address to listen on", 'for example listen = ["192.0.2.10:25"]')
        for name in ("connect_timeout", "greeting_timeout", "idle_timeout"):
            if not getattr(self, name):
                raise Wrong(f"{name} must not be 0", 'for example "1s"')
        if self.stop_timeout > _LONGEST_STOP:
            hint = "after half a minute the process is killed"
            raise Wrong(f"stop_timeout must be at most {_LONGEST_STOP}", hint)
        for what, values in (
            ("name", [server.name for server in self.servers]),
            ("address", [server.address for server in self.servers]),
        ):
            twice = [value for value, number in Counter(map(str, values)).items() if number > 1]
            if twice:
                raise Wrong(f"two servers have the {what} {twice[0]!r}")
        if all(server.backup for server in self.servers):
            raise Wrong("there is no server, or only backup servers", "add [[balance.servers]]")
        for endpoint in self.listeners:
            self.addresses(endpoint)

    @property
    def listeners(self) -> tuple[NumericEndpoint, ...]:
        """Where clients connect, whatever for."""
        return self.listen + self.submission + self.submissions

    def addresses(self, listener: Endpoint) -> Mapping[str, NumericEndpoint]:
        """Where each server, by its name, takes the clients of a listener; raises Wrong."""
        if listener in self.submission:
            found = {str(one.name): one.submission for one in self.servers}
        elif listener in self.submissions:
            found = {str(one.name): one.submissions for one in self.servers}
        else:
            return {str(one.name): one.address for one in self.servers}
        there = {name: address for name, address in found.items() if address is not None}
        if missing := found.keys() - there.keys():
            key = "submission" if listener in self.submission else "submissions"
            hint = f"{key} = that node's smtp.proxy_{key}"
            raise Wrong(f"server {min(missing)} says not where clients of {listener} go", hint)
        return there

    def own(self, proxied: Sequence[NumericEndpoint]) -> ServerSettings:
        """The server that is this node itself, which listens at `proxied`; raises Wrong."""
        for server in self.servers:
            if server.address in proxied:
                return server
        hint = "give one of them an address that stands in smtp.proxy_listen"
        raise Wrong("none of balance.servers is this node", hint)


def check_listeners(
    balance: BalanceSettings, smtp: Sequence[NumericEndpoint], proxied: Sequence[NumericEndpoint]
) -> None:
    """Raise Wrong if balancer and mail process would want the same address, or never meet."""
    own = balance.own(proxied)
    for address in (own.submission, own.submissions):
        if address is not None and address not in proxied:
            hint = "it is smtp.proxy_submission, or smtp.proxy_submissions, of that node"
            raise Wrong(f"nobody takes clients for server {own.name} at {address}", hint)
    for taken in (*smtp, *proxied):
        for wanted in balance.listeners:
            same = taken.host == wanted.host or _everywhere(taken) or _everywhere(wanted)
            if taken.port == wanted.port and same:
                raise Wrong(
                    f"the balancer's {wanted} is where the mail process listens, too ({taken})",
                    "with a balancer the mail process has addresses of its own only",
                )


def _everywhere(endpoint: NumericEndpoint) -> bool:
    return endpoint.address.is_unspecified
