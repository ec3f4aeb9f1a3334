"""Sticks in the node, for a screen that has no files of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from textual.content import Content

from appliance.ipc.machine import StickView
from appliance.mail.figures import counted
from tui.dialogs import Question
from tui.node import Trouble
from tui.page import Page, problem
from tui.text import foreign

if TYPE_CHECKING:
    from appliance.control.client import Client

Files = Iterable[tuple[str, bytes]]
_PATIENCE = 600.0
"""Seconds: sticks are slow, and what is written is read back."""


def to_stick(page: Page, title: str, says: str, files: Callable[[Client], Files]) -> None:
    """Ask which stick, have the node write `files` there, and let the stick go."""
    page.run_worker(_to_stick(page, title, says, files), group="act")


async def _to_stick(page: Page, title: str, says: str, files: Callable[[Client], Files]) -> None:
    try:
        found = [one for one in await page.node.ask(lambda client: client.sticks()) if fit(one)]
    except Trouble as trouble:
        page.console.tell(problem(trouble), "error")
        return
    if not found:
        said = Content("No stick is there to write to. Put one in, and try again.")
        page.console.tell(said, "warning")
        return
    names = {called(one): one for one in found}
    asked = Question(
        title,
        Content.assemble(
            says,
            " It is read back, and the stick can be pulled out afterwards.\n\nThere is ",
            foreign(", ".join(names), 200, style="bold"),
            ".",
        ),
        "Write it",
        field="Stick:",
        value=next(iter(names)),
        check=lambda typed: "" if typed.strip() in names else "there is no such stick",
    )
    typed = await page.ask(asked)
    if typed is not None:
        stick = names[typed.strip()]
        await page.do(lambda client: written(client, stick, files(client)), foreign, _PATIENCE)


async def folder_on_stick(page: Page) -> str:
    """The node's folder on a stick, which stays mounted; "" without one. Raises Trouble."""
    stick = next(filter(fit, await page.node.ask(lambda client: client.sticks())), None)
    if stick is None:
        return ""
    return (await page.node.ask(lambda client: client.mount_stick(stick.id), _PATIENCE)).store


def called(stick: StickView) -> str:
    """What somebody can type to name it: its label, if that is one."""
    plain = stick.label.isascii() and stick.label.isprintable()
    return stick.label if plain and stick.label else stick.id


def fit(stick: StickView) -> bool:
    """Whether something can be written to it."""
    return stick.writable and not stick.problem


def written(client: Client, stick: StickView, files: Files) -> str:
    """Write them all; what happened. A stick that was mounted before stays so."""
    number = 0
    for name, content in files:
        client.write_to_stick(stick.id, name, content)
        number += 1
    told = f"{counted(number, 'file')} written and read back."
    if stick.folder:
        return f"{told} The stick is still mounted: let it go before you pull it out."
    client.unmount_stick(stick.id)
    return f"{told} The stick can be pulled out."
