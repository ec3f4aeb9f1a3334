"""What a report says. Page and JSON are made of the same value, so they tell the same figures."""

from __future__ import annotations

from enum import StrEnum

import msgspec

FORMAT = 1


class State(StrEnum):
    """How something is, from good to bad; UNKNOWN is not good."""

    GOOD = "good"
    UNKNOWN = "unknown"
    ATTENTION = "attention"
    CRITICAL = "critical"


_ORDER = tuple(State)


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """One thing at a glance."""

    name: str
    value: str
    state: State
    note: str = ""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What is not as it should be now, on which node, and what to do."""

    node: str
    state: State
    text: str
    hint: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A fact with its value on each node, in the order of `Report.nodes`."""

    name: str
    values: tuple[str, ...]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number for programs and the same as it is read. `node` is "" for both nodes together.

    `group` says since when, or that it is now.
    """

    name: str
    group: str
    title: str
    node: str
    value: float
    text: str


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What will run out. `days`: until then, None if it will not, or nobody knows yet."""

    node: str
    what: str
    now: str
    trend: str
    days: float | None
    text: str
    state: State


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a chart: the mean of each part, None where nothing is known."""

    label: str
    mean: tuple[float | None, ...]
    greatest: tuple[float | None, ...] = ()


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """`start` is in wall-clock milliseconds, `step` in milliseconds."""

    title: str
    unit: str
    start: int
    step: int
    curves: tuple[Curve, ...]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of text; `note` stands for them if there are none."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report made by `node`; times are wall-clock milliseconds of its clock.

    `since` is the moment of the one before, or the beginning of what is known. `redacted`: names
    and addresses are pseudonyms. `key` is the id of the key that signs it.
    """

    format: int = FORMAT
    site: str
    node: str
    release: str
    made_at: int
    since: int
    redacted: bool
    key: str
    nodes: tuple[str, ...]
    glance: tuple[Tile, ...]
    troubles: tuple[Trouble, ...]
    facts: tuple[Row, ...]
    figures: tuple[Figure, ...]
    outlook: tuple[Outlook, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]
    configuration: tuple[Table, ...]

    @property
    def state(self) -> State:
        """The worst of what is told at a glance, of troubles and of what runs out."""
        told = [one.state for one in self.glance]
        told += [one.state for one in self.troubles] + [one.state for one in self.outlook]
        known = [state for state in told if state is not State.UNKNOWN]
        return max(known, key=_ORDER.index, default=State.UNKNOWN)
