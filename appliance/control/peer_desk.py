"""Carries out what the other node's control process asks, against this node's own API."""

from __future__ import annotations

import asyncio
import re

import aiohttp

from appliance.control.own_api import OwnApi
from appliance.control.peer_exchange import Exchange
from appliance.control.peer_line import PeerLine
from appliance.control.roles import Role, Who
from appliance.ipc.peer import (
    MOST_ANSWERED,
    MOST_ASKED,
    PART,
    Answered,
    AnsweredMore,
    Asked,
    AskedMore,
    Ended,
    Packet,
)
from appliance.mail.views import Unavailable

_MOST_CALLS = 8
_LONGEST = 300.0
"""Seconds for one call."""
_PART = 30.0
"""Seconds for the next part of a body."""
_METHOD = re.compile(r"[A-Z]{3,7}")
_PATH = re.compile(r"/v1/[!-~]+")


class PeerDesk:
    """At most so many calls at a time; each ends with the link, or when nobody waits for it."""

    def __init__(self, line: PeerLine, api: OwnApi) -> None:
        self._line = line
        self._api = api
        self._calls: dict[bytes, tuple[Exchange, asyncio.Task[None]]] = {}

    def heard(self, packet: Packet) -> None:
        """A packet of a call that the other node makes, or of none."""
        if isinstance(packet, Asked):
            self._asked(packet)
            return
        if found := self._calls.get(packet.call):
            exchange, task = found
            exchange.put(packet)
            if isinstance(packet, Ended):
                task.cancel()

    def went_down(self) -> None:
        """Nobody waits for anything any more."""
        for exchange, task in self._calls.values():
            exchange.over = True
            task.cancel()

    def _asked(self, asked: Asked) -> None:
        if asked.call in self._calls:
            return
        if len(self._calls) >= _MOST_CALLS:
            self._line.tell(Ended(asked.call, "too many calls are under way"))
            return
        exchange = Exchange(self._line, asked.call)
        task = asyncio.get_running_loop().create_task(self._carry_out(exchange, asked))
        self._calls[asked.call] = exchange, task
        task.add_done_callback(lambda ended: self._calls.pop(asked.call))

    async def _carry_out(self, exchange: Exchange, asked: Asked) -> None:
        try:
            async with asyncio.timeout(_LONGEST):
                await self._answer(exchange, asked)
        except Unavailable:
            exchange.end("it said what makes no sense")
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError too
            exchange.end(f"{type(error).__name__}: {error}")

    async def _answer(self, exchange: Exchange, asked: Asked) -> None:
        if not _METHOD.fullmatch(asked.method) or not _PATH.fullmatch(asked.path):
            raise Unavailable("no path of the API")
        try:
            who = Who(asked.by, Role(asked.role), local=False)
        except ValueError:
            exchange.end(f"no role here is called {asked.role!r}")
            return
        body = await _body(exchange, asked)
        async with self._api.request(asked.method, asked.path, body, who) as response:
            content, sent = response.content, 0
            packet: Packet | None = None
            while True:
                data = await content.read(PART)
                last = content.at_eof()
                sent += len(data)
                if sent > MOST_ANSWERED:
                    exchange.end(f"the answer is larger than {MOST_ANSWERED} bytes")
                    return
                if packet is None:
                    kind = response.content_type
                    packet = Answered(exchange.id, response.status, kind, data, last)
                else:
                    packet = AnsweredMore(exchange.id, data, last)
                await exchange.answer(packet)
                if last:
                    exchange.over = True
                    return


async def _body(exchange: Exchange, asked: Asked) -> bytes:
    body, part = bytearray(asked.data), asked
    more: Asked | AskedMore = part
    exchange.go_on()
    while not more.last:
        more = await exchange.hear(AskedMore, _PART)
        body += more.data
        if len(body) > MOST_ASKED:
            raise Unavailable("too much is asked")
        exchange.go_on()
    return bytes(body)
