"""What health leaves of a priority."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.vip.health import LEAST, LINK_DOWN, MOST, RELEASED, Check, Health, Mail, RouterHealth

WELL = Mail(serving=True, why="", linked=True)


def health(**weights: int) -> Health:
    routers = {1: RouterHealth(200, "eth0"), 2: RouterHealth(100, "eth1")}
    found = Health(routers, weights)
    found.mail = WELL
    return found


def test_a_node_that_is_well_keeps_its_priorities() -> None:
    assert [health().verdict(vrid, True) for vrid in (1, 2)] == [(200, ""), (100, "")]
    assert health().ready


def test_mail_that_is_gone_leaves_nothing() -> None:
    found = health()
    found.mail, found.gone = None, "the mail process is silent"
    for vrid in (1, 2):
        for peer_ready in (True, False):
            assert found.verdict(vrid, peer_ready) == (RELEASED, "the mail process is silent")
    assert not found.ready


def test_mail_that_stops_leaves_nothing() -> None:
    found = health()
    found.mail = Mail(serving=False, why="", linked=True)
    assert found.verdict(1, False).priority == RELEASED


def test_who_takes_no_new_mail_gives_up_only_to_one_who_does() -> None:
    found = health()
    found.mail = Mail(serving=True, why="insufficient system storage", linked=True)
    assert found.verdict(1, True) == (RELEASED, "no new mail: insufficient system storage")
    assert found.verdict(1, False).priority == LEAST
    assert not found.ready


def test_a_carrier_concerns_the_routers_on_its_interface() -> None:
    found = health()
    found.dark.add("eth1")
    assert found.verdict(1, True).priority == 200
    assert found.verdict(2, True) == (RELEASED, "eth1 has no carrier")
    assert (found.aside, found.ready) == (True, False)


def test_maintenance_and_a_switchover_leave_nothing() -> None:
    found = health()
    found.leaving.add(2)
    assert [found.verdict(vrid, True).priority for vrid in (1, 2)] == [200, RELEASED]
    found.maintenance = True
    assert found.verdict(1, False) == (RELEASED, "maintenance")
    assert found.aside


def test_addresses_that_could_not_be_bound_are_not_tried_for_ever() -> None:
    found = health()
    found.unbound[1] = "cannot add it"
    assert found.verdict(1, False) == (RELEASED, "cannot add it")


def test_a_link_that_is_down_lowers_the_priority() -> None:
    found = health()
    found.mail = Mail(serving=True, why="", linked=False)
    assert found.verdict(1, True) == (200 + LINK_DOWN, "link down")


@pytest.mark.parametrize(
    "weight, passing, priority",
    [
        (0, None, 100),
        (0, True, 100),
        (0, False, RELEASED),
        (20, None, 100),
        (20, True, 120),
        (20, False, 100),
        (-20, None, 100),
        (-20, True, 100),
        (-20, False, 80),
        (253, True, MOST),
        (-253, False, LEAST),
    ],
)
def test_checks_weigh_as_keepalived_has_it(
    weight: int, passing: bool | None, priority: int
) -> None:
    found = health(gateway=weight)
    if passing is not None:
        found.checks["gateway"] = passing
    assert found.verdict(2, True).priority == priority


def test_checks_add_up() -> None:
    found = health(a=-30, b=-30, c=10)
    found.checks = {"a": False, "b": False, "c": True}
    assert found.verdict(1, True) == (150, "check a fails, check b fails")


def test_rise_and_fall() -> None:
    check = Check(rise=2, fall=3)
    results = [True, False, False, True, False, False, False, True, False, True, True]
    passing = [(check.ran(one), check.passing)[1] for one in results]
    assert passing == [True] * 6 + [False] * 4 + [True]


@given(st.lists(st.booleans()), st.integers(1, 5), st.integers(1, 5))
def test_it_changes_only_after_so_many_of_the_other_kind(
    results: list[bool], rise: int, fall: int
) -> None:
    check = Check(rise, fall)
    for at, one in enumerate(results):
        before = check.passing
        changed = check.ran(one)
        assert changed is (check.passing is not before)
        if changed and before is not None:
            needed = rise if one else fall
            assert results[at + 1 - needed : at + 1] == [one] * needed
