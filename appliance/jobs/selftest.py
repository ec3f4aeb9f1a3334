"""The node looks at itself: what nobody notices until it is needed."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.jobs.scheduler import JobFailed

_SYNCS = 5
SLOW_SYNC = 1000
"""Milliseconds: a commit waits for one, on both nodes."""


@dataclass(frozen=True)
class Finding:
    """What a check found; `hint` if it is not as it should be."""

    text: str
    ok: bool = True
    hint: str = ""


Check = Callable[[], Awaitable[Finding | None]]
"""None: there is nothing to check on this node."""


async def self_test(checks: Sequence[Check]) -> str:
    """All findings; raises JobFailed if any is bad."""
    findings = [found for check in checks if (found := await check()) is not None]
    bad = [one for one in findings if not one.ok]
    if bad:
        raise JobFailed("; ".join(one.text for one in bad), "; ".join(one.hint for one in bad))
    return "; ".join(one.text for one in findings)


def sync_time(folder: Path) -> int:
    """Milliseconds that a small write takes to be durable there, the median of some; OSError."""
    path, took = folder / f".sync-test.{os.getpid()}", []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.unlink(path)
        for _ in range(_SYNCS):
            began = time.monotonic_ns()
            os.write(descriptor, bytes(4096))
            os.fsync(descriptor)
            took.append((time.monotonic_ns() - began) // 1_000_000)
    finally:
        os.close(descriptor)
    return int(statistics.median(took))
