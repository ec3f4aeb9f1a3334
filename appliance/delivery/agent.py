"""The delivery agent: takes leases from the spool, and reports what became of them.

It holds nothing that would be missed: an agent that is killed leaves leases that the spool
finds in doubt. While it lives, each lease it took ends in one outcome, kept until the spool has
acknowledged it and presented again to a spool that was lost meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from appliance.config.delivery import DeliverySettings
from appliance.delivery.dispatch import Dispatcher
from appliance.delivery.outbox import Outbox
from appliance.delivery.source import Rooms, Work
from appliance.mail.work import AttemptId, Outcome
from appliance.monitor.events import Emit, Event

_BATCH = 128  # leases asked for at once
_MAX_PULLS = 4
_TICK = 1.0  # seconds
_LAST_WORDS = 5.0  # seconds for the last reports when delivery stops


class Agent:
    """`pause` waits for so many seconds. `run` once; it ends some time after `stop`."""

    def __init__(
        self,
        work: Work,
        dispatcher: Dispatcher,
        settings: DeliverySettings,
        emit: Emit,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._work = work
        self._dispatcher = dispatcher
        self._settings = settings
        self._emit = emit
        self._pause = pause
        self._batch = _batch(settings)
        self._outbox = Outbox()
        self._open: set[AttemptId] = set()
        """Leases in hand or not yet acknowledged."""
        self._unsettled = 0
        self._spool: asyncio.TaskGroup | None = None
        """Lives as long as a connection to the spool."""
        self._pulls: set[asyncio.Task[None]] = set()
        self._wished: tuple[frozenset[str], Rooms] = (frozenset(), ())
        self._stop = asyncio.Event()
        self._ended = False
        self._changed = asyncio.Event()
        dispatcher.done = self._done
        dispatcher.blocked_changed = self._pull

    @property
    def in_hand(self) -> int:
        """Leases that the spool has not yet heard the end of."""
        return len(self._open)

    def configure(self, settings: DeliverySettings) -> None:
        """Other settings, from the next call on."""
        self._settings = settings
        self._batch = _batch(settings)
        self._pull()

    def stop(self) -> None:
        """Begin to stop: nothing new is begun, what is under way may end."""
        self._stop.set()

    async def run(self) -> None:
        """Deliver until `stop` is called and everything has come to an end."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._serve()), group.create_task(self._tick())]
            await self._stop.wait()
            await self._wind_down()
            self._ended = True
            for task in tasks:
                task.cancel()
        self._dispatcher.close()

    async def _tick(self) -> None:
        while True:
            await self._pause(_TICK)
            self._dispatcher.tick()

    async def _serve(self) -> None:
        lost = False
        # Being cancelled is not enough: a TaskGroup forgets it if a task of its own fails then,
        # and until Python 3.13 leaves `cancelling` wrong too.
        while not self._ended:
            try:
                # Before anything is leased anew: what is not named here is in doubt from now on.
                await self._work.present(list(self._open))
                if lost:
                    self._emit(Event.SPOOL_FOUND)
                async with asyncio.TaskGroup() as self._spool:
                    self._talk(self._report)
                    self._pull()
            except* ConnectionError as error:
                self._emit(Event.SPOOL_LOST, error=repr(error.exceptions[0]))
            except* Exception as errors:
                # The spool refuses what we say, or we don't understand it: as good as lost.
                self._emit(Event.FAILED, error=repr(errors.exceptions))
            finally:
                self._spool = None
            lost = True
            if not self._ended:
                await self._pause(_TICK)

    def _pull(self) -> None:
        """Ask for leases, if there is room and no open call asks for the same."""
        if self._spool is None or self._stop.is_set():
            return
        room = self._settings.leases - len(self._open)
        if room < self._batch // 4 or room <= 0:
            return  # a little more room is worth waiting for: there is enough to do
        wish = self._dispatcher.blocked, self._dispatcher.rooms
        if self._pulls and self._wished == wish:
            return
        if len(self._pulls) >= _MAX_PULLS:
            return
        self._wished = wish
        pull = self._talk(partial(self._pull_once, min(room, self._batch), *wish))
        self._pulls.add(pull)
        pull.add_done_callback(self._pulled)

    def _talk(self, exchange: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run `exchange` as long as this connection to the spool lasts; its failure ends it."""

        async def talk() -> None:
            try:
                await exchange()
            except BaseException:
                self._spool = None  # at once: a group that is ending takes no more tasks
                raise

        assert self._spool is not None
        return self._spool.create_task(talk())

    async def _pull_once(self, limit: int, blocked: frozenset[str], rooms: Rooms) -> None:
        leases = await self._work.leases(limit, list(blocked), rooms)
        for lease in leases:
            self._open.add(lease.attempt)
            self._unsettled += 1
            self._dispatcher.accept(lease, partial(self._work.may_send, lease))

    def _pulled(self, pull: asyncio.Task[None]) -> None:
        self._pulls.discard(pull)
        self._changed.set()
        self._pull()

    def _done(self, outcome: Outcome) -> None:
        self._unsettled -= 1
        self._outbox.put(outcome)
        self._changed.set()

    async def _report(self) -> None:
        while True:
            batch = await self._outbox.batch()
            await self._work.report(batch)
            self._outbox.acknowledged(batch)
            self._open.difference_update([outcome.attempt for outcome in batch])
            self._changed.set()
            self._pull()

    async def _wind_down(self) -> None:
        self._dispatcher.stop()
        if self._spool is not None and self._pulls:
            # Calls off the open ones: they return, and no lease is on its way without us.
            self._talk(partial(self._pull_once, 0, frozenset(), ()))
        if not await self._until(self._all_settled, self._settings.stop_timeout.seconds):
            self._dispatcher.abort()
        await self._until(self._all_reported, _LAST_WORDS)

    def _all_settled(self) -> bool:
        return not self._pulls and not self._unsettled

    def _all_reported(self) -> bool:
        return self._all_settled() and not self._open

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True


def _batch(settings: DeliverySettings) -> int:
    # A call may bring mail for one destination only: not so much that it fills our hands.
    return max(1, min(_BATCH, settings.leases // 8))
