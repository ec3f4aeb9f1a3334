"""The table of times without service, printed at the end of a run of pytest.

Tests hand their figures over as properties of their reports, so that they also come through from
the processes of pytest-xdist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import cast

import msgspec

from tests.netns.faults import Outcome

TIMES, NOTE = "netns-times", "netns-note"
_HEAD = (
    "time without service, ms",
    "first 220",
    "first 250",
    "coming back",
    "both held it",
    "after mending",
    "left the node",
)


Seconds = Sequence[float | None]
"""Of each round; None: without end, for which JSON has no number."""


class Times(msgspec.Struct, frozen=True):
    """One fault of one contender: what it cost."""

    contender: str
    fault: str
    greeting: Seconds
    accepted: Seconds
    returning: Seconds
    double: Seconds
    double_after: Seconds
    left: Seconds


def times(contender: str, outcomes: Sequence[Outcome]) -> str:
    """The rounds of one fault as a property's value."""
    rounds = Times(
        contender,
        outcomes[0].fault.name,
        [one.greeting for one in outcomes],
        [one.accepted for one in outcomes],
        [one.returning for one in outcomes],
        [one.double for one in outcomes],
        [one.double_after for one in outcomes],
        [one.left for one in outcomes],
    )
    return msgspec.json.encode(rounds).decode()


def lines(properties: Iterable[tuple[str, object]]) -> Sequence[str]:
    """What is to be printed for the properties of all reports."""
    found, notes = list[Times](), list[str]()
    for name, value in properties:
        if name == TIMES:
            found.append(msgspec.json.decode(cast(str, value), type=Times))
        elif name == NOTE:
            notes.append(cast(str, value))
    return [*_table(found), *notes]


def _table(found: Sequence[Times]) -> Sequence[str]:
    by_fault: Mapping[str, list[Times]] = {one.fault: [] for one in found}
    for one in found:
        by_fault[one.fault].append(one)
    rows = [_row(*_HEAD)] if found else []
    for fault, contenders in by_fault.items():
        rows.append(fault)
        rows += [_figures(one) for one in contenders]
    return rows


def _figures(one: Times) -> str:
    double = one.double, one.double_after
    values = (one.greeting, one.accepted, one.returning, *double, one.left)
    return _row(f"  {one.contender}", *(_cell(each) for each in values))


def _cell(seconds: Seconds) -> str:
    ended = [1000 * each for each in seconds if each is not None]
    if len(ended) < len(seconds):
        return "no end seen"
    middle = f"{median(ended):.0f}"
    return middle if len(ended) == 1 else f"{middle} (≤ {max(ended):.0f})"


def _row(first: str, *cells: str) -> str:
    return first.ljust(28) + "".join(cell.rjust(16) for cell in cells)
