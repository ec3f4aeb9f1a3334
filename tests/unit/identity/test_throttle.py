"""Lock-out: who guesses gets nowhere, and keeps nobody else out."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from appliance.identity.throttle import Allowance, Bounds, Throttle, group

MINUTE = 60_000
HOUR = 60 * MINUTE


def guesses(throttle: Throttle, clients: list[str], user: str, until: int, every: int) -> int:
    """How many passwords are tried by clients that never stop."""
    turns = count()
    tried = 0
    for now in range(0, until, every):
        tried += throttle.attempt(now, clients[next(turns) % len(clients)], user) == 0
    return tried


def test_an_address_is_out_after_ten() -> None:
    throttle = Throttle()
    tried = [throttle.attempt(0, "192.0.2.1", f"user{one}") == 0 for one in range(100)]
    assert sum(tried) == 10
    wait = throttle.attempt(0, "192.0.2.1", "somebody")
    assert throttle.attempt(wait - 1, "192.0.2.1", "somebody")
    assert not throttle.attempt(wait, "192.0.2.1", "somebody")


def test_ten_thousand_from_fifty_addresses() -> None:
    clients = [f"192.0.2.{one}" for one in range(50)]
    assert guesses(Throttle(), clients, "alice", 10_000, 1) <= 21
    # And for as long as a day, a guess a second: nothing that a dictionary would notice.
    assert guesses(Throttle(), clients, "alice", 24 * HOUR, 1000) <= 50 * (10 + 96)


def test_a_user_under_attack_gets_in_where_it_was_before() -> None:
    throttle = Throttle()
    assert not throttle.attempt(0, "198.51.100.7", "alice")
    throttle.succeeded("198.51.100.7", "alice")
    guesses(throttle, [f"192.0.2.{one}" for one in range(50)], "alice", 10_000, 1)
    for now in range(10_000, 11_000, 100):
        assert not throttle.attempt(now, "198.51.100.7", "alice")
        throttle.succeeded("198.51.100.7", "alice")
    assert not throttle.attempt(11_000, "198.51.100.8", "bob")


def test_a_user_under_attack_gets_in_elsewhere_before_long() -> None:
    throttle = Throttle()
    clients = [f"192.0.2.{one}" for one in range(50)]
    turns = count()
    first = 0
    for now in range(0, HOUR, 100):  # ten guesses a second, without an end
        throttle.attempt(now, clients[next(turns) % 50], "alice")
        if now % 10_000 == 9_900 and not throttle.attempt(now, "198.51.100.7", "alice"):
            first = now
            break
    assert 0 < first <= 20 * MINUTE


def test_right_passwords_cost_nothing() -> None:
    throttle = Throttle()
    for one in range(1000):
        assert not throttle.attempt(0, "192.0.2.1", f"user{one}")
        throttle.succeeded("192.0.2.1", f"user{one}")


def test_a_right_password_does_not_pay_for_others() -> None:
    throttle = Throttle()
    tried = 0
    for one in range(100):
        tried += throttle.attempt(0, "192.0.2.1", f"victim{one}") == 0
        if not throttle.attempt(0, "192.0.2.1", "mallory"):
            throttle.succeeded("192.0.2.1", "mallory")
    assert tried <= 10


def test_a_known_address_is_not_free_to_guess() -> None:
    throttle = Throttle()
    throttle.attempt(0, "192.0.2.1", "alice")
    throttle.succeeded("192.0.2.1", "alice")
    assert guesses(throttle, ["192.0.2.1"], "alice", 1000, 1) == 10


def test_what_was_not_tried_is_not_counted() -> None:
    throttle = Throttle()
    for _ in range(100):
        assert not throttle.attempt(0, "192.0.2.1", "alice")
        throttle.undone("192.0.2.1", "alice")


def test_an_ipv6_client_has_one_network() -> None:
    assert group("2001:db8::1") == group("2001:db8::ffff") != group("2001:db8:0:1::1")
    assert group("192.0.2.1") != group("192.0.2.2")


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=200))
def test_memory_is_bounded(attempts: list[tuple[int, int]]) -> None:
    bounds = Bounds(address=Allowance(2, 100), user=Allowance(2, 100), entries=5)
    throttle = Throttle(bounds)
    for now, (client, user) in enumerate(attempts):
        if not throttle.attempt(now, f"192.0.2.{client}", str(user)) and user % 2:
            throttle.succeeded(f"192.0.2.{client}", str(user))
    for part in (throttle._addresses._full, throttle._users._full, throttle._known._full):
        assert len(part) <= 5
    assert len(throttle._familiar) <= 5


@given(st.lists(st.integers(0, 5000), min_size=1), st.integers(1, 5), st.integers(1, 1000))
def test_no_more_than_the_allowance(steps: list[int], burst: int, period: int) -> None:
    bounds = Bounds(address=Allowance(burst, period), user=Allowance(10**6, 1))
    throttle = Throttle(bounds)
    now, taken = 0, 0
    for step in steps:
        now += step
        taken += throttle.attempt(now, "192.0.2.1", "alice") == 0
    assert taken <= burst + now // period


def test_an_address_that_has_spent_its_tries() -> None:
    throttle = Throttle()
    for one in range(10):
        assert not throttle.wait(0, "192.0.2.1")
        assert throttle.tries(0, "192.0.2.1") == one
        throttle.attempt(0, "192.0.2.1", f"user{one}")
    assert throttle.tries(0, "192.0.2.2") == throttle.tries(HOUR * 3, "192.0.2.1") == 0
    assert throttle.wait(0, "192.0.2.1")
    assert not throttle.wait(0, "192.0.2.2")
    assert not throttle.wait(HOUR, "192.0.2.1")


def test_who_is_at_home_where() -> None:
    throttle = Throttle(Bounds(entries=2))
    throttle.succeeded("192.0.2.1", "alice")
    throttle.succeeded("192.0.2.1", "alice")
    assert throttle.at_home("192.0.2.1")
    assert not throttle.at_home("192.0.2.2")
    throttle.succeeded("192.0.2.2", "bob")
    assert throttle.at_home("192.0.2.1")
    throttle.succeeded("2001:db8::1", "bob")  # one more than are remembered
    assert not throttle.at_home("192.0.2.1")
    assert throttle.at_home("2001:db8::2")
