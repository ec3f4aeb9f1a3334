"""A process that holds the lab's virtual addresses, says so, and stays: `python -m …`."""

from __future__ import annotations

import asyncio

from appliance.monitor.events import Event
from appliance.vip.binder import Address, BinderFailed, VirtualAddress
from appliance.vip.netlink import NetlinkBinder
from appliance.vip.watch import InterfaceWatch
from tests.netns.addresses import BOTH


class _Blind:
    def carrier(self, interface: str, up: bool) -> None:
        pass

    def foreign(self, address: Address, hardware: str) -> None:
        pass


def _silent(event: Event, queue_id: str = "", **values: object) -> None:
    pass


def _lost(address: VirtualAddress, error: BinderFailed) -> None:
    print(f"lost {address}: {error}", flush=True)


async def _hold() -> None:
    binder = NetlinkBinder(BOTH, _silent, _lost)
    try:
        await binder.start()
        await InterfaceWatch(BOTH, lambda: BOTH, _Blind()).start()
        await binder.acquire(BOTH)
    except BinderFailed as error:
        print(f"{error}; {error.hint}", flush=True)
        binder.close()
        return
    print("held", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_hold())
