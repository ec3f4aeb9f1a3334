"""What the machine does besides indexing, from /proc/stat and the spool's journal."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from appliance.mail.views import Unavailable
from appliance.search.pace import Load

_TICK: int = os.sysconf("SC_CLK_TCK")
_STAT = Path("/proc/stat")


class _Figures(NamedTuple):
    at: int
    spare: float
    messages: int
    records: int


class Machine:
    """The load since the last look. `counts`: how many messages and records there have been;
    `clock` in milliseconds."""

    def __init__(self, counts: Callable[[], tuple[int, int]], clock: Callable[[], int]) -> None:
        self._counts = counts
        self._clock = clock
        self._last = self._figures((0, 0))

    def look(self) -> Load:
        """The load from the last look to this one."""
        last = self._last
        now = self._last = self._figures((last.messages, last.records))
        seconds = max(now.at - last.at, 1) / 1000
        return Load(
            (now.spare - last.spare) / seconds,
            (now.messages - last.messages) / seconds,
            (now.records - last.records) / seconds,
        )

    def _figures(self, counts: tuple[int, int]) -> _Figures:
        with suppress(Unavailable):  # no mail comes in then
            counts = self._counts()
        return _Figures(self._clock(), _spare(_STAT.read_text("ascii")), *counts)


def _spare(stat: str) -> float:
    """Seconds of all cores that nobody used, or this process, which would give them back."""
    fields = stat[: stat.index("\n")].split()[1:]
    idle, waiting = int(fields[3]), int(fields[4])
    own = os.times()
    return (idle + waiting) / _TICK + own.user + own.system
