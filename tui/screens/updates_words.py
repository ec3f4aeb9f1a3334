"""What the screen of updates says and asks."""

from __future__ import annotations

from textual.content import Content

from appliance.control.schema_updates import FoundBundle, RollView, Updates, UpdateView
from tui.dialogs import Question
from tui.site import Site
from tui.text import EMPTY, LINE, foreign, join, lines, moment

_HEAD = 12
_NOTES = 4000


def standing_text(updates: Updates, site: Site) -> Content:
    """What runs, and how the last update of this node and of the pair stands."""
    told = [_row("Releases", _releases(site))]
    if not updates.managed:
        why = "this node is not updated from here: use the bundle's installer"
        told.append(_row("", Content.assemble((f"■ {why}", "$accent"))))
    if updates.update is not None:
        told.append(_row("This node", _update(updates.update)))
    if updates.roll is not None:
        told.append(_row("The pair", _roll(updates.roll)))
    if updates.before:
        told.append(_row("Going back", Content.assemble("to release ", foreign(updates.before))))
    return lines(told)


def _row(head: str, text: Content) -> Content:
    return Content.assemble((head.ljust(_HEAD), "$quiet"), text)


def _releases(site: Site) -> Content:
    known = [one.status for one in (site.here, site.there) if one.status is not None]
    parts = [
        Content.assemble(foreign(one.name), " ", (foreign(one.version).plain, "bold"))
        for one in known
    ]
    if len({one.version for one in known}) > 1:
        parts.append(Content.assemble(("▲ the nodes run different releases", "$warning")))
    return join(parts, "   ")


def _update(update: UpdateView) -> Content:
    way = Content.assemble(foreign(update.old), " → ", foreign(update.new or "?"), "  ")
    at = Content.assemble((f"  {moment(update.changed * 1000)}", "$quiet"))
    if update.error:
        sign = ("✖ went back: " if update.phase == "back" else "✖ ", "$error")
        said = Content.assemble(way, sign, foreign(update.error, LINE), at)
        return _hinted(said, update.hint)
    if update.over:
        return Content.assemble(way, ("● ", "$success"), foreign(update.text or update.phase), at)
    return Content.assemble(way, (f"→ {update.phase}: ", "$accent"), foreign(update.text, LINE))


def _roll(roll: RollView) -> Content:
    way = Content.assemble("to ", foreign(roll.release), "  ")
    if roll.phase == "stopped":
        said = Content.assemble(way, ("✖ stopped: ", "$error"), foreign(roll.error, LINE))
        return _hinted(said, roll.hint)
    if roll.phase == "done":
        return Content.assemble(way, ("● both nodes run it", "$success"))
    return Content.assemble(way, ("→ ", "$accent"), foreign(roll.text, LINE))


def _hinted(said: Content, hint: str) -> Content:
    if not hint:
        return said
    indent = " " * _HEAD
    return lines([said, Content.assemble(indent, ("→ ", "$quiet"), foreign(hint, LINE))])


def notes_text(bundle: FoundBundle) -> Content:
    """The release notes of a bundle, or why it can't be used."""
    if bundle.problem:
        said = Content.assemble(("✖ ", "$error"), foreign(bundle.problem, LINE))
        return _hinted(said, bundle.hint)
    notes = bundle.notes[:_NOTES].strip().splitlines()
    return lines([EMPTY, *[foreign(one, LINE) for one in notes]])


def pair(bundle: FoundBundle, updates: Updates) -> Question:
    """Before the pair is updated."""
    says = Content.assemble(
        "Both nodes get release ",
        foreign(bundle.release),
        ", the Backup first. Each is stopped in order for a minute or two, while the other one"
        " takes the mail: that is on one disk only meanwhile. If anything is not well, it stops.",
    )
    return Question(f"Update the pair from {updates.release}", says, "Update both")


def single(bundle: FoundBundle, node: str, *, alone: bool) -> Question:
    """Before one node is updated."""
    if not alone:
        says = Content.assemble(
            "Only ",
            foreign(node),
            " gets release ",
            foreign(bundle.release),
            ". The nodes go on together, with different releases.",
        )
        return Question("Update this node only", says, "Update it")
    says = Content.assemble(
        "The pair is not paired: while ",
        foreign(node),
        " is updated nobody takes mail, until release ",
        foreign(bundle.release),
        " has shown that it works.",
    )
    title = "Update this node without the other"
    return Question(title, says, "Update it", danger=True, word=node)


def back(updates: Updates) -> Question:
    """Before a node goes back."""
    says = Content.assemble(
        foreign(updates.node),
        " uses release ",
        foreign(updates.before),
        " again, with the data that it had then; what came since, the other node gives it. It is"
        " refused where mail would be lost by that.",
    )
    return Question("Go back", says, "Go back", danger=True, word=updates.node)


def stop() -> Question:
    """Before the update of the pair is stopped."""
    says = Content(
        "What is under way on a node goes on to its end, and nothing more begins. The nodes may"
        " then run different releases. Updating the pair again goes on where it was."
    )
    return Question("Stop the update of the pair", says, "Stop it")
