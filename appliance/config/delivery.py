"""Settings of mail out."""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.config.units import Duration, NumericEndpoint, Wrong

Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
"""How many of something."""


class DeliverySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How mail goes out. The timeouts are those of RFC 5321 §4.5.3.2.

    "Per hop" means per next hop (host and port), whatever recipient domains lead there.
    """

    connections_per_hop: Count = 20
    """Transactions at the same time with one next hop, once it has shown that it takes them."""
    initial_connections: Count = 5
    """Transactions at the same time with a next hop that has not yet taken anything."""
    connections: Count = 400
    """Connections in all."""
    messages_per_connection: Count = 1000
    idle_timeout: Duration = Duration(5_000)
    """How long an unused connection is kept for the next message."""
    recipients_per_message: Count = 100
    """Recipients in one transaction: every server takes this many (RFC 5321 §4.5.3.1.8)."""

    leases: Count = 1000
    """Messages in hand at the same time, over all next hops."""
    leases_per_hop: Count = 300
    """Messages in hand for one next hop; no more are asked for while there are this many."""
    patience: Duration = Duration(5_000)
    """How long a message may wait in hand for a free connection before it goes back."""

    backoff_min: Duration = Duration(10_000)
    """How long a next hop that failed is left alone; doubled with each further failure."""
    backoff_max: Duration = Duration(600_000)

    connect_timeout: Duration = Duration(30_000)
    command_timeout: Duration = Duration(300_000)
    """For the greeting, EHLO, MAIL and RCPT."""
    data_init_timeout: Duration = Duration(120_000)
    data_block_timeout: Duration = Duration(180_000)
    data_done_timeout: Duration = Duration(600_000)
    stop_timeout: Duration = Duration(20_000)
    """How long running transactions may take to end when delivery stops; then they are cut."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) <= 0:
                raise Wrong(f"{name} must be more than nothing")
        if self.backoff_max < self.backoff_min:
            raise Wrong("backoff_max is shorter than backoff_min")
        if self.leases < 2 * self.connections:
            hint = "slow next hops would fill the hands: leave room for the mail of others"
            raise Wrong("leases must be at least twice connections", hint)


class DnsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked for MX records, by routes that say `mx = true`; nobody else asks DNS.

    Without `servers` those of the node's /etc/resolv.conf.
    """

    servers: tuple[NumericEndpoint, ...] = ()
    timeout: Duration = Duration(10_000)
    """For an answer, all servers and repetitions together."""

    def __post_init__(self) -> None:
        if self.timeout <= 0:
            raise Wrong("timeout must be more than nothing")
