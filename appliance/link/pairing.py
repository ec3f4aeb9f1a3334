"""Pairing over the network: a listener that is open for one code, and the joiner's side."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from appliance.config.units import Endpoint
from appliance.ipc.frames import ConnectionLost, FrameProtocol, Lost
from appliance.link.acceptor import SHUTDOWN, Acceptor, Address, numeric, said
from appliance.link.ceremony import (
    NONCE_LENGTH,
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
    Refused,
    Request,
)
from appliance.link.certificates import Authority, BadKey
from appliance.link.code import SECRET_LENGTH, PairingCode
from appliance.link.identity import KeyStore, Pairing, Peer
from appliance.link.tls import NoPeerKey, inviter_context, joiner_context, peer_key

Randomness = Callable[[int], bytes]
Met = Callable[[bytes], None]
"""Gets what the other node says of itself before the pairing is stored, to make that durable first.

Raises PairingFailed to refuse it, OSError if that fails.
"""
Spoken = TypeVar("Spoken")

_PATIENCE = 10.0  # seconds for a connection, from its first byte to its last
_FRAME_LIMIT = 8192  # what a stranger may have an inviter keep in memory
_GRANT_LIMIT = 6 << 20  # what the inviter says of itself may hold the pair's whole site
_MOST_UNREAD = 4


@dataclass(frozen=True)
class Paired:
    """The other node: its key, its id, and where its link listens."""

    peer: Peer


class _Talk(FrameProtocol):
    """Messages of the ceremony on one TLS connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int = _FRAME_LIMIT) -> None:
        super().__init__(loop, limit)
        self._heard: asyncio.Queue[bytes | ConnectionLost] = asyncio.Queue()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Message)

    def key(self) -> bytes:
        """The key the other side proved to hold; raises PairingFailed."""
        try:
            assert self._transport is not None
            return peer_key(self._transport)
        except (NoPeerKey, BadKey) as error:
            raise PairingFailed(Problem.OTHER_NODE, str(error)) from None

    def frame_received(self, body: memoryview) -> None:
        if self._heard.qsize() >= _MOST_UNREAD:
            self.fail(Lost.MALFORMED, "it talks without listening")
        else:
            self._heard.put_nowait(bytes(body))

    def lost(self, error: ConnectionLost) -> None:
        self._heard.put_nowait(error)

    def say(self, message: Message) -> None:
        start = self._frame_begun()
        self._out += b"\0\0\0\0" + self._encoder.encode(message)
        self._frame_ended(start)

    async def hear(self, kind: type[Spoken]) -> Spoken:
        """The next message, which must be a `kind`; raises PairingFailed, ConnectionLost."""
        heard = await self._heard.get()
        if isinstance(heard, ConnectionLost):
            raise heard
        try:
            message = self._decoder.decode(heard)
        except msgspec.MsgspecError as error:
            raise PairingFailed(Problem.MALFORMED, str(error)) from None
        if isinstance(message, kind):
            return message
        if isinstance(message, Refused):
            raise message.error()
        raise PairingFailed(Problem.MALFORMED, f"{type(message).__name__}, not {kind.__name__}")

    async def ended(self) -> None:
        """Return when the other side has closed the connection."""
        while not isinstance(await self._heard.get(), ConnectionLost):
            pass


class Inviting:
    """An open invitation: show `code`, then `wait`. Made by `start_pairing`."""

    def __init__(
        self,
        store: KeyStore,
        invitation: Invitation,
        authority: Authority,
        now: Callable[[], float],
        random: Randomness,
        met: Met,
    ) -> None:
        self.code = str(invitation.code)
        self._store = store
        self._invitation = invitation
        self._context = inviter_context(authority.certificate, authority.key)
        self._now = now
        self._random = random
        self._met = met
        self._acceptor: Acceptor | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._result: asyncio.Future[Paired] = asyncio.get_running_loop().create_future()
        self._ending: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port the listener got, 0 before it listens."""
        return self._acceptor.port if self._acceptor is not None else 0

    @property
    def tries_left(self) -> int:
        """How often the code may still be tried wrongly."""
        return self._invitation.tries_left

    def open(self, listen: Endpoint, lifetime: float) -> None:
        """Listen until paired or `lifetime` seconds have passed; raises OSError, ValueError."""
        acceptor = Acceptor(numeric(listen.host, listen.port), self._serve, lambda _: None)
        acceptor.start()
        self._acceptor = acceptor
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(lifetime, self._end, PairingFailed(Problem.EXPIRED))

    async def wait(self) -> Paired:
        """The node that joined; raises PairingFailed, or OSError if it can't be stored.

        Cancelling it closes the invitation.
        """
        try:
            return await self._result
        finally:
            if self._ending is not None:
                await asyncio.wait([self._ending])  # the joiner hears of it first
            await self.close()

    async def close(self) -> None:
        """Take the invitation back, if nobody has used it."""
        self._end(PairingFailed(Problem.CANCELLED))
        if self._acceptor is not None:
            await self._acceptor.stop()

    def _end(self, result: Paired | PairingFailed | OSError) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._acceptor is not None:
            self._acceptor.close()
        if self._result.done():
            return
        if isinstance(result, Paired):
            self._result.set_result(result)
        else:
            self._result.set_exception(result)
            self._result.exception()  # retrieved: nobody has to wait for a code to expire

    async def _serve(self, sock: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        talk = _Talk(loop)
        try:
            async with asyncio.timeout(_PATIENCE):
                await loop.connect_accepted_socket(
                    lambda: talk, sock, ssl=self._context, ssl_shutdown_timeout=SHUTDOWN
                )
                await self._converse(talk)
        except OSError:
            pass  # a stranger, a scan, a joiner that turned away: the invitation stays open
        finally:
            talk.close()

    async def _converse(self, talk: _Talk) -> None:
        greeting = self._invitation.greet(self._random(NONCE_LENGTH))
        talk.say(greeting)
        try:
            request = await talk.hear(Request)
            grant, pairing = self._invitation.answer(
                self._now(), greeting, request, talk.peer_address
            )
            talk.say(grant)
            await talk.hear(Done)
            self._store_and_end(pairing, request.about)
            talk.say(Confirmed())
        except PairingFailed as error:
            talk.say(Refused(error.problem.name, error.detail))
            if error.problem in (Problem.TOO_MANY_TRIES, Problem.EXPIRED):
                self._ending = asyncio.current_task()
                self._end(error)
        await talk.ended()

    def _store_and_end(self, pairing: Pairing, about: bytes) -> None:
        self._ending = asyncio.current_task()
        try:
            self._met(about)
            self._store.save(pairing)
        except OSError as error:
            self._end(error)
            raise PairingFailed(Problem.NOT_STORED, str(error)) from error
        assert pairing.peer is not None
        self._end(Paired(pairing.peer))


async def start_pairing(
    store: KeyStore,
    listen: Endpoint,
    link: Endpoint,
    *,
    replacing: bool = False,
    limits: Limits | None = None,
    about: bytes = b"",
    met: Met = lambda about: None,
    now: Callable[[], float] = time.monotonic,
    random: Randomness = secrets.token_bytes,
) -> Inviting:
    """Open an invitation at `listen`; the joiner is told that this node's link is at `link`.

    `about` is what the joiner gets to know of this node, `met` gets what it says of itself.
    Uses the pair's authority if this node has one, else makes one. Raises PairingFailed if the
    node has a peer and is not `replacing` it, KeysDamaged, OSError, ValueError.
    """
    limits = limits or Limits()
    identity = store.identity()
    if identity.peer is not None and not replacing:
        raise PairingFailed(Problem.ALREADY_PAIRED, f"node {identity.peer.node_id.hex()}")
    authority = identity.pairing.authority if identity.pairing else Authority.create()
    invitation = Invitation(identity, authority, link, random(SECRET_LENGTH), now(), limits, about)
    inviting = Inviting(store, invitation, authority, now, random, met)
    inviting.open(listen, limits.lifetime)
    return inviting


async def join(
    store: KeyStore,
    code: PairingCode,
    address: Endpoint,
    link: Endpoint,
    *,
    replacing: bool = False,
    source: str | None = None,
    about: bytes = b"",
    met: Met = lambda about: None,
    random: Randomness = secrets.token_bytes,
) -> Paired:
    """Pair with the node that printed `code` and waits at `address`; this node's link is `link`.

    `about` is what that node gets to know of this one, `met` gets what it says of itself.
    Raises PairingFailed; KeysDamaged, OSError for this node's own files, ValueError for addresses.
    """
    identity = store.identity()
    talk = _Talk(asyncio.get_running_loop(), _GRANT_LIMIT)
    stored = None
    try:
        async with asyncio.timeout(_PATIENCE):
            await _connect(talk, numeric(address.host, address.port), source)
            joining = Joining(identity, code, talk.key(), replacing)
            greeting = await talk.hear(Greeting)
            request = joining.request(greeting, random(NONCE_LENGTH), link, about)
            talk.say(request)
            grant = await talk.hear(Grant)
            pairing = joining.accept(greeting, request, grant, address.host)
            met(grant.about)
            stored = store.save(pairing).peer
            assert stored is not None
            talk.say(Done())
            await talk.hear(Confirmed)
            return Paired(stored)
    except (ConnectionLost, TimeoutError) as error:
        problem = Problem.UNREACHABLE if stored is None else Problem.UNCONFIRMED
        raise PairingFailed(problem, said(error)) from error
    finally:
        talk.close()


async def _connect(talk: _Talk, address: Address, source: str | None) -> None:
    """Raises PairingFailed."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if source is not None:
            sock.bind(numeric(source, 0)[1])
        await loop.sock_connect(sock, address[1])
        await loop.create_connection(
            lambda: talk,
            sock=sock,
            ssl=joiner_context(),
            server_hostname="",
            ssl_shutdown_timeout=SHUTDOWN,
        )
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError):
            raise PairingFailed(Problem.UNREACHABLE, said(error)) from error
        raise
