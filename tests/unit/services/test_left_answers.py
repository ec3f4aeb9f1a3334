"""What an unattended installation leaves makes a node, once, and its password stays nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.config import Layout, load_node
from appliance.config.answers import Answers
from appliance.config.install_file import LEFT
from appliance.config.node import PathSettings
from appliance.control.helper import Helper
from appliance.control.http import NotDone
from appliance.mail.views import Unavailable
from appliance.monitor.events import Event
from appliance.services.first_boot import Foundation
from appliance.services.left_answers import forget, set_up

SECRET = "correct horse battery"
SAID = f"""
name = "a"
pair = "later"
domain = "site.example"
virtual = ["192.0.2.10/24"]
[network]
interface = "eth0"
address = "192.0.2.11/24"
[administrator]
name = "anna"
password = "{SECRET}"
"""


class Told(list[tuple[Event, str]]):
    """Events, and what they say of an error."""

    def __call__(self, event: Event, queue_id: str = "", **values: object) -> None:
        self.append((event, str(values.get("error", ""))))


class Machine(Foundation):
    """One that is not ready for the first `late` tries."""

    def __init__(self, layout: Layout, late: int = 0, why: Exception | None = None) -> None:
        super().__init__(layout, Helper(layout.data / "none"), None, asyncio.Event())
        self._late = late
        self._why = why or Unavailable("the root helper is not there")
        self.tries = 0

    async def found(self, answers: Answers, by: str) -> str:
        self.tries += 1
        if self.tries <= self._late:
            raise self._why
        return await super().found(answers, by)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path, PathSettings())
    found.create()
    (tmp_path / LEFT).write_text(SAID)
    return found


async def test_it_becomes_the_node_that_the_file_describes(layout: Layout) -> None:
    told = Told()
    await set_up(layout.data, Machine(layout), told)
    assert load_node(layout.node_toml).name == "a"
    assert told == [(Event.SETUP_DONE, "")]
    for file in layout.data.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


async def test_a_machine_that_is_not_ready_yet_is_tried_again(layout: Layout) -> None:
    machine = Machine(layout, late=3)
    await set_up(layout.data, machine, Told(), between=0)
    assert machine.tries == 4
    assert layout.node_toml.exists()


async def test_what_cannot_be_done_is_left_to_the_console(layout: Layout) -> None:
    told = Told()
    machine = Machine(layout, late=99, why=NotDone("there is no interface eth0"))
    await set_up(layout.data, machine, told, between=0)
    assert told == [(Event.SETUP_REFUSED, "there is no interface eth0")]
    assert not layout.node_toml.exists()
    assert machine.kept()["network"] == {"interface": "eth0", "address": "192.0.2.11/24"}
    for file in layout.data.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


async def test_what_nobody_can_read_does_not_come_again(layout: Layout) -> None:
    told = Told()
    (layout.data / LEFT).write_text("name = ")
    await set_up(layout.data, Machine(layout), told)
    assert [event for event, _ in told] == [Event.SETUP_REFUSED]
    assert not (layout.data / LEFT).exists()


async def test_without_a_file_nothing_is_done(layout: Layout) -> None:
    (layout.data / LEFT).unlink()
    machine = Machine(layout)
    await set_up(layout.data, machine, Told())
    assert not machine.tries


async def test_what_a_power_cut_left_beside_a_node_goes(layout: Layout) -> None:
    forget(layout.data)
    assert not (layout.data / LEFT).exists()
    forget(layout.data)
