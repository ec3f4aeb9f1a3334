"""Asks next hops about recipients before they are taken; nobody else waits for their answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from appliance.config.policy import VerifySettings
from appliance.mail.address import domain_key, split
from appliance.mail.patterns import Patterns
from appliance.mail.reply import Reply
from appliance.mail.verdicts import NoAnswer, Terms, Verdicts
from appliance.mail.views import VerificationView
from appliance.smtpd.events import Emit, Event

UNVERIFIED = Reply(450, "4.1.1", "Recipient address not verified yet, try again later")
_MILLION = 1_000_000  # nanoseconds in a millisecond
_MOST_WAITING = 1_000
"""Callouts that have not begun; of more nothing is learnt."""


class Callout(Protocol):
    """Knows next hops, and asks them."""

    def relayed(self, address: str) -> bool:
        """Whether mail for `address` goes to a next hop."""

    async def ask(self, address: str) -> Reply | None:
        """None for a yes, the 5yz for a no; raises NoAnswer."""


class Verifier:
    """`clock` counts nanoseconds and never steps back. For one event loop."""

    def __init__(self, callout: Callout, clock: Callable[[], int], emit: Emit) -> None:
        self._callout = callout
        self._clock = clock
        self._emit = emit
        self._settings = VerifySettings()
        self._domains = Patterns()
        self._verdicts = Verdicts(_terms(self._settings))
        self._asked: dict[str, asyncio.Future[None]] = {}
        """By key, from when somebody wants to know until there is an answer or none."""
        self._waiting: deque[tuple[str, str]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._callouts = 0
        self._silent = 0

    def configure(self, settings: VerifySettings) -> None:
        """Other settings, or other routes: what was said by next hops is forgotten."""
        self._settings = settings
        self._domains = Patterns(settings.domains)
        hits, misses = self._verdicts.hits, self._verdicts.misses
        self._verdicts = Verdicts(_terms(settings))
        self._verdicts.hits, self._verdicts.misses = hits, misses

    @property
    def patience(self) -> float:
        """Seconds that a client may be kept waiting for one message."""
        return self._settings.wait.seconds

    def concerns(self, address: str) -> bool:
        """Whether `address` is to be verified."""
        return bool(self._domains) and (
            self._domains.match_name(domain_key(address)) and self._callout.relayed(address)
        )

    async def refusal(self, address: str, seconds: float) -> Reply | None:
        """Why `address` is not taken; waits so long at most for its next hop."""
        key = _key(address)
        now = self._clock()
        found = self._verdicts.look(key, now)
        if found is None:
            asked = self._ask(key, address)
            if asked is not None and seconds > 0:
                await asyncio.wait([asked], timeout=seconds)
            found = self._verdicts.peek(key, self._clock())
        elif found.refresh <= now:
            self._ask(key, address)
        if found is not None and found.known:
            return found.refusal
        return UNVERIFIED if self._settings.unknown == "defer" else None

    def close(self) -> None:
        """Ask nobody any more; whoever waits is told that nothing is known."""
        self._waiting.clear()
        for task in self._running:
            task.cancel()
        for asked in self._asked.values():
            asked.cancel()

    def view(self) -> VerificationView:
        """How it is."""
        verdicts = self._verdicts
        return VerificationView(
            enabled=bool(self._domains),
            cached=len(verdicts),
            cached_refusals=verdicts.refusals,
            hits=verdicts.hits,
            misses=verdicts.misses,
            callouts=self._callouts,
            unanswered=self._silent,
            under_way=len(self._running),
            waiting=len(self._waiting),
        )

    def _ask(self, key: str, address: str) -> asyncio.Future[None] | None:
        """Have it found out; None if too much is to be found out already."""
        asked = self._asked.get(key)
        if asked is None and len(self._waiting) < _MOST_WAITING:
            asked = self._asked[key] = asyncio.get_running_loop().create_future()
            self._waiting.append((key, address))
            self._begin()
        return asked

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._settings.callouts:
            key, address = self._waiting.popleft()
            task = asyncio.get_running_loop().create_task(self._find_out(key, address))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # a bug; whoever waited was told that nothing is known
            self._emit(Event.FAILED, error=repr(error))
        self._begin()

    async def _find_out(self, key: str, address: str) -> None:
        self._callouts += 1
        verdicts = self._verdicts  # other settings put another cache here
        try:
            async with asyncio.timeout(self._settings.timeout.seconds):
                refusal = await self._callout.ask(address)
        except (NoAnswer, TimeoutError) as error:
            self._silent += 1
            verdicts.silence(key, self._clock())
            reason = str(error) or "timeout"
            self._emit(Event.NOT_VERIFIED, recipient=address, reason=reason)
        else:
            verdicts.learn(key, refusal, self._clock())
            if refusal is not None:
                self._emit(Event.VERIFIED_AS_UNKNOWN, recipient=address, reply=str(refusal))
        finally:
            asked = self._asked.pop(key)
            if not asked.done():
                asked.set_result(None)


def _key(address: str) -> str:
    """Only the owner of a domain knows whether case matters in its local parts."""
    return f"{split(address)[0]}@{domain_key(address)}"


def _terms(settings: VerifySettings) -> Terms:
    return Terms(
        int(settings.positive_ttl) * _MILLION,
        int(settings.negative_ttl) * _MILLION,
        settings.cache,
    )
