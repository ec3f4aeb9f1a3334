"""Reports are made, kept, found and handed out; names are no paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.config.document import parse
from appliance.config.node import NodeSettings
from appliance.config.site import SiteSettings
from appliance.control.reporter import KEPT, Reporter
from appliance.mail.views import Unavailable
from appliance.report.content import Report
from appliance.report.signature import verify
from appliance.services.report_keys import ReportKeys
from tests.support.report import DAY, NOW, status
from tests.unit.control.test_report_settings import NODE_TOML


class World:
    def __init__(self, folder: Path) -> None:
        (folder / "keys").mkdir()
        (folder / "monitor").mkdir()
        self.keys = ReportKeys(folder / "keys", folder / "monitor")
        self.folder = folder / "reports"
        self.now = NOW
        self.reporter = Reporter(
            parse(NODE_TOML, NodeSettings, "node.toml"),
            "1.0",
            self.ask,
            None,
            lambda: parse('domains = ["site.test"]\n[users.alice]\n', SiteSettings, "site.toml"),
            self.keys,
            self.folder,
            lambda: self.now,
        )

    async def ask(self, path: str) -> bytes:
        if path == "/v1/status":
            return msgspec.json.encode(status(summary="alice at 192.0.2.7 waits"))
        raise Unavailable(path)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def told(json: str) -> Report:
    return msgspec.convert(msgspec.json.decode(json)["report"], Report)


async def test_both_files_are_signed_and_nothing_is_kept(world: World) -> None:
    made = await world.reporter.make(redact=False)
    public = world.keys.signing().public_key()
    assert verify(made.page.encode(), public)
    assert verify(made.json.encode(), public)
    assert made.name == "twinpost-report-a-20261128T120000Z"
    assert "alice at 192.0.2.7" in made.page
    assert world.reporter.kept() == []


async def test_pseudonyms_outlive_a_restart_and_can_be_revealed(world: World) -> None:
    first = await world.reporter.make(redact=True)
    assert "alice" not in first.page + first.json
    assert "192.0.2.7" not in first.page + first.json
    (fact,) = [one for one in told(first.json).facts if one.name == "in one sentence"]
    user, address = fact.values[0].split(" ")[0], fact.values[0].split(" ")[2]
    again = ReportKeys(world.folder.parent / "keys", world.folder.parent / "monitor")
    assert (again.reveal(user), again.reveal(address)) == ("alice", "192.0.2.7")
    assert again.reveal("user-aaaaaaaa") is None
    assert again.pseudonyms() == world.keys.pseudonyms()
    for name in ("keys/report.json", "monitor/pseudonyms.json"):
        assert (world.folder.parent / name).stat().st_mode & 0o777 == 0o600


async def test_weekly_ones_are_kept_and_the_oldest_go(world: World) -> None:
    for _ in range(KEPT + 2):
        world.now += 7 * DAY
        await world.reporter.weekly()
    kept = world.reporter.kept()
    assert len(kept) == KEPT
    assert kept[0].at == world.now
    assert len(list(world.folder.iterdir())) == 2 * KEPT
    files = world.reporter.read(kept[0].name)
    assert told(files.json).made_at == world.now
    assert (world.folder / f"{kept[0].name}.html").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "away, period",
    [(10 * DAY, 10 * DAY), (3600_000, 7 * DAY), (-5 * DAY, 7 * DAY), (4000 * DAY, 7 * DAY)],
)
async def test_a_report_begins_where_the_last_weekly_one_ended(
    world: World, away: int, period: int
) -> None:
    await world.reporter.weekly()
    world.now += away
    report = told((await world.reporter.make(redact=False)).json)
    assert report.made_at - report.since == period


@pytest.mark.parametrize("name", ["", "..", "../keys/report", "twinpost-report-a-1", "a/b"])
def test_what_is_no_report_is_not_read(world: World, name: str) -> None:
    with pytest.raises(LookupError):
        world.reporter.read(name)


async def test_a_clock_that_no_calendar_has(world: World) -> None:
    world.now = 1 << 60
    made = await world.reporter.make(redact=False)
    assert "a moment that no calendar has" in made.page


def test_keys_are_made_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    first: Ed25519PrivateKey = world.keys.signing()
    again = ReportKeys(tmp_path / "keys", tmp_path / "monitor").signing()
    assert first.private_bytes_raw() == again.private_bytes_raw()
    (tmp_path / "keys" / "report.json").write_text("{}")
    with pytest.raises(OSError, match="damaged"):
        ReportKeys(tmp_path / "keys", tmp_path / "monitor").signing()


def test_many_pseudonyms_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from appliance.services import report_keys

    monkeypatch.setattr(report_keys, "_MOST", 3)
    world = World(tmp_path)
    names: Mapping[str, str] = {f"user-{number}": f"name {number}" for number in range(3)}
    world.keys.remember(names)
    world.keys.remember({"user-9": "name 9"})
    assert [world.keys.reveal(f"user-{n}") for n in (0, 1, 2, 9)] == [
        None,
        "name 1",
        "name 2",
        "name 9",
    ]
