"""When a server counts as up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.pools.health import Health


def heard(health: Health, results: str) -> str:
    """One letter a result: U and D where the state changed."""
    told = ""
    for result in results:
        changed = health.passed() if result == "+" else health.failed("refused")
        told += ("U" if health.up else "D") if changed else "."
    return told


def test_fall_and_rise() -> None:
    assert heard(Health(rise=2, fall=3), "+--+---+-++-+") == "......D...U.."


def test_the_first_check_decides() -> None:
    health = Health(rise=2, fall=3)
    assert health.up
    assert heard(health, "-++---") == "D.U..D"


def test_the_last_error_is_told() -> None:
    health = Health(rise=1, fall=2)
    assert health.error == ""
    health.failed("refused")
    assert health.error == "refused"
    health.passed()
    assert health.error == ""


@given(st.integers(1, 5), st.integers(1, 5), st.text("+-", max_size=40))
def test_only_results_in_a_row_change_it(rise: int, fall: int, results: str) -> None:
    health = Health(rise, fall)
    for place in range(len(results)):
        before = health.up
        changed = heard(health, results[place]) != "."
        assert changed == (health.up != before)
        so_far = results[: place + 1]
        if changed and health.up:
            assert so_far.endswith("+" * rise)
        elif changed:
            assert so_far.endswith("-" * fall) or "+" not in so_far
    if len(results) >= max(rise, fall) and len(set(results)) == 1:
        assert health.up == (results[0] == "+")
