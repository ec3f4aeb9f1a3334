"""Who calls the control API, and what each may."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """VIEWER: sees. OPERATOR: moves mail and addresses. ADMINISTRATOR: changes site and people."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"

    def may(self, least: Role) -> bool:
        """Whether this role has the rights of `least`."""
        return _ORDER.index(self) >= _ORDER.index(least)


_ORDER = (Role.VIEWER, Role.OPERATOR, Role.ADMINISTRATOR)


@dataclass(frozen=True)
class Who:
    """Somebody who calls. `role` is None for whoever must log in first.

    `local`: of this node; else the other node passes the call on. `session`: an operator of it.
    """

    name: str
    role: Role | None
    local: bool = True
    session: bool = False


NODE = Who("the other node", Role.ADMINISTRATOR)
"""How a node's own processes call the other one."""
