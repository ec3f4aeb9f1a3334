"""A client of a simulated node: a message, and how it gets there."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from typing import Protocol

import msgspec

from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope, Recipient
from appliance.replica.pair import Mode
from appliance.spool.bodies import Bodies, Body
from appliance.spool.operations import Accept
from tests.sim.clock import Clock
from tests.sim.delivery import Then
from tests.sim.process import SpoolProcess
from tests.sim.world import Story
from tests.support.disk_faults import PowerCut

INLINE = 200  # bytes: larger bodies are files
CHUNK = 100
_encode = msgspec.msgpack.Encoder().encode


class Client:
    """A message that someone sends: what they were told decides what must hold."""

    def __init__(self, token: bytes, sender: str, recipients: list[str]) -> None:
        self.token, self.sender, self.recipients = token, sender, recipients
        self.queue_id = ""
        self.told: Mode | None = None
        self.excused = False
        """It was on one disk only, without the promise, when that disk was lost."""


class Server(Protocol):
    """The node that takes it."""

    name: str
    process: SpoolProcess | None
    bodies: Bodies

    def died(self, error: BaseException) -> None:
        """The power went while the body was written."""


class Sending:
    """One message on its way to one start of a node's spool."""

    def __init__(
        self, clock: Clock, rng: Random, story: Story, server: Server, client: Client
    ) -> None:
        assert server.process is not None
        self._clock, self._rng, self._story = clock, rng, story
        self._server, self._client = server, client
        self._process = server.process
        client.queue_id = self._process.engine.new_queue_id()

    def begin(self) -> None:
        """A large body arrives in chunks."""
        if len(self._client.token) <= INLINE:
            self._accept(None)
            return
        try:
            body = self._server.bodies.create(self._client.queue_id)
        except PowerCut as error:
            self._server.died(error)
            return
        self._receive_chunk(body)

    def _receive_chunk(self, body: Body) -> None:
        if self._process is not self._server.process:
            return
        token, queue_id, offset = self._client.token, self._client.queue_id, body.size
        if offset == len(token):
            self._accept(body)
            return
        chunk = token[offset : offset + CHUNK]
        try:
            body.write(chunk)
        except PowerCut as error:
            self._server.died(error)
            return
        except OSError as error:
            self._story.tell(f"{self._server.name}: 452 {queue_id}: {error}")
            body.discard()
            return
        self._process.engine.body_chunk(queue_id, offset, chunk)
        self._process.heed()
        wait = self._rng.choice([0, 0, 5, 50])
        self._clock.after(wait, lambda: self._receive_chunk(body))

    def _accept(self, body: Body | None) -> None:
        client = self._client
        envelope = Envelope(client.sender, tuple(Recipient(r) for r in client.recipients))
        self._process.submit(
            Accept(
                Then(lambda _: self._told()),
                client.queue_id,
                _encode(envelope),
                tuple(domain_key(r) for r in client.recipients),
                len(client.token),
                sha256(client.token).digest(),
                None if body else client.token,
                body,
            )
        )

    def _told(self) -> None:
        client = self._client
        client.told = self._process.engine.pair.mode
        self._story.tell(f"{self._server.name}: 250 {client.queue_id} in {client.told}")
