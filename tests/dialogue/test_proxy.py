"""The port for balancers: who the client is, and that nobody gets a right by it."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.balance.proxy import LOCAL, header
from appliance.config.limits import Limits
from appliance.smtpd.events import Event
from appliance.smtpd.listener import Listener
from appliance.smtpd.proxy import Balancers
from tests.dialogue.served import serving
from tests.dialogue.wire import Bench, Wire, run, settle
from tests.unit.identity.parts import World

BALANCER = "192.0.2.7"  # where Wire connects from
BALANCERS = Balancers((ipaddress.ip_network(BALANCER),))
CLIENT = header(("198.51.100.9", 4000), ("192.0.2.10", 25))
OTHER = header(("2001:db8::9", 4000), ("2001:db8::10", 25))
MESSAGE = (
    b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<ann@site.test>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n"
)
RELAYED = b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<x@elsewhere.test>\r\nQUIT\r\n"
DENIED = b"554 5.7.1 Relay access denied"


def test_the_client_of_the_header_is_the_client() -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect(balancers=BALANCERS)
        assert wire.said == b""
        await wire.send(CLIENT + MESSAGE)
        assert wire.said.startswith(b"220 ")
        (taken,) = bench.intake.taken
        assert taken.envelope.client == "198.51.100.9"
        assert b"Received: from c ([198.51.100.9])" in taken.content
        assert bench.log.of(Event.CONNECTED) == [{"client": "198.51.100.9"}]
        assert bench.log.of(Event.ACCEPTED)[0]["client"] == "198.51.100.9"

    run(test)


@pytest.mark.parametrize("relay", ["198.51.100.0/24", BALANCER])
def test_rights_are_those_of_the_client_not_of_the_balancer(relay: str) -> None:
    async def test() -> None:
        bench = Bench(relay=[relay])
        wire = await bench.connect(balancers=BALANCERS)
        await wire.send(CLIENT + RELAYED)
        assert (DENIED not in wire.said) == (relay != BALANCER)

    run(test)


@pytest.mark.parametrize("local", [LOCAL, LOCAL[:13] + b"\x11\0\x0c" + CLIENT[16:]])
def test_a_check_may_look_but_not_relay(local: bytes) -> None:
    async def test() -> None:
        bench = Bench(relay=["0.0.0.0/0"])
        wire = await bench.connect(balancers=BALANCERS)
        await wire.send(local)
        assert wire.said.startswith(b"220 ")
        await wire.send(RELAYED)
        assert DENIED in wire.said
        assert not bench.log.of(Event.CONNECTED)
        assert wire.ended

    run(test)


def test_limits_are_those_of_the_client() -> None:
    async def test() -> None:
        bench = Bench(Limits(connections_per_client=1))
        first = await bench.connect(balancers=BALANCERS)
        second = await bench.connect(balancers=BALANCERS)
        third = await bench.connect(balancers=BALANCERS)
        await first.send(CLIENT)
        await second.send(CLIENT)
        await third.send(OTHER)
        assert first.said.startswith(b"220 ")
        assert second.said == b"421 4.7.0 Too many connections from your address\r\n"
        assert third.said.startswith(b"220 ")
        await second.leave()
        await first.vanish()
        again = await bench.connect(balancers=BALANCERS)
        await again.send(CLIENT)
        assert again.said.startswith(b"220 ")
        await third.vanish()
        await again.vanish()

    run(test)


def test_only_a_crowd_that_can_be_served_is_waited_for() -> None:
    async def test() -> None:
        bench = Bench(Limits(connections=1))
        waiting = [await bench.connect(balancers=BALANCERS) for _ in range(3)]
        assert [one.ended for one in waiting] == ["", "", "abort"]
        for one in waiting[:2]:
            await one.vanish()
        assert not bench.connections

    run(test)


def test_from_elsewhere_nobody_is_listened_to() -> None:
    async def test() -> None:
        bench = Bench()
        wire = Wire({"peername": ("192.0.2.8", 4000)})
        await bench.connect(wire, BALANCERS)
        assert (wire.ended, wire.said) == ("abort", b"")
        (refused,) = bench.log.of(Event.CONNECTION_REFUSED)
        assert refused == {"client": "192.0.2.8", "reason": "not a balancer's address"}

    run(test)


@pytest.mark.parametrize(
    "start", [b"EHLO c\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.5 1 25\r\n", b"\r\n\0"]
)
def test_without_a_header_there_is_no_word(start: bytes) -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect(balancers=BALANCERS)
        await wire.send(start)
        assert (wire.ended, wire.said) == ("abort", b"")
        assert not bench.connections
        (refused,) = bench.log.of(Event.CONNECTION_REFUSED)
        assert refused == {"client": BALANCER, "reason": "no PROXY v2 signature"}

    run(test)


def test_the_header_has_to_come_soon() -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect(balancers=BALANCERS)
        for byte in CLIENT[:4]:  # dribbling buys no time
            await wire.send(bytes([byte]))
            await asyncio.sleep(1)
        assert not wire.ended
        await asyncio.sleep(1.5)
        await settle()
        assert (wire.ended, wire.said) == ("abort", b"")
        assert not bench.connections

    run(test)


def test_a_balancer_that_leaves_before_the_header() -> None:
    async def test() -> None:
        bench = Bench()
        for leave in (Wire.leave, Wire.vanish):
            wire = await bench.connect(balancers=BALANCERS)
            await wire.send(CLIENT[:20])
            await leave(wire)
            assert wire.said == b""
        assert not bench.connections
        assert not bench.log.events

    run(test)


@given(st.lists(st.integers(1, len(CLIENT + MESSAGE) - 1), max_size=6).map(sorted))
def test_however_the_header_comes_in(cuts: list[int]) -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect(balancers=BALANCERS)
        stream = CLIENT + MESSAGE
        places = itertools.pairwise([0, *cuts, len(stream)])
        await wire.send(*[stream[a:b] for a, b in places if a != b])
        assert len(bench.intake.taken) == 1

    run(test)


@given(st.binary(max_size=40), st.booleans())
def test_no_header_nobody_would_write_gets_a_message_through(noise: bytes, signed: bool) -> None:
    async def test() -> None:
        bench = Bench(relay=["0.0.0.0/0"])
        wire = await bench.connect(balancers=BALANCERS)
        await wire.send((CLIENT[:12] if signed else b"") + noise, RELAYED + MESSAGE)
        await wire.leave()
        assert not bench.log.of(Event.FAILED)
        for taken in bench.intake.taken:  # possible only if the noise was a header
            assert signed
            assert taken.envelope.client
        assert not bench.connections or wire.ended

    run(test)


def test_over_real_sockets() -> None:
    balancers = Balancers((ipaddress.ip_network("127.0.0.1"),))
    with serving(balancers=balancers) as served:
        assert served.server.addresses[0] != served.server.addresses[1]
        with served.balancer() as client:
            client.send(CLIENT)
            client.greet()
            client.begin()
            assert client.data(b"Subject: x\r\n\r\nhello\r\n").startswith("250 ")
        with served.client() as direct:
            direct.greet()
        with served.balancer() as client:
            client.send(b"EHLO c\r\n")
            assert client.reply() == ""
    (taken,) = served.intake.taken
    assert taken.envelope.client == "198.51.100.9"


def test_a_stop_does_not_wait_for_headers() -> None:
    async def test() -> None:
        bench = Bench()
        wire = await bench.connect(balancers=BALANCERS)
        await wire.send(CLIENT[:5])
        for connection in tuple(bench.connections):
            connection.drain()
        await settle()
        assert (wire.ended, wire.said) == ("abort", b"")

    run(test)


def test_who_guesses_behind_a_balancer_gets_no_handshake_and_others_do() -> None:
    async def test() -> None:
        bench = Bench()
        world = World()
        for number in range(11):
            world.authenticator._throttle.attempt(0, "198.51.100.9", f"user{number}")
        bench.service.accounts = world.authenticator
        for_users = Listener(submission=True, balancers=BALANCERS)
        wire = await bench.connect(listener=for_users)
        await wire.send(CLIENT)
        assert wire.said == b"421 4.7.0 Too many failed logins, closing connection\r\n"
        assert not bench.service.door._shut  # the balancer's own address would be shut out
        await wire.leave()
        other = await bench.connect(listener=for_users)
        await other.send(OTHER)
        assert other.said.startswith(b"220 ")
        await other.leave()
        world.hasher.close()

    run(test)
