"""To look for garbage everywhere takes a quarter of a second: done while nobody presses keys."""

from __future__ import annotations

import gc

_YOUNG, _MIDDLE, _OLD = 700, 10, 1_000
"""Python's own thresholds but for the last: the oldest are left to `collect`.

Who presses keys for five minutes and never pauses gets there, and waits a second, once.
"""


def leave_to_pauses() -> None:
    """From now on. What is there by now stays: nobody looks at it again."""
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


def collect() -> None:
    """Somebody has stopped pressing keys: collect, if that is worth while."""
    if gc.get_count()[2] > _MIDDLE:
        gc.collect()
