"""Fences of the virtual addresses, each taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.failover import router as routers
from appliance.failover.advertisement import Advertisement, Packet, unseal
from appliance.failover.conversation import Conversation, Stale, _Window
from appliance.failover.router import Router, State
from appliance.replica.pair import Pair
from appliance.spool.leasing import Leasing
from appliance.vip.health import Health
from tests.sim import exact
from tests.sim.mutation import Mutation, Patch, plan, put
from tests.sim.plan import Plan


def in_table(state: State, given: type, handler: Callable[[Router, int, Any], list[Any]]) -> Patch:
    """What a virtual router does with an input."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(routers._TABLE, (state, given), handler)

    return patch


def without_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Conversation._check

    def careless(talk: Conversation, path: int, data: bytes) -> Packet:
        try:
            return check(talk, path, data)
        except Stale:
            return unseal(data, talk._key)

    monkeypatch.setattr(Conversation, "_check", careless)


def deaf_to_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    heartbeat = Pair.heartbeat
    monkeypatch.setattr(
        Pair, "heartbeat", lambda self, alive, now, serves: heartbeat(self, False, now, serves)
    )


DEAD_AND_REPEATED = Plan(("power", "replay", "replay"), strikes=(4, 8), addresses=1)

ADDRESSES = [
    Mutation(
        "the address is dropped first after a gap",
        put(Router, "wake", lambda self, now: []),
        plan("takeover"),
    ),
    Mutation(
        "one of two that are Active gives up",
        in_table(State.ACTIVE, Advertisement, lambda self, now, heard: []),
        plan("total split"),
    ),
    Mutation(
        "echoes: an advertisement was made since our start",
        without_echo,
        plan("dead and repeated", DEAD_AND_REPEATED),
    ),
    Mutation(
        "counters: no advertisement counts twice",
        put(_Window, "admits", lambda self, counter: True),
        plan("dead and repeated", DEAD_AND_REPEATED),
    ),
    Mutation(
        "who cannot serve gives the address away",
        put(Health, "_hopeless", lambda self, vrid: ""),
        plan("takeover"),
    ),
    Mutation(
        "the heartbeat before adoption, as the failover process tells it",
        deaf_to_heartbeats,
        plan("link cut", Plan(("cut",), addresses=1)),
    ),
    Mutation(
        "nothing is handed over while an attempt is under way",
        put(Leasing, "open_here", lambda self: False),
        exact.handed_over_with_nothing_under_way,
    ),
]
