"""The last page of the first boot: what was answered, and what will happen."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from appliance.control.schema_setup import SetupView
from tui.text import EMPTY, foreign, lines
from tui.wizard.answers import Answers, joins, restores

_WIDTH = 16


def summary(answers: Answers, view: SetupView) -> Content:
    """All of it."""
    return lines([*_rows(answers, view), EMPTY, *_happens(answers, view)])


def _rows(answers: Answers, view: SetupView) -> Iterator[Content]:
    yield _row("Node", answers["name"])
    network = answers["network"]
    way = f" by way of {network['gateway']}" if network.get("gateway") else ", no way out"
    yield _row("Clients", f"{network['interface']}  {network['address']}{way}")
    if link := answers.get("link"):
        yield _row("Other node", f"{link['interface']}  {link['address']}")
    else:
        yield _row("Other node", f"{network['interface']}, as clients")
    if joins(answers):
        yield _row("Joins", answers["join"]["at"])
    else:
        yield _row("Virtual", " ".join(answers["virtual"]))
        if restores(answers):
            yield _row("Backup", answers["restore"]["file"])
        else:
            yield _row("Domain", answers["domain"])
            yield _row("Administrator", answers["administrator"]["name"])
    zone = answers.get("time_zone") or view.time_zone or "not set"
    if view.machine is None:
        yield _row("Time zone", f"{zone}: the system's, as clock and keyboard")
    else:
        step = answers.get("clock_step", 0) / 1000
        yield _row("Time zone", zone + (f", clock set by {step:+.0f} s" if step else ""))
        if view.machine.appliance:
            yield _row("Keyboard", answers.get("keyboard") or "as it is")


def _happens(answers: Answers, view: SetupView) -> Iterator[Content]:
    if view.machine is None or not view.machine.appliance:
        yield Content("The addresses of this machine are left to its system: give it these there.")
    else:
        yield Content("This machine gets its name and addresses now.")
    if joins(answers):
        yield Content(
            "It joins the other node, takes over its settings, and starts. The services of the "
            "other node start anew."
        )
        return
    if restores(answers):
        yield Content(
            "All of the backup is read before anything is written. Mailboxes, settings, users and "
            "operators are as they were. Mail that was on its way is held: release it in the queue."
        )
    yield Content("The node starts and takes mail at port 25, 587 and 465.")
    if answers["pair"] == "new":
        yield Content("Then it shows a code, to be typed at the other node.")
    else:
        yield Content("Until it is paired, its mail lies on this machine only.")


def _row(label: str, value: str) -> Content:
    return Content.assemble((label.ljust(_WIDTH), "$quiet"), foreign(value, 60, "bold"))
