"""node.toml's [alerts]: who is told of alerts."""

from __future__ import annotations

import msgspec

from appliance.config.units import Duration, Wrong


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`mail`: the postmaster is. `command`: it gets each alert as JSON, within `timeout`."""

    mail: bool = True
    command: tuple[str, ...] = ()
    timeout: Duration = Duration(30_000)

    def __post_init__(self) -> None:
        if self.command and not self.command[0].startswith("/"):
            hint = 'for example command = ["/usr/local/bin/alarm-horn", "--on"]'
            raise Wrong("command must begin with an absolute path", hint)
