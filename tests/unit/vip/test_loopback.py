"""One holder of a loopback address at a time, and none after it has ended."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from appliance.vip.binder import BinderFailed, VirtualAddress
from appliance.vip.loopback import LoopbackBinder
from tests.pair.harness import addresses

ROOT = Path(__file__).parents[3]
HOLD = """
import asyncio, sys
from contextlib import contextmanager
from ipaddress import ip_address
from appliance.vip.binder import VirtualAddress
from appliance.vip.loopback import LoopbackBinder
one = VirtualAddress(ip_address(sys.argv[1]), 8)
binder = LoopbackBinder([one])
asyncio.run(binder.acquire([one]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def other_process_holding(one: VirtualAddress) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLD, str(one)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        yield other


@pytest.fixture
def virtual() -> tuple[VirtualAddress, VirtualAddress]:
    first, second = addresses(2)
    return VirtualAddress(ip_address(first), 8), VirtualAddress(ip_address(second), 8)


@pytest.fixture
def binders(virtual: tuple[VirtualAddress, ...]) -> Iterator[tuple[LoopbackBinder, LoopbackBinder]]:
    both = LoopbackBinder(virtual), LoopbackBinder(virtual)
    yield both
    for binder in both:
        binder.close()


async def test_only_one_holds_an_address(
    virtual: tuple[VirtualAddress, ...], binders: tuple[LoopbackBinder, LoopbackBinder]
) -> None:
    a, b = binders
    await a.start()
    await b.start()
    await a.acquire(virtual)
    await a.acquire(virtual)
    with pytest.raises(BinderFailed, match="in use") as failed:
        await b.acquire(virtual)
    assert "another node" in failed.value.hint
    await a.release(virtual)
    await a.release(virtual)
    await b.acquire(virtual)
    with pytest.raises(BinderFailed, match="in use"):
        await a.acquire(virtual)


async def test_who_fails_to_hold_one_of_them_holds_none(
    virtual: tuple[VirtualAddress, ...], binders: tuple[LoopbackBinder, LoopbackBinder]
) -> None:
    a, b = binders
    await a.acquire(virtual[1:])
    await b.acquire(virtual[:1])
    with pytest.raises(BinderFailed):
        await b.acquire(virtual)
    await a.acquire(virtual)


async def test_a_client_left_in_the_queue_keeps_nobody_from_taking_over(
    virtual: tuple[VirtualAddress, ...], binders: tuple[LoopbackBinder, LoopbackBinder]
) -> None:
    a, b = binders
    await a.acquire(virtual)
    with socket.create_connection((str(virtual[0]), 2529)):
        await a.release(virtual)
        await b.acquire(virtual)


async def test_the_kernel_takes_it_from_the_dead(
    virtual: tuple[VirtualAddress, ...], binders: tuple[LoopbackBinder, LoopbackBinder]
) -> None:
    a, _ = binders
    with other_process_holding(virtual[0]) as other:
        with pytest.raises(BinderFailed):
            await a.acquire(virtual)
        other.kill()
        other.wait()
        await a.acquire(virtual)


async def test_an_address_of_a_network_is_refused() -> None:
    one = VirtualAddress(ip_address("192.0.2.10"), 24)
    with pytest.raises(BinderFailed, match="not a loopback address") as failed:
        await LoopbackBinder([one]).start()
    assert "netlink" in failed.value.hint
