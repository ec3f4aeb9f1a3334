"""How much TLS next hops must offer."""

from __future__ import annotations

from typing import Literal

from appliance.config.units import Hostname, Wrong

TlsLevel = Literal["none", "may", "encrypt", "verify"]


def check_tls(level: TlsLevel, name: Hostname | None) -> None:
    """Raises Wrong for a name that nothing is compared with."""
    if name is not None and level != "verify":
        raise Wrong(f'tls_name means nothing to tls = "{level}"', 'tls = "verify" compares it')
