"""Routes and settings that change while delivery runs."""

from __future__ import annotations

from appliance.config.delivery import DeliverySettings
from appliance.config.units import Duration
from appliance.delivery.throttle import Throttle
from appliance.mail.route import NextHop, Routes, Smtp
from appliance.mail.work import Result
from tests.support.sink import Sink
from tests.unit.delivery.rig import running, unused_hop


def routes(sink: Sink) -> Routes:
    hop = Smtp((NextHop(sink.host, sink.port),))
    return Routes(["site.test"], {}, "postmaster", {"*": hop})


async def test_mail_for_a_dead_next_hop_goes_another_way_at_once() -> None:
    dead = unused_hop()
    async with Sink() as sink, running({"*": sink, "dead.test": dead}) as rig:
        await rig.send("b@dead.test")
        await rig.outcomes(1)
        await rig.work.pulled_without({"dead.test"})
        await rig.send("b@dead.test")
        assert not sink.connections
        settings = DeliverySettings()
        rig.dispatcher.configure(routes(sink), settings)
        rig.agent.configure(settings)
        results = await rig.outcomes(2)
        assert [r.result for r in results] == [Result.DEFERRED, Result.DELIVERED]


async def test_fewer_recipients_in_a_message_from_now_on() -> None:
    async with Sink() as sink, running({"*": sink}) as rig:
        settings = DeliverySettings(recipients_per_message=1)
        rig.dispatcher.configure(routes(sink), settings)
        await rig.send("b@to.test", "c@to.test")
        await rig.outcomes(1)
        assert rig.work.count(Result.DELIVERED) == 2
        assert len(sink.messages) == 2


def test_a_throttle_keeps_to_new_limits() -> None:
    settings = DeliverySettings(initial_connections=8, connections_per_hop=8)
    hop = Throttle(settings, lambda: 0.0)
    assert hop.limit == 8
    fewer = DeliverySettings(connections_per_hop=3, backoff_min=Duration(5_000))
    hop.configure(fewer)
    assert hop.limit == 3
    hop.succeeded(0.0)
    assert hop.limit == 3
    hop.configure(settings)
    hop.succeeded(0.0)
    assert hop.limit == 4
