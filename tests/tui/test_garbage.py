"""The oldest objects are looked at for garbage in pauses only, and only if that is worth while."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from tui import garbage


class _Loop:
    """Refers to itself: only the collector ends it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def _old_garbage() -> weakref.ref[_Loop]:
    loop = _Loop()
    gc.collect()
    return weakref.ref(loop)


@pytest.mark.parametrize("middle, left", [(5, True), (15, False)])
def test_old_garbage_is_collected_after_many_younger_collections(middle: int, left: bool) -> None:
    garbage.leave_to_pauses()
    seen = _old_garbage()
    for _ in range(middle):
        gc.collect(1)
    assert seen() is not None
    garbage.collect()
    assert (seen() is not None) == left


def test_what_is_there_at_the_beginning_is_not_looked_at_again() -> None:
    gc.unfreeze()
    garbage.leave_to_pauses()
    assert gc.get_freeze_count() > 0
