"""The schedules that are written down hold for the product as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sim.exact import EXACT
from tests.sim.schedules import SCHEDULES


@pytest.mark.parametrize("schedule", SCHEDULES + EXACT, ids=lambda schedule: schedule.__name__)
def test_schedule(schedule: Callable[[], None]) -> None:
    schedule()
