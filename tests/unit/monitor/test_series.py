"""What the history is made of."""

from __future__ import annotations

from msgspec.structs import replace

from appliance.mail.views import HistogramView
from appliance.monitor.availability import Probed
from appliance.monitor.series import SERIES, Rates, Reading, Series, Spread
from appliance.monitor.snapshot import Snapshot
from tests.support.control import MAIL
from tests.support.monitor import DELIVERY_UP, snapshot


def counter(*readings: Reading | None) -> list[float | None]:
    """The figures of a counter that says this, ten seconds apart."""
    said = iter(readings)
    rates = Rates([Series("x", "1/s", "", lambda seen: next(said))])
    return [rates.figures(snapshot(), 10.0 * at).get("x") for at in range(len(readings))]


def test_a_counter_becomes_a_rate() -> None:
    assert counter(Reading("a", 100), Reading("a", 130), Reading("a", 130)) == [None, 3.0, 0.0]


def test_a_process_that_began_anew_is_no_spike() -> None:
    assert counter(Reading("a", 1_000_000), Reading("b", 20)) == [None, 2.0]


def test_nor_one_that_has_counted_further_by_the_next_look() -> None:
    assert counter(Reading("a", 10), Reading("b", 50)) == [None, 5.0]


def test_a_counter_that_fell_began_anew_whatever_its_source_says() -> None:
    assert counter(Reading("", 500), Reading("", 10)) == [None, 1.0]


def test_what_came_while_nobody_answered_is_spread_over_that_time() -> None:
    assert counter(Reading("a", 0), None, None, Reading("a", 60)) == [None, None, None, 2.0]


def test_names_and_titles_are_one_of_a_kind() -> None:
    assert len({one.name for one in SERIES}) == len(SERIES)
    assert len({one.title for one in SERIES}) == len(SERIES)
    assert all(one.title and one.unit for one in SERIES)


def test_a_node_whose_parts_are_all_down_is_told_of_as_far_as_it_is_known() -> None:
    seen = Snapshot(
        paired=True,
        virtual=(),
        searching=True,
        mail=None,
        queue=None,
        oldest=None,
        ages=None,
        processes=(),
        disk=snapshot().disk,
        failover=None,
        tls=None,
        delivery=None,
        search=None,
    )
    assert set(Rates().figures(seen, 0.0)) == {"disk.free"}


def test_every_series_says_something_of_a_node_that_works() -> None:
    rates = Rates()
    rates.figures(snapshot(), 0.0)
    took = HistogramView(counts=(0, 1, *[0] * 18), total=0.002)
    found = rates.figures(
        snapshot(
            mail=replace(MAIL, accepted=27, commit=took),
            delivery=replace(DELIVERY_UP, waited=took, took=took),
            probed={name: Probed(good=109, bad=1) for name in ("service", "own", "peer")},
        ),
        10.0,
    )
    missing = {one.name for one in SERIES} - set(found)
    assert not {name for name in missing if not name.startswith("process.")}
    assert found["mail.accepted"] == 2.0
    assert found["latency.commit.p99"] == 0.0025
    assert found["availability.service"] == 0.9


def test_a_spread_is_of_what_came_since() -> None:
    def spread(source: str, *counts: int) -> Spread:
        return Spread(source, (*counts, *[0] * (20 - len(counts))), 0.5)

    said = iter([spread("a", 90), spread("a", 90, 2), spread("a", 90, 2), spread("b", 0, 0, 1)])
    rates = Rates([Series("x", "s", "", lambda seen: next(said))])
    found = [rates.figures(snapshot(), at).get("x") for at in (0.0, 1.0, 2.0, 3.0)]
    assert found == [None, 0.0025, None, 0.005]
