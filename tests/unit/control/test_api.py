"""The control API over real sockets; the spool and the mail process are stood in for."""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import os
import pwd
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from appliance.config.units import Endpoint, IpNetwork
from appliance.control.client import ApiError, Client, NotRunning
from appliance.control.listen import serving
from appliance.control.moves import Moves
from appliance.control.observer import Identity, Observer
from appliance.control.schema import Selection, Status
from appliance.control.server import Api, Public
from appliance.ipc.mail import Target
from appliance.mail.reply import Refused, Reply
from appliance.mail.views import QueueCounts, QueueFilter, RecipientStatus
from tests.support.control import (
    FAILOVER,
    MAIL,
    RECIPIENT,
    ROUTER,
    Failover,
    Mail,
    Reader,
    Tls,
    handlers,
)
from tests.support.monitor import watched

T = TypeVar("T")


@dataclass
class World:
    reader: Reader
    mail: Mail
    failover: Failover
    client: Client
    port: int
    folder: Path

    async def ask(self, call: Callable[[], T]) -> T:
        """The client is synchronous, so it runs beside the server's loop."""
        return await asyncio.to_thread(call)

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path)
        response = connection.getresponse()
        found = response.status, response.read()
        connection.close()
        return found


@pytest.fixture
def trusted() -> list[IpNetwork]:
    return [ipaddress.ip_network("127.0.0.0/8")]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
async def world(tmp_path: Path, trusted: list[IpNetwork]) -> AsyncIterator[World]:
    reader, mail, failover, port = Reader(), Mail(), Failover(), free_port()
    observer = Observer(
        Identity("a", "a.site.test", "1.0", ("127.0.0.10",), True),
        tmp_path,
        tmp_path / "processes.json",
        reader,
        mail,
        Moves(failover, mail, tmp_path / "maintenance"),
        Tls(),
    )
    watch = watched(observer, tmp_path)
    path = tmp_path / "control.sock"
    api = handlers()
    Api(observer).add_to(api)
    async with serving(
        api.application,
        path,
        Public(observer, trusted).application(),
        [Endpoint(f"127.0.0.1:{port}")],
    ):
        yield World(reader, mail, failover, Client(path), port, tmp_path)
    observer.close()
    watch.close()
    assert not path.exists()


async def test_status(world: World) -> None:
    (world.folder / "processes.json").write_bytes(
        b'[{"name":"mail","state":"ready","pid":7,"restarts":0}]'
    )
    status = await world.ask(world.client.status)
    assert status.healthy
    assert status.mode == "paired"
    assert status.queue == QueueCounts(held=3, owned_here=3)
    assert status.processes[0].pid == 7
    assert status.virtual[0].here


async def test_status_of_a_node_whose_parts_are_down(world: World) -> None:
    world.mail.shown, world.reader.up = None, False
    status = await world.ask(world.client.status)
    assert (status.mode, status.mail, status.queue) == ("down", None, None)
    assert [alarm.name for alarm in status.alarms] == ["mail_down"]
    assert not status.healthy


async def test_queue_is_read_page_by_page(world: World) -> None:
    wanted = QueueFilter(status=(RecipientStatus.HELD,), recipient="@site.test")
    pages = await world.ask(lambda: list(world.client.queue(wanted, limit=2)))
    assert [[one.queue_id for one in page.entries] for page in pages] == [
        ["Q1", "Q2"],
        ["Q3", "Q4"],
        ["Q5"],
    ]
    assert world.reader.asked == [wanted] * 3


async def test_message_and_content(world: World) -> None:
    story = await world.ask(lambda: world.client.message("Q1"))
    assert story.recipients == (RECIPIENT,)
    content = await world.ask(lambda: b"".join(world.client.content("Q1")))
    assert content == b"Subject: x\r\n\r\n" + b"y" * 200_000


async def test_content_that_breaks_off_is_not_taken_for_a_message(world: World) -> None:
    with pytest.raises(NotRunning, match="ROTTEN broke off"):
        await world.ask(lambda: list(world.client.content("ROTTEN")))


@pytest.mark.parametrize("queue_id", ["Q2", "../status", "a/b", "%2e", "\x1b[2J"])
async def test_what_is_not_there_is_not_found(world: World, queue_id: str) -> None:
    with pytest.raises(ApiError) as caught:
        await world.ask(lambda: world.client.message(queue_id))
    assert caught.value.failure.code == "not_found"
    with pytest.raises(ApiError):
        await world.ask(lambda: list(world.client.content(queue_id)))


async def test_another_users_node_is_not_taken_for_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> socket.socket:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("appliance.control.client.connected_socket", refused)
    with pytest.raises(ApiError) as caught:
        await world.ask(world.client.status)
    assert caught.value.failure.code == "forbidden"


async def test_mailboxes(world: World) -> None:
    assert [one.name for one in await world.ask(world.client.mailboxes)] == ["bob"]
    (page,) = await world.ask(lambda: list(world.client.mailbox("bob")))
    assert page.entries[0].recipients == ("bob",)


@pytest.mark.parametrize("action", ["hold", "release", "retry", "remove", "redirect"])
async def test_commands(world: World, action: str) -> None:
    targets = [Selection("Q1"), Selection("Q2", (0, 3))]
    results = await world.ask(lambda: world.client.command(action, targets, "carol@site.test"))
    assert [(one.queue_id, one.changed) for one in results] == [("Q1", 1), ("Q2", 1)]
    ((told, seen, address, by),) = world.mail.told
    assert (told, list(seen)) == (action, [Target("Q1"), Target("Q2", (0, 3))])
    assert address == ("carol@site.test" if action == "redirect" else "")
    assert by == pwd.getpwuid(os.geteuid()).pw_name


async def test_commands_that_cannot_be_meant(world: World) -> None:
    for action, targets, address, code in [
        ("explode", [Selection("Q1")], "", "not_found"),
        ("hold", [], "", "bad_request"),
        ("hold", [Selection("Q1")] * 1001, "", "bad_request"),
        ("redirect", [Selection("Q1")], "no address", "bad_request"),
    ]:
        with pytest.raises(ApiError) as caught:
            await world.ask(partial(world.client.command, action, targets, address))
        assert caught.value.failure.code == code
    assert world.mail.told == []


async def test_a_refusal_says_what_to_do(world: World) -> None:
    with pytest.raises(ApiError) as caught:
        await world.ask(world.client.take_over)
    assert caught.value.failure.code == "refused"
    assert caught.value.failure.hint == "nothing to take over"


async def test_a_salvage_tells_what_it_took_over_or_why_not(world: World) -> None:
    view = await world.ask(lambda: world.client.salvage("/mnt/dead"))
    assert (view.messages, view.merged, view.lost) == (3, 1, 0)
    with pytest.raises(ApiError) as caught:
        await world.ask(lambda: world.client.salvage("nowhere"))
    assert caught.value.failure.hint == "name a data directory"


async def test_tcp_tells_health_and_metrics_and_nothing_else(world: World) -> None:
    status, body = await world.ask(lambda: world.get("/health"))
    assert (status, msgspec.json.decode(body)["ok"]) == (200, True)
    status, body = await world.ask(lambda: world.get("/metrics"))
    assert status == 200
    assert b'twinpost_mode{mode="paired"} 1.0' in body
    assert b"twinpost_accepted_messages_total 7.0" in body
    assert b'twinpost_active{vrid="1"} 1.0' in body
    assert b'twinpost_heartbeats_rejected_total{reason="forged"} 3.0' in body
    for path in ("/v1/status", "/v1/queue", "/"):
        assert (await world.ask(partial(world.get, path)))[0] == 404


async def test_health_says_why_not(world: World) -> None:
    world.mail.shown = msgspec.structs.replace(MAIL, accepting=False, reason="disk full")
    status, body = await world.ask(lambda: world.get("/health"))
    assert (status, msgspec.json.decode(body)["reason"]) == (503, "disk full")
    world.mail.shown = None
    assert (await world.ask(lambda: world.get("/health")))[0] == 503


@pytest.mark.parametrize("trusted", [[], [ipaddress.ip_network("10.0.0.0/8")]])
async def test_a_stranger_is_told_nothing(world: World, trusted: list[IpNetwork]) -> None:
    for path in ("/health", "/metrics"):
        assert (await world.ask(partial(world.get, path)))[0] == 403


async def test_switchover_hands_mail_over_before_the_address_goes(world: World) -> None:
    assert await world.ask(lambda: world.client.switch_over(None, False)) == "moved"
    assert world.failover.told == [("ask", None), ("switch over", None)]
    assert world.mail.handed_over == 1


async def test_a_switchover_to_this_node_is_the_other_ones_to_do(world: World) -> None:
    assert await world.ask(lambda: world.client.switch_over(1, False, here=True)) == "moved"
    assert (world.failover.told, world.mail.handed_over) == ([("fetch", 1)], 0)


async def test_a_node_that_stays_active_for_another_router_keeps_its_mail(world: World) -> None:
    two = (ROUTER, msgspec.structs.replace(ROUTER, vrid=2))
    world.failover.shown = msgspec.structs.replace(FAILOVER, routers=two)
    await world.ask(lambda: world.client.switch_over(2, False))
    assert world.mail.handed_over == 0
    assert world.failover.told[-1] == ("switch over", 2)


async def test_a_switchover_that_would_help_nobody_changes_nothing(world: World) -> None:
    world.failover.refusal = Refused(Reply(450, "4.3.0", "it is not heard"), "wait")
    with pytest.raises(ApiError) as caught:
        await world.ask(lambda: world.client.switch_over(None, False))
    assert (caught.value.failure.code, caught.value.failure.hint) == ("refused", "wait")
    assert (world.failover.told, world.mail.handed_over) == ([], 0)


async def test_mail_that_cannot_be_handed_over_keeps_the_address_unless_forced(
    world: World,
) -> None:
    world.mail.keeps = Refused(Reply(450, "4.3.0", "the pair is not paired"), "wait")
    with pytest.raises(ApiError) as caught:
        await world.ask(lambda: world.client.switch_over(None, False))
    assert "--force" in caught.value.failure.hint
    assert ("switch over", None) not in world.failover.told
    assert await world.ask(lambda: world.client.switch_over(None, True)) == "moved"


async def test_maintenance_outlives_the_node_and_shows(world: World) -> None:
    note = world.folder / "maintenance"
    await world.ask(lambda: world.client.maintain(True, False))
    assert note.exists()
    status, body = await world.ask(lambda: world.get("/health"))
    assert (status, msgspec.json.decode(body)["reason"]) == (503, "maintenance")
    await world.ask(lambda: world.client.maintain(False, False))
    assert not note.exists()
    assert (await world.ask(lambda: world.get("/health")))[0] == 200
    moved = [told for told in world.failover.told if told[0] != "ask"]
    assert (moved, world.mail.handed_over) == ([("maintain", True), ("maintain", False)], 1)


async def test_a_failover_process_that_does_not_answer_is_alarmed(world: World) -> None:
    world.failover.shown = None
    status = await world.ask(world.client.status)
    assert [alarm.name for alarm in status.alarms] == ["failover_down"]
    assert not status.virtual[0].here


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        Client(tmp_path / "control.sock").status()


def test_status_survives_json() -> None:
    assert "mode" in msgspec.json.schema(Status)["$defs"]["Status"]["properties"]
