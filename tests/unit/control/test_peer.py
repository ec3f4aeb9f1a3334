"""Calls that the other node's control process carries out, over real sockets."""

from __future__ import annotations

import asyncio
import http.client
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from appliance.control.client import ApiError, Client
from appliance.control.http import WHO, BadRequest, Forbidden, as_json
from appliance.control.peer_line import LinkDown
from appliance.control.roles import Role, Who
from appliance.control.schema import Done
from appliance.ipc.peer import (
    MOST_ANSWERED,
    MOST_ASKED,
    PACKET_LIMIT,
    PART,
    Answered,
    AnsweredMore,
    Asked,
    Ended,
    Heard,
    decode,
    encode,
)
from appliance.mail.reply import Refused, Reply
from appliance.mail.views import Unavailable
from tests.support.peers import Side, two

ANNA = Who("anna", Role.OPERATOR)


class Desk:
    """Handlers of the other node."""

    def __init__(self, side: Side) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.bodies: list[bytes] = []
        add = side.handlers
        add.get("/who", self.who, Role.VIEWER)
        add.get("/bytes/{size}", self.bytes, Role.VIEWER)
        add.get("/breaks", self.breaks, Role.VIEWER)
        add.get("/waits", self.waits, Role.VIEWER)
        add.get("/fails/{how}", self.fails, Role.VIEWER)
        add.post("/keep", self.keep, Role.OPERATOR, "keep")
        add.post("/site", self.keep, Role.ADMINISTRATOR, "site")

    async def who(self, request: web.Request) -> web.Response:
        return as_json([request[WHO].name, request[WHO].role, request.rel_url.raw_query_string])

    async def bytes(self, request: web.Request) -> web.Response:
        return web.Response(body=b"z" * int(request.match_info["size"]), content_type="message/x")

    async def breaks(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"z" * 3 * PART)
        raise OSError("the disk does not give the rest")

    async def waits(self, request: web.Request) -> web.Response:
        self.begun.set()
        await self.go_on.wait()
        return as_json(Done("done"))

    async def fails(self, request: web.Request) -> web.Response:
        raise {
            "bad": BadRequest("bad", "better"),
            "none": LookupError("none"),
            "refused": Refused(Reply(450, "4.3.0", "no"), "later"),
            "away": Unavailable("away", "wait"),
            "forbidden": Forbidden("not you", "another"),
        }[request.match_info["how"]]

    async def keep(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return as_json(Done(f"{len(self.bodies[-1])}"))


class Pair:
    def __init__(self, folder: Path) -> None:
        self.a, self.b = Side(folder / "a"), Side(folder / "b")
        self.desk = Desk(self.b)

    async def get(self, path: str) -> tuple[int, str, bytes]:
        """Ask node a over its socket."""
        client = Client(self.a.path)

        def ask() -> tuple[int, str, bytes]:
            connection, response = client._ask("GET", path)
            try:
                return response.status, response.headers["Content-Type"], response.read()
            finally:
                connection.close()

        return await asyncio.to_thread(ask)


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    pair = Pair(tmp_path)
    async with two(pair.a, pair.b):
        yield pair
        pair.desk.go_on.set()


async def test_name_role_and_query_travel_along(pair: Pair) -> None:
    said = await pair.a.peer.request("GET", "/v1/who?x=%2Fy&z=1", who=ANNA)
    assert msgspec.json.decode(said) == ["anna", "operator", "x=%2Fy&z=1"]


async def test_the_other_node_looks_at_the_role(pair: Pair) -> None:
    assert await pair.a.peer.request("POST", "/v1/keep", b"{}", ANNA)
    with pytest.raises(Forbidden, match="administrator"):
        await pair.a.peer.request("POST", "/v1/site", b"{}", ANNA)
    assert pair.desk.bodies == [b"{}"]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART, MOST_ANSWERED])
async def test_answers_of_any_size_come_in_small_parts(pair: Pair, size: int) -> None:
    said = await pair.a.peer.request("GET", f"/v1/bytes/{size}", who=ANNA)
    assert said == b"z" * size
    assert max(map(len, pair.b.mail.sent)) <= PACKET_LIMIT
    parts = [decode(one) for one in pair.b.mail.sent]
    assert sum(len(one.data) for one in parts if isinstance(one, Answered | AnsweredMore)) == size
    # Each part waits for the one before to be heard: that is what bounds memory and delay.
    kinds = [type(one) for one in map(decode, pair.a.mail.sent)]
    answers = [one for one in parts if isinstance(one, Answered | AnsweredMore)]
    assert kinds[: len(answers)] == [Asked, *[Heard] * (len(answers) - 1)]


async def test_more_than_the_limits_is_refused(pair: Pair) -> None:
    with pytest.raises(BadRequest):
        await pair.a.peer.request("POST", "/v1/keep", b"z" * (MOST_ASKED + 1), ANNA)
    assert pair.a.mail.sent == []
    with pytest.raises(Unavailable, match="larger than"):
        await pair.a.peer.request("GET", f"/v1/bytes/{MOST_ANSWERED + 1}", who=ANNA)
    body = os.urandom(MOST_ASKED)
    await pair.a.peer.request("POST", "/v1/keep", body, ANNA)
    assert pair.desk.bodies == [body]


@pytest.mark.parametrize(
    "how, raised",
    [
        ("bad", BadRequest),
        ("none", LookupError),
        ("refused", Refused),
        ("away", Unavailable),
        ("forbidden", Forbidden),
    ],
)
async def test_failures_are_what_they_are_there(
    pair: Pair, how: str, raised: type[Exception]
) -> None:
    with pytest.raises(raised):
        await pair.a.peer.request("GET", f"/v1/fails/{how}", who=ANNA)


async def test_the_other_nodes_paths_below_peer(pair: Pair) -> None:
    status, kind, body = await pair.get(f"/peer/bytes/{5 * PART}?a=b")
    assert (status, kind, body) == (200, "message/x", b"z" * 5 * PART)
    with pytest.raises(ApiError) as caught:
        await pair.get("/peer/fails/refused")
    assert (caught.value.failure.code, caught.value.failure.hint) == ("refused", "later")
    with pytest.raises(ApiError) as caught:
        await pair.get("/peer/nothing")
    assert caught.value.failure.code == "not_found"


@pytest.mark.parametrize("path", ["/peer/peer/who", "/peer/%70eer/who", "/peer/../v1/peer/who"])
async def test_a_call_is_not_passed_back(pair: Pair, path: str) -> None:
    with pytest.raises(ApiError):
        await pair.get(path)
    assert not any(isinstance(decode(one), Asked) for one in pair.b.mail.sent)


async def test_what_breaks_off_there_is_not_taken_for_all_of_it(pair: Pair) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        await pair.get("/peer/breaks")


async def test_a_link_that_is_down_or_goes_down(pair: Pair) -> None:
    waiting = asyncio.ensure_future(pair.a.peer.request("GET", "/v1/waits", who=ANNA))
    await pair.desk.begun.wait()
    pair.a.mail.connect(None)
    with pytest.raises(LinkDown):
        await waiting
    with pytest.raises(LinkDown) as caught:
        await pair.a.peer.request("GET", "/v1/who", who=ANNA)
    assert caught.value.hint
    with pytest.raises(ApiError) as failed:
        await pair.get("/peer/who")
    assert failed.value.failure.code == "unavailable"
    pair.a.mail.connect(pair.b.mail)
    await pair.a.linked()
    assert await pair.a.peer.request("GET", "/v1/who", who=ANNA)


async def test_a_mail_process_that_starts_anew(pair: Pair) -> None:
    for side in (pair.a, pair.b):
        waiting = asyncio.ensure_future(pair.a.peer.request("GET", "/v1/waits", who=ANNA))
        await pair.desk.begun.wait()
        side.stop_mail()
        pair.a.mail.connect(None)  # a link ends with either
        pair.b.mail.connect(None)
        with pytest.raises(LinkDown):
            await waiting
        await side.start_mail()
        pair.a.mail.connect(pair.b.mail)
        pair.b.mail.connect(pair.a.mail)
        for each in (pair.a, pair.b):
            await each.linked()
        assert await pair.a.peer.request("GET", "/v1/who", who=ANNA)


async def test_no_more_calls_than_there_is_room_for(pair: Pair) -> None:
    asked = [
        asyncio.ensure_future(pair.a.peer.request("GET", "/v1/waits", who=ANNA)) for _ in range(20)
    ]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_EXCEPTION)
    assert all(isinstance(one.exception(), Unavailable) for one in done)
    pair.desk.go_on.set()
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, bytes) for one in ended) == 8


async def test_who_waits_no_more_leaves_nothing_behind(pair: Pair) -> None:
    for _ in range(12):  # more than the other node carries out at a time
        pair.desk.begun.clear()
        waiting = asyncio.ensure_future(pair.a.peer.request("GET", "/v1/waits", who=ANNA))
        await pair.desk.begun.wait()
        waiting.cancel()
        await asyncio.wait([waiting])
    assert await pair.a.peer.request("GET", "/v1/who", who=ANNA)


NONSENSE = [
    b"",
    b"\xc1",
    os.urandom(1000),
    b"z" * (PACKET_LIMIT + 1),
    msgspec.msgpack.encode([99, b"x"]),
    encode(Heard(b"unknown")),
    encode(Ended(b"unknown", "why")),
    encode(AnsweredMore(b"unknown", b"x", True)),
    encode(Asked(b"1", "GET", "/v1/x\r\nEvil: 1", "a", "administrator", b"", True)),
    encode(Asked(b"2", "GET", "http://elsewhere/", "a", "administrator", b"", True)),
    encode(Asked(b"3", "G T", "/v1/who", "a", "administrator", b"", True)),
    encode(Asked(b"4", "GET", "/v1/who", "a", "emperor", b"", True)),
    encode(Asked(b"5", "GET", "/v1/who", "a", "", b"", True)),
]


async def test_nonsense_from_the_other_node_costs_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    request = pair.b.own.request

    def counted(method: str, path: str, body: bytes, who: Who) -> object:
        asked.append(path)
        return request(method, path, body, who)

    monkeypatch.setattr(pair.b.own, "request", counted)
    for packet in NONSENSE:
        pair.b.mail.socket.said(packet)
    for _ in range(200):
        pair.b.mail.socket.said(encode(Asked(b"6", "POST", "/v1/keep", "a", "viewer", b"x", False)))
    assert await pair.a.peer.request("GET", "/v1/who?last", who=ANNA)
    assert asked == ["/v1/who?last"]


async def test_an_answer_that_is_nonsense_fails_the_call_only(pair: Pair) -> None:
    waiting = asyncio.ensure_future(pair.a.peer.request("GET", "/v1/waits", who=ANNA))
    await pair.desk.begun.wait()
    (asked,) = [one for one in map(decode, pair.a.mail.sent) if isinstance(one, Asked)]
    for _ in range(5):
        pair.a.mail.socket.said(encode(AnsweredMore(asked.call, b"x", False)))
    with pytest.raises(Unavailable, match="no sense"):
        await waiting
    assert await pair.a.peer.request("GET", "/v1/who", who=ANNA)


async def test_an_earlier_release_hears_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.control.peer_exchange._HEARD", 0.05)
    pair.b.mail.other = None  # it takes packets, and says nothing
    with pytest.raises(Unavailable, match="does not answer"):
        await pair.a.peer.request("GET", "/v1/who", who=ANNA)
