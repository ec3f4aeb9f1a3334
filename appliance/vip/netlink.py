"""Holding the virtual addresses at network interfaces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from appliance.monitor.events import Emit, Event
from appliance.vip.announce import Announcer
from appliance.vip.binder import BinderFailed, VirtualAddress
from appliance.vip.interface import interface_index
from appliance.vip.notices import Notices, Subject
from appliance.vip.scheduling import raise_priority
from appliance.vip.table import AddressTable

RENEWAL = 0.5
"""Seconds from one renewal of the lifetimes to the next."""

DEFERENCE = 0.1
"""Seconds in which the router may say first that an address is to go. A process that stood still
while the kernel dropped its addresses must not begin by taking them again."""

PATIENCE = 0.5
"""Seconds given to the kernel, which needs some thousandths of one."""

T = TypeVar("T")


class NetlinkBinder:
    """A `Binder` by the kernel's table of addresses, for Ethernet and what is like it.

    What it holds dies with the loop, not just with the process: an address lives only for two
    seconds, and the loop, in which the router runs too, renews it well before. Whatever may wait
    for the kernel is done in one thread, in order.
    """

    def __init__(
        self,
        addresses: Sequence[VirtualAddress],
        emit: Emit,
        lost: Callable[[VirtualAddress, BinderFailed], None],
    ) -> None:
        """`addresses`: all that it may come to hold; `lost` is told of one that cannot be kept."""
        self._addresses = tuple(addresses)
        self._emit = emit
        self._lost = lost
        self._held: set[VirtualAddress] = set()
        self._missing = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "netlink", initializer=_hurry)
        self._table: AddressTable | None = None
        self._announcer = Announcer()
        self._notices: Notices | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        for one in self._addresses:
            interface_index(one.interface)
        for left in await self._run(self._clear):
            self._emit(Event.ADDRESS_LEFT_BEHIND, address=left.address, interface=left.interface)
        self._notices = Notices(Subject.LOST_ADDRESSES, self._missing.set)
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def acquire(self, addresses: Sequence[VirtualAddress]) -> None:
        try:
            await self._run(lambda table: table.add(addresses))
        except (BinderFailed, asyncio.CancelledError):
            with suppress(BinderFailed):
                await self.release(addresses)
            raise
        self._held.update(addresses)

    async def release(self, addresses: Sequence[VirtualAddress]) -> None:
        self._held.difference_update(addresses)
        await self._run(lambda table: table.remove(addresses))

    def announce(self, addresses: Sequence[VirtualAddress]) -> None:
        self._thread.submit(self._tell, addresses)

    def close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        if self._notices is not None:
            self._notices.close()
        self._held.clear()
        ended = self._thread.submit(self._end)
        self._thread.shutdown(wait=False)
        with suppress(TimeoutError, BinderFailed):
            ended.result(PATIENCE)

    async def _run(self, work: Callable[[AddressTable], T]) -> T:
        """Have it done in the thread; raises BinderFailed, also if the kernel takes too long.

        It is done all the same then, later, and before what comes after it.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(asyncio.wrap_future(self._submit(work)))
        except TimeoutError:
            raise BinderFailed(
                f"the kernel has not answered for {PATIENCE:g} s",
                "something else keeps it from changing addresses: see `dmesg`",
            ) from None

    def _submit(self, work: Callable[[AddressTable], T]) -> Future[T]:
        def in_thread() -> T:
            if self._table is None:
                self._table = AddressTable()
            try:
                return work(self._table)
            except BinderFailed:
                raise
            except Exception as error:
                # Not the kernel's answer, so the socket's fault or the library's, which says not
                # what it may raise. A renewal that ended here would be the last: with a new
                # socket the next may succeed.
                self._table.close()
                self._table = None
                raise BinderFailed(f"netlink failed: {error!r}") from error

        return self._thread.submit(in_thread)

    def _clear(self, table: AddressTable) -> tuple[VirtualAddress, ...]:
        return table.remove(self._addresses)

    def _tell(self, addresses: Iterable[VirtualAddress]) -> None:
        for one in addresses:
            try:
                self._announcer.tell(one)
            except OSError as error:
                self._emit(Event.ADDRESS_NOT_ANNOUNCED, address=one.address, why=error.strerror)

    def _end(self) -> None:
        """In the thread: leave nothing behind, whatever was under way."""
        try:
            if self._table is not None:
                with self._table:
                    self._clear(self._table)
        finally:
            self._announcer.close()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEWAL - DEFERENCE):
                    await self._missing.wait()
            self._missing.clear()
            await while_running(DEFERENCE, loop.time)
            if self._held:
                await self._renew(self._held.copy())

    async def _renew(self, held: set[VirtualAddress]) -> None:
        try:
            done = await self._run(lambda table: table.renew(held))
        except BinderFailed as error:  # of no one address: there is time to try again
            self._emit(Event.ADDRESS_NOT_RENEWED, error=str(error), hint=error.hint)
            return
        for one in self._held.intersection(done.those):
            self._emit(Event.ADDRESS_PUT_BACK, address=one.address, interface=one.interface)
        for one in self._held.intersection(done.failures):
            self._lost(one, done.failures[one])


def _hurry() -> None:
    for _ in raise_priority():
        pass  # the loop's thread is refused the same, and says so


async def while_running(seconds: float, clock: Callable[[], float]) -> None:
    """Wait for so long in which this process also ran: anew after it stood still."""
    stood_still = True
    while stood_still:
        before = clock()
        await asyncio.sleep(seconds)
        stood_still = clock() - before > 2 * seconds
