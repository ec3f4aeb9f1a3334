"""Who uses the console, and what the console lets them do."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from appliance.control.roles import Role
from appliance.control.schema_people import OpenedSession, SessionView
from tui.text import EMPTY, foreign


@dataclass(frozen=True)
class Person:
    """Somebody: by a session, or as the user whose terminal it is (`token` is "").

    `role` is None for whoever has to log in first. `idle`: seconds after which the node ends the
    session.
    """

    name: str = ""
    role: Role | None = None
    token: str = ""
    idle: float = float("inf")

    def may(self, least: Role) -> bool:
        """Whether the role has the rights of `least`."""
        return self.role is not None and self.role.may(least)

    def shown(self) -> Content:
        """Name and role, for the title."""
        if self.role is None:
            return EMPTY
        return Content.assemble(foreign(self.name, 20, "bold"), f" ({self.role})")


NOBODY = Person()


def logged_in(session: OpenedSession) -> Person:
    """Whoever has opened a session."""
    return Person(session.name, session.role, session.token, session.idle / 1000)


def by_terminal(view: SessionView) -> Person:
    """Whoever the node knows by the user that runs the console."""
    return Person(view.name, view.role)
