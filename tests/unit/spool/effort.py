"""What SQLite does, counted in steps of its virtual machine: the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import apsw


def effort(db: apsw.Connection, action: Callable[[], object]) -> int:
    """Steps of SQLite's virtual machine that `action` takes."""
    steps = count()

    def step() -> bool:
        next(steps)
        return False

    db.set_progress_handler(step, 1)
    try:
        action()
    finally:
        db.set_progress_handler(None)
    return next(steps)
