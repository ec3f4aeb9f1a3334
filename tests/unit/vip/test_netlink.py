"""What of the netlink binder can be seen without a network namespace."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from appliance.monitor.events import Event
from appliance.vip.binder import BinderFailed, VirtualAddress
from appliance.vip.interface import has_carrier, interface_index
from appliance.vip.netlink import NetlinkBinder, while_running
from appliance.vip.notices import message_types


def silent(event: Event, queue_id: str = "", **values: object) -> None:
    raise AssertionError(event)


async def test_an_interface_that_is_not_there_is_named() -> None:
    one = VirtualAddress(ip_address("192.0.2.10"), 24, "absent0")
    binder = NetlinkBinder([one], silent, lambda address, error: None)
    with pytest.raises(BinderFailed, match="'absent0'") as failed:
        await binder.start()
    assert "lo" in failed.value.hint
    binder.close()


async def test_after_a_standstill_the_router_has_its_say_first() -> None:
    times = iter([0.0, 9.0, 9.0, 12.0, 12.0, 12.015])
    await while_running(0.01, lambda: next(times))
    assert next(times, None) is None


def test_interfaces() -> None:
    assert interface_index("lo") > 0
    assert not has_carrier("absent0")


def test_messages_of_a_datagram() -> None:
    first = (18).to_bytes(4, "little") + b"\x15\x00" + bytes(12)  # padded to 20
    second = (16).to_bytes(4, "little") + b"\x10\x00" + bytes(10)
    endless = bytes(16)
    assert list(message_types(first + bytes(2) + second)) == [21, 16]
    assert list(message_types(second + endless)) == [16]
    assert list(message_types(second[:15])) == []
