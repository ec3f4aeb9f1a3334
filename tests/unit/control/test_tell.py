"""Who is told of alerts, what happens when that fails, and what the other node leaves to us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from appliance.config.alerts import AlertSettings
from appliance.control.findings import Findings
from appliance.control.neighbour import Neighbour
from appliance.control.schema_alerts import NodeWord
from appliance.control.tell import Letterhead, Teller
from appliance.control.watch import Watch
from appliance.mail.views import Unavailable
from appliance.monitor.alerts.engine import Channel, Key
from appliance.monitor.alerts.store import AlertsFile
from appliance.monitor.ring import Moment
from appliance.monitor.snapshot import Snapshot
from tests.support.control import MAIL
from tests.support.monitor import PEER_ALERTS, snapshot

SOLO = snapshot(mail=replace(MAIL, mode="solo"))
BRANCHED = snapshot(mail=replace(MAIL, site_branches=1))


class World:
    """A node whose moments, clock and mail process are in the test's hands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told_to = folder / "told"
        self.seen: Snapshot = snapshot()
        self.now = 0
        self.mailed: list[bytes] = []
        self.accepts = True
        self.theirs: frozenset[Key] = frozenset()
        self.events: list[str] = []
        self.settings = AlertSettings(command=("/bin/sh", "-c", f"cat >>{self.told_to}"))
        self.watch = self._watch()

    def _watch(self) -> Watch:
        file = AlertsFile(self.folder / "alerts.db", lambda why: pytest.fail(why))
        channels = Teller.channels(self.settings)
        return Watch(self, file, channels, self._moment, self._emit)

    def _moment(self) -> Moment:
        return Moment("boot", self.now, self.now)

    def _emit(self, event: str, queue_id: str = "", **values: Any) -> None:
        self.events.append(event)

    async def snapshot(self) -> Snapshot:
        return self.seen

    async def tell_postmaster(self, content: bytes) -> str:
        if not self.accepts:
            raise Unavailable("the mail process is not there")
        self.mailed.append(content)
        return "Q1"

    @property
    def teller(self) -> Teller:
        head = Letterhead("b", lambda: "site.test", lambda: self.now, lambda: "token")
        return Teller(self.watch, self.settings, head, self, lambda: self.theirs, self._emit)

    async def sees(self, seen: Snapshot, *seconds: int) -> None:
        self.seen = seen
        for one in seconds:
            self.now = 1000 * one
            await self.watch.look()

    async def restart(self) -> None:
        self.watch.close()
        self.watch = self._watch()
        await self.watch.load()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    made.watch.close()


async def test_the_postmaster_is_told_once_even_over_a_restart(world: World) -> None:
    await world.sees(SOLO, 0, 5)
    assert await world.teller.mail()
    assert await world.teller.mail()
    await world.restart()
    await world.sees(SOLO, 10)
    assert await world.teller.mail()
    assert len(world.mailed) == 1
    assert b"CRITICAL: solo" in world.mailed[0]


async def test_what_could_not_be_mailed_is_mailed_later_in_one(world: World) -> None:
    world.accepts = False
    await world.sees(SOLO, 0, 5)
    assert not await world.teller.mail()
    await world.sees(snapshot(), 30, 60)
    await world.restart()
    world.accepts = True
    assert await world.teller.mail()
    (message,) = world.mailed
    assert b"Cleared on node b" in message
    assert world.events.count("alert_not_told") == 1
    (alert,) = world.watch.engine.alerts.values()
    assert await world.teller.command(alert)
    assert not world.watch.engine.alerts, "and then it is over"


async def test_the_command_is_told_of_both_turns(world: World) -> None:
    await world.sees(SOLO, 0, 5)
    (raised,) = world.watch.engine.untold(Channel.COMMAND)
    assert await world.teller.command(raised)
    await world.restart()
    assert not world.watch.engine.untold(Channel.COMMAND)
    await world.sees(snapshot(), 30, 60)
    (cleared,) = world.watch.engine.untold(Channel.COMMAND)
    assert await world.teller.command(cleared)
    told = world.told_to.read_text().replace("}{", "}\n{").splitlines()
    assert [msgspec.json.decode(line)["event"] for line in told] == ["raised", "cleared"]


async def test_a_command_that_fails_is_run_again(world: World) -> None:
    world.settings = AlertSettings(command=("/bin/false",))
    await world.sees(SOLO, 0, 5)
    (raised,) = world.watch.engine.untold(Channel.COMMAND)
    assert not await world.teller.command(raised)
    assert world.watch.engine.untold(Channel.COMMAND) == [raised]
    assert world.events.count("alert_not_told") == 1


async def test_what_is_about_the_pair_is_mailed_by_one_node(world: World) -> None:
    world.theirs = frozenset({("site_branched", ""), ("solo", "")})
    await world.sees(BRANCHED, 0, 5)
    assert await world.teller.mail()
    assert not world.mailed, "the other node does"
    await world.sees(SOLO, 10, 15)
    assert await world.teller.mail()
    assert len(world.mailed) == 1, "solo is each node's own"


class TheOther:
    def __init__(self) -> None:
        self.word: bytes | None = None
        self.took = 0

    async def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        assert (method, path, body) == ("GET", "/v1/alerts/word", b"")
        if self.word is None:
            raise Unavailable("the link is down")
        return self.word


def known(findings: Findings) -> list[int]:
    """The clock's offset, if it is known."""
    return [] if findings.clock_offset is None else [findings.clock_offset]


def word(node: str, clock: int) -> bytes:
    return msgspec.json.encode(
        NodeWord(node=node, clock=clock, smtp=("127.0.0.2", 25), alerts=PEER_ALERTS.alerts)
    )


async def test_the_other_nodes_alerts_and_clock() -> None:
    other, findings, now = TheOther(), Findings(), [1_000_000]
    neighbour = Neighbour(
        "b", other, findings, lambda: now[0], lambda: now[0], lambda *told, **more: None
    )
    await neighbour.ask()
    assert neighbour.tells() == frozenset()
    assert not known(findings)
    other.word = word("a", 1_007_000)
    await neighbour.ask()
    assert known(findings) == [7000]
    assert findings.peer_smtp == ("127.0.0.2", 25)
    assert neighbour.tells() == {("disk_low", "")}
    other.word = None
    now[0] += 61_000
    await neighbour.ask()
    assert neighbour.alerts == replace(PEER_ALERTS, node="a", ago=61_000), "its last word stays"
    assert neighbour.tells() == frozenset(), "but nobody relies on it"
    assert not known(findings)


@pytest.mark.parametrize("said", [b"", b"{}", b"[1]", b"\xff", b'{"node": 7}'])
async def test_a_word_that_is_none_is_not_heard(said: bytes) -> None:
    other, findings = TheOther(), Findings()
    other.word = said
    neighbour = Neighbour("b", other, findings, lambda: 0, lambda: 0, lambda *told, **more: None)
    await neighbour.ask()
    assert neighbour.alerts is None


async def test_the_node_whose_name_comes_first_tells() -> None:
    other = TheOther()
    other.word = word("b", 0)
    neighbour = Neighbour("a", other, Findings(), lambda: 0, lambda: 0, lambda *told, **more: None)
    await neighbour.ask()
    assert neighbour.tells() == frozenset()
