"""Audit: who changed what on either node, and what was refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.content import Content

from appliance.monitor.events import Event
from appliance.monitor.log.told import Told
from tui.screens.logs import EventList
from tui.text import foreign
from tui.widgets.table import Column


def _field(name: str) -> Callable[[Told], Content]:
    return lambda told: foreign(str(told.fields.get(name, "")))


def _outcome(told: Told) -> Content:
    outcome = str(told.fields.get("outcome", ""))
    if outcome == "done":
        return Content.assemble(("● done", "$success"))
    return Content.assemble(("✖ ", "$error"), foreign(outcome, style="$error"))


class Audit(EventList):
    """The events `audit` of both nodes."""

    ABOUT: ClassVar[str] = """
        Every change that somebody made, from the console or the command line, and every one that
        was refused, also logins. Who made it is an operator, or an account of the machine. Press /
        and type to filter. It is kept twelve times as long as other events.
    """
    ONLY: ClassVar[tuple[str, ...]] = (Event.AUDIT,)
    EMPTY_TEXT: ClassVar[str] = "Nobody has changed anything."
    COLUMNS: ClassVar[Sequence[Column[Told]]] = (
        Column("When (UTC)", lambda told: foreign(told.at[:19].replace("T", " ")), 19),
        Column("Node", lambda told: foreign(told.node, 8), 4),
        Column("Who", _field("by"), 10, share=1),
        Column("Role", _field("role"), 13, wide=True),
        Column("Outcome", _outcome, 11),
        Column("What", _field("action"), 16, share=2),
    )
