"""The recipient validation cache: what next hops said of recipients. Pure: `now` is told.

Answers age: one is looked for again once half of its time is over, by whoever uses it then, while
everybody goes on with what is known.
"""

from __future__ import annotations

import msgspec

from appliance.mail.reply import Reply

_SILENCE = 60_000_000_000
"""No answer is no reason to ask again before this many nanoseconds are over."""


class NoAnswer(Exception):
    """A next hop could not be asked about a recipient, or could not say."""


class Terms(msgspec.Struct, frozen=True):
    """How long a yes and a no hold (nanoseconds), and how many answers are kept."""

    positive: int
    negative: int
    capacity: int


class Verdict(msgspec.Struct):
    """An answer, with the `refusal` if it was a no; not `known`: there was none."""

    known: bool
    refusal: Reply | None
    until: int
    refresh: int


class Verdicts:
    """By address. Times are nanoseconds of a clock that never steps back."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.hits = 0
        self.misses = 0
        self._kept: dict[str, Verdict] = {}
        """Those not asked for the longest first."""

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def refusals(self) -> int:
        """How many of what is kept are a no."""
        return sum(verdict.refusal is not None for verdict in self._kept.values())

    def look(self, key: str, now: int) -> Verdict | None:
        """What is known of the address; None if nothing is, or not any more."""
        found = self._kept.pop(key, None)
        if found is None or found.until <= now:
            self.misses += 1
            return None
        self._kept[key] = found
        self.hits += found.known
        self.misses += not found.known
        return found

    def peek(self, key: str, now: int) -> Verdict | None:
        """The same for whoever has looked before, and is not counted again."""
        found = self._kept.get(key)
        return found if found is not None and found.until > now else None

    def learn(self, key: str, refusal: Reply | None, now: int) -> None:
        """The next hop said yes, or why not."""
        time = self.terms.positive if refusal is None else self.terms.negative
        self._keep(key, Verdict(True, refusal, now + time, now + time // 2))

    def silence(self, key: str, now: int) -> None:
        """The next hop gave no answer; what it said before holds on."""
        found = self._kept.get(key)
        if found is not None and found.known and found.until > now:
            found.refresh = now + _SILENCE
        else:
            self._keep(key, Verdict(False, None, now + _SILENCE, now + _SILENCE))

    def _keep(self, key: str, verdict: Verdict) -> None:
        self._kept.pop(key, None)
        if len(self._kept) >= self.terms.capacity:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = verdict
