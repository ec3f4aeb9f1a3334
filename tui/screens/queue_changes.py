"""What an operator can do about messages in the queue, from any screen that shows some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content

from appliance.control.schema import Selection
from appliance.mail.figures import counted
from tui.dialogs import Question
from tui.screens.queue_words import Listed, recipients_text, sender_text
from tui.sticks import Files, to_stick
from tui.text import EMPTY, LINE, foreign

if TYPE_CHECKING:
    from appliance.control.client import Client
    from appliance.mail.views import CommandResult
    from tui.page import Page

_BATCH = 200
"""Messages in one request: one group commit on both nodes. TARGETS_LIMIT is above it."""
# action → its title, what it will do, what it has done
_ACTIONS = {
    "hold": ("Hold", "will stay in the queue until somebody releases them.", "held"),
    "release": ("Release", "will go out as soon as there is a way.", "released"),
    "retry": ("Try again now", "that are deferred will be tried again at once.", "due now"),
    "redirect": (
        "Redirect",
        "will go to the address that you type, instead of to the recipients that are still open.",
        "redirected",
    ),
    "remove": (
        "Remove for good",
        "will be taken out of the queue. They are not delivered, and nobody is told: neither "
        "senders nor recipients. This cannot be taken back.",
        "removed",
    ),
}
_TAKEN_BACK = ("hold", "release", "retry")


def change(page: Page, action: str, chosen: Sequence[Listed]) -> None:
    """Do something to messages, after asking where it matters."""
    page.act(
        question(action, chosen),
        lambda client, typed: carry_out(client, action, chosen, typed.strip()),
        lambda results: told(action, results),
    )


def export(page: Page, chosen: Sequence[Listed]) -> None:
    """Write messages as they were accepted: to files here, or from a node's screen to a stick."""
    if page.console.kiosk:
        says = f"{counted(len(chosen), 'message')} will be written, each as it was accepted."
        to_stick(page, "Export", says, lambda client: contents(client, chosen))
        return
    asked = Question(
        "Export",
        Content(
            f"{counted(len(chosen), 'message')} will be written to the folder that you type, "
            "each as ID.eml, as it was accepted."
        ),
        "Export",
        field="Folder:",
        value=str(Path.home()),
        check=lambda typed: "" if typed.strip() else "name a folder",
    )
    page.act(asked, lambda client, typed: write(client, typed, chosen), foreign)


def carry_out(
    client: Client, action: str, chosen: Sequence[Listed], address: str
) -> list[CommandResult]:
    """Do it to all of them, some at a time."""
    results: list[CommandResult] = []
    for start in range(0, len(chosen), _BATCH):
        targets = [Selection(one.queue_id) for one in chosen[start : start + _BATCH]]
        results += client.command(action, targets, address)
    return results


def contents(client: Client, chosen: Sequence[Listed]) -> Files:
    """Their files, one after the other; an id has letters and digits only."""
    for one in chosen:
        yield f"{one.queue_id}.eml", b"".join(client.content(one.queue_id))


def write(client: Client, typed: str, chosen: Sequence[Listed]) -> str:
    """Write them; says what became of it, as the disk may fail."""
    folder = Path(typed.strip()).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in chosen:
            # An id has letters and digits only: the node gave it.
            with (folder / f"{one.queue_id}.eml").open("wb") as file:
                for block in client.content(one.queue_id):
                    file.write(block)
    except OSError as error:
        return f"Not written to {folder}: {error.strerror or error}"
    return f"{counted(len(chosen), 'message')} written to {folder}"


def question(action: str, chosen: Sequence[Listed]) -> Question | None:
    """None for what can be taken back and is about one message."""
    if action in _TAKEN_BACK and len(chosen) == 1:
        return None
    title, what, _ = _ACTIONS[action]
    about = EMPTY
    if len(chosen) == 1:
        one = chosen[0]
        way = (sender_text(one.sender), " → ", recipients_text(one.recipients))
        about = Content.assemble("\n\n", (one.queue_id, "bold"), "\n", *way)
    asks = action == "redirect"
    return Question(
        title,
        Content.assemble(f"{counted(len(chosen), 'message')} {what}", about),
        title,
        danger=action == "remove",
        field="New recipient:" if asks else "",
        check=wrong_address if asks else None,
    )


def told(action: str, results: Sequence[CommandResult]) -> Content:
    """What came of it, with the node's words where it was not done."""
    changed = [one for one in results if one.changed]
    recipients = counted(sum(one.changed for one in changed), "recipient")
    said = Content(f"{recipients} of {counted(len(changed), 'message')} {_ACTIONS[action][2]}")
    failed = [one for one in results if one.error]
    if not failed:
        return said
    hint = Content.assemble(" → ", foreign(failed[0].hint, LINE)) if failed[0].hint else EMPTY
    why = Content.assemble(foreign(failed[0].error, LINE), hint)
    return Content.assemble(said, f". Not done for {counted(len(failed), 'message')}: ", why)


def wrong_address(typed: str) -> str:
    """Why this is no address at first sight, "" if it may be one: the node looks closely."""
    local, at, domain = typed.strip().rpartition("@")
    return "" if local and at and domain else "write an address: user@example.org"
