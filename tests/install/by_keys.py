"""At an appliance's own screen: what a console can only do where it has a machine to itself."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path

from tests.install.kiosk import kiosk
from tests.install.machine import Machine
from tests.install.site import Site
from tests.install.stick import plugged_in
from tests.install.waiting import holds, mode, until
from tests.support.operator import Operator

_WHO, _PASSWORD = "anna", "correct horse battery"
_OLD, _NEW = "1.0.0", "1.0.1"
_VALUES = (
    ("z", "Time zone", "Europe/Berlin"),
    ("k", "Keyboard", "no"),
    ("h", "Host name", "starboard"),
)
_OVER = ("done", "back", "failed")
_UPDATE = 300.0
"""Seconds that a node may take for one."""


def does_it_all_by_keys(pair: Site, folder: Path) -> None:
    """The screens Machine and Updates, but for the clock: all machines here have one, not ours."""
    add = ("twinpost", "operator", "add", _WHO, "--role", "administrator", "--stdin")
    pair.a.run(*add, given=f"{_PASSWORD}\n")
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")
    files = folder / "next"
    files.mkdir()
    shutil.copy(pair.stick.folder / pair.stick.burn(_NEW), files)
    with kiosk(pair.a, folder / "keys.log") as (operator, _):
        changes_names(operator, pair.a)
        restarts_the_node(operator, pair)
        with plugged_in(pair.a, "UPDATE", files):
            mounts(operator)
            updates_one_node_and_goes_back(operator, pair)
            updates_the_pair_and_stops(operator, pair)
            updates_the_other_one_too(operator, pair)
            mounts(operator, let_go=True)
    for key, title in (("X", "Restart the machine"), ("P", "Switch the machine off")):
        with kiosk(pair.a, folder / "ends.log") as (operator, _):
            ends(operator, key, title)
            pair.a.ends()
        pair.a.power_on()
        until(lambda: mode(pair.a) == mode(pair.b) == "paired")


def at(operator: Operator, key: str, title: str) -> None:
    """On that screen, logged in: the console is locked whenever its node stopped."""
    operator.log_in(_WHO, _PASSWORD)
    operator.goes_to(key, title)


def changes_names(operator: Operator, machine: Machine) -> None:
    at(operator, "N", "Machine")
    for key, title, value in _VALUES:
        operator.press(key)
        operator.sees(f"{title}:")
        operator.press("end")
        operator.press("ctrl-u")
        operator.enters(value)
        operator.sees(f"then +{re.escape(value)}")
        operator.press("y")
        operator.sees(f"{title} .*{re.escape(value)}")
    view = json.loads(machine.run("twinpost", "machine", "status", "--json"))
    now = (view["clock"]["time_zone"], view["keyboard"], view["host_name"])
    assert now == tuple(value for _, _, value in _VALUES)


def restarts_the_node(operator: Operator, pair: Site) -> None:
    before = main_process(pair.a)
    ends(operator, "r", "Restart the node")
    until(lambda: main_process(pair.a) not in ("0", before))
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")


def main_process(machine: Machine) -> str:
    show = ("systemctl", "show", "--property=MainPID", "--value", "twinpost.service")
    return machine.run(*show).strip()


def ends(operator: Operator, key: str, title: str) -> None:
    at(operator, "N", "Machine")
    operator.press(key)
    operator.sees(title)
    operator.enters("a")


def mounts(operator: Operator, *, let_go: bool = False) -> None:
    at(operator, "N", "Machine")
    operator.sees("UPDATE .*/media/" if let_go else "UPDATE .*not mounted")
    operator.press("enter")
    operator.sees("may be pulled out" if let_go else "It is at")


def updates_one_node_and_goes_back(operator: Operator, pair: Site) -> None:
    begins(operator, "n", "Only a gets release", "y")
    until(partial(runs, pair.a, _NEW), _UPDATE)
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")
    at(operator, "U", "Updates")
    operator.sees("the nodes run different releases")
    operator.press("b")
    operator.sees(f"uses release {re.escape(_OLD)} again")
    operator.enters("a")
    until(partial(runs, pair.a, _OLD), _UPDATE)
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")


def updates_the_pair_and_stops(operator: Operator, pair: Site) -> None:
    """The Backup, node b, goes on to its end, and the other one is not begun with."""
    makes_active(operator, pair)
    begins(operator, "u", "Both nodes get release", "y")
    operator.sees(rf"to {re.escape(_NEW)} +→ b")
    operator.press("x")
    operator.sees("nothing more begins")
    operator.press("y")
    operator.sees("✖ stopped")
    until(partial(runs, pair.b, _NEW), _UPDATE)
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")
    assert runs(pair.a, _OLD)


def makes_active(operator: Operator, pair: Site) -> None:
    if not holds(pair.a):
        at(operator, "6", "Pair")
        operator.press("s")
        operator.sees("Bring the addresses here")
        operator.press("y")
        until(lambda: holds(pair.a))


def updates_the_other_one_too(operator: Operator, pair: Site) -> None:
    begins(operator, "u", "Both nodes get release", "y")
    until(partial(runs, pair.a, _NEW), _UPDATE)
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")
    at(operator, "U", "Updates")
    operator.sees("both nodes run it", _UPDATE)
    assert runs(pair.b, _NEW)


def begins(operator: Operator, key: str, asks: str, answer: str) -> None:
    at(operator, "U", "Updates")
    operator.sees(rf"{re.escape(_NEW)} .*whole, and trusted")
    operator.press(key)
    operator.sees(asks)
    operator.press(answer)


def runs(machine: Machine, version: str) -> bool:
    """It is in use, and nothing is under way."""
    if machine.run("twinpost", "--version").split()[-1] != version:
        return False
    told = machine.run("twinpost", "update", "status", "--json", check=False)
    return told.startswith("[") and all(
        one["update"] is None or one["update"]["phase"] in _OVER for one in json.loads(told)
    )
