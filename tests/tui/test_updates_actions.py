"""What the screen of updates asks of the node, by its keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.control.schema import Failure
from appliance.control.schema_updates import ChosenBundle
from tests.tui.acts import acts
from tests.tui.control import ControlServer, serving
from tests.tui.releases import BUNDLES, ROLL, UPDATE
from tests.tui.screen import Seen, seen
from tests.tui.values import ANSWERS, STATUS_A

SENT = ChosenBundle(folder=BUNDLES.bundles[0].folder, name=BUNDLES.bundles[0].name)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlServer]:
    with serving(tmp_path, ANSWERS) as server:
        server.answers |= {
            "/machine/updates/pair": ROLL,
            "/machine/updates/start": UPDATE,
            "/machine/updates/back": Failure(code="refused", error="mail would be lost"),
            "/machine/updates/pair/stop": ROLL,
        }
        yield server


async def opened(console: Seen) -> None:
    await console.go("updates")
    await console.sees("whole, and trusted")


def posted(control: ControlServer, path: str) -> list[ChosenBundle]:
    return [
        msgspec.json.decode(body, type=ChosenBundle)
        for method, asked, body in control.asked
        if (method, asked) == ("POST", f"/machine/updates/{path}")
    ]


@acts("updates.update_pair")
async def test_the_pair_is_updated_after_a_yes(control: ControlServer) -> None:
    async with seen(control.path) as console:
        await opened(console)
        await console.press("u")
        await console.sees("the Backup first")
        await console.press("escape")
        assert posted(control, "pair") == []
        await console.press("u")
        await console.sees("the Backup first")
        await console.press("y")
        await console.sees("is being updated to 1.3.0")
    assert posted(control, "pair") == [SENT]


@acts("updates.update_node")
async def test_a_node_that_is_paired_is_updated_after_a_yes(control: ControlServer) -> None:
    async with seen(control.path) as console:
        await opened(console)
        await console.press("n")
        await console.sees("nodes go on together")
        await console.press("y")
        await console.sees("It has begun.")
    assert posted(control, "start") == [SENT]


async def test_a_node_without_the_other_only_after_its_name(control: ControlServer) -> None:
    control.answers["/status"] = msgspec.structs.replace(STATUS_A, mode="solo")
    async with seen(control.path) as console:
        await opened(console)
        await console.press("n")
        await console.sees("nobody takes mail")
        await console.type("a")
        await console.press("enter")
        await console.sees("It has begun.")
    assert posted(control, "start") == [msgspec.structs.replace(SENT, while_alone=True)]


@acts("updates.stop")
async def test_an_update_of_the_pair_is_stopped_after_a_yes(control: ControlServer) -> None:
    async with seen(control.path) as console:
        await opened(console)
        await console.press("x", "y")
        await console.sees("It has been stopped.")
    assert ("POST", "/machine/updates/pair/stop") in [one[:2] for one in control.asked]


@acts("updates.go_back")
async def test_going_back_needs_the_name_and_may_be_refused(control: ControlServer) -> None:
    async with seen(control.path) as console:
        await opened(console)
        await console.press("b")
        await console.sees("uses release 1.2.2 again")
        await console.type("a")
        await console.press("enter")
        await console.sees("mail would be lost")


async def test_a_bundle_with_a_problem_is_not_begun_with(control: ControlServer) -> None:
    async with seen(control.path) as console:
        await opened(console)
        await console.press("down")
        await console.sees("do not use it; ask who made it")
        await console.press("u")
        await console.sees("signed by another key")
    assert posted(control, "pair") == []
