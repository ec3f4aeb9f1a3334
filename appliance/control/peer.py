"""Calls of the control API that the other node carries out."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from appliance.control.http import BadRequest, Forbidden
from appliance.control.peer_desk import PeerDesk
from appliance.control.peer_exchange import Exchange
from appliance.control.peer_line import LinkDown, PeerLine
from appliance.control.roles import NODE, Who
from appliance.control.schema import Failure
from appliance.decoding import from_json
from appliance.ipc.peer import (
    MOST_ANSWERED,
    MOST_ASKED,
    PART,
    Answered,
    AnsweredMore,
    Asked,
    AskedMore,
    Packet,
)
from appliance.mail.reply import Refused, Reply
from appliance.mail.views import Unavailable

_MOST_CALLS = 16
_ANSWER = 120.0
"""Seconds for the other node to do it: a planned move takes its time."""
_PART = 30.0
"""Seconds for the next part of an answer."""


@dataclass(frozen=True)
class Answer:
    """What the other node answers; `parts` can be read once, while the call is open."""

    status: int
    kind: str
    parts: AsyncIterator[bytes]


class Peer:
    """The other node's control API."""

    def __init__(self, line: PeerLine, desk: PeerDesk) -> None:
        """`desk` carries out what the other node asks."""
        self._line = line
        self._desk = desk
        self._calls: dict[bytes, Exchange] = {}
        line.heard = self._heard
        line.went_down = self._went_down

    async def request(self, method: str, path: str, body: bytes = b"", who: Who = NODE) -> bytes:
        """The body of the other node's answer to `method` on `path`, such as "/v1/status".

        Raises Unavailable (LinkDown if the link is), and BadRequest, LookupError, Refused,
        Forbidden as the other node's API does.
        """
        async with self.call(method, path, body, who) as answer:
            said = b"".join([part async for part in answer.parts])
            if answer.status >= 300:
                raise _raised(answer.status, said)
            return said

    @asynccontextmanager
    async def call(self, method: str, path: str, body: bytes, who: Who) -> AsyncIterator[Answer]:
        """The other node's answer, whatever its status; raises Unavailable, BadRequest.

        Reading `parts` may raise Unavailable.
        """
        if len(body) > MOST_ASKED:
            raise BadRequest("too much for the other node", f"{MOST_ASKED} bytes at most")
        if len(path) > PART // 8:
            raise BadRequest("the path is too long")
        if not self._line.up:
            raise LinkDown
        if len(self._calls) >= _MOST_CALLS:
            raise Unavailable("too many calls to the other node are under way", "try again")
        exchange = Exchange(self._line, os.urandom(16))
        self._calls[exchange.id] = exchange
        try:
            for packet in _asked(exchange.id, method, path, body, who):
                await exchange.ask(packet)
            first = await exchange.hear(Answered, _ANSWER)
            yield Answer(first.status, first.kind, _parts(exchange, first))
        finally:
            exchange.end("it is not waited for any more")
            del self._calls[exchange.id]

    def _heard(self, packet: Packet) -> None:
        if exchange := self._calls.get(packet.call):
            exchange.put(packet)
        else:
            self._desk.heard(packet)

    def _went_down(self) -> None:
        for exchange in self._calls.values():
            exchange.put(None)
        self._desk.went_down()


def _asked(id_: bytes, method: str, path: str, body: bytes, who: Who) -> Iterator[Packet]:
    role = str(who.role or "")
    yield Asked(id_, method, path, who.name, role, body[:PART], len(body) <= PART)
    for start in range(PART, len(body), PART):
        yield AskedMore(id_, body[start : start + PART], start + PART >= len(body))


async def _parts(exchange: Exchange, first: Answered) -> AsyncIterator[bytes]:
    part: Answered | AnsweredMore = first
    size = len(part.data)
    yield part.data
    while not part.last:
        exchange.go_on()
        part = await exchange.hear(AnsweredMore, _PART)
        size += len(part.data)
        if size > MOST_ANSWERED:
            raise Unavailable("the other node says too much", f"{MOST_ANSWERED} bytes at most")
        yield part.data
    exchange.go_on()
    exchange.over = True


def _raised(status: int, body: bytes) -> Exception:
    try:
        failure = from_json(body, Failure)
    except msgspec.DecodeError:
        return Unavailable(f"the other node answered with status {status}", "see its log")
    match failure.code:
        case "bad_request":
            return BadRequest(failure.error, failure.hint)
        case "not_found":
            return LookupError(failure.error)
        case "refused":
            return Refused(Reply(450, "4.3.0", failure.error), failure.hint)
        case "forbidden":
            return Forbidden(failure.error, failure.hint)
    return Unavailable(f"the other node: {failure.error}", failure.hint)
