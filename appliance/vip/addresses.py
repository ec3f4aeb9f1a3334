"""The virtual addresses as the settings name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.config.failover import FailoverSettings
from appliance.vip.binder import VirtualAddress


def virtual_addresses(settings: FailoverSettings) -> Mapping[int, Sequence[VirtualAddress]]:
    """What each virtual router, by its vrid, binds."""
    return {
        router.vrid: [
            VirtualAddress(one.address, one.prefix, router.interface or "")
            for one in router.addresses
        ]
        for router in settings.routers
    }
