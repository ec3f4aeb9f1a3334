"""Operators, their sessions, and the audit of what they do; over a real socket."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
import pytest_asyncio
from aiohttp import web

from appliance.control.client import ApiError, Client
from appliance.control.http import as_json
from appliance.control.listen import serving
from appliance.control.operators import DISABLED, PASSWORDS, ROLES
from appliance.control.roles import Role
from appliance.control.schema import Done, Failure
from appliance.mail.reply import Refused
from tests.support.operators import IDLE, Door

P = ParamSpec("P")
T = TypeVar("T")
SECRET = "a-canary-that-sings"


class World:
    def __init__(self, folder: Path) -> None:
        self.door = Door()
        self.path = folder / "control.sock"
        self.root = Client(self.path)
        self.door.handlers.post("/queue/{action}", self.move, Role.OPERATOR, "{action} messages")

    async def move(self, request: web.Request) -> web.Response:
        if request.match_info["action"] == "explode":
            raise RuntimeError("nobody foresaw that")
        return as_json(Done("moved"))

    async def ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(call, *args, **kwargs)

    async def fails(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Failure:
        with pytest.raises(ApiError) as caught:
            await self.ask(call, *args, **kwargs)
        return caught.value.failure

    async def anna(self, role: Role = Role.OPERATOR) -> Client:
        """A session of an operator who is not the only administrator."""
        await self.ask(self.root.add_operator, "chief", Role.ADMINISTRATOR, SECRET)
        await self.ask(self.root.add_operator, "anna", role, SECRET)
        return await self.session("anna")

    async def session(self, name: str, password: str = SECRET) -> Client:
        opened = await self.ask(self.root.log_in, name, password)
        return Client(self.path, session=opened.token)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    async with serving(world.door.handlers.application, world.path, web.Application(), []):
        yield world


async def test_the_first_start_is_told(world: World) -> None:
    me = await world.ask(world.root.who_am_i)
    assert (me.first_run, me.role, me.session) == (True, Role.ADMINISTRATOR, False)
    await world.ask(world.root.add_operator, "anna", Role.ADMINISTRATOR, SECRET)
    assert not (await world.ask(world.root.who_am_i)).first_run


async def test_a_spool_that_cannot_be_read_is_no_first_start(world: World) -> None:
    world.door.registers.up = False
    assert (await world.fails(world.root.who_am_i)).code == "unavailable"


async def test_a_session_has_its_operators_role_even_for_root(world: World) -> None:
    anna = await world.anna(Role.VIEWER)
    me = await world.ask(anna.who_am_i)
    assert (me.name, me.role, me.session) == ("anna", Role.VIEWER, True)
    failure = await world.fails(anna.operators)
    assert (failure.code, "anna is viewer" in failure.hint) == ("forbidden", True)
    await world.ask(anna.log_out)
    assert (await world.fails(anna.who_am_i)).code == "unauthorized"


@pytest.mark.parametrize("password", ["", "wrong", SECRET + "\0", "x" * 100_000])
@pytest.mark.parametrize("name", ["anna", "nobody", "", "\x1b[2J", "a" * 100_000])
async def test_what_is_wrong_is_wrong_whoever_it_is(world: World, name: str, password: str) -> None:
    await world.anna()
    failure = await world.fails(world.root.log_in, name, password)
    assert (failure.code, failure.error) == ("unauthorized", "name or password is wrong")


async def test_guessing_is_slowed_down(world: World) -> None:
    await world.anna()
    codes = [(await world.fails(world.root.log_in, "anna", "guess")).code for _ in range(12)]
    assert codes == ["unauthorized"] * 10 + ["too_often"] * 2
    assert (await world.fails(world.root.log_in, "anna", SECRET)).code == "too_often"
    await world.session("chief")  # others get in
    world.door.now += 30_000
    await world.session("anna")


async def test_a_session_ends_when_it_is_idle(world: World) -> None:
    anna = await world.anna()
    for _ in range(3):
        world.door.now += IDLE - 1
        await world.ask(anna.who_am_i)
    world.door.now += IDLE
    assert "idle" in (await world.fails(anna.who_am_i)).error


async def test_what_a_program_asks_by_itself_keeps_no_session_alive(world: World) -> None:
    anna = await world.anna()
    anna.idle = True
    world.door.now += IDLE - 1
    await world.ask(anna.who_am_i)
    world.door.now += 1
    assert "idle" in (await world.fails(anna.who_am_i)).error


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("change", ["password", "role", "disable", "remove"])
async def test_a_session_ends_when_its_operator_is_changed(
    world: World, change: str, late: bool
) -> None:
    anna, root = await world.anna(), world.root
    # A change is heard of a moment later than it is made: no session must end by mistake.
    world.door.registers.late = late
    await world.ask(anna.who_am_i)
    match change:
        case "password":
            await world.ask(root.set_operator_password, "anna", SECRET)
        case "role":
            await world.ask(root.set_operator_role, "anna", Role.ADMINISTRATOR)
        case _:
            await world.ask(root.change_operator, "anna", change)
    world.door.registers.late = False
    assert (await world.fails(anna.who_am_i)).code == "unauthorized"
    if change in ("disable", "remove"):
        assert (await world.fails(root.log_in, "anna", SECRET)).code == "unauthorized"


async def test_a_new_operator_is_known_before_that_is_heard(world: World) -> None:
    world.door.registers.late = True
    anna = await world.anna()
    assert (await world.ask(anna.who_am_i)).name == "anna"


async def test_ones_own_password(world: World) -> None:
    anna, other = await world.anna(Role.VIEWER), await world.session("anna")
    assert (await world.fails(anna.set_own_password, "wrong", "another one")).code == "unauthorized"
    failure = await world.fails(anna.set_own_password, SECRET, "short")
    assert (failure.code, bool(failure.hint)) == ("bad_request", True)
    await world.ask(anna.set_own_password, SECRET, "another one")
    assert (await world.ask(anna.who_am_i)).name == "anna"
    assert (await world.fails(other.who_am_i)).code == "unauthorized"
    await world.session("anna", "another one")
    assert (await world.fails(world.root.set_own_password, SECRET, "x")).code == "forbidden"


async def test_somebody_who_can_change_everything_remains(world: World) -> None:
    anna, root = await world.anna(Role.ADMINISTRATOR), world.root
    await world.ask(anna.change_operator, "chief", "disable")  # who is disabled does not count
    for change in ("disable", "remove"):
        failure = await world.fails(root.change_operator, "anna", change)
        assert (failure.code, "last administrator" in failure.error) == ("refused", True)
    assert (await world.fails(root.set_operator_role, "anna", Role.VIEWER)).code == "refused"
    await world.ask(root.change_operator, "chief", "enable")
    await world.ask(root.change_operator, "anna", "remove")
    assert [one.name for one in await world.ask(root.operators)] == ["chief"]


async def test_both_at_once_do_not_leave_nobody(world: World) -> None:
    await world.anna(Role.ADMINISTRATOR)
    desk = world.door.operators
    ended = await asyncio.gather(
        *(desk.remove(name, while_alone=False) for name in ("anna", "chief")),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Refused) for one in ended) == 1


@pytest.mark.parametrize("name", ["", "A", "1a", "a b", "a\n", "\x1b[2J", "a/b", "é", "a" * 33])
async def test_names(world: World, name: str) -> None:
    failure = await world.fails(world.root.add_operator, name, Role.VIEWER, SECRET)
    assert failure.code == "bad_request"
    assert world.door.registers.tables == {}


async def test_a_removed_operators_password_is_nobodys(world: World) -> None:
    await world.anna()
    await world.ask(world.root.change_operator, "anna", "remove")
    tables = world.door.registers.tables
    assert not any("anna" in tables.get(one, {}) for one in (ROLES, PASSWORDS, DISABLED))
    failure = await world.fails(world.root.change_operator, "anna", "enable")
    assert failure.code == "not_found"


async def test_operators_as_a_later_release_writes_them(world: World) -> None:
    await world.anna()
    world.door.registers.tables[ROLES]["anna"] = b"auditor"
    world.door.registers.tables[PASSWORDS]["chief"] = b"\xc1"
    anna, chief = await world.ask(world.root.operators)
    assert (anna.role, chief.password_set_at) == (None, None)
    for name in ("anna", "chief"):
        assert (await world.fails(world.root.log_in, name, SECRET)).code == "unauthorized"


async def test_who_did_what_is_told(world: World) -> None:
    anna = await world.anna(Role.OPERATOR)
    told = world.door.told
    told.clear()
    await world.ask(anna._post, "/queue/hold", {}, Done)
    await world.fails(anna.change_operator, "chief", "remove")
    await world.fails(world.root.change_operator, "\x1b[2J", "remove")
    await world.fails(world.root._post, "/queue/explode", {}, Done)
    await world.ask(anna.who_am_i)  # tells nothing, as it changes nothing
    await world.ask(anna.log_out)
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert [(one["by"], one["role"], one["action"], one["outcome"]) for one in told] == [
        ("anna", "operator", "hold messages", "done"),
        ("anna", "operator", "remove operator chief", "forbidden"),
        (user, "administrator", "remove operator \\x1b[2J", "not_found"),
        (user, "administrator", "explode messages", "internal"),
        ("anna", "operator", "log out", "done"),
    ]
    assert {one["event"] for one in told} == {"audit"}


async def test_logins_are_told_and_no_name_that_may_be_a_password(world: World) -> None:
    await world.anna()
    told = world.door.told
    told.clear()
    await world.session("anna")
    await world.fails(world.root.log_in, "anna", "wrong")
    await world.fails(world.root.log_in, SECRET, "")
    assert [(one["by"], one["action"], one["outcome"]) for one in told] == [
        ("anna", "log in", "done"),
        ("anna", "log in", "unauthorized"),
        ("", "log in", "unauthorized"),
    ]


async def test_no_secret_is_told(world: World) -> None:
    """Passwords at every place of every body, right and wrong, and in what makes no sense."""
    anna = await world.anna(Role.ADMINISTRATOR)
    await world.ask(anna.set_operator_password, "chief", SECRET + "2")
    await world.ask(anna.set_own_password, SECRET, SECRET + "3")
    again = await world.session("anna", SECRET + "3")
    bodies = [
        {"name": SECRET, "password": SECRET},
        {"name": "anna", "password": SECRET},
        {"name": "anna", "password": [SECRET]},
        {"name": "x", SECRET: SECRET},
        {"old": SECRET, "new": SECRET},
        {"role": SECRET, "name": "x", "password": SECRET},
        {"password": SECRET, "extra": SECRET},
        SECRET,
        [SECRET],
    ]
    for route in world.door.handlers.application.router.routes():
        assert route.resource is not None
        path = route.resource.canonical.removeprefix("/v1").format(name="nobody", action="hold")
        if route.method == "POST":
            for body in bodies:
                with suppress(ApiError):
                    await world.ask(again._post, path, body, Done)
    assert len(world.door.told) > 50
    assert SECRET not in json.dumps(world.door.told, default=str)
    assert str(again._session) not in json.dumps(world.door.told, default=str)


async def test_many_sessions_do_not_pile_up(world: World) -> None:
    anna = await world.anna()
    for _ in range(200):
        await world.session("chief")
    assert (await world.fails(anna.who_am_i)).code == "unauthorized"
    (_, chief) = await world.ask(world.root.operators)
    assert chief.sessions == 200
