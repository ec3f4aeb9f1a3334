"""How much one next hop is given at a time, and when it is left alone (pure)."""

from __future__ import annotations

from collections.abc import Callable

from appliance.config.delivery import DeliverySettings
from appliance.delivery.transaction import Strain
from appliance.mail.reply import Reply

_SLOW_IN_A_ROW = 3


class Throttle:
    """The state of one next hop. Times are seconds of one clock; `random` is drawn from [0, 1).

    Concurrency grows and shrinks as TCP's congestion window does: quickly up to half of what
    last was too much, then by one for each round of successes. After `Strain.DOWN` the hop rests
    for a time that doubles with each failure; then one transaction tries it. A success ends a
    rest early: a server that takes ten connections and refuses the eleventh is not down.
    """

    def __init__(self, settings: DeliverySettings, random: Callable[[], float]) -> None:
        self._settings = settings
        self._random = random
        self._limit = float(min(settings.initial_connections, settings.connections_per_hop))
        self._threshold = float(settings.connections_per_hop)
        self._rest_until = 0.0
        self._room = 0
        self._crowded_until = 0.0
        self._failures = 0
        self._slow_in_a_row = 0
        self.reason: Reply | None = None
        """Why it rests or last rested; None once it has taken something again."""

    def configure(self, settings: DeliverySettings) -> None:
        """Other settings; what was found out about the next hop stays."""
        self._settings = settings
        self._limit = min(self._limit, float(settings.connections_per_hop))
        self._threshold = float(settings.connections_per_hop)

    @property
    def limit(self) -> int:
        """Transactions it may be given at the same time."""
        return int(self._limit)

    @property
    def fresh(self) -> bool:
        """Whether nothing is known of it that a new throttle would not say too."""
        return self.reason is None and not self._slow_in_a_row

    def rest(self, now: float) -> float:
        """Seconds until it may be tried again; 0 if it may now."""
        return max(0.0, self._rest_until - now)

    def succeeded(self, now: float) -> bool:
        """It took something (or refused it properly); True if that ends its time of trouble."""
        recovered = self.reason is not None
        self.reason = None
        self._rest_until = 0.0
        self._failures = self._slow_in_a_row = 0
        grown = self._limit + (1.0 if self._limit < self._threshold else 1.0 / self._limit)
        most = self._room if now < self._crowded_until else self._settings.connections_per_hop
        self._limit = min(grown, float(most))
        return recovered

    def strained(self, strain: Strain, reply: Reply, now: float) -> bool:
        """It failed; True if a rest begins now."""
        if strain is Strain.SLOW:
            self._slow_in_a_row += 1
            if self._slow_in_a_row < _SLOW_IN_A_ROW:
                self._limit = self._threshold = max(1.0, self._limit / 2)
                return False
        if self.rest(now):
            return False  # one outage fails everything under way: that counts once
        self._threshold = max(1.0, self._limit / 2)
        self._limit = 1.0
        self._slow_in_a_row = 0
        self.reason = reply
        self._rest_until = now + self._next_rest()
        return True

    def crowded(self, connections: int, now: float) -> None:
        """It has so many connections open and refused one more: leave it at that for a while."""
        self._limit = self._threshold = float(connections)
        self._room = connections
        self._crowded_until = now + self._settings.backoff_min.seconds

    def _next_rest(self) -> float:
        longest = self._settings.backoff_max.seconds
        rest = min(self._settings.backoff_min.seconds * 2.0 ** min(self._failures, 30), longest)
        self._failures += 1
        # Spread upwards by a tenth, so that the two nodes of a pair don't probe in step.
        return rest * (1 + self._random() / 10)
