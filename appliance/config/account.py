"""[account] of node.toml: the page at which users change their password."""

from __future__ import annotations

import msgspec

from appliance.config.units import NumericEndpoint, Wrong


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`listen`: the page, in HTTPS. `http`: the list of revoked certificates, in plain HTTP."""

    listen: tuple[NumericEndpoint, ...]
    http: tuple[NumericEndpoint, ...] = ()

    def __post_init__(self) -> None:
        if not self.listen:
            raise Wrong("no address for the page", 'for example listen = ["192.0.2.10:443"]')
        if len(set(self.endpoints)) < len(self.endpoints):
            raise Wrong("one endpoint has two purposes", "443 for the page, 80 for plain HTTP")

    @property
    def endpoints(self) -> tuple[NumericEndpoint, ...]:
        """All its listeners."""
        return self.listen + self.http
