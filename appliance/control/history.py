"""Every transition of this node's virtual routers, from the log of the failover process."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from appliance.control.schema import Transition
from appliance.monitor.events import Event

_SIGN = f'"event":"{Event.TRANSITION}"'.encode()


def history(log: Path, limit: int) -> tuple[Transition, ...]:
    """The last `limit` transitions, newest first; as far back as logs are kept."""
    return tuple(islice(_newest_first(log), limit))


def _newest_first(log: Path) -> Iterator[Transition]:
    for path in [log, *sorted(log.parent.glob(f"{log.name}.[0-9]*"), key=_number)]:
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:  # none yet, or put aside under another name just now
            continue
        for line in reversed(lines):
            if _SIGN in line:
                try:
                    yield msgspec.json.decode(line, type=Transition)
                except msgspec.DecodeError:
                    continue  # half a line: the disk was full, or the power went


def _number(path: Path) -> int:
    number = path.suffix[1:]
    return int(number) if number.isdecimal() else 0
