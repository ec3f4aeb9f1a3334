"""The balancer over real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from appliance.balance.splice import Splice
from appliance.config.units import Duration, Endpoint
from appliance.monitor.events import Event
from tests.support.patience import patiently
from tests.unit.balance.support import (
    Reader,
    Talk,
    Upstream,
    Writer,
    balancing,
    echo,
    named,
    server,
    settings,
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


async def said(reader: Reader) -> bytes:
    return await patiently(reader.readline())


async def test_clients_are_spread_and_named() -> None:
    async with Upstream("a", named("a")) as a, Upstream("b", named("b")) as b:
        async with balancing(settings(a.settings, b.settings)) as world:
            answers, clients = [], []
            for _ in range(4):
                reader, writer = await world.connect()
                clients.append(writer)
                answers.append(await said(reader))
            assert sorted(answers) == [b"a\r\n", b"a\r\n", b"b\r\n", b"b\r\n"]
            assert world.balancer.served == {"a": 2, "b": 2}
            assert world.pool["a"].connections == 2
            for writer in clients:
                writer.close()
            await world.balancer.idle()
            assert world.pool["a"].connections == 0
        assert {header.client for header in (*a.headers, *b.headers)} == {"127.0.0.1"}


async def test_a_client_that_speaks_first_is_heard() -> None:
    async with Upstream("a", echo) as a, balancing(settings(a.settings)) as world:
        for _ in range(20):
            reader, writer = await world.connect()
            writer.write(b"EHLO too early\r\n")
            assert await said(reader) == b"EHLO too early\r\n"
            writer.close()


async def test_a_half_close_is_passed_on() -> None:
    async with Upstream("a", echo) as a, balancing(settings(a.settings)) as world:
        for early in (True, False):
            reader, writer = await world.connect()
            if not early:
                writer.write(b"first\r\n")
                assert await said(reader) == b"first\r\n"
            writer.write(b"last\r\n")
            writer.write_eof()
            assert await patiently(reader.read()) == b"last\r\n"
            writer.close()
        await world.balancer.idle()


async def test_what_a_server_said_before_it_closed_arrives() -> None:
    async def refuse(reader: Reader, writer: Writer) -> None:
        writer.write(b"421 4.3.2 " + b"x" * 200_000 + b"\r\n")

    async with Upstream("a", refuse) as a, balancing(settings(a.settings)) as world:
        reader, writer = await world.connect()
        assert len(await patiently(reader.read())) == 200_012
        writer.close()
        await world.balancer.idle()


async def test_much_goes_through_unchanged_though_both_are_slow() -> None:
    block = bytes(range(256)) * 4096  # 1 MiB
    async with Upstream("a", echo) as a, balancing(settings(a.settings)) as world:
        reader, writer = await world.connect()

        async def send() -> None:
            for _ in range(8):
                writer.write(block)
                await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        received = bytearray()
        while piece := await patiently(reader.read(100_000)):
            received += piece
        await patiently(sending)
        assert received == block * 8
        writer.close()


async def test_who_does_not_read_stops_the_other_from_being_read() -> None:
    limit = 200 << 20  # far more than kernel and write buffers hold
    stuck = asyncio.Event()
    sent = 0

    async def flood(reader: Reader, writer: Writer) -> None:
        nonlocal sent
        while sent < limit:
            writer.write(b"x" * 65536)
            sent += 65536
            try:
                async with asyncio.timeout(0.3):
                    await writer.drain()
            except TimeoutError:
                break
        stuck.set()

    async with Upstream("a", flood) as a, balancing(settings(a.settings)) as world:
        reader, writer = await world.connect()  # its buffer is soon full
        await patiently(stuck.wait())
        assert sent < limit
        assert not reader.at_eof()
        writer.close()


async def test_the_next_server_is_tried() -> None:
    async with Upstream("b", named("b")) as b:
        gone = server("a", free_port(), weight=9)
        async with balancing(settings(gone, b.settings)) as world:
            reader, writer = await world.connect()
            assert await said(reader) == b"b\r\n"
            assert world.balancer.missed == {"a": 1}
            assert [name for name, _ in world.failures] == ["a"]
            assert world.pool["a"].connections == 0
            writer.close()


async def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        async with Upstream("b", named("b")) as b:
            stuck = server("a", deaf.getsockname()[1], weight=9)
            wanted = settings(stuck, b.settings, connect_timeout=Duration(50))
            async with balancing(wanted) as world:
                reader, writer = await world.connect()
                assert await said(reader) == b"b\r\n"
                assert world.failures == [("a", "no connection within 50ms")]
                writer.close()
        for one in fill:
            one.close()


async def _no_word(reader: Reader, writer: Writer) -> None:
    """A server that dies: its kernel took the connection, nobody ever answers."""


async def _mute(reader: Reader, writer: Writer) -> None:
    """A server that is stopped."""
    await reader.read()


@pytest.mark.parametrize("talk", [_no_word, _mute])
async def test_a_server_without_a_word_costs_the_client_nothing(talk: Talk) -> None:
    async with Upstream("a", talk) as a, Upstream("b", named("b")) as b:
        wanted = settings(server("a", a.port, weight=9), b.settings, greeting_timeout=Duration(40))
        async with balancing(wanted) as world:
            reader, writer = await world.connect()
            assert await said(reader) == b"b\r\n"
            assert (world.balancer.served, world.balancer.missed) == ({"a": 0, "b": 1}, {"a": 1})
            assert world.failures == [("a", "it took the connection, but said nothing")]
            assert world.pool["a"].connections == 0
            writer.close()


@pytest.mark.parametrize("talk", [_no_word, _mute])
async def test_nobody_has_a_word(talk: Talk) -> None:
    async with (
        Upstream("a", talk) as a,
        balancing(settings(a.settings, greeting_timeout=Duration(40))) as world,
    ):
        reader, writer = await world.connect()
        assert await patiently(reader.read()) == b""
        assert world.balancer.refused == 1
        writer.close()


async def test_what_a_client_has_said_is_not_said_to_another_server() -> None:
    heard: list[bytes] = []

    async def listen(reader: Reader, writer: Writer) -> None:
        heard.append(await reader.readline())

    async with Upstream("a", listen) as a, Upstream("b", listen) as b:
        async with balancing(settings(a.settings, b.settings)) as world:
            reader, writer = await world.connect()
            writer.write(b"once\r\n")
            assert await patiently(reader.read()) == b""
            writer.close()
            await world.balancer.idle()
        assert heard == [b"once\r\n"]
        assert not world.failures


async def test_a_client_that_nobody_can_take_is_sent_away() -> None:
    async with Upstream("a", named("a")) as a:
        wanted = settings(server("a", a.port, limit=1))
        async with balancing(wanted) as world:
            reader, first = await world.connect()
            assert await said(reader) == b"a\r\n"
            second_reader, second = await world.connect()
            assert await patiently(second_reader.read()) == b""
            assert world.balancer.refused == 1
            assert (await world.log.seen(Event.BALANCE_REFUSED))["client"] == "127.0.0.1"
            second.close()
            first.close()
            await world.balancer.idle()
            third_reader, third = await world.connect()
            assert await said(third_reader) == b"a\r\n"
            third.close()


async def test_a_drained_server_keeps_its_clients_and_gets_no_new_ones() -> None:
    async with (
        Upstream("a", echo) as a,
        Upstream("b", named("b")) as b,
        balancing(settings(a.settings, b.settings)) as world,
    ):
        reader, writer = await world.connect()
        writer.write(b"one\r\n")
        assert await said(reader) == b"one\r\n"
        world.pool.drain("a", True)
        for _ in range(3):
            other_reader, other = await world.connect()
            assert await said(other_reader) == b"b\r\n"
            other.close()
        writer.write(b"two\r\n")
        assert await said(reader) == b"two\r\n"
        writer.close()


async def test_a_reset_ends_both() -> None:
    async with Upstream("a", echo) as a, balancing(settings(a.settings)) as world:
        reader, writer = await world.connect()
        writer.write(b"x\r\n")
        assert await said(reader) == b"x\r\n"
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        await world.balancer.idle()


async def test_nothing_moves_for_long_enough() -> None:
    async with (
        Upstream("a", named("a")) as a,
        balancing(settings(a.settings, idle_timeout=Duration(40))) as world,
    ):
        reader, writer = await world.connect()
        assert await said(reader) == b"a\r\n"
        with pytest.raises(ConnectionError):
            await patiently(_end(reader))
        await world.balancer.idle()
        writer.close()


async def _end(reader: Reader) -> None:
    assert await reader.read() == b""
    raise ConnectionResetError  # whichever of the two the kernel told


async def test_a_stop_lets_clients_finish() -> None:
    async with Upstream("a", echo) as a, balancing(settings(a.settings)) as world:
        reader, writer = await world.connect()
        writer.write(b"x\r\n")
        assert await said(reader) == b"x\r\n"
        address = world.address
        stopping = asyncio.create_task(world.balancer.stop(60.0))
        await world.log.seen(Event.BALANCE_CLOSED)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        writer.write(b"y\r\n")
        writer.write_eof()
        assert await patiently(reader.read()) == b"y\r\n"
        writer.close()
        await patiently(stopping)
        assert not [kind for kind, _ in world.log.events if kind is Event.BALANCE_CUT_OFF]


async def test_a_stop_does_not_wait_for_ever() -> None:
    async with Upstream("a", echo) as a, balancing(settings(a.settings)) as world:
        reader, writer = await world.connect()
        writer.write(b"x\r\n")
        assert await said(reader) == b"x\r\n"
        await patiently(world.balancer.stop(0.01))
        assert world.balancer.clients == 0
        assert (await world.log.seen(Event.BALANCE_CUT_OFF))["connections"] == 1
        writer.close()


async def test_over_ipv6_and_to_an_ipv6_server() -> None:
    async with Upstream("a", named("a"), "::1") as a:
        wanted = settings(a.settings)
        async with balancing(wanted) as world:
            await world.balancer.listen(Endpoint("[::1]:0"))
            reader, writer = await patiently(
                asyncio.open_connection(*world.balancer.listening[Endpoint("[::1]:0")])
            )
            assert await said(reader) == b"a\r\n"
            writer.close()
            reader, writer = await world.connect()
            assert await said(reader) == b"a\r\n"
            writer.close()
        assert [header.client for header in a.headers] == ["::1", "127.0.0.1"]


async def test_it_listens_where_it_has_no_address_yet() -> None:
    async with Upstream("a", echo) as a, balancing(settings(a.settings)) as world:
        elsewhere = Endpoint("192.0.2.10:0")
        with pytest.raises(OSError, match="assign requested address"):
            await world.balancer.listen(elsewhere)
        await world.balancer.listen(elsewhere, freebind=True)
        assert elsewhere in world.balancer.listening
        await world.balancer.listen(Endpoint("[2001:db8::10]:0"), freebind=True)


def test_an_end_is_told_once() -> None:
    ended: list[Splice] = []
    splice = Splice(lambda: 0.0, {}, lambda _: None, lambda _: None, ended.append)
    splice.close()
    splice.abort()
    assert ended == [splice]
