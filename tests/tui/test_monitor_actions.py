"""Every action of alerts, charts, jobs and backups, by its keys, against a real pair."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

import pytest

from appliance.control.client import Client
from tests.pair.harness import until
from tests.pair.moving import Moving
from tests.tui.acts import acts
from tests.tui.screen import seen
from tui.widgets.table import Table

pytestmark = pytest.mark.xdist_group("console")


@acts("jobs.run")
async def test_a_job_runs_now_and_stands_among_its_runs(pair: Moving) -> None:
    client = Client(pair.a.layout.control_socket)
    names = [one.name for one in await asyncio.to_thread(client.jobs)]
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("jobs")
        await console.sees(names[0])
        await console.press(*["down"] * names.index("self-test"))
        await console.press("r")
        await console.sees("Will be done now")
        await console.press("y")

        async def ran() -> bool:
            runs = await asyncio.to_thread(client.job_history, "self-test", 1)
            return bool(runs) and bool(runs[0].by)

        await until(ran, "the job ran for somebody", 30.0)
        await console.sees(lambda text: text.count("● ok") >= 2, "its run is shown")


@acts("backups.make")
async def test_a_backup_is_not_made_without_a_recovery_key_and_says_so(
    pair: Moving, tmp_path: Path
) -> None:
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("backups")
        await console.sees("names no folder")
        await console.press("n")
        await console.sees("In the folder, on the node:")
        await console.type("stick")
        await console.press("enter")
        await console.sees("write the whole path")
        await console.press("ctrl+u")
        await console.type(str(tmp_path))
        await console.press("enter")
        await console.sees("recovery key")


@acts("backups.folder", "backups.verify")
async def test_backups_of_a_stick_are_looked_at_and_verified(pair: Moving, tmp_path: Path) -> None:
    (tmp_path / "twinpost-a-000007.backup").write_bytes(b"no backup at all")
    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.go("backups")
        await console.press("f")
        await console.sees("Folder:")
        await console.press("ctrl+u")
        await console.type(str(tmp_path))
        await console.press("enter")
        await console.sees("✖ no backup")
        await console.press("v")
        await console.sees("no backup")


@acts("charts.span(1)", "charts.span(-1)")
async def test_charts_follow_the_cursor_and_the_span(pair: Moving) -> None:
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("charts")
        await console.sees("Messages accepted, the last hour")
        await console.press("plus")
        await console.sees("Messages accepted, the last 6 hours")
        await console.press("minus", "down")
        await console.sees("Commands refused, the last hour")


@acts("alerts.acknowledge")
async def test_an_alert_of_the_other_node_is_acknowledged_over_the_link(pair: Moving) -> None:
    """With both nodes in maintenance nobody has the virtual address, and each of them says so."""
    nodes = [Client(one.layout.control_socket) for one in (pair.a, pair.b)]

    async def known() -> list[str]:
        """Why, for each node whose alert is acknowledged."""
        found = [await asyncio.to_thread(one.alerts) for one in nodes]
        alerts = [one for each in found for one in each.alerts if one.name == "not_served"]
        return [one.acknowledged.why for one in alerts if one.acknowledged is not None]

    for one in nodes:
        await asyncio.to_thread(one.maintain, True, True)
    try:
        async with seen(pair.a.layout.control_socket, (120, 40)) as console:
            await console.go("alerts")
            table = console.console.screen.query_one(Table)

            def place() -> int | None:
                """Of the other node's alert in the list."""
                rows = [table.rows.row(index) for index in range(table.rows.count)]
                wanted = [
                    index
                    for index, row in enumerate(rows)
                    if row is not None and row.other and row.alert.name == "not_served"
                ]
                return wanted[0] if wanted else None

            await console.sees(lambda text: place() is not None, "the other node's alert")
            await console.press("home", *["down"] * (place() or 0), "a")
            await console.sees("What is being done about it:")
            await console.type("new disk")
            await console.press("enter")
            await console.sees("● known")
            assert await known() == ["new disk"]
            own = await asyncio.to_thread(nodes[0].alerts)
            assert all(one.acknowledged is None for one in own.alerts), "the other node's was meant"
    finally:
        for one in nodes:
            await asyncio.to_thread(one.maintain, False, False)


@acts("alerts.history")
async def test_what_has_ended_is_shown_apart(pair: Moving) -> None:
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("alerts")
        await console.sees("Now, on both nodes")
        await console.press("h")
        await console.sees("Ended, on the node that you look at")
        await console.press("h")
        await console.sees("Now, on both nodes")


@acts("logs.filter", "logs.back")
async def test_logs_are_filtered_and_grow_as_things_happen(pair: Moving) -> None:
    client = Client(pair.a.layout.control_socket)
    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.go("logs")
        await console.press("slash")
        await console.type("event:job_done self-test")
        await console.press("enter")
        await console.sees(lambda text: "node_ready" not in text)
        before = console.text().count("self-test")
        await asyncio.to_thread(client.run_job, "self-test")
        await console.sees(lambda text: text.count("job_done") >= 2 or before == 0)
        await console.press("escape")
        await console.sees("node:")


@acts("audit.filter", "audit.back")
async def test_what_was_changed_stands_in_the_audit(pair: Moving) -> None:
    client = Client(pair.a.layout.control_socket)
    await asyncio.to_thread(client.run_job, "self-test")
    async with seen(pair.b.layout.control_socket, (120, 40)) as console:
        await console.go("audit")
        await console.sees("run job self-test")
        await console.press("slash")
        await console.type("nobody-has-done-this")
        await console.sees("Nobody has changed anything.")
        await console.press("escape", "escape")
        await console.sees("run job self-test")


@acts("reports.make(True)", "reports.make(False)", "reports.export", "reports.key")
async def test_a_report_is_written_and_read_back(pair: Moving, tmp_path: Path) -> None:
    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.go("reports")
        await console.press("r")
        await console.sees("with pseudonyms instead of names")
        await console.press("ctrl+u")
        await console.type(str(tmp_path / "nowhere"))
        await console.press("enter")
        await console.sees("there is no such folder")
        await console.press("ctrl+u")
        await console.type(str(tmp_path))
        await console.press("enter")
        await console.sees("Written and read back")
        written = sorted(Path(name).suffix for name in os.listdir(tmp_path))
        assert written == [".html", ".json"]
        await asyncio.to_thread(Client(pair.a.layout.control_socket).run_job, "report")
        await console.sees(lambda _: console.console.screen.query_one(Table).row is not None)
        for key, says in (("n", "will be made and written"), ("e", "The report will be written")):
            (tmp_path / key).mkdir()
            await console.press(key)
            await console.sees(says)
            await console.press("ctrl+u")
            await console.type(str(tmp_path / key))
            await console.press("enter")
            await until(partial(_files, tmp_path / key, 2), "two files", 20.0)
        (tmp_path / "k").mkdir()
        await console.press("k")
        await console.sees("The public key")
        await console.press("ctrl+u")
        await console.type(str(tmp_path / "k"))
        await console.press("enter")
        await until(partial(_files, tmp_path / "k", 1), "the key", 20.0)
        client = Client(pair.a.layout.control_socket)
        written_key = (tmp_path / "k" / "twinpost-a.pub").read_text()
        assert written_key == await asyncio.to_thread(client.report_key)


async def _files(folder: Path, number: int) -> bool:
    return len(await asyncio.to_thread(os.listdir, folder)) == number
