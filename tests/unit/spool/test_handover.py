"""Giving everything to the peer in order: nothing is in doubt afterwards, and nothing waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.mail.reply import Refused
from appliance.mail.work import AttemptId, Lease, Result
from appliance.replica.record import Attempt
from appliance.spool.operations import CallOff, HandOver, StandAside
from tests.support.disk_vfs import DiskVFS
from tests.support.duo import Duo
from tests.support.station import Station


@pytest.fixture
def two() -> Iterator[Duo]:
    with DiskVFS("handover") as vfs, Duo(vfs) as two:
        two.start()
        for station in (two.a, two.b):
            two.present(station)
        yield two


def ask(two: Duo, station: Station, patience: int) -> str:
    return two.ask(station, lambda token: HandOver(token, patience))


def aside(two: Duo, station: Station, aside: bool = True) -> None:
    two.ask(station, lambda token: StandAside(aside))


def leased(two: Duo, station: Station) -> list[str]:
    return [lease.queue_id for lease in two.lease(station)]


def begin(two: Duo) -> tuple[str, Lease]:
    """A message in the hands of a's delivery."""
    _, queue_id = two.accept(two.a, b"one", "al@one.test")
    (lease,) = two.lease(two.a)
    return queue_id, lease


def test_an_open_lease_may_end_first(two: Duo) -> None:
    begun, lease = begin(two)
    _, waiting = two.accept(two.a, b"two", "bo@two.test")
    token = ask(two, two.a, 5_000)
    assert lease.attempt in two.a.revoked, "delivery goes on to begin it"
    assert leased(two, two.a) == [], "leased anew while everything is to be given away"
    assert token not in two.a.answers
    two.report(two.a, lease)
    assert token in two.a.answers
    assert leased(two, two.b) == [waiting]
    (recipient,) = two.b.entry(begun).state.recipients
    assert recipient.final is not None
    assert two.a.store.messages.doubts == two.b.store.messages.doubts == 0


def test_what_was_not_begun_goes_to_the_peer(two: Duo) -> None:
    begun, lease = begin(two)
    token = ask(two, two.a, 5_000)
    two.report(two.a, lease, Result.CANCELLED, retry_in=500)
    assert token in two.a.answers
    two.wait(1_000)
    assert leased(two, two.b) == [begun]
    assert leased(two, two.a) == []


def test_who_waits_too_long_is_refused_and_delivery_goes_on(two: Duo) -> None:
    begin(two)
    _, waiting = two.accept(two.a, b"two", "bo@two.test")
    token = ask(two, two.a, 5_000)
    two.wait(4_000)
    assert token not in two.a.refusals
    two.wait(2_000)
    assert isinstance(two.a.refusals[token], Refused)
    assert leased(two, two.a) == [waiting]
    assert not two.a.store.ownership.claims


def test_who_stops_does_not_wait_for_ever(two: Duo) -> None:
    begun, _ = begin(two)
    token = two.ask(two.a, lambda token: HandOver(token, 5_000, force=True))
    two.wait(4_000)
    assert token not in two.a.answers
    two.wait(2_000)
    assert token in two.a.answers
    assert leased(two, two.b) == [begun]
    assert two.b.entry(begun).state.recipients[0].doubts == 1


def test_called_off(two: Duo) -> None:
    begin(two)
    _, waiting = two.accept(two.a, b"two", "bo@two.test")
    token = ask(two, two.a, 5_000)
    two.ask(two.a, lambda _: CallOff())
    assert token in two.a.refusals
    assert leased(two, two.a) == [waiting]


def test_nobody_to_give_it_to(two: Duo) -> None:
    two.disconnect()
    two.wait(2_000)
    _, queue_id = two.accept(two.a, b"one", "al@one.test")
    assert ask(two, two.a, 5_000) in two.a.refusals
    assert leased(two, two.a) == [queue_id]


def test_the_link_is_lost_while_a_lease_is_open(two: Duo) -> None:
    begin(two)
    _, waiting = two.accept(two.a, b"two", "bo@two.test")
    token = ask(two, two.a, 5_000)
    two.disconnect()
    two.wait(2_000)
    assert token in two.a.refusals
    assert leased(two, two.a) == [waiting]


def test_who_stands_aside_lets_the_peer_deliver(two: Duo) -> None:
    aside(two, two.a)
    _, first = two.accept(two.a, b"one", "al@one.test")
    assert leased(two, two.a) == []
    two.wait(11_000)
    assert leased(two, two.b) == [first]
    _, second = two.accept(two.a, b"two", "al@one.test")
    two.wait(11_000)
    assert leased(two, two.b) == [second]
    aside(two, two.a, aside=False)
    _, third = two.accept(two.a, b"three", "al@one.test")
    (recipient,) = two.a.entry(third).state.recipients
    assert recipient.leased, "it goes out as soon as delivery, which waits, can have it"


def test_who_stands_aside_claims_nothing_without_need(two: Duo) -> None:
    aside(two, two.a)
    two.wait(60_000)
    assert not two.a.store.ownership.claims


def test_who_stands_aside_alone_delivers(two: Duo) -> None:
    aside(two, two.a)
    two.disconnect()
    two.wait(2_000)
    _, queue_id = two.accept(two.a, b"one", "al@one.test")
    assert leased(two, two.a) == [queue_id]
    two.connect()
    two.wait(3_000)
    assert AttemptId(two.a.store.incarnation, _attempt(two.a).seq) in two.a.revoked


def _attempt(station: Station) -> Attempt:
    ((attempt, _),) = station.store.open_leases()
    return attempt


def test_nobody_is_given_anything_while_both_stand_aside(two: Duo) -> None:
    aside(two, two.b)
    two.wait(1_000)
    aside(two, two.a)
    _, queue_id = two.accept(two.a, b"one", "al@one.test")
    two.wait(30_000)
    assert leased(two, two.a) == [queue_id]
    assert not two.a.store.ownership.claims
    assert ask(two, two.b, 1_000) in two.b.refusals
