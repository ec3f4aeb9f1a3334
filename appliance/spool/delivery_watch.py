"""A node that delivers nothing lets its peer deliver (rule 5)."""

from __future__ import annotations

from collections.abc import Callable

from appliance.spool.operations import Present
from appliance.spool.spool import Spool


class DeliveryWatch:
    """Notices that no delivery process is `connected`; times are milliseconds.

    One that is away for `patience` is taken for dead: what it worked on is in doubt from then on,
    and if it comes back it gives that up.
    """

    def __init__(self, spool: Spool, connected: Callable[[], bool], patience: int = 10_000) -> None:
        self._spool = spool
        self._connected = connected
        self._patience = patience
        self._away_since: int | None = None
        self._dead = False

    def look(self, now: int) -> None:
        """To be called about once a second."""
        if self._connected():
            self._away_since = None
            self._declare(dead=False)
        elif self._away_since is None:
            self._away_since = now
        elif now - self._away_since >= self._patience:
            self._declare(dead=True)

    def _declare(self, *, dead: bool) -> None:
        if dead and not self._dead:
            self._spool.submit(Present(None, frozenset()))
        self._dead = dead
        self._spool.stand_aside("delivery", dead)
