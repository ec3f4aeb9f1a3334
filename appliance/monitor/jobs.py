"""How a node's jobs are, as they are shown, and as alerts are made of them."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """How a run ended. INTERRUPTED: its process did before it did."""

    OK = "ok"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One run that has ended. `at` is wall-clock milliseconds; `by` is "" if it ran by itself."""

    job: str
    at: int
    took: int
    outcome: Outcome
    text: str
    hint: str
    by: str


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job. `off`: why it does not run by itself. `next_in` is running time, the truth; `next_at`
    is what the wall clock will show then if nobody sets it. `failures`: in a row.
    """

    name: str
    what: str
    every: int
    off: str
    running: bool
    waiting: bool
    next_in: int | None
    next_at: int | None
    last: RunView | None
    failures: int
