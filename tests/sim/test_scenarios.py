"""Schedules that once went wrong, or that no draw of faults is likely to find."""

from __future__ import annotations

from appliance.replica.pair import Timing
from tests.sim.scenario import Scenario


def test_a_hold_survives_the_return_of_the_former_owner() -> None:
    with Scenario(Timing(adopt_delay=20_000)) as pair:
        a, b = pair.nodes
        for owner, adopter in ((b, a), (a, b)):
            pair.world.sink.pace = 2_000
            client = pair.send(owner, "al@one.test")
            pair.run(1)
            owner.power_cut()
            pair.world.sink.trouble = 1.0
            pair.run(24)
            pair.command(adopter, "hold", client)
            pair.run(10)
            assert pair.held(adopter, client)
            pair.split()
            owner.boot()
            pair.run(2)
            pair.heal()
            pair.run(60)
            assert pair.held(owner, client)
            assert pair.held(adopter, client)
            pair.world.sink.trouble = 0.0


def test_an_operator_may_take_over_from_a_dead_peer_before_adopt_delay() -> None:
    with Scenario() as pair:
        pair.world.sink.trouble = 1.0
        client = pair.send(pair.b, "al@one.test")
        pair.run(1)
        pair.b.power_cut()
        pair.world.sink.trouble = 0.0
        pair.run(5)
        pair.take_over(pair.a)
        pair.run(25)
        assert pair.received(client) == 1
        pair.b.boot()
        pair.run(30)
        assert pair.received(client) == 1
        pair.judge()
