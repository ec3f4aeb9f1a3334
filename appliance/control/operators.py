"""The people who run the site, as the registers of the pair hold them.

Three tables, so that none of what is decided about an operator takes back another thing: who has
a role, who has which password, and who is disabled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from appliance.control.roles import Role
from appliance.decoding import from_msgpack

ROLES = "operators"
"""Name → the role in words: without one of this release's nobody logs in."""
PASSWORDS = "operator_passwords"
"""Name → `Password`."""
DISABLED = "operators_disabled"
"""Name → who disabled the operator."""
TABLES = (ROLES, PASSWORDS, DISABLED)

Tables = Mapping[str, Mapping[str, bytes]]
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")


class Password(msgspec.Struct, frozen=True, array_like=True):
    """An Argon2id verifier; `set_at` in milliseconds since 1970, for people only."""

    argon2: str
    set_at: int


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. `role` is None if a later release gave one that this one does not know."""

    name: str
    role: Role | None
    password: Password | None
    disabled: bool

    @property
    def active(self) -> bool:
        """Whether the operator can log in."""
        return not self.disabled and self.role is not None and self.password is not None


def valid(name: str) -> bool:
    """Whether an operator can be called so."""
    return _NAME.fullmatch(name) is not None


def operator(tables: Tables, name: str) -> Operator | None:
    """The operator of that name."""
    role = tables[ROLES].get(name)
    if role is None:
        return None
    return Operator(
        name=name,
        role=_role(role),
        password=_password(tables[PASSWORDS].get(name)),
        disabled=name in tables[DISABLED],
    )


def operators(tables: Tables) -> dict[str, Operator]:
    """All of them, by name."""
    found = (operator(tables, name) for name in sorted(tables[ROLES]))
    return {one.name: one for one in found if one is not None}


def administrators(people: Iterable[Operator]) -> set[str]:
    """Those who can change everything, and can log in."""
    return {one.name for one in people if one.active and one.role is Role.ADMINISTRATOR}


def _role(value: bytes) -> Role | None:
    try:
        return Role(value.decode("ascii", "replace"))
    except ValueError:
        return None


def _password(value: bytes | None) -> Password | None:
    try:
        return None if value is None else from_msgpack(value, Password)
    except msgspec.DecodeError:
        return None
