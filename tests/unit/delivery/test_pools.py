"""Several next hops for one destination, limits of single ones, and pauses."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.config.delivery import DeliverySettings
from appliance.config.pools import NextHopSettings
from appliance.config.units import Duration
from appliance.delivery.secure import Handshakes
from appliance.delivery.view import DeliverySocket
from appliance.mail.retry import DAY
from appliance.mail.route import Member, NextHop, Pool, Smtp
from appliance.mail.work import Result
from appliance.monitor.events import Event
from tests.support.sink import Gate, Script, Sink
from tests.unit.delivery.rig import Rig, running, unused_hop

DELIVERED, DEFERRED, CANCELLED = Result.DELIVERED, Result.DEFERRED, Result.CANCELLED
DOWN = Script({"connect": ["421 4.3.2 down"]})
ONE = DeliverySettings(connections_per_hop=1, initial_connections=1)


def hop(sink: Sink) -> NextHop:
    return NextHop(sink.host, sink.port)


def pool(algorithm: str, members: Sequence[Member], fall: int = 3, rise: int = 2) -> Smtp:
    made = Pool("out", tuple(members), algorithm, fall, rise, 10_000)
    return Smtp(tuple(member.hop for member in members), made)


def limit(rig: Rig, sink: Sink, limits: NextHopSettings) -> None:
    rig.dispatcher.gates.configure(rig.settings, {str(hop(sink)): limits})


async def deliver(rig: Rig, count: int) -> None:
    done = len(rig.work.outcomes)
    for _ in range(count):
        await rig.send("b@to.test")
    await rig.outcomes(done + count)


async def test_weights_are_shares() -> None:
    async with Sink() as one, Sink() as two:
        out = pool("weighted", [Member(hop(one), 3), Member(hop(two), 1)])
        settings = DeliverySettings(connections_per_hop=100, initial_connections=100)
        async with running({"*": out}, settings) as rig:
            for _ in range(40):
                await deliver(rig, 1)
            assert (len(one.messages), len(two.messages)) == (30, 10)


async def test_a_dead_member_costs_no_message_anything() -> None:
    async with Sink() as well:
        dead = unused_hop().next_hops[0]
        out = pool("round-robin", [Member(dead), Member(hop(well))])
        async with running({"*": out}) as rig:
            await deliver(rig, 50)
            assert rig.work.count(DELIVERED) == 50
            assert rig.log.events().count(Event.HOP_DOWN) == 1


async def test_next_hops_in_order_go_on_with_the_second_and_back_to_the_first() -> None:
    async with (
        Sink(DOWN, Script()) as first,
        Sink() as second,
        running({"*": Smtp((hop(first), hop(second)))}, ONE) as rig,
    ):
        await deliver(rig, 20)
        assert (first.connections, len(second.messages)) == (1, 20)
        rig.tick(12)
        await deliver(rig, 20)
        assert (len(first.messages), len(second.messages)) == (20, 20)


async def test_a_backup_gets_mail_only_while_no_other_is_up() -> None:
    async with Sink(DOWN, Script()) as usual, Sink() as spare:
        out = pool("least-connections", [Member(hop(spare), 1, True), Member(hop(usual))])
        async with running({"*": out}, ONE) as rig:
            await deliver(rig, 10)
            assert len(spare.messages) == 10
            rig.tick(12)
            await deliver(rig, 10)
            assert (len(spare.messages), len(usual.messages)) == (10, 10)


async def test_a_member_that_fell_must_show_itself_before_it_gets_mail() -> None:
    async with Sink(DOWN, DOWN, Script(), Script()) as ill, Sink() as well:
        out = pool("order", [Member(hop(ill)), Member(hop(well))], fall=2, rise=2)
        async with running({"*": out}, ONE) as rig:
            await deliver(rig, 1)
            rig.tick(12)
            await deliver(rig, 1)
            assert ill.connections == 2
            rig.tick(25)  # its rest is over, but it is out: it is asked, without mail
            await ill.reached("ehlo", 1)
            await deliver(rig, 1)
            assert (len(ill.messages), len(well.messages)) == (0, 3)
            rig.tick(11)
            await rig.log.seen(Event.HOP_UP)
            await deliver(rig, 5)
            assert (len(ill.messages), len(well.messages)) == (5, 3)


async def test_a_limit_of_connections_holds_for_all_that_leads_there() -> None:
    gate = Gate()
    async with Sink(Script({"mail": [gate]})) as sink, running({"one.test": sink}) as rig:
        both = Smtp((hop(sink), NextHop("127.0.0.1", 1)))
        rig.dispatcher.configure(
            rig.routes({"one.test": sink, "two.test": both}),
            rig.settings,
            {str(hop(sink)): NextHopSettings(connections=3)},
        )
        for _ in range(20):
            await rig.send("b@one.test")
            await rig.send("b@two.test")
        await sink.reached("mail", 3)
        gate.open()
        await rig.outcomes(40)
        assert rig.work.count(DELIVERED) == 40
        assert sink.most_open == 3


async def test_messages_a_connection() -> None:
    async with Sink() as sink, running({"*": sink}, ONE) as rig:
        limit(rig, sink, NextHopSettings(messages_per_connection=4))
        await deliver(rig, 12)
        assert sink.connections == 3


async def test_messages_a_minute_and_nobody_waits_for_them() -> None:
    async with Sink() as slow, Sink() as sink, running({"*": sink, "slow.test": slow}) as rig:
        limit(rig, slow, NextHopSettings(messages_per_minute=60))
        await rig.send("b@slow.test")
        await rig.outcomes(1)
        for _ in range(200):
            await rig.send("b@slow.test")
            await rig.send("b@to.test")
        await rig.outcomes(1 + 200 + 5)
        assert (len(slow.messages), len(sink.messages)) == (6, 200)
        # What may not be sent soon is not even leased.
        assert rig.agent.in_hand <= 6
        for number in range(20):
            rig.tick(1)
            await rig.outcomes(1 + 200 + 5 + number + 1)
        assert len(slow.messages) == 26
        assert rig.work.count(CANCELLED) == 0


async def test_too_much_slows_a_next_hop_as_a_whole() -> None:
    much = Script({"mail": ["450 4.7.0 too much"] * 3})
    async with (
        Sink(much, Script()) as sink,
        Sink() as other,
        running({"*": sink, "other.test": other}, ONE) as rig,
    ):
        await deliver(rig, 3)
        assert rig.work.count(DEFERRED) == 3
        await rig.log.seen(Event.HOP_DOWN)
        await rig.work.pulled_without({"to.test"})
        await rig.send("b@to.test")
        await rig.send("b@other.test")
        await rig.outcomes(4)
        assert (sink.tokens.total(), other.tokens.total()) == (0, 1)
        rig.tick(12)
        await rig.outcomes(5)
        assert sink.tokens.total() == 1


async def test_a_paused_domain_waits_and_others_go_on() -> None:
    async with Sink() as sink, running({"*": sink}) as rig:
        rig.dispatcher.pause(frozenset({"to.test"}), frozenset())
        await rig.work.pulled_without({"to.test"})
        await rig.send("b@to.test")
        await rig.send("b@other.test")
        await rig.outcomes(1)
        assert len(sink.messages) == 1
        rig.dispatcher.pause(frozenset(), frozenset())
        await rig.outcomes(2)
        assert len(sink.messages) == 2


async def test_a_paused_next_hop_waits_and_its_pool_goes_on() -> None:
    async with Sink() as one, Sink() as two:
        out = pool("round-robin", [Member(hop(one)), Member(hop(two))])
        async with running({"*": out}) as rig:
            rig.dispatcher.pause(frozenset(), frozenset({str(hop(one))}))
            await deliver(rig, 10)
            assert (len(one.messages), len(two.messages)) == (0, 10)
            rig.dispatcher.pause(frozenset(), frozenset({str(hop(one)), str(hop(two))}))
            await rig.work.pulled_without({"to.test"})
            await rig.send("b@to.test")
            await rig.send("ann@site.test")
            await rig.outcomes(11)
            assert len(two.messages) == 10
            rig.dispatcher.pause(frozenset(), frozenset({str(hop(two))}))
            await rig.outcomes(12)
            assert len(one.messages) == 1


async def test_a_pause_reaches_what_waits_in_hand_but_not_what_is_under_way() -> None:
    gate = Gate()
    async with Sink(Script({"mail": [gate]})) as sink, running({"*": sink}, ONE) as rig:
        for _ in range(5):
            await rig.send("b@to.test")
        await sink.reached("mail", 1)
        rig.dispatcher.pause(frozenset({"to.test"}), frozenset())
        await rig.outcomes(4)
        assert {r.result for r in rig.work.results()} == {CANCELLED}
        gate.open()
        await rig.outcomes(5)
        assert rig.work.count(DELIVERED) == 1


async def test_paused_mail_is_given_back_as_old_as_it_is() -> None:
    async with Sink() as sink, running({"*": sink}) as rig:
        await deliver(rig, 1)  # now it is known which domain leads there
        rig.dispatcher.pause(frozenset({"to.test"}), frozenset())
        await rig.work.pulled_without({"to.test"})
        await rig.send("b@to.test", age=5000, tries=1)
        rig.tick(61)
        (given,) = (await rig.outcomes(2))[1:]
        assert (given.result, given.retry_in) == (CANCELLED, -5000)
        assert "paused" in given.reply.text
        await rig.work.pulled_without({"to.test"})


async def test_what_has_outlived_its_time_is_returned_though_it_is_paused() -> None:
    for domains, hops in ((True, False), (False, True)):
        async with Sink() as sink, running({"*": sink}) as rig:
            await deliver(rig, 1)
            rig.dispatcher.pause(
                frozenset({"to.test"} if domains else ()),
                frozenset({str(hop(sink))} if hops else ()),
            )
            await rig.work.pulled_without({"to.test"})
            for _ in range(40):
                await rig.send("b@to.test", age=6 * DAY, tries=9, delay_notified=True)
            await rig.send("b@to.test", tries=1)
            await rig.send("b@to.test", tries=1)
            rig.tick(61)
            results = await rig.outcomes(42)
            assert [r.result for r in results[1:41]] == [Result.EXPIRED] * 40
            assert results[41].result is CANCELLED
            assert len(rig.work.notifications) == 40
            assert len(sink.messages) == 1


async def test_how_next_hops_are_is_told() -> None:
    settings = DeliverySettings(idle_timeout=Duration(60_000), connections_per_hop=1)
    async with (
        Sink() as sink,
        Sink(DOWN) as dead,
        running({"*": sink, "dead.test": dead}, settings) as rig,
    ):
        limit(rig, sink, NextHopSettings(messages_per_minute=6000))
        await deliver(rig, 10)
        await rig.send("b@dead.test")
        await rig.outcomes(11)
        view = DeliverySocket(rig.dispatcher, Handshakes(), rig.clock).view()
        told = {one.name: one for one in view.hops}
        good, bad = told[str(hop(sink))], told[str(hop(dead))]
        assert (good.state, good.connections, good.idle) == ("up", 1, 1)
        assert (good.transactions, good.hits, good.opened) == (10, 9, 1)
        assert good.messages_per_minute == 6000
        assert (bad.state, bad.failed, bad.connections) == ("resting", 1, 0)
        assert 9_000 < bad.rest <= 11_000
        assert "421" in bad.reason
        assert (view.transactions, view.hits, view.connections) == (11, 9, 1)
        rig.dispatcher.pause(frozenset(), frozenset({str(hop(sink))}))
        view = DeliverySocket(rig.dispatcher, Handshakes(), rig.clock).view()
        assert [one.state for one in view.destinations[0].members] == ["paused"]


async def test_interactive_mail_overtakes_bulk_in_hand() -> None:
    gate = Gate()
    async with Sink(Script({"mail": [gate]})) as sink, running({"*": sink}, ONE) as rig:
        for _ in range(12):
            await rig.send("b@to.test", bulk=True)
        for _ in range(12):
            await rig.send("b@to.test")
        await sink.reached("mail", 1)
        gate.open()
        await rig.outcomes(24)
        order = [int(one.token or 0) for one in sink.messages]
        place = {number: at for at, number in enumerate(order)}
        late = sum(place[number] for number in range(2, 13)) / 11
        early = sum(place[number] for number in range(13, 25)) / 12
        assert early < late
        assert min(place[number] for number in range(2, 13)) < 8, "bulk is not left standing"


async def test_another_routes_idle_connection_is_no_reason_to_try_again_and_again() -> None:
    shut = Script({"connect": ["421 4.3.2 too many"]})
    async with Sink(Script(), shut) as sink, running({"one.test": sink}, ONE) as rig:
        second = Smtp((hop(sink), NextHop("127.0.0.1", 1)))
        rig.dispatcher.configure(rig.routes({"one.test": sink, "two.test": second}), ONE)
        await rig.send("b@one.test")
        await rig.outcomes(1)
        await rig.send("b@two.test")
        await rig.outcomes(2)
        assert sink.connections == 2
        assert rig.work.count(DEFERRED) == 1


async def test_a_pool_that_changes_takes_the_next_message_where_it_leads_now() -> None:
    async with Sink() as one, Sink() as two:
        before = pool("order", [Member(hop(one))])
        async with running({"*": before}) as rig:
            await deliver(rig, 5)
            after = pool("order", [Member(hop(two)), Member(hop(one))])
            rig.dispatcher.configure(rig.routes({"*": after}), rig.settings)
            await deliver(rig, 5)
            assert (len(one.messages), len(two.messages)) == (5, 5)
            view = DeliverySocket(rig.dispatcher, Handshakes(), rig.clock).view()
            assert {one.name: one.idle for one in view.hops}[str(hop(one))] == 0
