"""What takes the virtual addresses away when the process that held them is gone.

A process that is killed leaves its addresses at the interface, and two nodes answer for them.
Whoever outlives it removes them at once; should nobody, their lifetime runs out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from appliance.vip.binder import VirtualAddress
from appliance.vip.table import AddressTable


async def take_away(addresses: Sequence[VirtualAddress]) -> tuple[VirtualAddress, ...]:
    """Remove what is left of `addresses` and return it; for `netlink`'s only.

    Milliseconds. Raises BinderFailed, after it has tried them all, if one may still be there.
    """
    return await asyncio.to_thread(_take_away, addresses)


def _take_away(addresses: Sequence[VirtualAddress]) -> tuple[VirtualAddress, ...]:
    with AddressTable() as table:
        return table.remove(addresses)
