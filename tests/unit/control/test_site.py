"""The site over the API: what is wrong with a request is told as such."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector

from appliance.control.listen import serving
from appliance.control.moves import Moves
from appliance.control.observer import Identity, Observer
from appliance.control.server import Api, Public
from appliance.control.site import SiteApi
from tests.support.control import Failover, Mail, Reader, Tls, handlers
from tests.support.site import MemorySite


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ClientSession]:
    reader, mail = Reader(), Mail()
    identity = Identity("a", "a.site.test", "1.0", (), True)
    moves = Moves(Failover(), mail, tmp_path / "maintenance")
    observer = Observer(identity, tmp_path, tmp_path / "none", reader, mail, moves, Tls())
    application = handlers()
    Api(observer).add_to(application)
    site = MemorySite({"domains": ["site.test"]})
    SiteApi("a", observer, site, site).add_to(application)
    path = tmp_path / "control.sock"
    async with (
        serving(application.application, path, Public(observer, []).application(), []),
        ClientSession("http://node", connector=UnixConnector(str(path))) as session,
    ):
        yield session
    observer.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"parent": ""}',
        b'{"document": [], "parent": ""}',
        b'{"document": {}, "parent": "no hex"}',
        b'{"document": {}, "parent": "", "settles": ["x"]}',
        b'{"document": {}, "parent": "", "while-alone": true}',
    ],
)
async def test_a_request_that_is_none(api: ClientSession, body: bytes) -> None:
    async with api.post("/v1/site", data=body) as response:
        assert response.status == 400
        assert (await response.json())["code"] == "bad_request"


async def test_what_is_not_there_or_refused(api: ClientSession) -> None:
    async with api.get("/v1/site/versions/9") as response:
        assert response.status == 404
    async with api.post("/v1/site", json={"document": {}, "parent": "00"}) as response:
        assert response.status == 409
        assert (await response.json())["hint"] == "look at it"


async def test_a_change_is_answered_with_its_version(api: ClientSession) -> None:
    async with api.get("/v1/site") as response:
        head = (await response.json())["head"]
    change = {"document": {"domains": ["x.test"]}, "parent": head["id"], "comment": "why"}
    async with api.post("/v1/site", json=change) as response:
        made = await response.json()
    assert (made["number"], made["standing"], made["comment"]) == (2, "head", "why")
    async with api.get("/v1/site/history") as response:
        versions = (await response.json())["versions"]
    assert [one["number"] for one in versions] == [2, 1]
