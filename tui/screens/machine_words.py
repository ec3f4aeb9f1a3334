"""The machine under the node, in words."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from appliance.ipc.machine import InterfaceState, MachineView, StickView
from appliance.mail.figures import size_text
from tui.text import EMPTY, foreign, lines, moment
from tui.widgets.table import Column

_WIDTH = 12


def facts(view: MachineView) -> Content:
    """All of it, a line each."""
    return lines([*_facts(view), EMPTY])


def change(before: str, after: str) -> Content:
    """What was, and what will be."""
    return Content.assemble(
        ("now     ", "$quiet"), foreign(before or "not set"), "\n",
        ("then    ", "$quiet"), foreign(after, style="bold"),
    )  # fmt: skip


def _facts(view: MachineView) -> Iterator[Content]:
    yield _fact("host name", foreign(view.host_name))
    yield _fact("release", foreign(view.release or "–"))
    yield _fact("clock", Content(f"{moment(view.clock.now)} UTC, {_source(view)}"))
    yield _fact("time zone", foreign(view.clock.time_zone or "not set"))
    if view.appliance:
        yield _fact("keyboard", foreign(view.keyboard))
    for one in view.interfaces:
        yield _fact(one.name, _interface(one))
    yield _fact("gateway", foreign(view.gateway or "none"))


def _source(view: MachineView) -> str:
    if not view.clock.source:
        return "which follows nothing"
    ahead = f", {view.clock.offset:+.3f} s ahead" if view.clock.offset is not None else ""
    return f"which follows {foreign(view.clock.source).plain}{ahead}"


def _interface(one: InterfaceState) -> Content:
    sign = ("● ", "$success") if one.carrier else ("▲ no cable  ", "$warning")
    return Content.assemble(sign, foreign("  ".join(one.addresses) or "no address", 200))


def _fact(label: str, value: Content) -> Content:
    return Content.assemble((foreign(label, _WIDTH).plain.ljust(_WIDTH + 1), "$quiet"), value)


COLUMNS = (
    Column[StickView]("Stick", lambda one: foreign(one.id, 24), 10, share=1),
    Column[StickView]("Label", lambda one: foreign(one.label, 20), 12),
    Column[StickView]("Size", lambda one: Content(size_text(one.size)), 9, right=True),
    Column[StickView]("Mounted at", lambda one: foreign(one.path), 12, share=1),
)
