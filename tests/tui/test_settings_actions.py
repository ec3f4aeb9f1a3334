"""Every action on the settings, by its keys, against a real pair."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from appliance.control.client import ApiError, Client, NotRunning
from appliance.control.schema import ChangeSite
from appliance.mail.views import SiteView
from tests.pair.harness import until
from tests.pair.moving import Moving
from tests.tui.acts import acts
from tests.tui.control import serving
from tests.tui.screen import seen
from tests.tui.site import VERSIONS
from tests.tui.values import ANSWERS

pytestmark = pytest.mark.xdist_group("console")


def keys(text: str) -> list[str]:
    """The keys of a text, for an editor."""
    return ["space" if one == " " else one for one in text]


@acts("settings.edit", "settings.rollback")
async def test_the_site_is_edited_checked_applied_and_rolled_back(pair: Moving) -> None:
    other = Client(pair.b.layout.control_socket)

    def domains() -> Callable[[], list[str]]:
        return lambda: [str(one) for one in other.site().document["domains"]]  # type: ignore[attr-defined]

    async def has(wanted: bool) -> None:
        async def look() -> bool:
            return ("added.test" in await asyncio.to_thread(domains())) is wanted

        await until(look, f"both nodes {'have' if wanted else 'have not'} the domain", 20.0)

    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.go("settings")
        await console.sees("● in force")
        await console.press("e")
        await console.sees("domains = [")
        await console.press(*keys("domainz = 1"))
        await console.press("enter", "ctrl+s")
        await console.sees(lambda text: "✖" in text and "domains" in text, "the nearest key")
        await console.press("up", "home", "ctrl+k")
        await console.press(*keys("# nothing"))
        await console.press("ctrl+s")
        await console.sees("Nothing would change.")
        await console.press("down", "home")
        await console.press(*["right"] * len("domains = ["))
        await console.press(*keys('"added.test",'))
        await console.press("ctrl+s")
        await console.sees("Both nodes act on this at once")
        await console.type("because")
        await console.press("enter")
        await has(True)
        await console.sees(lambda text: "because" in text and "is in force" in text)
        await console.press("home", "down", "r")
        await console.sees("Back to version")
        await console.press("enter")
        await has(False)


@acts("settings.node")
async def test_a_nodes_own_settings_are_changed_and_taken_back(pair: Moving) -> None:
    """By its name; the services start anew, and the pair is paired again."""
    client, file = Client(pair.a.layout.control_socket), pair.a.layout.node_toml
    before = file.read_text()

    async def anew(started: set[int | None]) -> None:
        async def look() -> bool:
            with suppress(NotRunning, ApiError):
                status = await asyncio.to_thread(client.status)
                now = {one.pid for one in status.processes}
                return status.mode == "paired" and not started & now
            return False

        await until(look, "other processes serve, and the pair is paired", 60.0)

    async def started() -> set[int | None]:
        return {one.pid for one in (await asyncio.to_thread(client.status)).processes}

    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.go("settings")
        was = await started()
        await console.press("n")
        await console.sees("node.toml of a")
        await console.press(*keys("keep_endet = 1"))
        await console.press("enter", "ctrl+s")
        await console.sees(lambda text: "keep_endet" in text and "did you mean" in text)
        await console.press("up", "home", "ctrl+k")
        await console.press(*keys('keep_ended = "6d"'))
        await console.press("ctrl+s")
        await console.sees("start anew; the other node serves")
        await console.sees('+ keep_ended = "6d"')
        await console.type("a")
        await console.press("enter")
        await console.sees("node.toml is written")
        assert file.read_text() == f'keep_ended = "6d"\n{before}'
        await anew(was)
        was = await started()
        await console.sees("Healthy")
        await console.press("n")
        await console.sees("Ctrl+R: as it was")
        await console.press("ctrl+r", "ctrl+s")
        await console.sees('- keep_ended = "6d"')
        await console.type("a")
        await console.press("enter")
        await console.sees("node.toml is written")
        assert file.read_text() == before
        await anew(was)


async def test_without_branches_nothing_is_settled(pair: Moving) -> None:
    client = Client(pair.a.layout.control_socket)
    before = await asyncio.to_thread(client.site)
    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.go("settings")
        await console.press("s")
        await console.sees("no branches")
    assert await asyncio.to_thread(client.site) == before


@acts("settings.settle")
async def test_branches_are_settled_after_a_yes(tmp_path: Path) -> None:
    head, branch = VERSIONS.versions[:2]
    view = SiteView(
        document={},
        head=head,
        branches=(branch,),
        applied=head.id,
        problem="",
        file_differs=False,
    )
    with serving(tmp_path, ANSWERS) as control:
        control.answers["/site"] = lambda _, sent: head if sent else view
        async with seen(control.path, (120, 40)) as console:
            await console.go("settings")
            await console.press("s")
            await console.sees("set aside for good")
            await console.press("n")
            assert "POST" not in [method for method, _, _ in control.asked]
            await console.press("s", "y")
            await console.sees("is in force")
        (sent,) = [body for method, _, body in control.asked if method == "POST"]
    assert msgspec.json.decode(sent, type=ChangeSite).settles == (branch.id,)
