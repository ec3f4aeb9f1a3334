"""The figures of a whole run, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

import msgspec

from tests.bench.trial import Measured, Scenario

OURS = "twinpost"
POSTFIX = "postfix"
BESIDE = "beside"
"""The scenario that another one is compared with, where that is not Postfix."""


class Row(msgspec.Struct, frozen=True):
    """All rounds of one scenario, by system."""

    scenario: Scenario
    rounds: Mapping[str, Sequence[Measured]]

    def rate(self, system: str) -> float | None:
        """The median rate of a system, None if it was not measured."""
        measured = self.rounds.get(system)
        return median(one.rate for one in measured) if measured else None

    @property
    def ratio(self) -> float | None:
        """Our rate over that of what it is compared with, on as much of the machine.

        The median of the rounds': what else the machine does changes from one to the next.
        """
        return self._compared(lambda one, other: one.rate / (other.rate * (1 - one.taken_away)))

    @property
    def thrift(self) -> float | None:
        """What CPU a message costs the other over what it costs us, in the median round."""
        return self._compared(lambda one, other: other.cpu / one.cpu)

    def _compared(self, compare: Callable[[Measured, Measured], float]) -> float | None:
        ours, others = self.rounds[OURS], self.rounds.get(self.other)
        return median(map(compare, ours, others)) if others else None

    @property
    def other(self) -> str:
        """What it is compared with."""
        return BESIDE if self.scenario.beside is not None else POSTFIX

    @property
    def missed(self) -> bool:
        """The ratio was measured and is below its target."""
        target, ratio = self.scenario.target, self.ratio
        return target is not None and ratio is not None and ratio < target


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The report: rates and ratios, then what a message costs, then memory."""
    yield (
        f"{'messages/s, median of the rounds':<44}{OURS:>10}{'other':>10}{'ratio':>8}{'by CPU':>8}"
        "  target"
    )
    for row in rows:
        yield _rates(row)
    yield ""
    yield (
        f"{'per message':<44}{'':>10}{'p50 ms':>10}{'p99 ms':>8}{'CPU ms':>8}"
        f"{'load+sink':>11}{'doubles':>9}"
    )
    for row in rows:
        for system, measured in row.rounds.items():
            yield _costs(row.scenario.name, system, measured)
    yield ""
    yield "highest resident memory of one process, MiB"
    for row in rows:
        for system, measured in row.rounds.items():
            yield f"{row.scenario.name:<44}{system:>10}  {_memory(measured)}"


def progress(scenario: Scenario, system: str, measured: Measured) -> str:
    """One trial in one line."""
    return (
        f"  {scenario.name:<42}{system:>10}{measured.rate:>9.0f}/s  "
        f"{measured.messages} messages, accepted at {measured.accept_rate:.0f}/s"
        f"{_guesses(measured) if measured.guesses else ''}"
    )


def _guesses(measured: Measured) -> str:
    """The guesser runs here for want of another machine: what it takes is left out of the ratio."""
    return f", guesses {measured.guesses}, the guesser had {measured.taken_away:.0%} of the machine"


def _rates(row: Row) -> str:
    shown = [_number(row.rate(system)) for system in (OURS, row.other)]
    ratio, thrift = (f"{one:.2f}" if one else "-" for one in (row.ratio, row.thrift))
    target = ""
    if row.scenario.target is not None and row.ratio is not None:
        target = f"  ≥ {row.scenario.target:g} {'MISSED' if row.missed else 'met'}"
    return f"{row.scenario.name:<44}{shown[0]:>10}{shown[1]:>10}{ratio:>8}{thrift:>8}{target}"


def _costs(name: str, system: str, measured: Sequence[Measured]) -> str:
    p50, p99, cpu, overhead = (
        median(values)
        for values in zip(*[(m.p50, m.p99, m.cpu, m.overhead) for m in measured], strict=True)
    )
    duplicates = sum(one.duplicates for one in measured)
    return (
        f"{name:<44}{system:>10}{p50:>10.1f}{p99:>8.1f}{cpu:>8.2f}{overhead:>11.2f}{duplicates:>9}"
    )


def _memory(measured: Sequence[Measured]) -> str:
    highest: dict[str, int] = {}
    for one in measured:
        for name, size in one.memory.items():
            highest[name] = max(highest.get(name, 0), size)
    return ", ".join(f"{name} {size / 2**20:.0f}" for name, size in sorted(highest.items()))


def _number(rate: float | None) -> str:
    if rate is None:
        return "-"
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
