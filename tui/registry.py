"""The console's screens. A new one is one entry here and one module; see docs/design.md."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.control.roles import Role

if TYPE_CHECKING:
    from tui.page import Page


@dataclass(frozen=True)
class Entry:
    """A screen: the key that leads to it, its title, where its class is, who may see it.

    `place` is "module:Class" below tui.screens, imported when somebody goes there; the module's
    name is the screen's. `least` is the role that one needs at least.
    """

    key: str
    title: str
    place: str
    about: str
    least: Role = Role.VIEWER

    @property
    def name(self) -> str:
        """What the screen is called in code, and the file of its picture."""
        return self.place.partition(":")[0]

    def load(self) -> type[Page]:
        """Its class."""
        module, _, name = self.place.partition(":")
        found: type[Page] = getattr(importlib.import_module(f"tui.screens.{module}"), name)
        return found


SCREENS = (
    Entry("1", "Overview", "overview:Overview", "both nodes, and what is wrong"),
    Entry("2", "Queue", "queue:Queue", "what waits, why, until when"),
    Entry("3", "Search", "search:Search", "mail by its text", Role.OPERATOR),
    Entry("4", "Users", "users:Users", "who has a mailbox, and may send"),
    Entry("5", "Routes", "routes:Routes", "ways of mail, next hops, pauses"),
    Entry("6", "Pair", "pair:Pair", "switchover, maintenance, pairing"),
    Entry("7", "Alerts", "alerts:AlertList", "what is wrong, and what to do"),
    Entry("8", "Charts", "charts:Charts", "any figure, an hour to 90 days"),
    Entry("9", "Logs", "logs:Logs", "what both nodes did, as it happens"),
    Entry("J", "Jobs", "jobs:Jobs", "what the node does by itself"),
    Entry("R", "Reports", "reports:ReportList", "how the pair is, for others", Role.OPERATOR),
    Entry("B", "Backups", "backups:BackupFiles", "make and check them", Role.OPERATOR),
    Entry("I", "Aliases", "aliases:Aliases", "addresses that stand for others"),
    Entry("S", "Settings", "settings:Settings", "the site, in versions"),
    Entry("C", "Certificates", "tls:Certificates", "TLS: who this is, who is trusted"),
    Entry("M", "Mailboxes", "mailboxes:Mailboxes", "what lies in them"),
    Entry("L", "Balance", "balance:Balance", "clients spread over both nodes"),
    Entry("N", "Machine", "machine:Machine", "clock, names, sticks, restart"),
    Entry("U", "Updates", "updates:UpdateDesk", "another release, on both nodes"),
    Entry("O", "Operators", "operators:Operators", "who runs the site", Role.ADMINISTRATOR),
    Entry("A", "Audit", "audit:Audit", "who changed what"),
)


def entry(name: str) -> Entry:
    """The screen of that name."""
    return next(one for one in SCREENS if one.name == name)
