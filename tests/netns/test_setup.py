"""Who sets a node up is told whether an address is in use, at real interfaces."""

from __future__ import annotations

import asyncio

import pytest

from appliance.services.setup import ThisMachine
from tests.netns.lab import CLIENT, Lab

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("netns")]


async def test_whether_an_address_is_in_use(lab: Lab) -> None:
    machine = ThisMachine()
    interfaces = await asyncio.to_thread(machine.interfaces)
    (own,) = (one for one in interfaces if f"{CLIENT}/24" in one.addresses)
    assert own.carrier
    assert own.hardware == lab.client.hardware
    taken = await machine.in_use(lab.a.addresses[0])
    assert (taken.ok, lab.a.hardware in taken.text) == (False, True)
    assert (await machine.in_use("192.0.2.222")).ok
    assert (await machine.in_use("2001:db8::222")).ok
    assert (await machine.in_use(CLIENT)).ok
    assert (await machine.in_use("203.0.113.1")).ok is None
