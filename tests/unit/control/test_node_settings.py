"""node.toml over the API: what is wrong with it, or dangerous, never gets into the file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector, web

from appliance.config import Layout
from appliance.config.node import PathSettings
from appliance.control.listen import serving
from appliance.control.node_settings import NodeSettingsApi
from appliance.services.node_file import OwnFile
from tests.support.control import handlers

TEXT = """\
name = "a"
hostname = "a.site.test"
# people write here
[smtp]
listen = ["192.0.2.11:25"]
[link]
listen = "192.0.2.11:2526"
pairing = "192.0.2.11:2527"
"""
SITE = """\
domains = ["site.test"]
[routes."*"]
transport = "smtp"
next_hops = ["192.0.2.99:25"]
"""


class Restarts:
    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> None:
        self.number += 1


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path / "data", PathSettings())
    found.create()
    found.node_toml.write_text(TEXT)
    found.site_toml.write_text(SITE)
    return found


@pytest.fixture
def restarts(monkeypatch: pytest.MonkeyPatch) -> Restarts:
    monkeypatch.setattr("appliance.services.node_file._TOLD", 0.0)
    return Restarts()


@pytest.fixture
async def api(layout: Layout, restarts: Restarts, tmp_path: Path) -> AsyncIterator[ClientSession]:
    application, path = handlers(), tmp_path / "control.sock"
    NodeSettingsApi(OwnFile(layout, restarts)).add_to(application)
    async with (
        serving(application.application, path, web.Application(), []),
        ClientSession("http://node", connector=UnixConnector(str(path))) as session,
    ):
        yield session


async def test_a_change_is_shown_applied_and_can_be_taken_back(
    api: ClientSession, layout: Layout, restarts: Restarts
) -> None:
    wanted = TEXT.replace("192.0.2.11", "192.0.2.21")
    async with api.post("/v1/node/settings/check", json={"text": wanted}) as response:
        changes = (await response.json())["changes"]
    assert [one["key"] for one in changes] == ["link.listen", "link.pairing", "smtp.listen"]
    assert layout.node_toml.read_text() == TEXT
    async with api.post("/v1/node/settings", json={"text": wanted, "before": TEXT}) as response:
        assert response.status == 200
    assert layout.node_toml.read_text() == wanted
    async with api.get("/v1/node/settings") as response:
        assert await response.json() == {"text": wanted, "before": TEXT}
    async with api.post("/v1/node/settings", json={"text": TEXT, "before": wanted}) as response:
        assert response.status == 200
    assert layout.node_toml.read_text() == TEXT
    assert restarts.number == 2


async def test_a_change_by_somebody_else_is_not_undone(
    api: ClientSession, layout: Layout, restarts: Restarts
) -> None:
    layout.node_toml.write_text(f"{TEXT}# by hand\n")
    change = {"text": TEXT.replace("a.site.test", "b.site.test"), "before": TEXT}
    async with api.post("/v1/node/settings", json=change) as response:
        assert response.status == 409
        assert "meanwhile" in (await response.json())["error"]
    assert layout.node_toml.read_text().endswith("# by hand\n")
    assert restarts.number == 0


@pytest.mark.parametrize(
    "text, said",
    [
        ("name = \n" + TEXT, "line 1"),
        (TEXT.replace("hostname", "hostnam"), "line 2: hostnam"),
        (TEXT.replace('192.0.2.11:25"', 'here:25"'), "smtp.listen"),
        (TEXT.replace("192.0.2.11:25", "192.0.2.99:25"), "back"),
        (f'{TEXT}[paths]\nspool = "/elsewhere"\n', "paths.spool is not changed from here"),
        (f'{TEXT}[alerts]\ncommand = ["/bin/sh"]\n', "alerts.command is not changed from here"),
        (f'{TEXT}[console]\ngroup = "users"\n', "console.group is not changed from here"),
    ],
)
async def test_what_is_wrong_or_dangerous_is_refused(
    api: ClientSession, layout: Layout, restarts: Restarts, text: str, said: str
) -> None:
    for path, body in (("/check", {"text": text}), ("", {"text": text, "before": TEXT})):
        async with api.post(f"/v1/node/settings{path}", json=body) as response:
            assert response.status == 400
            assert said in (await response.json())["error"]
    assert layout.node_toml.read_text() == TEXT
    assert restarts.number == 0


async def test_a_file_that_somebody_broke_can_be_put_right(
    api: ClientSession, layout: Layout
) -> None:
    layout.node_toml.write_text("broken")
    async with api.post("/v1/node/settings", json={"text": TEXT, "before": "broken"}) as response:
        assert response.status == 200
    assert layout.node_toml.read_text() == TEXT
