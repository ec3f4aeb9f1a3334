"""The whole agent: a spool in memory on one side, servers on real sockets on the other."""

from __future__ import annotations

import pytest

from appliance.config.delivery import DeliverySettings
from appliance.mail.reply import Reply
from appliance.mail.retry import MINUTE
from appliance.mail.route import Bounce, Discard, Hold, Transport
from appliance.mail.work import Result
from appliance.monitor.events import Event
from tests.support.sink import Drop, Script, Sink
from tests.support.work import envelope, message
from tests.unit.delivery.rig import running

ONE = DeliverySettings(connections_per_hop=1, initial_connections=1)


async def test_many_messages_over_few_connections() -> None:
    settings = DeliverySettings(connections_per_hop=3, initial_connections=1)
    async with Sink() as sink, running({"*": sink}, settings) as rig:
        for number in range(200):
            await rig.send(f"b@to{number % 7}.test")
        results = await rig.outcomes(200)
        assert {r.result for r in results} == {Result.DELIVERED}
        assert sink.tokens == {str(number): 1 for number in range(1, 201)}
        assert sink.most_open <= 3
        assert sink.violations == []
        assert results[0].remote == f"127.0.0.1[127.0.0.1]:{sink.port}"


async def test_a_connection_is_replaced_after_so_many_messages() -> None:
    settings = DeliverySettings(connections_per_hop=1, messages_per_connection=10)
    async with Sink() as sink, running({"*": sink}, settings) as rig:
        for _ in range(25):
            await rig.send("b@to.test")
        await rig.outcomes(25)
        assert sink.connections == 3


async def test_an_idle_connection_is_kept_for_a_while() -> None:
    async with Sink() as sink, running({"*": sink}) as rig:
        await rig.send("b@to.test")
        await rig.outcomes(1)
        rig.tick(4)
        await rig.send("b@to.test")
        await rig.outcomes(2)
        assert sink.connections == 1
        rig.tick(6)
        await sink.reached("quit")
        await rig.send("b@to.test")
        await rig.outcomes(3)
        assert sink.connections == 2


async def test_recipients_of_one_lease_go_where_their_routes_say() -> None:
    async with Sink() as sink, Sink() as other:
        transports: dict[str, Transport | Sink] = {
            "to.test": sink,
            "other@to.test": other,
            "hold@to.test": Hold(),
            "drop@to.test": Discard(),
            "gone@to.test": Bounce(Reply(550, "5.1.1", "gone")),
        }
        names = ["a", "hold", "other", "gone", "drop", "b"]
        async with running(transports) as rig:
            await rig.send(*(f"{name}@to.test" for name in names))
            results = {names[r.index]: r for r in await rig.outcomes(1)}
        assert {name: r.result for name, r in results.items()} == {
            "a": Result.DELIVERED,
            "b": Result.DELIVERED,
            "other": Result.DELIVERED,
            "drop": Result.DELIVERED,
            "hold": Result.CANCELLED,
            "gone": Result.BOUNCED,
        }
        assert results["hold"].held
        assert results["drop"].remote == "discard"
        assert [r for r, _ in sink.messages[0].recipients] == ["a@to.test", "b@to.test"]
        assert [r for r, _ in other.messages[0].recipients] == ["other@to.test"]


async def test_mail_for_the_site_needs_no_next_hop() -> None:
    async with running({}) as rig:
        await rig.send("Ann@Site.test", "postmaster@site.test", "nobody@site.test")
        results = await rig.outcomes(1)
        assert [(r.result, r.mailbox, r.remote) for r in results] == [
            (Result.DELIVERED, "ann", "mailbox"),
            (Result.DELIVERED, "postmaster", "mailbox"),
            (Result.BOUNCED, None, ""),
        ]


async def test_each_recipient_has_its_own_answer() -> None:
    answers = {"x@to.test": "550 5.1.1 nobody", "y@to.test": "450 4.2.1 later"}
    async with Sink(Script(addresses=answers)) as sink, running({"*": sink}) as rig:
        await rig.send("a@to.test", "x@to.test", "y@to.test", "b@to.test")
        results = await rig.outcomes(1)
        assert [r.result for r in results] == [
            Result.DELIVERED,
            Result.BOUNCED,
            Result.DEFERRED,
            Result.DELIVERED,
        ]
        assert results[2].retry_in == MINUTE
        events = {line[2]["to"]: line[0] for line in rig.log.lines if "relay" in line[2]}
        assert events == {
            "a@to.test": Event.SENT,
            "x@to.test": Event.BOUNCED,
            "y@to.test": Event.DEFERRED,
            "b@to.test": Event.SENT,
        }
        queue_id = next(iter(rig.work.content.bodies))
        assert {line[1] for line in rig.log.lines} == {queue_id}


async def test_many_recipients_take_several_transactions() -> None:
    settings = DeliverySettings(recipients_per_message=3, connections_per_hop=2)
    async with Sink() as sink, running({"*": sink}, settings) as rig:
        await rig.send(*(f"u{number}@to.test" for number in range(10)))
        results = await rig.outcomes(1)
        assert [r.result for r in results] == [Result.DELIVERED] * 10
        assert sorted(len(m.recipients) for m in sink.messages) == [1, 3, 3, 3]


async def test_a_server_that_takes_fewer_recipients_gets_them_in_turns() -> None:
    steps = {"rcpt": ["250 ok", "250 ok", "452 4.5.3 too many", "452 4.5.3 too many"]}
    async with Sink(Script(steps)) as sink, running({"*": sink}) as rig:
        await rig.send(*(f"u{number}@to.test" for number in range(4)))
        results = await rig.outcomes(1)
        assert [r.result for r in results] == [Result.DELIVERED] * 4
        assert [[r for r, _ in m.recipients] for m in sink.messages] == [
            ["u0@to.test", "u1@to.test"],
            ["u2@to.test", "u3@to.test"],
        ]
        assert sink.connections == 1


@pytest.mark.parametrize("last_words", [None, "421 4.4.2 idle for too long"])
async def test_a_connection_that_died_idle_costs_no_attempt(last_words: str | None) -> None:
    scripts = Script({"mail": ["250 ok", Drop(last_words)]}), Script()
    async with Sink(*scripts) as sink, running({"*": sink}, ONE) as rig:
        await rig.send("b@to.test")
        await rig.outcomes(1)
        await rig.send("b@to.test")
        results = await rig.outcomes(2)
        assert [r.result for r in results] == [Result.DELIVERED] * 2
        assert (sink.connections, sink.tokens) == (2, {"1": 1, "2": 1})
        assert Event.HOP_DOWN not in rig.log.events()


@pytest.mark.parametrize("stage", ["rcpt", "data", "dot"])
async def test_a_connection_that_dies_later_costs_one(stage: str) -> None:
    scripts = Script({stage: ["354 go" if stage == "data" else "250 ok", Drop()]}), Script()
    async with Sink(*scripts) as sink, running({"*": sink}, ONE) as rig:
        await rig.send("b@to.test")
        await rig.outcomes(1)
        await rig.send("b@to.test")
        results = await rig.outcomes(2)
        assert [r.result for r in results] == [Result.DELIVERED, Result.DEFERRED]
        assert sink.connections == 1


async def test_a_new_connection_that_dies_at_once_is_not_tried_again() -> None:
    async with Sink(Script({"mail": [Drop()]})) as sink, running({"*": sink}, ONE) as rig:
        await rig.send("b@to.test")
        assert [r.result for r in await rig.outcomes(1)] == [Result.DEFERRED]
        assert sink.connections == 1


async def test_damaged_content_is_held_for_an_operator() -> None:
    async with Sink() as sink, running({"*": sink}) as rig:
        rig.work.add(message("x") + b"a\n.\nQUIT\n", envelope("a@from.test", "b@to.test"))
        await rig.send("b@to.test")
        damaged, fine = await rig.outcomes(2)
        assert (damaged.result, damaged.held) == (Result.CANCELLED, True)
        assert fine.result is Result.DELIVERED
        assert Event.CONTENT_DAMAGED in rig.log.events()


@pytest.mark.parametrize("size", [100, 1 << 20])
async def test_a_closed_fence_gives_the_mail_back(size: int) -> None:
    async with Sink() as sink, running({"*": sink}) as rig:
        rig.work.fence = False
        rig.work.add(message("1", size), envelope("a@from.test", "b@to.test"))
        await rig.work.wake()
        (outcome,) = await rig.outcomes(1)
        assert outcome.result is Result.CANCELLED
        assert outcome.retry_in > 0
        assert sink.messages == []
        assert Event.HOP_DOWN not in rig.log.events()
