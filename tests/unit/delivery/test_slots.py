"""The limit over all next hops."""

from __future__ import annotations

import asyncio

from appliance.delivery.slots import Slots


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_first_come_first_served() -> None:
    slots = Slots(1)
    await slots.take()
    order: list[str] = []

    async def use(name: str) -> None:
        await slots.take()
        order.append(name)
        slots.give()

    users = [asyncio.ensure_future(use(name)) for name in "abc"]
    await turns()
    assert order == []
    assert slots.wanted
    slots.give()
    await asyncio.gather(*users)
    assert order == ["a", "b", "c"]
    assert not slots.wanted


async def test_who_is_cancelled_takes_no_slot_along() -> None:
    slots = Slots(1)
    await slots.take()
    waiting = [asyncio.ensure_future(slots.take()) for _ in range(2)]
    await turns()
    waiting[0].cancel()
    slots.give()
    await asyncio.wait_for(waiting[1], 5)
    late = asyncio.ensure_future(slots.take())
    await turns()
    slots.give()
    late.cancel()  # at the moment it was given the slot
    await turns()
    await asyncio.wait_for(slots.take(), 5)
    assert waiting[0].cancelled()
    assert late.cancelled()


async def test_more_or_fewer_from_now_on() -> None:
    slots = Slots(1)
    await slots.take()
    waiting = asyncio.ensure_future(slots.take())
    await turns()
    slots.resize(2)
    await asyncio.wait_for(waiting, 5)
    slots.resize(1)  # both are held
    late = asyncio.ensure_future(slots.take())
    slots.give()
    await turns()
    assert not late.done()
    slots.give()
    await asyncio.wait_for(late, 5)
