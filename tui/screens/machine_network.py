"""Addresses of the machine's interfaces: changed on trial, kept once somebody says so."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from appliance.ipc.machine import InterfaceSettings, InterfaceState, MachineView, NetworkTrial
from tui.dialogs import Question
from tui.page import Page
from tui.screens import machine_words as words
from tui.text import foreign

_VIA = "via"


async def change(page: Page, view: MachineView) -> None:
    """Ask for other addresses, and try them; or keep those that are on trial. In a worker."""
    if view.trial is not None:
        if await page.ask(_keep(view.trial)) is not None:
            await page.do(lambda client: client.confirm_network(), foreign)
        return
    names = [one.name for one in view.interfaces]
    name = names[0] if len(names) == 1 else await page.ask(_which(names))
    if name is None or name.strip() not in names:
        return
    one = view.interfaces[names.index(name.strip())]
    before = written(one)
    typed = await page.ask(_what(one, before))
    if typed is None or (after := read(one.name, typed)) is None:
        return
    if (will := _text(after)) == before:
        return
    question = words.change(f"Addresses of {one.name}", before, will)
    if await page.ask(question) is not None:
        await page.do(lambda client: client.set_network([after]), _tried)


def written(one: InterfaceState) -> str:
    """What is set for an interface, as it is typed."""
    return _text(one.settings) if one.settings is not None else ""


def _text(one: InterfaceSettings) -> str:
    way = (_VIA, one.gateway) if one.gateway else ()
    return " ".join((*one.addresses, *way))


def read(name: str, typed: str) -> InterfaceSettings | None:
    """What was typed; None if it makes no sense. What is no address the node tells."""
    found = typed.replace(",", " ").split()
    if _VIA not in found:
        return InterfaceSettings(name=name, addresses=tuple(found))
    at = found.index(_VIA)
    if len(found) != at + 2:
        return None
    return InterfaceSettings(name=name, addresses=tuple(found[:at]), gateway=found[-1])


def _which(names: Sequence[str]) -> Question:
    says = Content.assemble("There is ", foreign(", ".join(names), 200, "bold"), ".")
    return Question(
        "Addresses",
        says,
        "Next",
        field="Interface:",
        value=names[0],
        check=lambda typed: "" if typed.strip() in names else "there is no such interface",
    )


def _what(one: InterfaceState, before: str) -> Question:
    says = (
        "Its own ones, with the prefix of their network, and the way to other networks if there is "
        "one. Virtual addresses are not among them. node.toml has to say the same: screen "
        "Settings, key n. Give the machine the new address first, and take the old one away last."
    )
    return Question(
        f"Addresses of {foreign(one.name, 15).plain}",
        Content(says),
        "Next",
        field="For example 192.0.2.11/24 via 192.0.2.1",
        value=before,
        check=lambda typed: "" if read(one.name, typed) else "write ADDRESS/PREFIX via GATEWAY",
    )


def _keep(trial: int) -> Question:
    says = Content(f"They are on trial, and are taken back in {trial} s if nobody keeps them.")
    return Question("Keep the new addresses", says, "Keep them")


def _tried(done: NetworkTrial) -> Content:
    return Content(f"They are on trial for {done.trial} s. Press a to keep them.")
