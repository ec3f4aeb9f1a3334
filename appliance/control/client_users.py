"""The client's calls about users and aliases."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from appliance.control.client_monitor import Asks
from appliance.control.schema import (
    AddAliases,
    AddUsers,
    Aliases,
    AliasView,
    Done,
    NewPassword,
    Users,
    UserView,
    WhileAlone,
)


class UserCalls:
    """Part of `control.client.Client`."""

    def users(self: Asks) -> Sequence[UserView]:
        """All users, by name."""
        return self._get("/users", Users).users

    def add_users(self: Asks, wanted: AddUsers) -> str:
        """Add users; returns what happened."""
        return self._post("/users", wanted, Done).text

    def set_password(self: Asks, name: str, password: str, while_alone: bool = False) -> str:
        """Give a user a password; returns what happened."""
        path = f"/users/{quote(name, safe='')}/password"
        return self._post(path, NewPassword(password, while_alone), Done).text

    def change_user(self: Asks, name: str, action: str, while_alone: bool = False) -> str:
        """disable, enable or remove a user; returns what happened."""
        path = f"/users/{quote(name, safe='')}/{action}"
        return self._post(path, WhileAlone(while_alone), Done).text

    def aliases(self: Asks) -> Sequence[AliasView]:
        """All aliases, by address."""
        return self._get("/aliases", Aliases).aliases

    def add_aliases(self: Asks, wanted: AddAliases) -> str:
        """Add aliases; returns what happened."""
        return self._post("/aliases", wanted, Done).text

    def remove_alias(self: Asks, address: str, while_alone: bool = False) -> str:
        """Remove an alias; returns what happened."""
        path = f"/aliases/{quote(address, safe='')}/remove"
        return self._post(path, WhileAlone(while_alone), Done).text
