"""Calls about operators and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar
from urllib.parse import quote

from appliance.control.client_monitor import Asks
from appliance.control.roles import Role
from appliance.control.schema import Done, NewPassword, WhileAlone
from appliance.control.schema_people import (
    Login,
    NewOperator,
    NewRole,
    OpenedSession,
    OperatorList,
    OperatorView,
    OwnPassword,
    SessionView,
)

T = TypeVar("T")


class Ends(Asks, Protocol):
    """A client that can end something, too."""

    def _delete(self, path: str, wanted: type[T]) -> T: ...


class OperatorCalls:
    """What a client asks about the people who run the site."""

    def log_in(self: Asks, name: str, password: str) -> OpenedSession:
        """A session; raises ApiError with code "unauthorized" or "too_often"."""
        return self._post("/sessions", Login(name, password), OpenedSession)

    def log_out(self: Ends) -> str:
        """End the session of this client."""
        return self._delete("/sessions/current", Done).text

    def who_am_i(self: Asks) -> SessionView:
        """Who calls."""
        return self._get("/sessions/current", SessionView)

    def set_own_password(self: Asks, old: str, new: str, while_alone: bool = False) -> str:
        """Change the password of the operator whose session this is."""
        body = OwnPassword(old, new, while_alone)
        return self._post("/sessions/current/password", body, Done).text

    def operators(self: Asks) -> Sequence[OperatorView]:
        """All operators, by name."""
        return self._get("/operators", OperatorList).operators

    def add_operator(
        self: Asks, name: str, role: Role, password: str, while_alone: bool = False
    ) -> str:
        """Add one; returns what happened."""
        body = NewOperator(name, role, password, while_alone)
        return self._post("/operators", body, Done).text

    def set_operator_password(
        self: Asks, name: str, password: str, while_alone: bool = False
    ) -> str:
        """Set a password; returns what happened."""
        body = NewPassword(password, while_alone)
        return self._post(f"{_one(name)}/password", body, Done).text

    def set_operator_role(self: Asks, name: str, role: Role, while_alone: bool = False) -> str:
        """Give another role; returns what happened."""
        return self._post(f"{_one(name)}/role", NewRole(role, while_alone), Done).text

    def change_operator(self: Asks, name: str, action: str, while_alone: bool = False) -> str:
        """disable, enable or remove an operator; returns what happened."""
        return self._post(f"{_one(name)}/{action}", WhileAlone(while_alone), Done).text


def _one(name: str) -> str:
    return f"/operators/{quote(name, safe='')}"
