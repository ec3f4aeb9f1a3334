"""Restarts of the last ten minutes."""

from __future__ import annotations

from appliance.monitor.restarts import Restarts
from appliance.monitor.snapshot import Process


def process(restarts: int) -> list[Process]:
    return [Process(name="mail", state="ready", pid=1, restarts=restarts)]


def test_what_was_counted_before_is_not_lately() -> None:
    assert Restarts().note(process(500), 0.0) == {}


def test_restarts_are_forgotten_after_ten_minutes() -> None:
    restarts = Restarts()
    restarts.note(process(1), 0.0)
    assert restarts.note(process(3), 10.0) == {"mail": 2}
    assert restarts.note(process(4), 300.0) == {"mail": 3}
    assert restarts.note(process(4), 611.0) == {"mail": 1}
    assert restarts.note(process(4), 901.0) == {}


def test_a_supervisor_that_began_anew_counts_from_nothing() -> None:
    restarts = Restarts()
    restarts.note(process(7), 0.0)
    assert restarts.note(process(0), 1.0) == {}
    assert restarts.note(process(1), 2.0) == {"mail": 1}
