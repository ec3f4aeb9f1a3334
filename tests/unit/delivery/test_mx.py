"""Mail out by MX: from the recipient's address to the sinks that got it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from appliance.delivery.exchangers import Exchangers
from appliance.delivery.lookup import Lookup
from appliance.mail.mx import Itself
from appliance.mail.route import Mx
from appliance.mail.work import RecipientOutcome, Result
from appliance.monitor.events import Event
from tests.support.nameserver import Nameserver, Zone
from tests.support.sink import Script, Sink
from tests.unit.delivery.rig import Rig, running

US = Itself(frozenset({"node.test"}), frozenset({"127.0.0.99"}))
FIRST, SECOND = "127.0.0.21", "127.0.0.22"
ZONE: Zone = {
    "to.test": {"MX": ["20 second.test.", "10 first.test."]},
    "plain.test": {"A": [FIRST]},
    "null.test": {"MX": ["0 ."]},
    "backup.test": {"MX": ["10 first.test.", "20 us.test.", "30 second.test."]},
    "loop.test": {"MX": ["10 us.test."]},
    "lost.test": {"MX": ["10 nowhere.test."]},
    "unsure.test": {"MX": ["10 nowhere.test.", "20 broken.test."]},
    "broken.test": "SERVFAIL",
    "first.test": {"A": [FIRST]},
    "second.test": {"A": [SECOND]},
    "us.test": {"A": ["127.0.0.99"]},
}


@asynccontextmanager
async def by_mx(sink: Sink) -> AsyncIterator[tuple[Rig, Nameserver]]:
    """A rig all of whose mail goes by MX, to the port of `sink` on whatever host."""
    async with Nameserver(ZONE) as server:
        lookup = Lookup(server.settings, lambda: 0.0)
        exchangers = Exchangers(lookup, US, lambda: 0.5, sink.port)
        async with running({"*": Mx()}, exchangers=exchangers) as rig:
            yield rig, server


async def outcome(rig: Rig, recipient: str) -> RecipientOutcome:
    await rig.send(recipient)
    (result,) = await rig.outcomes(1)
    return result


@pytest.mark.parametrize("recipient", ["b@to.test", "b@plain.test", f"b@[{FIRST}]"])
async def test_to_the_most_preferred_host(recipient: str) -> None:
    async with Sink(host=FIRST) as first, by_mx(first) as (rig, server):
        result = await outcome(rig, recipient)
        assert result.result is Result.DELIVERED
        assert result.remote.endswith(f"[{FIRST}]:{first.port}")
        assert len(first.messages) == 1
        assert bool(server.asked) is ("[" not in recipient)


async def test_the_next_host_if_the_first_is_dead() -> None:
    async with Sink(host=SECOND) as second, by_mx(second) as (rig, _):
        result = await outcome(rig, "b@to.test")
        assert result.remote == f"second.test[{SECOND}]:{second.port}"


async def test_each_domain_is_a_destination_of_its_own() -> None:
    refuse = Script({"connect": ["421 4.3.2 no"]})
    async with Sink(refuse, host=SECOND) as second, by_mx(second) as (rig, server):
        server.zone["other.test"] = {"MX": ["5 second.test."]}
        await rig.send("b@to.test", "c@to.test")
        await rig.outcomes(1)
        await rig.send("b@other.test")
        await rig.outcomes(2)
        rested = [v["relay"] for event, _, v in rig.log.lines if event is Event.HOP_DOWN]
        assert rested == ["mx:to.test", "mx:other.test"]


@pytest.mark.parametrize(
    "domain, status",
    [
        ("null.test", "5.1.10"),
        ("no.test", "5.1.2"),
        ("loop.test", "5.4.6"),
        ("lost.test", "5.4.4"),
    ],
)
async def test_what_dns_is_certain_of_bounces(domain: str, status: str) -> None:
    async with Sink(host=FIRST) as first, by_mx(first) as (rig, _):
        result = await outcome(rig, f"b@{domain}")
        assert (result.result, result.reply.enhanced) == (Result.BOUNCED, status)
        (notice,) = rig.work.notifications
        assert status.encode() in notice.content
        assert Event.HOP_DOWN not in rig.log.events()


@pytest.mark.parametrize("domain", ["broken.test", "unsure.test"])
async def test_what_dns_does_not_say_is_tried_again(domain: str) -> None:
    async with Sink(host=FIRST) as first, by_mx(first) as (rig, _):
        result = await outcome(rig, f"b@{domain}")
        assert (result.result, result.reply.enhanced) == (Result.DEFERRED, "4.4.3")


async def test_never_to_hosts_that_would_hand_it_back() -> None:
    async with Sink(host=SECOND) as second, by_mx(second) as (rig, _):
        result = await outcome(rig, "b@backup.test")
        assert (result.result, result.reply.enhanced) == (Result.DEFERRED, "4.4.1")
        assert second.connections == 0
