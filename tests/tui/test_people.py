"""Who may do what in the console, on a real pair: login, lock, roles, and a kiosk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest
from textual.events import Key
from textual.widgets import Input

from appliance.control.client import ApiError, Client
from appliance.control.roles import Role
from tests.pair.moving import Moving
from tests.tui.screen import Seen, seen

pytestmark = pytest.mark.xdist_group("console")
PASSWORD = "correct horse battery"


@pytest.fixture
def people(pair: Moving) -> Iterator[Moving]:
    client = Client(pair.a.layout.control_socket)
    client.add_operator("olga", Role.OPERATOR, PASSWORD)
    client.add_operator("vic", Role.VIEWER, PASSWORD)
    yield pair
    for name in ("olga", "vic"):
        with suppress(ApiError):
            client.change_operator(name, "remove")


async def log_in(console: Seen, name: str, password: str = PASSWORD) -> None:
    await console.sees("Password")
    await console.type(name)
    await console.press("enter")
    await console.type(password)
    await console.press("enter")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_kiosk_wants_a_login_and_nobody_leaves_it(people: Moving) -> None:
    async with seen(people.a.layout.control_socket, kiosk=True) as console:
        text = await console.sees("Log in to watch and run the pair")
        assert "Overview" not in text
        for way_out in ("escape", "ctrl+q", "ctrl+c", "ctrl+z", "ctrl+p", "f2"):
            await console.press(way_out)
        assert "Password" in console.text()
        await log_in(console, "olga", "wrong")
        await console.sees("name or password is wrong")
        console.console.screen.query_one("#name").focus()
        await console.press("ctrl+u")
        await log_in(console, "olga")
        await console.sees("olga (operator) at node a")
        for way_out in ("q", "ctrl+q", "ctrl+c", "ctrl+z"):
            await console.press(way_out)
        assert "olga (operator)" in console.text()
        assert console.console.is_running


async def test_left_alone_it_locks_and_the_session_is_over(people: Moving) -> None:
    clock = Clock()
    async with seen(people.a.layout.control_socket, kiosk=True, clock=clock) as console:
        await log_in(console, "olga")
        await console.sees("olga (operator)")
        token = console.console.person.token
        clock.now += 599.0
        console.console.look_idle()
        assert "locked" not in await console.sees("olga (operator)")
        await console.press("down")  # somebody is there
        clock.now += 599.0
        console.console.look_idle()
        clock.now += 2.0
        console.console.look_idle()
        console.console.post_message(Key("1", "1"))  # who was just about to look elsewhere
        text = await console.sees("This console is locked")
        assert "addresses" not in text
        assert asked(console) == "olga"

        def ended() -> bool:
            try:
                Client(people.a.layout.control_socket, session=token).who_am_i()
            except ApiError as error:
                return error.failure.code == "unauthorized"
            return False

        assert await asyncio.to_thread(ended)


async def test_a_viewer_changes_nothing(people: Moving) -> None:
    async with seen(people.a.layout.control_socket, kiosk=True) as console:
        await log_in(console, "vic")
        await console.sees("vic (viewer)")
        await console.go("queue")
        text = console.text()
        assert "Filter" in text
        assert "Remove" not in text.splitlines()[-1]
        await console.press("x")
        assert "Remove for good" not in console.text()


async def test_a_session_that_the_node_ended_asks_again(people: Moving) -> None:
    client = Client(people.a.layout.control_socket)
    async with seen(people.a.layout.control_socket, kiosk=True) as console:
        await log_in(console, "olga")
        await console.sees("olga (operator)")
        await asyncio.to_thread(client.change_operator, "olga", "disable")
        await console.sees("This console is locked")
        console.console.lock()  # another call was refused, too
        await console.pilot.pause()
        assert asked(console) == "olga"


async def test_on_a_terminal_the_nodes_user_goes_straight_in(people: Moving) -> None:
    async with seen(people.a.layout.control_socket) as console:
        await console.sees("(administrator) at node a")
        await console.press("ctrl+n")
        await console.sees("Log in as somebody else")
        await console.press("escape")
        await console.sees("(administrator) at node a")
        await console.press("ctrl+n")
        await log_in(console, "vic")
        await console.sees("vic (viewer) at node a")
        await console.press("ctrl+l")
        await console.sees("This console is locked")


def asked(console: Seen) -> str:
    """Who is asked for the password."""
    return console.console.screen.query_one("#name", Input).value
