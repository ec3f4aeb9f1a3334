"""Every route says who may call it, and nobody else may."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import appliance.control
from appliance.control.client import ApiError, Client
from appliance.control.handlers import Handlers, Rule
from appliance.control.http import as_json
from appliance.control.listen import serving
from appliance.control.roles import Role
from appliance.control.schema import Done
from tests.support.operators import Door

# What may be changed with less than the rights of an operator: one's own things only.
OWN = {"/v1/sessions", "/v1/sessions/current", "/v1/sessions/current/password"}
# Nobody has to have logged in for these.
OPEN = {("GET", "/v1/sessions/current"), ("POST", "/v1/sessions")}
# Who can call these can let anybody do anything.
PAIRING = ("/v1/pair/invite", "/v1/pair/join", "/v1/pair/cancel")
ADMINISTRATION = (
    "/v1/operators",
    "/v1/users",
    "/v1/aliases",
    "/v1/site",
    "/v1/tls",
    "/v1/node",
    "/v1/salvage",
    *PAIRING,
)


def parts() -> Iterator[type]:
    """Every class that adds routes."""
    for module in pkgutil.iter_modules(appliance.control.__path__, "appliance.control."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if found.__module__ == module.name and hasattr(found, "add_to"):
                yield found


@pytest.fixture(scope="module")
def handlers() -> Handlers:
    """All routes of the API. Which these are depends on nothing that a part is made with."""
    found = Door().handlers
    known = {route.handler for route in found.application.router.routes()}
    for part in parts():
        one: Any = object.__new__(part)
        if part.__name__ not in ("SessionsApi", "OperatorsApi"):
            one.add_to(found)
    assert len(known) < len(found.application.router.routes())
    return found


def rules(handlers: Handlers) -> Iterator[tuple[str, str, Rule]]:
    for route in handlers.application.router.routes():
        assert route.resource is not None
        rule = handlers.rule(route)
        assert rule is not None, f"{route.method} {route.resource.canonical} is for everybody"
        yield route.method, route.resource.canonical, rule


def test_no_route_without_a_role(handlers: Handlers) -> None:
    found = list(rules(handlers))
    assert len(found) > 40
    assert {(method, path) for method, path, rule in found if rule.least is None} == OPEN


def test_nothing_is_changed_without_a_trace_nor_by_viewers(handlers: Handlers) -> None:
    for method, path, rule in rules(handlers):
        if method not in ("GET", "*"):
            assert rule.action, f"{method} {path} is not audited"
            assert path in OWN or (rule.least and rule.least.may(Role.OPERATOR)), path
        if method not in ("GET", "*") and path.startswith(ADMINISTRATION):
            assert rule.least is Role.ADMINISTRATOR, path


def test_who_else_may_see_what(handlers: Handlers) -> None:
    least = {path: rule.least for method, path, rule in rules(handlers) if method == "GET"}
    for path in ("/v1/pair/invitation", "/v1/operators"):
        assert least[path] is Role.ADMINISTRATOR
    for path in ("/v1/search", "/v1/messages/{id}/content"):
        assert least[path] is Role.OPERATOR


def test_nothing_goes_round_the_handlers() -> None:
    for module in pkgutil.iter_modules(appliance.control.__path__):
        if module.name not in ("handlers", "server"):  # server has what TCP serves
            source = Path(appliance.control.__path__[0], f"{module.name}.py").read_text()
            assert "add_route" not in source, module.name


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("least", [None, *Role])
async def test_a_role_may_what_it_may(
    tmp_path: Path, role: Role | None, least: Role | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(group=os.getegid())

    async def done(request: web.Request) -> web.Response:
        return as_json(Done("done"))

    door.handlers.post("/thing", done, least, "do it")
    path = tmp_path / "control.sock"
    token = ""
    async with serving(door.handlers.application, path, web.Application(), []):
        if role is not None:
            await asyncio.to_thread(Client(path).add_operator, "anna", role, "long enough")
            token = (await asyncio.to_thread(Client(path).log_in, "anna", "long enough")).token
        # From here on this process is one of the console's group, not of the node's user.
        monkeypatch.setattr("appliance.control.access.node_user", lambda: -1)
        monkeypatch.setattr("appliance.control.access._ROOT", -1)
        client = Client(path, session=token)
        allowed = least is None or (role is not None and role.may(least))
        if allowed:
            assert (await asyncio.to_thread(client._post, "/thing", {}, Done)).text == "done"
            return
        with pytest.raises(ApiError) as caught:
            await asyncio.to_thread(client._post, "/thing", {}, Done)
        assert caught.value.failure.code == ("unauthorized" if role is None else "forbidden")
        assert caught.value.failure.hint
    assert door.told[-1]["outcome"] == caught.value.failure.code


def test_roles_are_in_order() -> None:
    viewer, operator, administrator = Role
    assert [one.may(operator) for one in (viewer, operator, administrator)] == [False, True, True]


_STRANGER = """
import os, socket, sys
b"".decode("latin-1")
os.setgroups(list(map(int, sys.argv[3:])))
os.setgid(65534)
os.setuid(65534)
client = socket.socket(socket.AF_UNIX)
try:
    client.connect(sys.argv[1])
except PermissionError:
    print("no way in")
    raise SystemExit
client.sendall(b"GET /v1/%s HTTP/1.0\\r\\n\\r\\n" % sys.argv[2].encode())
print(client.recv(100).split()[1].decode())
"""


@pytest.fixture
def run() -> Iterator[Path]:
    """A folder that everybody finds, and nobody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        run = Path(folder, "run")
        run.mkdir(mode=0o700)
        yield run


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    "groups, path, answer",
    [
        ([7777], "sessions/current", "200"),
        ([7777], "operators", "401"),
        ([7778], "sessions/current", "no way in"),
    ],
)
async def test_the_consoles_group_comes_in_and_nobody_else(
    run: Path, groups: list[int], path: str, answer: str
) -> None:
    socket = run / "control.sock"
    api = Door(group=7777).handlers.application
    async with serving(api, socket, web.Application(), [], 7777):
        assert await asyncio.to_thread(_stranger, socket, path, groups) == answer
        # Whatever the mode of the files has become: the group counts.
        os.chmod(run, 0o755)
        os.chmod(socket, 0o666)
        assert await asyncio.to_thread(_stranger, socket, path, [7778]) == "403"


def _stranger(socket: Path, path: str, groups: list[int]) -> str:
    # It becomes another user by itself: the interpreter may lie where only root can read.
    command = [sys.executable, "-I", "-c", _STRANGER, str(socket), path, *map(str, groups)]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode().strip()
