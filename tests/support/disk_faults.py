"""What can go wrong in one call to a simulated disk, and at which call it does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

STEPS = ("create", "write", "truncate", "fsync", "fsync-directory", "rename", "unlink")
"""The operations that change a disk or its durability, and that `*` therefore means."""


class PowerCut(BaseException):
    """The machine is off: this call did not happen, and nothing after it will.

    Not an Exception: product code that handles errors must not survive a power cut.
    """


class Kind(Enum):
    CRASH = "power cut instead of the call"
    IGNORE = "the call succeeds and does nothing for durability"
    FAIL = "the call raises OSError"


@dataclass(frozen=True, slots=True)
class Step:
    """One labelled call, such as ("fsync", "spool.db-wal")."""

    op: str
    path: str


@dataclass(frozen=True, slots=True)
class Fault:
    """`written`: bytes of a failing write that got through all the same (a short write)."""

    kind: Kind
    error: int = 0
    written: int = 0


@dataclass(slots=True)
class _Rule:
    op: str
    path: str
    nth: int | None
    fault: Fault
    seen: int = 0

    def strikes(self, op: str, path: str) -> bool:
        if self.op != op and not (self.op == "*" and op in STEPS):
            return False
        if not fnmatchcase(path, self.path):
            return False
        self.seen += 1
        return self.nth is None or self.seen == self.nth


class Faults:
    """The faults armed on one disk, and, when asked for, the trace of its steps.

    `op` is one of STEPS, `*` for any of them, or `read`; `path` is a shell pattern; `nth` counts
    matching calls from 1 since the fault was armed, None means every one.
    """

    def __init__(self) -> None:
        self.active = False
        self.trace: list[Step] = []
        self._tracing = False
        self._rules: list[_Rule] = []

    def crash_at(self, op: str = "*", path: str = "*", nth: int = 1) -> None:
        """Cut the power instead of making the call."""
        self._arm(op, path, nth, Fault(Kind.CRASH))

    def fail_at(
        self, op: str, path: str, error: int, *, nth: int | None = 1, written: int = 0
    ) -> None:
        """Make the call raise OSError(error)."""
        self._arm(op, path, nth, Fault(Kind.FAIL, error, written))

    def ignore(self, op: str, path: str = "*", *, nth: int | None = None) -> None:
        """Make a sync, or a write, say that it succeeded without making anything durable."""
        self._arm(op, path, nth, Fault(Kind.IGNORE))

    def record(self) -> None:
        """Begin a new trace."""
        self.trace.clear()
        self._tracing = self.active = True

    def clear(self) -> None:
        """Disarm every fault and stop tracing; the trace stays."""
        self._rules.clear()
        self._tracing = self.active = False

    def judge(self, op: str, path: str) -> Fault | None:
        """The fault that strikes this call, if one does; the first armed wins."""
        if self._tracing and op in STEPS:
            self.trace.append(Step(op, path))
        struck = [rule for rule in self._rules if rule.strikes(op, path)]
        for rule in struck:
            if rule.nth is not None:
                self._rules.remove(rule)
        return struck[0].fault if struck else None

    def _arm(self, op: str, path: str, nth: int | None, fault: Fault) -> None:
        if op not in (*STEPS, "*", "read"):
            raise ValueError(f"no disk operation is called {op}")
        self._rules.append(_Rule(op, path, nth, fault))
        self.active = True
