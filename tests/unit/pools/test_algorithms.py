"""The laws of who gets the next client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.pools.algorithms import (
    Algorithm,
    LeastConnections,
    Pool,
    RoundRobin,
    Server,
    Weighted,
)

WEIGHTS = st.lists(st.integers(1, 9), min_size=1, max_size=5)
ALGORITHMS: Sequence[Callable[[Sequence[Server]], Algorithm]] = (
    RoundRobin,
    lambda servers: Weighted(),
    lambda servers: LeastConnections(),
)


def servers_of(weights: Sequence[int]) -> list[Server]:
    return [Server(f"s{place}", weight) for place, weight in enumerate(weights)]


def pool_of(
    servers: Sequence[Server], algorithm: Callable[[Sequence[Server]], Algorithm], own: int = 0
) -> Pool:
    return Pool(servers, algorithm(servers), servers[own].name)


def taken(pool: Pool, times: int) -> str:
    """The last letters of the servers taken one after the other, each client gone at once."""
    names = ""
    for _ in range(times):
        server = pool.take()
        assert server is not None
        names += server.name[-1]
        pool.give_back(server)
    return names


def test_weights_2_and_3_give_40_and_60_percent_of_any_5() -> None:
    dealt = taken(pool_of(servers_of([2, 3]), lambda _: Weighted()), 1000)
    for start in range(996):
        assert Counter(dealt[start : start + 5]) == {"0": 2, "1": 3}


def test_smooth_as_nginx() -> None:
    assert taken(pool_of(servers_of([5, 1, 1]), lambda _: Weighted()), 7) == "0010200"


@given(WEIGHTS, st.integers(0, 60))
def test_any_window_as_long_as_the_weights_sum_has_exact_shares(
    weights: list[int], start: int
) -> None:
    total = sum(weights)
    dealt = taken(pool_of(servers_of(weights), lambda _: Weighted()), start + total)
    shares = Counter(dealt[start:])
    assert shares == {str(place): weight for place, weight in enumerate(weights)}


@given(WEIGHTS, st.integers(0, 30), st.data())
def test_weights_changed_while_it_runs_hold_from_then_on(
    weights: list[int], before: int, data: st.DataObject
) -> None:
    pool = pool_of(servers_of(weights), lambda _: Weighted())
    taken(pool, before)
    changed = data.draw(st.integers(0, len(weights) - 1))
    weights[changed] = data.draw(st.integers(1, 20))
    pool.weigh(f"s{changed}", weights[changed])
    shares = Counter(taken(pool, sum(weights)))
    assert shares == {str(place): weight for place, weight in enumerate(weights)}


@given(st.integers(1, 6), st.integers(0, 20))
def test_round_robin_forgets_nobody(number: int, start: int) -> None:
    dealt = taken(pool_of(servers_of([7] * number), RoundRobin), start + number)
    assert len(set(dealt[start:])) == number


def test_round_robin_passes_over_who_cannot() -> None:
    pool = pool_of(servers_of([1, 1, 1]), RoundRobin)
    pool.mark("s1", False)
    assert taken(pool, 4) == "0202"
    pool.mark("s1", True)
    assert taken(pool, 4) == "0120"


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=5))
def test_least_connections_by_weight(states: list[tuple[int, int]]) -> None:
    servers = [Server(f"s{place}", w, connections=c) for place, (w, c) in enumerate(states)]
    shares = {server.name: server.connections / server.weight for server in servers}
    chosen = pool_of(servers, lambda _: LeastConnections()).take()
    assert chosen is not None
    assert shares[chosen.name] <= min(shares.values()) + 1e-12


@given(WEIGHTS)
def test_least_connections_fills_up_by_weight(weights: list[int]) -> None:
    servers = servers_of(weights)
    pool = pool_of(servers, lambda _: LeastConnections())
    for _ in range(10 * sum(weights)):
        assert pool.take() is not None
    assert [server.connections for server in servers] == [10 * weight for weight in weights]


Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "end", "drain", "resume", "up", "down", "weigh"]),
        st.integers(0, 3),
        st.integers(1, 5),
    ),
    max_size=60,
)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(steps=STEPS, limits=st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_whatever_happens(
    algorithm: Callable[[Sequence[Server]], Algorithm], steps: list[Step], limits: list[int]
) -> None:
    """No server over its limit, nothing new for one that drains, backups and own in their turn."""
    servers = [Server(f"s{n}", backup=n == 2, limit=limit) for n, limit in enumerate(limits)]
    pool, own = pool_of(servers, algorithm, own=3), servers[3]
    held: list[Server] = []
    for what, which, number in steps:
        name = f"s{which}"
        if what == "take":
            tried = {name} if number == 1 else set()
            free = [
                one
                for one in servers
                if not one.draining and one.connections < one.limit and one.name not in tried
            ]
            chosen = pool.take(tried)
            if chosen is None:
                assert not [one for one in free if one.up or one is own]
                continue
            held.append(chosen)
            assert chosen in free
            assert chosen.up or (chosen is own and not [one for one in free if one.up])
            assert not chosen.backup or not [one for one in free if one.up and not one.backup]
        elif what == "end" and held:
            pool.give_back(held.pop(which % len(held)))
        elif what in ("drain", "resume"):
            pool.drain(name, what == "drain")
        elif what in ("up", "down"):
            pool.mark(name, what == "up")
        elif what == "weigh":
            pool.weigh(name, number)
        for server in servers:
            assert server.connections == held.count(server) <= server.limit


def test_if_every_check_fails_this_node_serves_itself() -> None:
    pool = pool_of(servers_of([1, 1]), lambda _: Weighted(), own=1)
    pool.mark("s0", False)
    pool.mark("s1", False)
    assert taken(pool, 3) == "111"
    pool.drain("s1", True)  # what an operator said is no check
    assert pool.take() is None


def test_an_unknown_server_is_a_key_error() -> None:
    pool = pool_of(servers_of([1]), lambda _: Weighted())
    with pytest.raises(KeyError):
        pool.weigh("s9", 1)
