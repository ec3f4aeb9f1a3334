"""Links: who is refused, and what a connection may say before it is trusted."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from datetime import UTC, datetime

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.ipc.frames import Lost
from appliance.link.certificates import Authority
from appliance.link.connection import PAYLOAD_LIMIT, Refusal, Timing
from appliance.link.identity import Identity
from tests.unit.link.joined import HELLO
from tests.unit.link.nodes import Nodes, tls


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


def authority(identity: Identity) -> Authority:
    assert identity.pairing is not None
    return identity.pairing.authority
