"""The modes of the pair, as tables: what happens when, and what the node then has to do."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.replica.pair import Effect, Mode, Pair, Timing

TIMING = Timing(
    head_delay=1_000, solo_grace=2_000, no_progress=5_000, adopt_delay=60_000, stale_wait=600_000
)
CHANGED, SYNCED = Effect.MODE_CHANGED, Effect.SYNCED
ADOPT, TAKE_OVER, RESET = Effect.ADOPT, Effect.TAKE_OVER, Effect.RESET_LINK


@dataclass(frozen=True)
class Row:
    """At `at`, `what` happens: the node is then in `mode`, and has `effects` to do."""

    at: int
    what: str
    mode: Mode
    effects: tuple[Effect, ...] = ()


def happen(pair: Pair, what: str, now: int) -> list[Effect]:
    match what:
        case "link up":
            return pair.link_up(now, False)
        case "link up, peer lost something":
            return pair.link_up(now, True)
        case "link down":
            return pair.link_down(now)
        case "caught up":
            return pair.caught_up(now)
        case "heard" | "silent" | "unknown" | "heard: serves no mail":
            alive = None if what == "unknown" else what != "silent"
            return pair.heartbeat(alive, now, what != "heard: serves no mail")
        case "take over":
            return pair.take_over()
        case "waiting" | "all acknowledged":
            pair.outstanding(now, what == "waiting")
        case "acknowledged":
            pair.progress(now)
        case "lagging":
            pair.lagging(now)
    return pair.tick(now)


S, C, P = Mode.SOLO, Mode.CATCHING_UP, Mode.PAIRED
MEET = [Row(0, "link up", C, (CHANGED,)), Row(10, "caught up", C, (SYNCED,))]
PAIRED = [*MEET, Row(1_010, "tick", P, (CHANGED,))]
HEARD = [Row(0, "heard", S), *PAIRED]

TABLES: dict[str, list[Row]] = {
    "paired once the peer was at the head for a while": [
        *MEET,
        Row(1_009, "tick", C),
        Row(1_010, "tick", P, (CHANGED,)),
        Row(9_999, "caught up", P),
    ],
    "the while begins anew when the peer lags": [
        *MEET,
        Row(900, "lagging", C),
        Row(1_899, "tick", C),
        Row(1_900, "tick", P, (CHANGED,)),
    ],
    "never paired before both hold what the other had": [
        Row(0, "link up", C, (CHANGED,)),
        Row(100_000, "lagging", C),
        Row(200_000, "tick", C),
    ],
    "a short cut changes nothing": [
        *PAIRED,
        Row(5_000, "link down", P),
        Row(6_999, "tick", P),
        Row(7_000 - 1, "link up", P),
        Row(90_000, "tick", P),
    ],
    "solo when link and heartbeats are dead": [
        *HEARD,
        Row(5_000, "link down", P),
        Row(5_500, "silent", P),
        Row(5_519, "tick", P),
        Row(5_520, "tick", S, (CHANGED,)),
    ],
    "a link that is up counts as dead with all heartbeats": [
        *HEARD,
        Row(5_000, "silent", P),
        Row(5_019, "tick", P),
        Row(5_020, "tick", S, (RESET, CHANGED)),
        Row(65_019, "tick", S),
        Row(65_020, "tick", S, (ADOPT,)),
    ],
    "a node that was held up hears what came meanwhile": [
        *HEARD,
        Row(5_000, "silent", P),
        Row(5_010, "heard", P),
        Row(90_000, "tick", P),
    ],
    "silence from before the link came up says nothing of the link": [
        Row(0, "silent", S),
        *PAIRED,
        Row(5_000, "silent", P),
        Row(90_000, "tick", P),
    ],
    "more patience while a heartbeat is heard": [
        *HEARD,
        Row(5_000, "link down", P),
        Row(9_999, "tick", P),
        Row(10_000, "tick", S, (CHANGED,)),
    ],
    "none for a peer whose mail process is gone, and which says so": [
        *HEARD,
        Row(5_000, "link down", P),
        Row(5_004, "heard: serves no mail", P),
        Row(5_019, "tick", P),
        Row(5_020, "tick", S, (CHANGED,)),
        Row(500_000, "tick", S),
    ],
    "a link that works counts, whatever the peer says of its mail": [
        *HEARD,
        Row(5_000, "heard: serves no mail", P),
        Row(90_000, "tick", P),
    ],
    "a heartbeat that ceases late gives no more patience than one that goes on": [
        *HEARD,
        Row(5_000, "link down", P),
        Row(9_990, "silent", P),
        Row(9_999, "tick", P),
        Row(10_000, "tick", S, (CHANGED,)),
    ],
    "nobody can tell: the link alone decides": [
        *HEARD,
        Row(5_000, "unknown", P),
        Row(6_000, "link down", P),
        Row(8_000, "tick", S, (CHANGED,)),
        Row(65_999, "tick", S),
        Row(66_000, "tick", S, (ADOPT,)),
    ],
    "nobody can tell any more: the time of silence begins anew": [
        *HEARD,
        Row(5_000, "link down", P),
        Row(10_000, "tick", S, (CHANGED,)),
        Row(500_000, "unknown", S),
        Row(559_999, "tick", S),
        Row(560_000, "tick", S, (ADOPT,)),
    ],
    "solo at once if the peer had not caught up yet": [
        *MEET,
        Row(500, "link down", S, (CHANGED,)),
    ],
    "catching up again if the peer lost something": [
        *PAIRED,
        Row(5_000, "link down", P),
        Row(5_100, "link up, peer lost something", C, (CHANGED,)),
    ],
    "a link without progress is reset": [
        *PAIRED,
        Row(5_000, "waiting", P),
        Row(8_000, "acknowledged", P),
        Row(12_999, "tick", P),
        Row(13_000, "tick", S, (RESET, CHANGED)),
    ],
    "a slow commit is no reason": [
        *PAIRED,
        Row(5_000, "waiting", P),
        Row(9_000, "all acknowledged", P),
        Row(30_000, "waiting", P),
        Row(34_999, "tick", P),
    ],
    "adopted after adopt_delay, once": [
        *PAIRED,
        Row(5_000, "link down", P),
        Row(7_000, "tick", S, (CHANGED,)),
        Row(64_999, "tick", S),
        Row(65_000, "tick", S, (ADOPT,)),
        Row(900_000, "tick", S),
    ],
    "not adopted while a heartbeat is heard": [
        *HEARD,
        Row(5_000, "link down", P),
        Row(10_000, "tick", S, (CHANGED,)),
        Row(500_000, "tick", S),
        Row(500_000, "silent", S),
        Row(559_999, "tick", S),
        Row(560_000, "tick", S, (ADOPT,)),
    ],
    "adopted again after it was back": [
        *PAIRED,
        Row(5_000, "link down", P),
        Row(65_000, "tick", S, (CHANGED, ADOPT)),
        Row(70_000, "link up", C, (CHANGED,)),
        Row(71_000, "link down", S, (CHANGED,)),
        Row(130_999, "tick", S),
        Row(131_000, "tick", S, (ADOPT,)),
    ],
    "a node that boots alone waits before it acts on its backlog": [
        Row(0, "silent", S),
        Row(599_999, "tick", S),
        Row(600_000, "tick", S, (TAKE_OVER,)),
        Row(900_000, "tick", S),
    ],
    "a link that comes and goes does not end that wait": [
        Row(500_000, "link up", C, (CHANGED,)),
        Row(501_000, "link down", S, (CHANGED,)),
        Row(599_999, "tick", S),
        Row(600_000, "tick", S, (TAKE_OVER,)),
    ],
    "an operator need not wait": [
        Row(10, "take over", S, (TAKE_OVER,)),
        Row(11, "take over", S),
        Row(600_000, "tick", S),
    ],
    "nor for a peer that is known to be dead": [
        *PAIRED,
        Row(5_000, "link down", P),
        Row(6_000, "take over", P, (TAKE_OVER,)),
        Row(65_000, "tick", S, (CHANGED,)),
    ],
    "there is nothing to take over from a peer that is there": [
        *PAIRED,
        Row(5_000, "take over", P),
    ],
    "but from one that never ends to catch up": [
        Row(0, "link up", C, (CHANGED,)),
        Row(5_000, "take over", C, (TAKE_OVER,)),
    ],
}


@pytest.mark.parametrize("name", TABLES)
def test_table(name: str) -> None:
    pair = Pair(TIMING, 0)
    for row in TABLES[name]:
        assert happen(pair, row.what, row.at) == list(row.effects), row
        assert pair.mode is row.mode, row


def test_a_node_without_a_peer_acts_at_once() -> None:
    pair = Pair(TIMING, 0, alone=True)
    assert pair.synced
    assert pair.next_timer(0) is None
    assert pair.tick(10**9) == []


WHAT = [
    "link up",
    "link up, peer lost something",
    "link down",
    "caught up",
    "heard",
    "silent",
    "unknown",
    "take over",
    "waiting",
    "all acknowledged",
    "acknowledged",
    "lagging",
    "tick",
]


@given(st.integers(0, 1 << 40))
def test_the_timer_names_the_moment_of_the_next_effect(seed: int) -> None:
    rng = Random(seed)
    pair, now = Pair(TIMING, 0), 0
    for _ in range(rng.randint(1, 30)):
        happen(pair, rng.choice(WHAT), now)
        due = pair.next_timer(now)
        if due is None:
            assert deepcopy(pair).tick(now + 10**9) == []
        else:
            assert due >= now
            assert due == now or deepcopy(pair).tick(due - 1) == []
            assert deepcopy(pair).tick(due), "a timer for nothing"
        now += rng.choice([1, 500, 1_500, 4_000, 30_000, 300_000])
        pair.tick(now)


@given(st.integers(0, 1 << 40))
def test_paired_is_entered_only_by_catching_up_on_a_living_link(seed: int) -> None:
    rng = Random(seed)
    pair, now, linked, whole = Pair(TIMING, 0), 0, False, False
    for _ in range(rng.randint(1, 40)):
        what, before = rng.choice(WHAT), pair.mode
        effects = happen(pair, what, now)
        if what.startswith("link"):
            linked, whole = what != "link down", False
        if RESET in effects:
            linked = False
        whole |= what == "caught up" and linked
        if pair.mode is Mode.PAIRED and before is not Mode.PAIRED:
            assert linked
            assert whole
        assert (CHANGED in effects) == (pair.mode is not before)
        now += rng.choice([1, 500, 1_500, 4_000, 30_000])
