"""Pairing over real sockets, from the code to a link that comes up, with people in between."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

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
from appliance.link.code import PairingCode
from appliance.link.identity import Identity, KeyStore, Pairing
from appliance.link.pairing import Inviting, join, start_pairing
from appliance.link.tls import inviter_context, joiner_context
from tests.unit.link.nodes import ANYWHERE, Nodes

MESSAGES: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
LINK_A, LINK_B = Endpoint("127.0.0.11:2600"), Endpoint("127.0.0.12:2600")


class Table:
    """Two nodes about to be paired."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.a, self.b = nodes.store(), nodes.store()
        self._inviting: list[Inviting] = []

    async def invite(
        self, store: KeyStore | None = None, replacing: bool = False, limits: Limits | None = None
    ) -> Inviting:
        inviting = await start_pairing(
            store or self.a, ANYWHERE, LINK_A, replacing=replacing, limits=limits
        )
        self._inviting.append(inviting)
        return inviting

    async def close(self) -> None:
        for inviting in self._inviting:
            await inviting.close()


@pytest_asyncio.fixture
async def table(nodes: Nodes) -> AsyncIterator[Table]:
    table = Table(nodes)
    yield table
    await table.close()


def at(inviting: Inviting) -> Endpoint:
    return Endpoint(f"127.0.0.1:{inviting.port}")


def code_of(inviting: Inviting) -> PairingCode:
    return PairingCode.parse(inviting.code)


def misremembered(inviting: Inviting) -> PairingCode:
    return PairingCode(code_of(inviting).authority, b"9 letters")


async def paired(table: Table) -> tuple[Identity, Identity]:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    joined = await join(table.b, code_of(inviting), at(inviting), LINK_B)
    invited = await waiting
    assert joined.peer == table.b.identity().peer
    assert invited.peer == table.a.identity().peer
    return table.a.identity(), table.b.identity()


def authority_of(identity: Identity) -> Authority:
    assert identity.pairing is not None
    return identity.pairing.authority


async def test_two_nodes_are_paired_and_link(table: Table) -> None:
    a, b = await paired(table)
    assert a.peer is not None
    assert b.peer is not None
    assert (a.peer.public_key, a.peer.endpoint) == (b.public_key, LINK_B)
    assert (b.peer.public_key, b.peer.endpoint) == (a.public_key, LINK_A)
    low, high = sorted((a, b), key=lambda identity: identity.node_id)
    listening = await table.nodes.listening(high)
    dialling = await table.nodes.dialling(low, listening.link.port)
    await dialling.ear.up()
    await listening.ear.up()


async def test_the_listener_is_gone_when_the_code_is_used(table: Table) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    await join(table.b, code_of(inviting), at(inviting), LINK_B)
    await waiting
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", inviting.port)
    with pytest.raises(PairingFailed) as error:
        await join(table.nodes.store(), code_of(inviting), at(inviting), LINK_B)
    assert error.value.problem == Problem.UNREACHABLE


async def test_the_one_who_joined_can_invite_a_replacement(table: Table) -> None:
    a, _ = await paired(table)
    newcomer = table.nodes.store()
    with pytest.raises(PairingFailed) as error:
        await table.invite(table.b)
    assert error.value.problem == Problem.ALREADY_PAIRED
    inviting = await table.invite(table.b, replacing=True)
    assert code_of(inviting).matches(authority_of(a).key.public_key)
    await join(newcomer, code_of(inviting), at(inviting), LINK_A)
    await inviting.wait()
    assert authority_of(newcomer.identity()).key.pem() == authority_of(a).key.pem()
    peer = table.b.identity().peer
    assert peer is not None
    assert peer.public_key == newcomer.identity().public_key


async def test_a_wrong_secret_is_refused_five_times_and_then_the_code_is_dead(
    table: Table,
) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    for _ in range(4):
        with pytest.raises(PairingFailed) as error:
            await join(table.b, misremembered(inviting), at(inviting), LINK_B)
        assert error.value.problem == Problem.WRONG_SECRET
        assert not waiting.done()
    with pytest.raises(PairingFailed) as error:
        await join(table.b, misremembered(inviting), at(inviting), LINK_B)
    assert error.value.problem == Problem.TOO_MANY_TRIES
    with pytest.raises(PairingFailed) as error:
        await waiting
    assert error.value.problem == Problem.TOO_MANY_TRIES
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", inviting.port)
    assert table.a.identity().pairing is None
    assert table.b.identity().pairing is None


async def test_a_wrong_secret_leaves_four_tries(table: Table) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    with pytest.raises(PairingFailed):
        await join(table.b, misremembered(inviting), at(inviting), LINK_B)
    await join(table.b, code_of(inviting), at(inviting), LINK_B)
    await waiting


async def test_the_listener_closes_when_the_code_expires(table: Table) -> None:
    inviting = await table.invite(limits=Limits(lifetime=0.01))
    with pytest.raises(PairingFailed) as error:
        await inviting.wait()
    assert error.value.problem == Problem.EXPIRED
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", inviting.port)


async def test_a_code_that_expires_during_the_ceremony_is_refused(table: Table) -> None:
    time = [0.0]
    inviting = await start_pairing(table.a, ANYWHERE, LINK_A, now=lambda: time[0])
    waiting = asyncio.create_task(inviting.wait())
    time[0] = 600.0
    with pytest.raises(PairingFailed) as error:
        await join(table.b, code_of(inviting), at(inviting), LINK_B)
    assert error.value.problem == Problem.EXPIRED
    with pytest.raises(PairingFailed):
        await waiting


async def test_an_invitation_can_be_taken_back(table: Table) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    await asyncio.sleep(0)
    await inviting.close()
    with pytest.raises(PairingFailed) as error:
        await waiting
    assert error.value.problem == Problem.CANCELLED
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", inviting.port)


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


async def test_a_joiner_that_dies_after_the_grant_can_come_again(table: Table) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", inviting.port, ssl=joiner_context(), server_hostname=""
    )
    greeting = await hear(reader)
    assert isinstance(greeting, Greeting)
    key = inviting_authority(inviting).key.public_key
    joining = Joining(table.b.identity(), code_of(inviting), key, False)
    await say(writer, joining.request(greeting, bytes(32), LINK_B))
    assert isinstance(await hear(reader), Grant)
    writer.transport.abort()
    assert table.a.identity().pairing is None
    await join(table.b, code_of(inviting), at(inviting), LINK_B)
    await waiting


async def test_the_inviter_waits_until_the_joiner_has_heard_that_it_is_paired(
    table: Table,
) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", inviting.port, ssl=joiner_context(), server_hostname=""
    )
    greeting = await hear(reader)
    assert isinstance(greeting, Greeting)
    key = inviting_authority(inviting).key.public_key
    joining = Joining(table.b.identity(), code_of(inviting), key, False)
    await say(writer, joining.request(greeting, bytes(32), LINK_B))
    assert isinstance(await hear(reader), Grant)
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
