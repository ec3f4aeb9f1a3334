"""What the installer says."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from appliance.ipc.installer import DiskView, Installation
from tui.dialogs import Question
from tui.text import EMPTY, LINE, foreign, join, lines
from tui.widgets.spark import gauge
from tui.widgets.table import Column

TITLE = Content.assemble(("Twinpost", "bold"), "  Installation from the stick")
CHOOSE = Content.assemble(
    ("Choose the disk that Twinpost is to be installed to, and press Enter.\n", "bold"),
    ("Nothing on any disk has been changed yet. No network is needed.\n", "$quiet"),
)
_MOST = 6
"""Partitions that are named one by one."""
_UNCHANGED = "Nothing on any disk has been changed."
_STAYS = "The mail and settings that are on it stay."


def size_text(size: int) -> str:
    """As disks are sold: powers of ten."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size >= factor:
            return f"{size / factor:.{size < 10 * factor:d}f} {unit}"
    return f"{size} B"


def detail(disk: DiskView) -> Content:
    """All about the disk under the cursor."""
    serial = f"serial number {foreign(disk.serial).plain}" if disk.serial else ""
    words = (foreign(disk.name).plain, foreign(disk.model).plain, size_text(disk.size), serial)
    parts = [EMPTY, Content.assemble((", ".join(one for one in words if one), "bold"))]
    if disk.problem:
        why = foreign(disk.problem, LINE)
        return lines([*parts, Content.assemble(("✖ not to this one: ", "$error"), why)])
    if disk.kept:
        said = "Mail and settings of an earlier installation are on it: k keeps them."
        parts.append(Content.assemble(("■ ", "$accent"), said))
    if not disk.holds:
        parts.append(Content.assemble(("Nothing is on it.", "$quiet")))
    return lines([*parts, *_lost(disk)])


def erasing(disk: DiskView) -> Question:
    """Before everything on a disk is lost."""
    return Question(
        f"Erase {foreign(disk.name).plain} and install Twinpost",
        lines([_named(disk), *_loss(disk)]),
        "Erase and install",
        danger=True,
        word=disk.name,
    )


def keeping(disk: DiskView) -> Question:
    """Before the system on a disk is replaced."""
    says = f"{_STAYS} The system is erased and installed anew, with all of its releases."
    return Question(
        f"Install Twinpost anew on {foreign(disk.name).plain}",
        lines([_named(disk), EMPTY, Content(says)]),
        "Install",
        danger=True,
        word=disk.name,
    )


def switching_off() -> Question:
    """Before the machine goes off."""
    return Question("Switch off", Content("The machine is switched off."), "Switch off")


def progress(state: Installation) -> Content:
    """How far it is, for somebody who looks from across the room."""
    disk = foreign(state.disk, style="bold")
    match state.state:
        case "running":
            bar = gauge(state.percent / 100, 40, ascii_only=False)
            return lines(
                [
                    Content.assemble(("→ ", "$success"), "Twinpost is being installed to ", disk),
                    EMPTY,
                    Content.assemble(
                        (f"Step {state.step} of {state.steps}: ", "$quiet"),
                        foreign(state.text, LINE),
                    ),
                    Content.assemble((bar, "$primary"), f"  {state.percent} %"),
                    EMPTY,
                    Content("Leave the stick where it is, and the machine on. If the power"),
                    Content("fails now, install again: the disk does not start half done."),
                ]
            )
        case "done":
            return lines(
                [
                    Content.assemble(
                        ("● ", "$success"),
                        ("Twinpost is installed to ", "bold"),
                        disk,
                        (", and reads back as it was written.", "bold"),
                    ),
                    EMPTY,
                    Content("Press Enter: the machine restarts. As soon as the screen goes dark,"),
                    Content("take the stick out. The machine then starts from its disk, where the"),
                    Content("console asks for the rest."),
                ]
            )
        case "failed":
            return _failure(state)
    return EMPTY


def _failure(state: Installation) -> Content:
    """Without a disk if a file on the stick could not be followed."""
    to = Content.assemble((" to ", "bold"), foreign(state.disk, style="bold"))
    parts = [
        Content.assemble(
            ("✖ ", "$error"), ("Twinpost is not installed", "bold"), to if state.disk else EMPTY
        ),
        EMPTY,
        foreign(state.cause, LINE),
    ]
    if state.hint:
        parts.append(Content.assemble(("→ ", "$quiet"), foreign(state.hint, LINE)))
    parts.append(EMPTY)
    if state.step:
        at = f"It was at step {state.step} of {state.steps}: "
        parts.append(Content.assemble((at, "$quiet"), foreign(state.text, LINE, "$quiet")))
    left = "The disk does not start a system now." if state.step > 1 else _UNCHANGED
    parts.append(Content.assemble((f"{left} Press r to choose a disk yourself.", "$quiet")))
    return lines(parts)


def _named(disk: DiskView) -> Content:
    words = (foreign(disk.model).plain, size_text(disk.size), foreign(disk.serial).plain)
    return Content.assemble(
        "The disk ", foreign(disk.name, style="bold"), ": ", ", ".join(one for one in words if one)
    )


def _loss(disk: DiskView) -> list[Content]:
    if not disk.holds:
        return [EMPTY, Content("Nothing is on it.")]
    said = [EMPTY, Content.assemble(("Everything on it will be lost:", "bold"))]
    said += _lost(disk)
    if disk.kept:
        warned = "Also the mail of an earlier installation. To keep it, say no, and press k."
        said += [EMPTY, Content.assemble(("▲ ", "bold $error"), warned)]
    return said


def _lost(disk: DiskView) -> list[Content]:
    named = [
        Content.assemble(
            "  ",
            join(
                [
                    foreign(one.name.ljust(12)),
                    Content(size_text(one.size).rjust(8)),
                    foreign(one.what),
                    foreign(one.label, style="bold"),
                ]
            ),
        )
        for one in disk.holds[:_MOST]
    ]
    if len(disk.holds) > _MOST:
        named.append(Content(f"  and {len(disk.holds) - _MOST} more"))
    return named


def _held(disk: DiskView) -> Content:
    if disk.problem:
        return Content.assemble(("✖ ", "$error"), foreign(disk.problem, LINE))
    if disk.kept:
        return Content.assemble(("■ ", "$accent"), "an earlier Twinpost")
    if not disk.holds:
        return Content.assemble(("nothing", "$quiet"))
    return join([foreign(one.label or one.what, 20) for one in disk.holds], ", ")


COLUMNS: Sequence[Column[DiskView]] = (
    Column("Disk", lambda one: foreign(one.name, 12), 9),
    Column("Model", lambda one: foreign(one.model, 40), 22),
    Column("Size", lambda one: Content(size_text(one.size)), 8, right=True),
    Column("What is on it", _held, 20, share=1),
)
