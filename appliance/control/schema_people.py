"""The control API's messages about operators and their sessions."""

from __future__ import annotations

import msgspec

from appliance.control.roles import Role


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody wants a session."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.name!r}, …)"


class OpenedSession(msgspec.Struct, frozen=True, kw_only=True):
    """`token` goes along with each call: `Authorization: Bearer TOKEN`.

    `idle`: milliseconds without a call after which the session ends.
    """

    token: str
    name: str
    role: Role
    idle: int

    def __repr__(self) -> str:
        return f"OpenedSession({self.name!r}, …)"


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls. `role` is null for whoever has to log in, `session` if nobody has logged in.

    `first_run`: there is no operator yet.
    """

    name: str
    role: Role | None
    session: bool
    first_run: bool


class OwnPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operator's own new password."""

    old: str
    new: str
    while_alone: bool = False

    def __repr__(self) -> str:
        return "OwnPassword(…)"


class OperatorView(msgspec.Struct, frozen=True, kw_only=True):
    """An operator. `role` is null for one of a later release.

    `password_set_at`: milliseconds since 1970, null without a password. `sessions` on this node.
    """

    name: str
    role: Role | None
    disabled: bool
    password_set_at: int | None
    sessions: int


class OperatorList(msgspec.Struct, frozen=True):
    """By name."""

    operators: tuple[OperatorView, ...]


class NewOperator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operator to be added."""

    name: str
    role: Role
    password: str
    while_alone: bool = False

    def __repr__(self) -> str:
        return f"NewOperator({self.name!r}, {self.role!r}, …)"


class NewRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another role for an operator."""

    role: Role
    while_alone: bool = False
