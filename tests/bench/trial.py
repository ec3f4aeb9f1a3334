"""One trial: a fresh system, a load, and the proof that what it acknowledged exists."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from tests.bench.processes import Guesser, SinkFigures, SinkProcess, cpu, memory, run_load

MANY = 5000
"""Messages a connection where "many" are meant; servers close a connection at some number."""
_DRAIN = 600.0


class Invalid(Exception):
    """The trial proves nothing: mail is missing, or the system was not what it should be."""


Policy = Literal["", "off", "full"]


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, and how long.

    `deliver`: the clock stops when the next hop has everything, not at the last 250. `backlog`:
    so many deferred messages lie in the queue before. `tls`: clients use STARTTLS. `search`:
    the pair indexes the mail meanwhile, which Postfix has nothing like. `policy`: clients are
    strangers, and all restrictions and rates are looked at ("full") or none ("off"). `guesses`: so
    many wrong passwords come meanwhile. `beside`: what this is compared with, instead of Postfix.
    `target`: least ratio to that.
    """

    name: str
    deliver: bool
    connections: int = 20
    per_connection: int = MANY
    size: int = 4096
    seconds: float = 8.0
    backlog: int = 0
    tls: bool = False
    search: bool = False
    policy: Policy = ""
    guesses: int = 0
    beside: Scenario | None = None
    target: float | None = None
    compared: bool = True


class System(Protocol):
    """A running mail system."""

    listen: tuple[str, int]

    submissions: tuple[str, int]

    @property
    def keeps_delivered(self) -> bool:
        """Whether what was delivered is still on its disks, so that it can be counted there."""

    @property
    def roots(self) -> tuple[int, ...]:
        """The processes whose trees make up the system."""

    def check(self) -> None:
        """Raise Invalid unless the system is, and was since the start, what is measured."""

    def prove(self, tokens: frozenset[str]) -> None:
        """Stop for good; raise Invalid unless the messages with `tokens` are on its disks."""


class Maker(Protocol):
    """Starts a fresh system with its files in `folder`."""

    def __call__(
        self,
        folder: Path,
        next_hop: tuple[str, int],
        *,
        deliver: bool,
        tls: bool,
        search: bool,
        policy: Policy,
    ) -> AbstractContextManager[System]: ...


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one trial. `rate` is messages/s by the scenario's clock.

    Times in ms, `cpu` in ms a message, memory in bytes by process. `overhead` is the CPU of
    generator and sink, in ms a message. `guesses`: what they were answered.
    `taken_away`: the part of all cores that whoever guesses had, who is no part of the system.
    """

    rate: float
    accept_rate: float
    p50: float
    p99: float
    cpu: float
    overhead: float
    memory: dict[str, int]
    messages: int
    duplicates: int
    guesses: dict[str, int] = {}
    taken_away: float = 0.0


def run(make: Maker, scenario: Scenario, folder: Path, sink_host: str) -> Measured:
    """Measure `scenario` on a fresh system in `folder`; raises Invalid."""
    tokens = folder / "accepted"
    with (
        SinkProcess(sink_host) as sink,
        make(
            folder / "system",
            sink.listen,
            deliver=scenario.deliver,
            tls=scenario.tls,
            search=scenario.search,
            policy=scenario.policy,
        ) as system,
    ):
        if scenario.backlog:
            _fill(system, sink, scenario.backlog, folder)
        system.check()
        used, sink_used = _cpu(system), sink.ask("count").cpu
        guesser = Guesser(system.submissions, scenario.guesses, scenario.seconds)
        taken_away = 0.0
        with guesser if scenario.guesses else nullcontext():
            load = run_load(
                system.listen,
                tokens,
                run="bench",
                connections=scenario.connections,
                per_connection=scenario.per_connection,
                size=scenario.size,
                seconds=scenario.seconds,
                **({"tls": 1} if scenario.tls else {}),
                **({"sender": "ward@ships.example"} if scenario.policy else {}),
            )
            if scenario.deliver:
                sink.ask(f"taken {load.accepted} {_DRAIN}")
            used = _cpu(system) - used
            if scenario.guesses:
                taken_away = guesser.cpu / (load.seconds * (os.cpu_count() or 1))
        highest = _memory(system)
        system.check()
        accepted = frozenset(tokens.read_text(encoding="ascii").split())
        taken = _taken(sink, folder / "taken", scenario, accepted)
        if system.keeps_delivered or not scenario.deliver:
            system.prove(accepted)
    if "235" in guesser.figures.answers:
        raise Invalid(f"{scenario.name}: a guess was right")
    if load.errors:
        raise Invalid(f"{scenario.name}: {load.errors}")
    if not load.accepted:
        raise Invalid(f"{scenario.name}: nothing was accepted")
    seconds = taken.last - load.started if scenario.deliver else load.seconds
    return Measured(
        rate=load.accepted / seconds,
        accept_rate=load.accepted / load.seconds,
        p50=load.p50 * 1000,
        p99=load.p99 * 1000,
        cpu=used / load.accepted * 1000,
        overhead=(load.cpu + taken.cpu - sink_used) / load.accepted * 1000,
        memory=highest,
        messages=load.accepted,
        duplicates=taken.messages - taken.distinct,
        guesses=guesser.figures.answers,
        taken_away=taken_away,
    )


def _fill(system: System, sink: SinkProcess, backlog: int, folder: Path) -> None:
    """Leave `backlog` messages in the queue that the next hop has refused for now."""
    load = run_load(
        system.listen,
        folder / "backlog",
        run="later",
        messages=backlog,
        recipient="later@bench.example",
    )
    if sink.ask(f"refused {load.accepted} {_DRAIN}").refused < load.accepted:
        raise Invalid(f"{backlog} messages were not all tried within {_DRAIN} s")


def _taken(
    sink: SinkProcess, path: Path, scenario: Scenario, accepted: frozenset[str]
) -> SinkFigures:
    figures = sink.ask(f"tokens {path}")
    taken = frozenset(line.split()[0] for line in path.read_text(encoding="ascii").splitlines())
    lost = accepted - taken
    if scenario.deliver and lost:
        raise Invalid(f"{scenario.name}: {len(lost)} accepted messages were never delivered")
    if not scenario.deliver and taken:
        raise Invalid(f"{scenario.name}: {len(taken)} messages went out, none should have")
    return figures


def _cpu(system: System) -> float:
    return sum(cpu(root) for root in system.roots)


def _memory(system: System) -> dict[str, int]:
    highest: dict[str, int] = {}
    for root in system.roots:
        for name, size in memory(root).items():
            highest[name] = max(highest.get(name, 0), size)
    return highest
