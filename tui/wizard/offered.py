"""What stands in the fields of the first boot before anything is typed."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from contextlib import suppress

from textual.content import Content

from appliance.control.schema_setup import FoundBackup, SetupView
from appliance.mail.figures import bytes_text
from tui.text import EMPTY, LINE, foreign, lines, moment
from tui.wizard.answers import Answers, said

_MOST = 6


def _usable(view: SetupView) -> Sequence[str]:
    """Names of interfaces, those with a cable and an address first."""
    names = sorted(view.interfaces, key=lambda one: (not one.carrier, not one.addresses, one.name))
    return [one.name for one in names]


def _address_at(view: SetupView, interface: str) -> str:
    """The machine's own address there, without those that come and go by themselves."""
    for one in view.interfaces:
        for address in one.addresses if one.name == interface else ():
            with suppress(ValueError):
                if not ipaddress.ip_interface(address).is_link_local:
                    return address
    return ""


def interface(answers: Answers, view: SetupView) -> str:
    """The first one that has a cable and an address."""
    names = _usable(view)
    return said(answers, "network", "interface") or (names[0] if names else "")


def address(answers: Answers, view: SetupView) -> str:
    """This machine's own, with its prefix."""
    return said(answers, "network", "address") or _address_at(view, interface(answers, view))


def gateway(answers: Answers, view: SetupView) -> str:
    """The one that this machine has."""
    if "network" in answers:
        return said(answers, "network", "gateway")
    return view.machine.gateway if view.machine else ""


def link_interface(answers: Answers, view: SetupView) -> str:
    """The next one, unless it was left empty before."""
    if known := said(answers, "link", "interface"):
        return known
    if "pair" in answers:  # asked before, and left empty
        return ""
    others = [name for name in _usable(view) if name != interface(answers, view)]
    return others[0] if others else ""


def link_address(answers: Answers, view: SetupView) -> str:
    """This machine's own there."""
    return said(answers, "link", "address") or _address_at(view, link_interface(answers, view))


def virtual(answers: Answers, view: SetupView) -> str:
    """Those that were said, with spaces between."""
    return " ".join(answers.get("virtual", ()))


def clock(answers: Answers, view: SetupView) -> str:
    """The machine's clock, moved as was said; in UTC."""
    return moment(view.now + int(answers.get("clock_step", 0)))


def backup(answers: Answers, view: SetupView) -> str:
    """The newest backup of all sticks."""
    return said(answers, "restore", "file") or (view.backups[0].path if view.backups else "")


def backups(view: SetupView) -> Content:
    """All that sticks have, the newest first."""
    if not view.backups:
        return lines([EMPTY, Content("No backup was found on a stick.")])
    return lines([EMPTY, *map(_backup, view.backups[:_MOST])])


def _backup(one: FoundBackup) -> Content:
    return Content.assemble(
        (f"{moment(one.at)} UTC  ", "bold"),
        f"{bytes_text(one.size)}, node ",
        foreign(one.node, 12),
        ": ",
        foreign(one.path.rpartition("/")[2], LINE),
    )


def keyboard(answers: Answers, view: SetupView) -> str:
    """The one that the machine has."""
    return said(answers, "keyboard") or (view.machine.keyboard if view.machine else "")


def time_zone(answers: Answers, view: SetupView) -> str:
    """The one that the machine has."""
    return said(answers, "time_zone") or view.time_zone


def again(*path: str) -> Callable[[Answers, SetupView], str]:
    """What was said before, and nothing at first."""
    return lambda answers, view: said(answers, *path)
