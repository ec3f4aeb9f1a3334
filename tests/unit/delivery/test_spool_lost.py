"""The spool comes and goes, and delivery stops: every lease has one end, told until heard."""

from __future__ import annotations

import pytest

from appliance.config.delivery import DeliverySettings
from appliance.config.units import Duration
from appliance.mail.work import Result
from appliance.monitor.events import Event
from tests.support.patience import patiently
from tests.support.sink import Gate, Script, Sink
from tests.support.work import envelope, message
from tests.unit.delivery.rig import Rig, running


async def found_again(rig: Rig) -> None:
    await rig.log.seen(Event.SPOOL_LOST)
    rig.work.lost = False
    rig.clock.advance(2)
    await rig.log.seen(Event.SPOOL_FOUND)


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("size", [1000, 1 << 20])
async def test_lost_before_the_final_dot_none_is_sent(stage: str, size: int) -> None:
    gate = Gate()
    async with Sink(Script({stage: [gate]})) as sink, running({"*": sink}) as rig:
        rig.work.add(message("1", size), envelope("a@from.test", "b@to.test"))
        await rig.work.wake()
        await patiently(gate.reached.wait())
        await rig.work.lose()
        gate.open()
        await found_again(rig)
        (outcome,) = await rig.outcomes(1)
        assert outcome.result is Result.CANCELLED
        assert sink.messages == []
        # It was named, so it is not in doubt; what was leased goes on being known.
        assert rig.work.presented == [[], list(rig.work.outcomes)]
        assert rig.work.doubtful == set()


async def test_lost_after_the_final_dot_the_outcome_is_kept() -> None:
    gate = Gate()
    async with Sink(Script({"dot": [gate]})) as sink, running({"*": sink}) as rig:
        await rig.send("b@to.test")
        await patiently(gate.reached.wait())
        await rig.work.lose()
        await rig.log.seen(Event.SPOOL_LOST)
        gate.open()
        await sink.received(1)
        await rig.log.seen(Event.SENT)
        await found_again(rig)
        (outcome,) = await rig.outcomes(1)
        assert outcome.result is Result.DELIVERED
        assert rig.work.doubtful == set()


async def test_an_acknowledgement_that_got_lost_is_asked_for_again() -> None:
    async with Sink() as sink, running({"*": sink}) as rig:
        rig.work.drop_acknowledgement = True
        await rig.send("b@to.test")
        await rig.outcomes(1)
        await found_again(rig)
        await rig.send("b@to.test")
        await rig.outcomes(2)
        assert rig.work.repeated == 1
        assert sink.tokens == {"1": 1, "2": 1}


async def test_a_spool_that_was_away_from_the_start() -> None:
    async with Sink() as sink, running({"*": sink}) as rig:
        rig.work.lost = True
        await rig.log.seen(Event.SPOOL_LOST)
        rig.clock.advance(1)
        await rig.send("b@to.test")
        await found_again(rig)
        await rig.outcomes(1)


async def test_stopping_lets_what_is_under_way_end() -> None:
    gate = Gate()
    settings = DeliverySettings(connections_per_hop=1)
    async with Sink(Script({"dot": [gate]})) as sink:
        async with running({"*": sink}, settings) as rig:
            for _ in range(10):
                await rig.send("b@to.test")
            await patiently(gate.reached.wait())
            rig.agent.stop()
            await rig.work.reported(9)
            gate.open()
        results = rig.work.results()
        assert [r.result for r in results] == [Result.DELIVERED] + [Result.CANCELLED] * 9
        assert rig.work.open == {}
        await sink.reached("closed")


@pytest.mark.parametrize(
    "stage,result",
    [
        ("connect", Result.CANCELLED),
        ("ehlo", Result.CANCELLED),
        ("rcpt", Result.CANCELLED),
        ("data", Result.CANCELLED),
        ("dot", Result.DEFERRED),
    ],
)
async def test_stopping_does_not_wait_for_ever(stage: str, result: Result) -> None:
    gate = Gate()
    async with Sink(Script({stage: [gate]})) as sink:
        settings = DeliverySettings(stop_timeout=Duration(1))
        async with running({"*": sink}, settings) as rig:
            await rig.send("b@to.test")
            await patiently(gate.reached.wait())
        assert [r.result for r in rig.work.results()] == [result]
        assert rig.work.open == {}


async def test_stopping_calls_off_the_open_pull() -> None:
    async with running({}) as rig:
        await rig.work.pulled(1)
        rig.agent.stop()
        await rig.work.pulled(2)
        assert rig.work.pulls == [frozenset(), frozenset()]
