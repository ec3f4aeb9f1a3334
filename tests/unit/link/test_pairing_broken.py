"""Pairing with impostors, breaks in the middle, and strangers at the door."""

from __future__ import annotations

import asyncio
import struct

import msgspec
import pytest

from appliance.config.units import Endpoint
from appliance.link.ceremony import (
    Confirmed,
    Done,
    Grant,
    Greeting,
    Invitation,
    Joining,
    Limits,
    Message,
    PairingFailed,
    Problem,
    Request,
)
from appliance.link.certificates import Authority
from appliance.link.identity import Identity, Pairing
from appliance.link.pairing import Inviting, join
from appliance.link.tls import inviter_context, joiner_context
from tests.unit.link.table import LINK_A, LINK_B, Table, at, code_of

MESSAGES: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


class Impostor:
    """A TLS server that follows a script with each who connects."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self._server: asyncio.Server | None = None

    async def start(self) -> Endpoint:
        context = inviter_context(self.authority.certificate, self.authority.key)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        return Endpoint(f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.script(reader, writer)
        except (OSError, EOFError):
            self.heard.put_nowait(b"")
        writer.close()

    async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.put_nowait(await reader.read())

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


async def say(writer: asyncio.StreamWriter, message: Message) -> None:
    body = msgspec.msgpack.encode(message)
    writer.write(struct.pack(">I", len(body)) + body)
    await writer.drain()


async def hear(reader: asyncio.StreamReader) -> Message:
    (size,) = struct.unpack(">I", await reader.readexactly(4))
    return MESSAGES.decode(await reader.readexactly(size))


async def test_the_joiner_says_nothing_to_a_man_in_the_middle(table: Table) -> None:
    inviting = await table.invite()
    middle = Impostor(Authority.create())
    address = await middle.start()
    with pytest.raises(PairingFailed) as error:
        await join(table.b, code_of(inviting), address, LINK_B)
    assert error.value.problem == Problem.OTHER_NODE
    assert await middle.heard.get() == b""
    assert table.b.identity().pairing is None
    middle.close()


async def test_an_inviter_without_the_secret_is_refused(table: Table) -> None:
    """He has the authority, from an older pairing, but has not seen this code."""
    inviting = await table.invite()
    code = code_of(inviting)
    authority = inviting_authority(inviting)
    stranger = table.nodes.store().identity()

    class Guessing(Impostor):
        async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            greeting = Greeting(1, stranger.public_key, bytes(32))
            await say(writer, greeting)
            request = await hear(reader)
            assert isinstance(request, Request)
            granted = authority.issue(request.public_key)
            key = authority.key.pem()
            grant = Grant(request.proof, authority.certificate, key, granted, str(LINK_A))
            await say(writer, grant)
            self.heard.put_nowait(await reader.read())

    impostor = Guessing(authority)
    with pytest.raises(PairingFailed) as error:
        await join(table.b, code, await impostor.start(), LINK_B)
    assert error.value.problem == Problem.WRONG_SECRET
    assert await impostor.heard.get() == b""
    assert table.b.identity().pairing is None
    impostor.close()


def inviting_authority(inviting: Inviting) -> Authority:
    return inviting._invitation._authority


async def test_a_joiner_that_is_not_confirmed_says_that_it_is_paired(table: Table) -> None:
    authority = Authority.create()
    a = table.a.identity()
    invitation = Invitation(a, authority, LINK_A, b"nine byte", 0.0, Limits())

    class Dying(Impostor):
        async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            greeting = invitation.greet(bytes(32))
            await say(writer, greeting)
            request = await hear(reader)
            assert isinstance(request, Request)
            await say(writer, invitation.answer(0.0, greeting, request, "127.0.0.1")[0])
            assert await hear(reader) == Done()

    impostor = Dying(authority)
    with pytest.raises(PairingFailed) as error:
        await join(table.b, invitation.code, await impostor.start(), LINK_B)
    assert error.value.problem == Problem.UNCONFIRMED
    peer = table.b.identity().peer
    assert peer is not None
    assert peer.public_key == a.public_key
    impostor.close()
    # The way out: the same two pair again.
    inviting = await table.invite()
    await join(table.b, code_of(inviting), at(inviting), LINK_B)
    assert (await inviting.wait()).peer.public_key == table.b.identity().public_key


async def granted(
    table: Table, inviting: Inviting
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A joiner with the right code, up to the grant."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", inviting.port, ssl=joiner_context(), server_hostname=""
    )
    greeting = await hear(reader)
    assert isinstance(greeting, Greeting)
    key = inviting_authority(inviting).key.public_key
    joining = Joining(table.b.identity(), code_of(inviting), key, False)
    await say(writer, joining.request(greeting, bytes(32), LINK_B))
    assert isinstance(await hear(reader), Grant)
    return reader, writer


async def test_a_joiner_that_dies_after_the_grant_can_come_again(table: Table) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    _, writer = await granted(table, inviting)
    writer.transport.abort()
    assert table.a.identity().pairing is None
    await join(table.b, code_of(inviting), at(inviting), LINK_B)
    await waiting


async def test_the_inviter_waits_until_the_joiner_has_heard_that_it_is_paired(
    table: Table,
) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    reader, writer = await granted(table, inviting)
    await say(writer, Done())
    assert await hear(reader) == Confirmed()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    writer.close()
    await waiting


async def test_who_talks_without_listening_is_cut_off(table: Table) -> None:
    inviting = await table.invite()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", inviting.port, ssl=joiner_context(), server_hostname=""
    )
    assert isinstance(await hear(reader), Greeting)
    writer.write((struct.pack(">I", 1) + b"\xc0") * 10)
    with pytest.raises((OSError, EOFError)):
        await hear(reader)
    writer.close()


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">I", 0xFFFFFFFF),
        struct.pack(">I", 4) + b"\xc1\xc1\xc1\xc1",
        struct.pack(">I", 1) + b"\xc0",
        struct.pack(">I", 100) + b"cut off",
        (struct.pack(">I", 1) + b"\xc0") * 100,
        struct.pack(">I", 13) + msgspec.msgpack.encode(["Request", b"", b""]),
    ],
)
async def test_garbage_does_not_use_the_code_up(table: Table, said: bytes) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    for _ in range(6):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", inviting.port, ssl=joiner_context(), server_hostname=""
        )
        assert isinstance(await hear(reader), Greeting)
        writer.write(said)
        writer.close()
        await ended(reader)
    assert not waiting.done()
    await join(table.b, code_of(inviting), at(inviting), LINK_B)
    await waiting


async def ended(reader: asyncio.StreamReader) -> None:
    """Read to the end, which may come as a reset."""
    try:
        while await reader.read(4096):
            pass
    except OSError:
        return


async def test_strangers_that_say_nothing_do_not_keep_the_joiner_out(table: Table) -> None:
    inviting = await table.invite()
    strangers = [await asyncio.open_connection("127.0.0.1", inviting.port) for _ in range(40)]
    await join(table.b, code_of(inviting), at(inviting), LINK_B)
    await inviting.wait()
    for reader, writer in strangers:
        await ended(reader)
        writer.close()


async def test_an_inviter_that_cannot_store_says_so_to_both(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pairing: Pairing) -> Identity:
        raise OSError("disk full")

    monkeypatch.setattr(table.a, "save", fail)
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    with pytest.raises(PairingFailed, match="disk full") as error:
        await join(table.b, code_of(inviting), at(inviting), LINK_B)
    assert error.value.problem == Problem.NOT_STORED
    with pytest.raises(OSError, match="disk full"):
        await waiting


async def test_nobody_there_is_said(table: Table) -> None:
    inviting = await table.invite()
    await inviting.close()
    with pytest.raises(PairingFailed) as error:
        await join(table.b, code_of(inviting), at(inviting), LINK_B)
    assert error.value.problem == Problem.UNREACHABLE


async def test_somebody_else_there_is_said(table: Table) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await ended(reader)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    inviting = await table.invite()
    address = Endpoint(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    with pytest.raises(PairingFailed) as error:
        await join(table.b, code_of(inviting), address, LINK_B)
    assert error.value.problem == Problem.UNREACHABLE
    server.close()
