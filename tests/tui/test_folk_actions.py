"""Every action on users, aliases and operators, by its keys, against a real pair."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from appliance.control.client import Client
from appliance.control.schema import AddUsers, NewUser
from tests.pair.harness import until
from tests.pair.moving import Moving
from tests.tui.acts import acts
from tests.tui.screen import Seen, seen

pytestmark = pytest.mark.xdist_group("console")
SECRET = "correct-horse-7"


async def true(ask: Callable[[], bool], what: str) -> None:
    """Wait until it is so, on whichever node `ask` asks."""

    async def look() -> bool:
        return await asyncio.to_thread(ask)

    await until(look, what, 20.0)


async def answer(console: Seen, field: str, typed: str) -> None:
    """Type into the field of a question."""
    await console.sees(field)
    await console.press("ctrl+u")
    await console.type(typed)
    await console.press("enter")


@acts("users.add", "users.password", "users.disable", "users.remove")
async def test_a_user_from_beginning_to_end(pair: Moving) -> None:
    other = Client(pair.b.layout.control_socket)

    def there(name: str, **wanted: object) -> Callable[[], bool]:
        def ask() -> bool:
            found = [one for one in other.users() if one.name == name]
            return bool(found) and all(getattr(found[0], key) == wanted[key] for key in wanted)

        return ask

    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.go("users")
        await console.press("n")
        await answer(console, "for example anna", "aaron")
        await true(there("aaron", disabled=False, password_set_at=None), "added on both nodes")
        await console.sees("aaron")
        await console.press("home", "p")
        await answer(console, "New password:", SECRET)
        await true(lambda: not there("aaron", password_set_at=None)(), "the password is set")
        assert SECRET not in console.text()
        await console.press("d")
        await console.sees("can no longer log in")
        await console.press("y")
        await true(there("aaron", disabled=True), "disabled")
        await console.sees("■ disabled")
        await console.press("d", "y")
        await true(there("aaron", disabled=False), "enabled")
        await console.sees("● active")
        await console.press("x")
        await console.sees("What lies in the mailbox stays")
        await console.press("y")
        await true(lambda: not there("aaron")(), "removed")


@acts("aliases.add", "aliases.edit", "aliases.remove")
async def test_an_alias_from_beginning_to_end(pair: Moving) -> None:
    other = Client(pair.b.layout.control_socket)

    def stands_for(*to: str) -> Callable[[], bool]:
        return lambda: [one.to for one in other.aliases() if one.address.startswith("desk")] == [to]

    own = Client(pair.a.layout.control_socket)
    await asyncio.to_thread(own.add_users, AddUsers((NewUser(name="one"), NewUser(name="two"))))
    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.go("aliases")
        await console.press("n")
        await answer(console, "Alias = users", "desk")
        await console.sees("write: office@ship.test = anna, bert")
        await answer(console, "Alias = users", "desk@site.test = one")
        await true(stands_for("one"), "added on both nodes")
        await console.sees("desk")
        await console.press("home", "e")
        await answer(console, "Alias = users", "desk@site.test = one, two")
        await true(stands_for("one", "two"), "changed")
        await console.press("x")
        await console.sees("is refused from now on")
        await console.press("y")
        await true(lambda: not [one for one in other.aliases() if "desk" in one.address], "removed")
    for name in ("one", "two"):
        await asyncio.to_thread(own.change_user, name, "remove")


@acts(
    "operators.add", "operators.role", "operators.password", "operators.disable", "operators.remove"
)
async def test_an_operator_from_beginning_to_end(pair: Moving) -> None:
    other = Client(pair.b.layout.control_socket)

    def is_(**wanted: object) -> Callable[[], bool]:
        def ask() -> bool:
            found = [one for one in other.operators() if one.name == "zoe"]
            return bool(found) and all(getattr(found[0], key) == wanted[key] for key in wanted)

        return ask

    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.go("operators")
        await console.press("n")
        await answer(console, "Name:", "zoe")
        await answer(console, "Password:", SECRET)
        await true(is_(role="viewer", disabled=False), "added on both nodes")
        await console.sees("zoe")
        await console.press("end", "r")
        await answer(console, "Role:", "king")
        await console.sees("one of viewer, operator, administrator")
        await answer(console, "Role:", "operator")
        await true(is_(role="operator"), "another role on both nodes")
        await console.press("p")
        await answer(console, "New password:", SECRET[::-1])
        await console.sees("zoe")
        await console.press("d", "y")
        await true(is_(disabled=True), "disabled")
        await console.sees("■ disabled")
        await console.press("d", "y")
        await true(is_(disabled=False), "enabled")
        await console.press("x", "y")
        await true(lambda: not is_()(), "removed")
