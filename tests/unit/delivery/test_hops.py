"""Next hops that are dead, slow or limited: nobody else's mail waits for them."""

from __future__ import annotations

import asyncio

from appliance.config.delivery import DeliverySettings
from appliance.mail.retry import DAY, HOUR
from appliance.mail.work import Result
from appliance.monitor.events import Event
from tests.support.sink import Gate, Script, Sink
from tests.unit.delivery.rig import running, unused_hop

DELIVERED, DEFERRED, CANCELLED = Result.DELIVERED, Result.DEFERRED, Result.CANCELLED


async def test_a_dead_next_hop_is_asked_once_and_holds_up_nobody() -> None:
    async with Sink() as sink, Sink(Script({"connect": ["421 4.3.2 down"]})) as dead:
        settings = DeliverySettings(initial_connections=1)
        async with running({"*": sink, "dead.test": dead}, settings) as rig:
            for _ in range(100):
                await rig.send("b@dead.test")
                await rig.send("b@to.test")
            results = await rig.outcomes(200)
            assert rig.work.count(DELIVERED) == 100
            assert rig.work.count(DEFERRED) == 1
            assert rig.work.count(CANCELLED) == 99
            assert dead.connections == 1
            rest = DeliverySettings().backoff_min
            waits = [r.retry_in for r in results if r.result is CANCELLED]
            assert all(0 < wait <= 1.1 * rest + 1 for wait in waits)
            (down,) = [line for line in rig.log.lines if line[0] is Event.HOP_DOWN]
            assert str(dead.port) in str(down[2]["relay"])


async def test_while_it_rests_its_mail_is_not_even_leased() -> None:
    dead = unused_hop()
    async with Sink() as sink, running({"*": sink, "dead.test": dead}) as rig:
        await rig.send("b@dead.test")
        await rig.outcomes(1)
        await rig.work.pulled_without({"dead.test"})
        for _ in range(50):
            await rig.send("b@dead.test")
        await rig.send("b@to.test")
        results = await rig.outcomes(2)
        assert [r.result for r in results] == [DEFERRED, DELIVERED]


async def test_after_the_rest_one_message_tries_it_and_then_all_go() -> None:
    scripts = Script({"connect": ["421 4.3.2 down"]}), Script({"connect": ["554 no"]}), Script()
    async with Sink(*scripts) as sink, running({"*": sink}) as rig:
        await rig.send("b@to.test")
        await rig.outcomes(1)
        await rig.log.seen(Event.HOP_DOWN)
        for _ in range(50):
            await rig.send("b@to.test")
        assert sink.connections == 1
        rig.tick(12)
        await rig.outcomes(51)
        # The probe failed: those that had come in hand with it went back untried.
        assert (sink.connections, rig.work.count(DEFERRED), rig.work.count(CANCELLED)) == (2, 2, 49)
        for _ in range(50):
            await rig.send("b@to.test")
        rig.tick(12)
        await asyncio.sleep(0)
        assert sink.connections == 2  # the second rest is longer
        rig.tick(12)
        await rig.outcomes(101)
        assert rig.work.count(DELIVERED) == 50
        assert Event.HOP_UP in rig.log.events()


async def test_at_rest_old_mail_still_comes_to_its_end() -> None:
    dead = unused_hop()
    async with running({"*": dead}) as rig:
        await rig.send("b@to.test", age=6 * DAY, tries=30)
        for _ in range(300):
            await rig.send("b@to.test", age=6 * DAY, tries=30, delay_notified=True)
        for _ in range(3):
            await rig.send("b@to.test", age=5 * HOUR, tries=5)
        results = await rig.outcomes(304)
        # One of them was tried; that is the attempt since start that all of them need.
        assert [r.result for r in results] == [Result.EXPIRED] * 301 + [DEFERRED] * 3
        assert all(r.delayed for r in results[301:])
        assert len(rig.work.notifications) == 304
        await rig.send("b@to.test", tries=1)
        young = (await rig.outcomes(305))[-1]
        assert young.result is CANCELLED
        await rig.work.pulled(len(rig.work.pulls))
        assert rig.work.pulls[-1] == {"to.test"}


async def test_a_stalled_next_hop_holds_up_nobody() -> None:
    async with Sink() as sink, Sink(Script({"connect": [Gate()]})) as slow:
        settings = DeliverySettings(leases=150, leases_per_hop=60, connections=50)
        async with running({"*": sink, "slow.test": slow}, settings) as rig:
            for _ in range(500):
                await rig.send("b@slow.test")
            for _ in range(300):
                await rig.send("b@to.test")
            await rig.outcomes(300)
            assert rig.work.count(DELIVERED) == 300
            assert rig.agent.in_hand < 150
            # Those that wait for the slow one go back when they have waited long enough.
            rig.tick(6)
            await rig.work.reported(301)
            assert rig.work.count(CANCELLED) > 0
            assert sink.tokens.total() == 300
            # Cut off what hangs, so that the agent can stop.
            rig.dispatcher.abort()


async def test_no_more_transactions_than_allowed() -> None:
    gate = Gate()
    settings = DeliverySettings(initial_connections=4, connections_per_hop=4)
    async with Sink(Script({"mail": [gate]})) as sink, running({"*": sink}, settings) as rig:
        for _ in range(30):
            await rig.send("b@to.test")
        await sink.reached("mail", 4)
        assert sink.connections == 4
        gate.open()
        await rig.outcomes(30)
        assert sink.most_open == 4


async def test_a_limit_over_all_next_hops_is_shared_in_turns() -> None:
    settings = DeliverySettings(connections=1)
    async with (
        Sink() as one,
        Sink() as two,
        running({"one.test": one, "two.test": two}, settings) as rig,
    ):
        for _ in range(20):
            await rig.send("b@one.test")
            await rig.send("b@two.test")
        results = await rig.outcomes(40)
        assert {r.result for r in results} == {DELIVERED}
        assert (one.tokens.total(), two.tokens.total()) == (20, 20)


async def test_a_server_that_refuses_the_fourth_connection_is_not_down() -> None:
    scripts = [Script()] * 3 + [Script({"connect": ["421 4.7.0 too many connections"]})] * 200
    settings = DeliverySettings(initial_connections=20)
    async with Sink(*scripts) as sink, running({"*": sink}, settings) as rig:
        for _ in range(200):
            await rig.send("b@to.test")
        await rig.outcomes(200)
        assert rig.work.count(DELIVERED) + rig.work.count(DEFERRED) == 200
        assert rig.work.count(DELIVERED) > 180
        assert sink.tokens.total() == rig.work.count(DELIVERED)
        assert sink.connections <= 3 + 20


async def test_a_dead_relay_for_unknown_users_does_not_hold_up_mailboxes() -> None:
    async with running({"site.test": unused_hop()}) as rig:
        await rig.send("nobody@site.test")
        await rig.outcomes(1)
        await rig.log.seen(Event.HOP_DOWN)
        await rig.send("ann@site.test")
        results = await rig.outcomes(2)
        assert [r.result for r in results] == [DEFERRED, DELIVERED]
        await rig.send("nobody@site.test")
        assert (await rig.outcomes(3))[-1].result is CANCELLED


async def test_greylisting_is_no_reason_to_rest() -> None:
    grey = Script({"rcpt": ["450 4.7.1 greylisted"] * 50})
    async with Sink(grey) as sink, running({"*": sink}) as rig:
        for _ in range(20):
            await rig.send("b@to.test")
        await rig.outcomes(20)
        assert rig.work.count(DEFERRED) == 20
        assert Event.HOP_DOWN not in rig.log.events()


async def test_the_log_says_where_the_time_of_a_message_went() -> None:
    gate = Gate()
    async with Sink(Script({"dot": [gate]})) as sink, running({"*": sink}) as rig:
        await rig.send("b@to.test", age=90_000)
        await gate.reached.wait()
        rig.clock.advance(2.5)
        gate.open()
        await rig.outcomes(1)
        ((_, _, sent),) = [line for line in rig.log.lines if line[0] is Event.SENT]
        assert sent["delay"] == 92.5
        assert sent["delays"] == [90.0, 0.0, 0.0, 2.5]
        assert sent["relay"] == f"127.0.0.1[127.0.0.1]:{sink.port}"
        assert sent["size"] == 1981


async def test_what_waits_goes_back_when_it_may_not_be_sent_any_more() -> None:
    settings = DeliverySettings(initial_connections=1, connections_per_hop=1)
    script = Script({"connect": [Gate()]})
    async with Sink(script) as slow, running({"*": slow}, settings) as rig:
        for _ in range(10):
            await rig.send("b@to.test")
        await slow.reached("connect", 1)
        rig.work.fence = False  # this node hands everything over to its peer
        rig.tick(1)
        results = await rig.outcomes(9)
        assert {result.result for result in results} == {CANCELLED}
        rig.dispatcher.abort()  # what hangs is not begun either, but only its connection tells
