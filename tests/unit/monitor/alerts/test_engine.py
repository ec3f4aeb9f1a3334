"""Alerts are raised and cleared in time, told once each, and don't flap."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.monitor.alerts.engine import (
    Acknowledgement,
    Alert,
    Change,
    Channel,
    Engine,
    Phase,
)
from appliance.monitor.alerts.rule import Found, Rule, Severity

BOTH = frozenset(Channel)
RULE = Rule("x", Severity.WARNING, lambda seen: (), "", "do it", after=10, clear=30)
HOLDS: Sequence[Found] = [Found("it is so")]


class World:
    def __init__(self, rule: Rule = RULE, engine: Engine | None = None) -> None:
        self.rule = rule
        self.engine = engine or Engine(BOTH)

    def at(self, now: int, found: Sequence[Found] | None) -> list[Phase]:
        """What changed."""
        return [one.alert.phase for one in self.step(now, found)]

    def step(self, now: int, found: Sequence[Found] | None) -> Sequence[Change]:
        return self.engine.step(now, 1_000_000 + now, {self.rule: found})

    @property
    def alert(self) -> Alert:
        (alert,) = self.engine.alerts.values()
        return alert

    def tell(self) -> None:
        for channel in Channel:
            self.engine.was_told(channel, self.engine.untold(channel))


def test_it_is_raised_once_it_has_held_for_its_time() -> None:
    world = World()
    assert world.at(0, HOLDS) == []
    assert world.at(9, HOLDS) == []
    assert world.at(10, HOLDS) == [Phase.RAISED]
    assert world.at(11, HOLDS) == []
    assert world.alert.wall == 1_000_010


def test_what_did_not_hold_long_enough_is_nothing() -> None:
    world = World()
    world.at(0, HOLDS)
    assert world.at(9, []) == []
    assert not world.engine.alerts
    assert world.at(12, HOLDS) == [], "it begins anew"


def test_lulls_do_not_count_for_rules_that_say_so() -> None:
    rule = Rule("x", Severity.WARNING, lambda seen: (), "", "", after=10, clear=30, lull=5)
    world = World(rule)
    world.at(0, HOLDS)
    world.at(4, [])
    assert world.at(8, []) == []
    world.at(8, HOLDS)
    assert world.at(10, HOLDS) == [Phase.RAISED]


def test_it_is_cleared_once_it_has_not_held_for_its_time() -> None:
    world = World()
    world.at(0, HOLDS)
    world.at(10, HOLDS)
    assert world.at(20, []) == []
    assert world.alert.phase is Phase.CLEARING
    assert world.at(49, []) == []
    assert world.at(50, []) == [Phase.CLEARED]


def test_what_holds_again_was_never_cleared() -> None:
    world = World()
    world.at(0, HOLDS)
    world.at(10, HOLDS)
    world.tell()
    world.at(20, [])
    assert world.at(30, HOLDS) == []
    assert world.alert.phase is Phase.RAISED
    assert not world.alert.untold
    assert world.at(55, []) == [], "its time begins anew"


def test_who_cannot_tell_changes_nothing() -> None:
    world = World()
    world.at(0, HOLDS)
    world.at(10, HOLDS)
    before = world.alert
    assert world.at(10_000, None) == []
    assert world.alert == before


def test_each_turn_is_told_once_on_each_channel() -> None:
    world = World()
    world.at(0, HOLDS)
    world.at(10, HOLDS)
    assert [world.engine.untold(channel) for channel in Channel] == [[world.alert]] * 2
    world.engine.was_told(Channel.COMMAND, world.engine.untold(Channel.COMMAND))
    assert world.engine.untold(Channel.COMMAND) == []
    assert len(world.engine.untold(Channel.MAIL)) == 1
    world.tell()
    world.at(100, [])
    world.at(200, [])
    assert [one.phase for one in world.engine.untold(Channel.MAIL)] == [Phase.CLEARED]
    world.tell()
    assert not world.engine.alerts


def test_what_was_cleared_while_it_was_being_told_is_still_told() -> None:
    world = World()
    world.at(0, HOLDS)
    world.at(10, HOLDS)
    under_way = world.engine.untold(Channel.COMMAND)
    world.at(20, [])
    world.at(60, [])
    world.engine.was_told(Channel.COMMAND, under_way)
    assert [one.phase for one in world.engine.untold(Channel.COMMAND)] == [Phase.CLEARED]


def test_a_restart_tells_nobody_again() -> None:
    world = World()
    world.at(0, HOLDS)
    world.at(10, HOLDS)
    world.tell()
    again = World(engine=Engine(BOTH, list(world.engine.alerts.values())))
    assert again.at(20, HOLDS) == []
    assert again.engine.untold(Channel.MAIL) == []
    assert again.alert.since == 0


def test_who_knows_is_not_told_again_until_it_asked_to() -> None:
    world = World()
    world.at(0, HOLDS)
    world.at(10, HOLDS)
    world.engine.acknowledge(("x", ""), Acknowledgement("me", "it is ordered", 5, 100))
    assert world.engine.untold(Channel.MAIL) == []
    world.tell()
    world.at(99, HOLDS)
    assert not world.alert.untold
    world.at(100, HOLDS)
    assert world.alert.acknowledged is None
    assert world.engine.untold(Channel.MAIL)


def test_who_knows_to_its_end_is_told_of_its_end() -> None:
    world = World()
    world.at(0, HOLDS)
    world.at(10, HOLDS)
    world.engine.acknowledge(("x", ""), Acknowledgement("me", "", 5, None))
    world.tell()
    world.at(10_000_000, HOLDS)
    assert not world.alert.untold
    world.at(10_000_001, [])
    assert world.at(10_000_100, []) == [Phase.CLEARED]
    assert world.alert.acknowledged


@pytest.mark.parametrize("key", [("x", "other"), ("y", "")])
def test_nobody_can_know_of_what_is_not_there(key: tuple[str, str]) -> None:
    world = World()
    world.at(0, HOLDS)
    with pytest.raises(LookupError):
        world.engine.acknowledge(key, Acknowledgement("me", "", 5, None))


def test_subjects_are_alerts_of_their_own() -> None:
    world = World()
    one, two = Found("", "one"), Found("", "two")
    world.at(0, [one])
    world.at(5, [one, two])
    assert world.at(10, [one, two]) == [Phase.RAISED]
    assert world.at(15, [one, two]) == [Phase.RAISED]
    world.at(20, [one])
    changes = world.step(60, [one])
    assert [(change.alert.subject, change.alert.phase) for change in changes] == [
        ("two", Phase.CLEARED)
    ]


def test_what_another_release_knew_is_forgotten() -> None:
    world = World()
    world.at(0, HOLDS)
    world.engine.step(5, 5, {})
    assert not world.engine.alerts


looks = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from([True, True, False, None])), max_size=80
)


@given(looks, st.integers(0, 60), st.integers(0, 60), st.booleans())
def test_alerts_turn_only_as_their_times_allow(
    story: list[tuple[int, bool | None]], after: int, clear: int, forget: bool
) -> None:
    """Whatever happens, and through restarts: raised and cleared take turns.

    At each raise it has held for `after` without a look that says otherwise; at each clear it has
    not held for `clear`. Both are told exactly once.
    """
    rule = Rule("x", Severity.WARNING, lambda seen: (), "", "", after=after, clear=clear)
    world, now, raised = World(rule), 0, False
    held_since: int | None = None
    lulled_since: int | None = None
    turns, told = 0, 0
    for pause, holds in story:
        now += pause
        if holds is True:
            held_since, lulled_since = now if held_since is None else held_since, None
        elif holds is False:
            held_since, lulled_since = None, now if lulled_since is None else lulled_since
        changed = world.at(now, None if holds is None else HOLDS if holds else [])
        assert len(changed) <= 1
        for phase in changed:
            assert phase is (Phase.CLEARED if raised else Phase.RAISED)
            raised = not raised
            turns += 1
            since = held_since if raised else lulled_since
            assert since is not None
            assert now - since >= (after if raised else clear)
        told += len(world.engine.untold(Channel.MAIL))
        world.tell()
        if forget:
            world = World(rule, Engine(BOTH, list(world.engine.alerts.values())))
    assert told == turns
