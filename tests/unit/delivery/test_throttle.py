"""How a next hop's limit, window and rest move."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from appliance.config.delivery import DeliverySettings
from appliance.config.units import Duration
from appliance.delivery.throttle import Throttle
from appliance.delivery.transaction import Strain
from appliance.delivery.window import Window
from appliance.mail.reply import Reply

SETTINGS = DeliverySettings(
    initial_connections=2,
    connections_per_hop=8,
    backoff_min=Duration(10_000),
    backoff_max=Duration(60_000),
)
WHY = Reply(421, "4.3.2", "busy")


def throttle(settings: DeliverySettings = SETTINGS) -> Throttle:
    return Throttle(settings, lambda: 0.0)


def test_it_starts_slowly_and_stays_within_its_limit() -> None:
    hop = throttle()
    limits = []
    for _ in range(10):
        limits.append(hop.limit)
        hop.succeeded(0.0)
    assert limits == [2, 3, 4, 5, 6, 7, 8, 8, 8, 8]


def test_rests_double_up_to_the_longest_and_success_forgets_them() -> None:
    hop = throttle()
    now = 0.0
    rests = []
    for _ in range(5):
        assert hop.strained(Strain.DOWN, WHY, now)
        assert hop.limit == 1
        rests.append(hop.rest(now))
        now += hop.rest(now)
        assert hop.rest(now) == 0
    assert rests == [10, 20, 40, 60, 60]
    assert hop.reason == WHY
    assert hop.succeeded(0.0)
    assert hop.fresh
    assert not hop.succeeded(0.0)
    hop.strained(Strain.DOWN, WHY, now)
    assert hop.rest(now) == 10


def test_rests_are_spread_upwards_by_a_tenth_at_most() -> None:
    hop = Throttle(SETTINGS, Random(1).random)
    hop.strained(Strain.DOWN, WHY, 100.0)
    assert 10 <= hop.rest(100.0) < 11


def test_one_outage_counts_once_however_many_transactions_it_ends() -> None:
    hop = throttle()
    assert hop.strained(Strain.DOWN, WHY, 0.0)
    assert not hop.strained(Strain.DOWN, WHY, 1.0)
    assert not hop.strained(Strain.DOWN, WHY, 9.0)
    assert hop.rest(9.0) == 1


def test_slowness_halves_and_only_in_a_row_means_down() -> None:
    hop = throttle()
    for _ in range(6):
        hop.succeeded(0.0)
    assert not hop.strained(Strain.SLOW, WHY, 0.0)
    assert hop.limit == 4
    hop.succeeded(0.0)
    assert not hop.strained(Strain.SLOW, WHY, 0.0)
    assert not hop.strained(Strain.SLOW, WHY, 0.0)
    assert hop.rest(0.0) == 0
    assert hop.strained(Strain.SLOW, WHY, 0.0)
    assert hop.rest(0.0) == 10


def test_a_server_with_a_limit_is_not_hammered_at_it() -> None:
    """After too much, concurrency comes back quickly to half of it, then by one each round."""
    hop = throttle()
    for _ in range(6):
        hop.succeeded(0.0)
    hop.strained(Strain.DOWN, WHY, 0.0)
    hop.succeeded(0.0)
    assert hop.rest(0.0) == 0  # something still works there, so it is not down
    successes = 0
    while hop.limit < 8:
        hop.succeeded(0.0)
        successes += 1
    assert successes > 4 + 5 + 6 + 7


def test_a_crowded_server_gets_as_many_connections_as_it_holds() -> None:
    hop = throttle()
    for _ in range(6):
        hop.succeeded(0.0)
    hop.crowded(3, 100.0)
    for _ in range(100):
        hop.succeeded(105.0)
    assert hop.limit == 3
    assert hop.rest(105.0) == 0
    for _ in range(3):
        hop.succeeded(110.0)
    assert hop.limit == 3
    hop.succeeded(110.0)
    assert hop.limit == 4


def test_the_window_follows_what_the_hop_can_do() -> None:
    window = Window(200)
    assert window.size == 64
    for _ in range(3):
        window.drained()
    assert window.size == 200
    window.configure(150)
    assert window.size == 150
    for _ in range(10):
        window.stalled()
    assert window.size == 1


@given(st.lists(st.tuples(st.sampled_from(["ok", "slow", "down"]), st.floats(0, 1000))))
def test_whatever_happens_mail_goes_on_some_day(history: list[tuple[str, float]]) -> None:
    hop = Throttle(SETTINGS, Random(2).random)
    now = 0.0
    for event, later in history:
        now += later
        match event:
            case "ok":
                hop.succeeded(now)
            case "slow":
                hop.strained(Strain.SLOW, WHY, now)
            case _:
                hop.strained(Strain.DOWN, WHY, now)
        assert 1 <= hop.limit <= 8
        assert 0 <= hop.rest(now) <= 66
        assert (hop.rest(now) == 0) or hop.reason is not None
