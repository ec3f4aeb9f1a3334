"""What the screen of the machine says and asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from textual.content import Content

from appliance.ipc.machine import ClockState, InterfaceState, MachineView, StickView
from appliance.mail.figures import bytes_text
from tui.dialogs import Question
from tui.text import EMPTY, foreign, lines, moment
from tui.widgets.table import Column

_WIDTH = 12
_ADDRESSES = 200
_CLOCK = "%Y-%m-%d %H:%M:%S"


def facts(view: MachineView) -> Content:
    """All of it, a line each."""
    return lines([*_facts(view), EMPTY])


def _facts(view: MachineView) -> Iterator[Content]:
    yield _fact("host name", foreign(view.host_name))
    yield _fact("release", foreign(view.release or "none"))
    yield _fact("clock", Content(f"{moment(view.clock.now)} UTC, {_source(view.clock)}"))
    yield _fact("time zone", foreign(view.clock.time_zone or "not set"))
    if view.appliance:
        yield _fact("keyboard", foreign(view.keyboard or "not set"))
    for one in view.interfaces:
        yield _fact(one.name, _interface(one))
    yield _fact("gateway", foreign(view.gateway or "none"))
    if view.trial is not None:
        said = f"▲ new addresses are on trial: taken back in {view.trial} s unless kept (key a)"
        yield _fact("", Content.assemble((said, "$warning")))


def _source(clock: ClockState) -> str:
    if not clock.source:
        return "follows nothing"
    said = f"follows {foreign(clock.source).plain}"
    if clock.offset is None:
        return said
    return f"{said}, {abs(clock.offset):.3f} s {'behind' if clock.offset < 0 else 'ahead'}"


def _interface(one: InterfaceState) -> Content:
    sign = ("● ", "$success") if one.carrier else ("▲ no cable  ", "$warning")
    return Content.assemble(sign, foreign("  ".join(one.addresses) or "no address", _ADDRESSES))


def _fact(label: str, value: Content) -> Content:
    return Content.assemble((foreign(label, _WIDTH).plain.ljust(_WIDTH + 1), "$quiet"), value)


def _place(one: StickView) -> Content:
    if one.problem:
        return Content.assemble(("✖ ", "$error"), foreign(one.problem))
    return foreign(one.folder) if one.folder else Content.assemble(("not mounted", "$quiet"))


COLUMNS = (
    Column[StickView]("Label", lambda one: foreign(one.label, 20), 12),
    Column[StickView]("Stick", lambda one: foreign(one.id, 40), 10),
    Column[StickView]("Size", lambda one: Content(bytes_text(one.size)), 9, right=True),
    Column[StickView]("Mounted at", _place, 12, share=1),
)


def clock(view: MachineView) -> Question:
    """Which time the clock is to show."""
    says = (
        "In UTC. Dates of mail, certificates and reports follow it; mail itself does not depend"
        " on it. Set the clocks of both nodes."
    )
    return Question(
        "Set the clock",
        Content(says),
        "Set it",
        danger=True,
        field="Now:",
        value=moment(view.clock.now),
        check=_wrong_moment,
    )


def typed_moment(typed: str) -> int:
    """Milliseconds since 1970 for what was typed; raises ValueError."""
    then = datetime.strptime(typed.strip(), _CLOCK).replace(tzinfo=UTC)
    return round(then.timestamp() * 1000)


def _wrong_moment(typed: str) -> str:
    try:
        typed_moment(typed)
    except ValueError:
        return "write it like 2026-11-28 12:00:00"
    return ""


def another(what: str, before: str) -> Question:
    """Which value is to come in place of `before`."""
    return Question(what, Content("Another one:"), "Next", field=f"{what}:", value=before)


def change(what: str, before: str, after: str) -> Question:
    """Before a value is changed: what was, and what will be."""
    says = Content.assemble(
        ("now     ", "$quiet"), foreign(before or "not set"), "\n",
        ("then    ", "$quiet"), foreign(after, style="bold"),
    )  # fmt: skip
    return Question(what, says, "Change it")


def restart(node: str, *, alone: bool) -> Question:
    """Before the node is restarted."""
    return _end("Restart the node", "The node stops in order and starts again.", node, alone=alone)


def reboot(node: str, *, alone: bool) -> Question:
    """Before the machine is restarted."""
    return _end("Restart the machine", "The machine starts anew.", node, alone=alone)


def power_off(node: str, *, alone: bool) -> Question:
    """Before the machine is switched off."""
    says = "Somebody has to go there to switch it on again."
    return _end("Switch the machine off", says, node, alone=alone)


def _end(title: str, says: str, node: str, *, alone: bool) -> Question:
    meanwhile = (
        "The pair is not paired: nobody takes mail meanwhile."
        if alone
        else "The other node takes the mail meanwhile, on one disk only."
    )
    return Question(title, Content(f"{says} {meanwhile}"), title, danger=True, word=node)
