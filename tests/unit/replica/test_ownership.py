"""Who owns a message does not depend on the order in which claims are heard of."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from appliance.replica.ownership import Claim, Ownership

NODES = {b"A": b"a", b"B": b"b", b"C": b"a"}
claims = st.lists(
    st.builds(
        Claim,
        st.integers(1, 4),
        st.sampled_from([b"a", b"b"]),
        st.dictionaries(st.sampled_from(sorted(NODES)), st.integers(1, 6), max_size=3),
        st.booleans(),
    ),
    max_size=8,
)
places = [(incarnation, seq) for incarnation in NODES for seq in range(1, 8)]


def naive(all_claims: list[Claim], incarnation: bytes, seq: int) -> bytes:
    best = [claim for claim in all_claims if claim.covers(incarnation, seq)]
    if not best:
        return NODES[incarnation]
    return max(best, key=lambda claim: (claim.epoch, claim.owner)).owner


@given(claims)
def test_the_highest_claim_that_covers_a_message_decides(given_claims: list[Claim]) -> None:
    ownership = Ownership(NODES, given_claims)
    for place in places:
        assert ownership.owner(*place) == naive(given_claims, *place)


@given(claims, st.integers(0, 1 << 30).map(Random))
def test_the_order_of_claims_does_not_matter(given_claims: list[Claim], rng: Random) -> None:
    other = rng.sample(given_claims, len(given_claims))
    first, second = Ownership(NODES, given_claims), Ownership(NODES, other + other)
    assert set(map(_key, first.claims)) == set(map(_key, second.claims))
    assert first.epoch == second.epoch
    assert [first.owner(*place) for place in places] == [second.owner(*place) for place in places]


def _key(claim: Claim) -> tuple[object, ...]:
    return claim.epoch, claim.owner, frozenset(claim.scope.items()), claim.doubt


@given(claims, claims)
def test_a_fence_takes_away_and_gives_nothing(known: list[Claim], told: list[Claim]) -> None:
    ownership = Ownership(NODES, known)
    before = {place: ownership.owner(*place) for place in places}
    ownership.fence(told)
    for place in places:
        owner = ownership.owner(*place)
        assert owner in (before[place], b"")
        if naive(known + told, *place) != before[place]:
            assert owner == b"", "acts though it has heard of a later owner"


@given(claims, claims)
def test_a_fence_gives_way_to_its_claims(known: list[Claim], told: list[Claim]) -> None:
    ownership = Ownership(NODES, known)
    ownership.fence(told)
    for claim in told:
        ownership.add(claim)
    ownership.fence(told)
    for place in places:
        assert ownership.owner(*place) in (naive(known + told, *place), b"")
    ownership.fence([])
    assert ownership.owner(b"A", 1) == naive(known + told, b"A", 1)


def test_what_is_superseded_is_forgotten() -> None:
    ownership = Ownership(NODES)
    for epoch in range(1, 100):
        ownership.add(Claim(epoch, b"a", {b"A": epoch}))
    assert len(ownership.claims) == 1
    assert ownership.epoch == 99


def test_an_unknown_incarnation_is_nobodys() -> None:
    assert Ownership({}).owner(b"Z", 1) == b""
