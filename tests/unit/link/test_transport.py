"""The link between two nodes over real sockets: who is let in, what is carried, what fails."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.config.units import Endpoint
from appliance.ipc.frames import ConnectionLost, FrameTooLarge, Lost
from appliance.link.certificates import Authority
from appliance.link.connection import PAYLOAD_LIMIT, LinkConnection, Refusal, Timing
from appliance.link.identity import Identity
from appliance.link.transport import NotPaired, PeerLink
from tests.unit.link.nodes import ANYWHERE, QUICK, Down, Ear, Nodes, Side, Up, pairing, tls

HELLO = struct.pack(">IB", 16, 0) + b"twinpost link 1"


async def linked(nodes: Nodes, timing: Timing = QUICK) -> tuple[Side, Side]:
    """Both sides of a link, up; the one that dials first."""
    low, high = nodes.pair()
    listening = await nodes.listening(high, timing)
    return await nodes.dialling(low, listening.link.port, timing), listening


async def connected(nodes: Nodes) -> tuple[LinkConnection, LinkConnection, Side, Side]:
    dialling, listening = await linked(nodes)
    return await dialling.ear.up(), await listening.ear.up(), dialling, listening


# What it carries.


async def test_frames_go_both_ways_in_order(nodes: Nodes) -> None:
    one, other, dialling, listening = await connected(nodes)
    for number in range(100):
        one.send(1, b"%d" % number)
        other.send(255, b"%d" % number)
    for number in range(100):
        assert await listening.ear.frame() == (1, b"%d" % number)
        assert await dialling.ear.frame() == (255, b"%d" % number)


async def test_the_node_with_the_lower_id_dials(nodes: Nodes) -> None:
    dialling, listening = await linked(nodes)
    assert dialling.link.dials
    assert not listening.link.dials
    assert await dialling.ear.up() is dialling.link.connection


async def test_the_largest_payload_passes_and_a_larger_one_stays_here(nodes: Nodes) -> None:
    one, _, _, listening = await connected(nodes)
    with pytest.raises(FrameTooLarge):
        one.send(7, bytes(PAYLOAD_LIMIT + 1))
    one.send(7, bytes(PAYLOAD_LIMIT))
    one.send(8, b"")
    assert await listening.ear.frame() == (7, bytes(PAYLOAD_LIMIT))
    assert await listening.ear.frame() == (8, b"")


@pytest.mark.parametrize("kind", [0, 256, -1])
async def test_kinds_of_the_link_itself_cannot_be_sent(nodes: Nodes, kind: int) -> None:
    one, *_ = await connected(nodes)
    with pytest.raises(ValueError, match="no kind of frame"):
        one.send(kind, b"")


async def test_a_slow_reader_holds_the_sender_up_and_lets_it_go_on(nodes: Nodes) -> None:
    one, other, _, listening = await connected(nodes)
    other.pause_reading()
    sent = 0
    while one.writable:
        one.send(1, bytes(65536))
        sent += 1
        assert sent < 1000, "never held up"
        await asyncio.sleep(0)
    assert one.unsent > 0
    waiting = asyncio.create_task(one.wait_writable())
    await asyncio.sleep(0)
    assert not waiting.done()
    other.resume_reading()
    await waiting
    for _ in range(sent):
        assert len((await listening.ear.frame()).payload) == 65536


async def test_a_writer_held_up_hears_of_the_end(nodes: Nodes) -> None:
    one, other, _, _ = await connected(nodes)
    other.pause_reading()
    while one.writable:
        one.send(1, bytes(65536))
        await asyncio.sleep(0)
    waiting = asyncio.create_task(one.wait_writable())
    await asyncio.sleep(0)
    other.fail(Lost.BROKEN)
    with pytest.raises(ConnectionLost):
        await waiting
    with pytest.raises(ConnectionLost):
        one.send(1, b"")


async def test_it_dials_from_the_address_it_is_told(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    await nodes.dialling(low, listening.link.port, source="127.0.0.11")
    connection = await listening.ear.up()
    assert connection.peer_address == "127.0.0.11"


async def test_both_sides_tell_the_kernel_to_be_quick_and_watchful(nodes: Nodes) -> None:
    one, other, _, _ = await connected(nodes)
    for connection in (one, other):
        assert connection._transport is not None
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        options = {
            name: sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_NODELAY", "TCP_USER_TIMEOUT", "TCP_NOTSENT_LOWAT", "TCP_KEEPIDLE")
        }
        assert options == {
            "TCP_NODELAY": 1,
            "TCP_USER_TIMEOUT": 8000,
            "TCP_NOTSENT_LOWAT": 131072,
            "TCP_KEEPIDLE": 2,
        }


# Whom it lets in.


async def test_a_third_node_of_the_same_authority_is_refused(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    third = nodes.third(authority(high), high)
    reader, _ = await nodes.raw(third, listening.link.port)
    refused = await listening.ear.refused()
    assert refused.refusal == Refusal.WRONG_KEY
    assert third.node_id.hex() in refused.detail
    assert await reader.read() in (b"", HELLO)
    await nodes.dialling(low, listening.link.port)
    await listening.ear.up()


async def test_the_dialler_says_nothing_to_a_third_node(nodes: Nodes) -> None:
    low, high = nodes.pair()
    third = nodes.third(authority(high), low)
    said: asyncio.Queue[bytes] = asyncio.Queue()
    server, port = await impostor(tls(third, server=True), said)
    dialling = await nodes.dialling(low, port)
    for _ in range(3):
        assert (await dialling.ear.refused()).refusal == Refusal.WRONG_KEY
    while not said.empty():
        assert said.get_nowait() == b""
    server.close()


async def test_a_man_in_the_middle_with_another_authority_is_refused(nodes: Nodes) -> None:
    low, _ = nodes.pair()
    _, stranger = nodes.pair()
    said: asyncio.Queue[bytes] = asyncio.Queue()
    server, port = await impostor(tls(stranger, server=True), said)
    dialling = await nodes.dialling(low, port)
    refused = await dialling.ear.refused()
    assert refused.refusal == Refusal.TLS
    assert said.empty()
    server.close()


async def impostor(
    context: ssl.SSLContext, said: asyncio.Queue[bytes]
) -> tuple[asyncio.Server, int]:
    """A TLS server that keeps what is said to it."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said.put_nowait(await reader.read())
        except OSError:
            said.put_nowait(b"")
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    return server, server.sockets[0].getsockname()[1]


async def test_a_client_of_another_authority_is_refused(nodes: Nodes) -> None:
    _, high = nodes.pair()
    stranger, _ = nodes.pair()
    trusting = tls(stranger, server=False)
    trusting.verify_mode = ssl.CERT_NONE
    listening = await nodes.listening(high)
    await hopeless(listening.link.port, trusting)
    assert (await listening.ear.refused()).refusal == Refusal.TLS


async def test_a_client_without_a_certificate_is_refused(nodes: Nodes) -> None:
    _, high = nodes.pair()
    listening = await nodes.listening(high)
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anonymous.check_hostname = False
    anonymous.verify_mode = ssl.CERT_NONE
    await hopeless(listening.link.port, anonymous)
    assert (await listening.ear.refused()).refusal == Refusal.TLS


async def test_tls_before_1_3_is_refused(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    old = tls(low, server=False)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    await hopeless(listening.link.port, old)
    assert (await listening.ear.refused()).refusal == Refusal.TLS


async def hopeless(port: int, context: ssl.SSLContext) -> None:
    """Connect and read to the end, which comes during the handshake or just after."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    except OSError:
        return
    with contextlib.suppress(OSError):
        assert await reader.read() == b""
    writer.close()


async def test_what_is_not_tls_is_refused(nodes: Nodes) -> None:
    _, high = nodes.pair()
    listening = await nodes.listening(high)
    _, writer = await asyncio.open_connection("127.0.0.1", listening.link.port)
    writer.write(HELLO)
    assert (await listening.ear.refused()).refusal == Refusal.TLS
    writer.close()


@pytest.mark.parametrize("years", [(1970, 1971), (2200, 9999)])
async def test_dates_in_certificates_mean_nothing(nodes: Nodes, years: tuple[int, int]) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(dated(high, *years))
    dialling = await nodes.dialling(dated(low, *years), listening.link.port)
    await dialling.ear.up()
    await listening.ear.up()


def dated(identity: Identity, first: int, last: int) -> Identity:
    """The same node with a certificate that is valid in those years only."""
    assert identity.pairing is not None
    issued = x509.load_pem_x509_certificate(identity.pairing.certificate.encode())
    builder = (
        x509.CertificateBuilder()
        .subject_name(issued.subject)
        .issuer_name(issued.issuer)
        .public_key(issued.public_key())
        .serial_number(issued.serial_number)
        .not_valid_before(datetime(first, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(last, 12, 31, tzinfo=UTC))
    )
    for extension in issued.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    signed = builder.sign(authority(identity).key.signer, algorithm=None)
    certificate = signed.public_bytes(Encoding.PEM).decode()
    return Identity(
        identity.key, msgspec.structs.replace(identity.pairing, certificate=certificate)
    )


async def test_strangers_that_say_nothing_do_not_keep_the_peer_out(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high, Timing(handshake=1000.0))
    strangers = [await asyncio.open_connection("127.0.0.1", listening.link.port) for _ in range(40)]
    await nodes.dialling(low, listening.link.port)
    await listening.ear.up()
    for reader, _ in strangers[:20]:
        assert await reader.read() == b""  # the oldest had to go
    for _, writer in strangers:
        writer.close()


# Garbage from a peer that has the right key.


@pytest.mark.parametrize(
    "said, refusal",
    [
        (struct.pack(">IB", 16, 0) + b"twinpost link 9", Refusal.OTHER_VERSION),
        (struct.pack(">IB", 5, 1) + b"news", Refusal.OTHER_VERSION),
        (struct.pack(">I", 1000), Refusal.NO_HELLO),
        (struct.pack(">I", 0), Refusal.NO_HELLO),
        (HELLO[:-1], Refusal.NO_HELLO),
    ],
)
async def test_a_connection_without_a_hello_never_comes_up(
    nodes: Nodes, said: bytes, refusal: Refusal
) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    _, writer = await nodes.raw(low, listening.link.port)
    writer.write(said)
    writer.close()
    assert (await listening.ear.refused()).refusal == refusal


async def test_before_the_hello_only_a_small_frame_is_read(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    _, writer = await nodes.raw(low, listening.link.port)
    writer.write(struct.pack(">I", 1000))
    refused = await listening.ear.refused()
    assert refused == (Refusal.NO_HELLO, "1000 bytes; the limit is 64")


async def test_a_connection_that_says_nothing_is_ended(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high, Timing(handshake=0.1))
    reader, _ = await nodes.raw(low, listening.link.port)
    assert (await listening.ear.refused()).refusal == Refusal.NO_HELLO
    assert await reader.read() == HELLO


@pytest.mark.parametrize(
    "said, reason",
    [
        (struct.pack(">IB", PAYLOAD_LIMIT + 2, 1), Lost.OVERSIZED),
        (struct.pack(">I", 0xFFFFFFFF), Lost.OVERSIZED),
        (struct.pack(">I", 0), Lost.MALFORMED),
        (HELLO, Lost.MALFORMED),
        (struct.pack(">IB", 5, 1) + b"cut", Lost.PEER_CLOSED),
    ],
)
async def test_garbage_brings_the_link_down(nodes: Nodes, said: bytes, reason: Lost) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    _, writer = await nodes.raw(low, listening.link.port)
    writer.write(HELLO)
    await listening.ear.up()
    writer.write(said)
    writer.close()
    assert (await listening.ear.down()).reason == reason
    assert listening.link.connection is None


# What fails.


async def test_a_broken_connection_is_made_again(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    network = await nodes.network(listening.link.port)
    dialling = await nodes.dialling(low, network.port)
    for round_ in range(3):
        one, other = await dialling.ear.up(), await listening.ear.up()
        one.send(1, b"%d" % round_)
        assert (await listening.ear.frame()).payload == b"%d" % round_
        network.cut()
        assert (await dialling.ear.down()).reason in (Lost.PEER_CLOSED, Lost.BROKEN)
        await listening.ear.down()
        with pytest.raises(ConnectionLost):
            other.send(1, b"too late")


async def test_a_peer_that_vanished_is_noticed_by_both(nodes: Nodes) -> None:
    timing = Timing(heartbeat=0.02, missed=3, backoff_first=0.001, backoff_most=0.01)
    low, high = nodes.pair()
    listening = await nodes.listening(high, timing)
    network = await nodes.network(listening.link.port)
    dialling = await nodes.dialling(low, network.port, timing)
    await dialling.ear.up()
    await listening.ear.up()
    network.vanish()
    assert (await dialling.ear.down()).reason == Lost.SILENT
    # The listener noticed by itself, or because the dialler came back first.
    assert (await listening.ear.down()).reason in (Lost.SILENT, Lost.REPLACED)
    await dialling.ear.up()
    await listening.ear.up()


async def test_a_listener_that_comes_late_is_found(nodes: Nodes) -> None:
    low, high = nodes.pair()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    dialling = await nodes.dialling(low, port)
    assert (await dialling.ear.refused()).refusal == Refusal.UNREACHABLE
    await nodes.listening(high, port=port)
    await dialling.ear.up()


async def test_a_listener_that_restarts_is_found_again(nodes: Nodes) -> None:
    low, high = nodes.pair()
    first = await nodes.listening(high)
    port = first.link.port
    dialling = await nodes.dialling(low, port)
    await dialling.ear.up()
    await first.link.stop()
    await dialling.ear.down()
    second = await nodes.listening(high, port=port)
    await dialling.ear.up()
    await second.ear.up()


async def test_a_newer_connection_replaces_the_one_before(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    reader, writer = await nodes.raw(low, listening.link.port)
    writer.write(HELLO)
    first = await listening.ear.up()
    _, writer = await nodes.raw(low, listening.link.port)
    writer.write(HELLO + struct.pack(">IB", 2, 5) + b"x")
    assert (await listening.ear.down()).reason == Lost.REPLACED
    second = await listening.ear.up()
    assert listening.link.connection is second is not first
    assert await listening.ear.frame() == (5, b"x")
    assert await reader.read() == HELLO  # and then the end


async def test_of_many_at_once_one_is_live_and_up_and_down_take_turns(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)

    async def connect() -> None:
        _, writer = await nodes.raw(low, listening.link.port)
        writer.write(HELLO)

    await asyncio.gather(*(connect() for _ in range(10)))
    ups = 0
    while ups < 10:
        assert isinstance(await listening.ear.heard.get(), Up)
        ups += 1
        if ups < 10:
            event = await listening.ear.heard.get()
            assert isinstance(event, Down)
            assert event.error.reason == Lost.REPLACED
    assert listening.ear.heard.empty()
    assert listening.link.connection is not None


async def test_an_error_in_the_user_ends_the_connection_not_the_link(nodes: Nodes) -> None:
    class Failing(Ear):
        def on_frame(self, kind: int, payload: bytes) -> None:
            raise KeyError("bug")

    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    low, high = nodes.pair()
    ear = Failing()
    link = PeerLink(high, ANYWHERE, ANYWHERE, ear, lambda: 0.5, timing=QUICK)
    await link.start()
    dialling = await nodes.dialling(low, link.port)
    one = await dialling.ear.up()
    await ear.up()
    one.send(1, b"boom")
    assert (await ear.down()).reason == Lost.BROKEN
    await ear.up()
    assert any(isinstance(context.get("exception"), KeyError) for context in reported)
    await link.stop()


async def test_a_stopped_link_is_quiet(nodes: Nodes) -> None:
    one, _, dialling, listening = await connected(nodes)
    one.send(1, b"last words")
    await dialling.link.stop()
    assert (await dialling.ear.down()).reason == Lost.CLOSED
    assert (await listening.ear.frame()).payload == b"last words"
    assert (await listening.ear.down()).reason == Lost.PEER_CLOSED
    assert dialling.ear.heard.empty()
    assert dialling.link.connection is None


async def test_a_link_can_be_stopped_while_it_dials(nodes: Nodes) -> None:
    low, _ = nodes.pair()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        dialling = await nodes.dialling(low, mute.getsockname()[1])
        accepted, _ = await asyncio.to_thread(mute.accept)
        with accepted:
            await dialling.link.stop()
        assert dialling.ear.heard.empty()


async def test_a_stopped_listener_leaves_no_connection_half_made(nodes: Nodes) -> None:
    low, high = nodes.pair()
    listening = await nodes.listening(high)
    reader, writer = await nodes.raw(low, listening.link.port)
    assert await reader.readexactly(len(HELLO)) == HELLO
    await listening.link.stop()
    writer.write(HELLO)
    assert await reader.read() == b""
    assert listening.ear.heard.empty()


async def test_a_stopped_dialler_leaves_no_connection_half_made(nodes: Nodes) -> None:
    low, high = nodes.pair()
    greeted = asyncio.Event()
    rest: asyncio.Queue[bytes] = asyncio.Queue()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(HELLO))
        greeted.set()
        rest.put_nowait(await reader.read())
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0, ssl=tls(high, server=True))
    dialling = await nodes.dialling(low, server.sockets[0].getsockname()[1])
    await greeted.wait()
    await dialling.link.stop()
    assert await rest.get() == b""
    assert dialling.ear.heard.empty()
    server.close()


# What it needs.


async def test_an_unpaired_node_has_no_link(nodes: Nodes) -> None:
    identity = nodes.store().identity()
    with pytest.raises(NotPaired):
        PeerLink(identity, ANYWHERE, ANYWHERE, Ear(), lambda: 0.5)


async def test_a_node_is_not_its_own_peer(nodes: Nodes) -> None:
    low, _ = nodes.pair()
    assert low.pairing is not None
    itself = Identity(low.key, pairing(low.pairing.authority, low, low))
    with pytest.raises(NotPaired, match="copied"):
        PeerLink(itself, ANYWHERE, ANYWHERE, Ear(), lambda: 0.5)


async def test_names_are_not_looked_up(nodes: Nodes) -> None:
    low, _ = nodes.pair()
    with pytest.raises(ValueError, match=r"node-b\.example"):
        PeerLink(low, ANYWHERE, Endpoint("node-b.example:1"), Ear(), lambda: 0.5)


def authority(identity: Identity) -> Authority:
    assert identity.pairing is not None
    return identity.pairing.authority
