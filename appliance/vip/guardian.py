"""What takes the virtual addresses away when the process that held them is gone.

A process that is killed leaves its addresses at the interface, and two nodes answer for them.
Whoever outlives it removes them at once; should nobody, their lifetime runs out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from appliance.vip.binder import BinderFailed, VirtualAddress
from appliance.vip.netlink import AddressTable


async def take_away(addresses: Sequence[VirtualAddress]) -> tuple[VirtualAddress, ...]:
    """Remove what is left of `addresses` and return it; for `netlink`'s only.

    Milliseconds. Raises BinderFailed, after it has tried them all, if one may still be there.
    """
    return await asyncio.to_thread(_take_away, addresses)


def _take_away(addresses: Sequence[VirtualAddress]) -> tuple[VirtualAddress, ...]:
    left = []
    failure: BinderFailed | None = None
    with AddressTable() as table:
        for one in addresses:
            try:
                if table.remove(one):
                    left.append(one)
            except BinderFailed as error:
                failure = error
    if failure is not None:
        raise failure
    return tuple(left)
