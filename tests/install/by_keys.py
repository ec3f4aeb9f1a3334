"""At an appliance's own screen: what a console can only do where it has a machine to itself."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from tests.install.kiosk import kiosk
from tests.install.machine import Machine
from tests.install.site import Site
from tests.install.stick import plugged_in
from tests.install.waiting import holds, mode, runs, until
from tests.support.operator import Operator

_WHO, _PASSWORD = "anna", "correct horse battery"
_OLD, _NEW = "1.0.0", "1.0.1"
_VALUES = (
    ("z", "Time zone", "Europe/Berlin"),
    ("k", "Keyboard", "no"),
    ("h", "Host name", "starboard"),
)
_REPLACE = """\
import sys
from pathlib import Path
from appliance.control.client import Client
client = Client(Path("/var/lib/twinpost/run/control.sock"))
text = client.node_text().text
print(client.change_node(text.replace(sys.argv[1] + ":", sys.argv[2] + ":"), text))
"""
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
        moves_to_another_address(operator, pair)
        changes_its_own_settings(operator, pair)
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


def at_the_machine(operator: Operator) -> None:
    """And the node tells of it: until then keys do nothing."""
    at(operator, "N", "Machine")
    operator.sees("^ *gateway")


def changes_names(operator: Operator, machine: Machine) -> None:
    at_the_machine(operator)
    for key, title, value in _VALUES:
        operator.press(key)
        operator.sees(f"{title}:")
        operator.press("end")
        operator.press("ctrl-u")
        operator.enters(value)
        operator.sees(f"then +{re.escape(value)}")
        operator.press("y")
        operator.sees(rf"(?i)^ *{title} +{re.escape(value)}$")
    view = _machine(machine)
    now = (view["clock"]["time_zone"], view["keyboard"], view["host_name"])
    assert now == tuple(value for _, _, value in _VALUES)


def moves_to_another_address(operator: Operator, pair: Site) -> None:
    """As docs/operators/console.md has it, but that nobody types in the editor."""
    old, new = pair.a.host.addresses[0], "192.0.2.201"
    maintains(operator, "Begin it")
    until(lambda: holds(pair.b))
    changes_addresses(operator, pair.a, f"{old}/24 {new}/24")
    for machine in (pair.b, pair.a):
        machine.run("/opt/twinpost/current/venv/bin/python", "-P", "-c", _REPLACE, old, new)
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")
    changes_addresses(operator, pair.a, f"{new}/24")
    maintains(operator, "End it")
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")
    addresses = _machine(pair.a)["interfaces"][0]["addresses"]
    assert f"{new}/24" in addresses
    assert f"{old}/24" not in addresses


def maintains(operator: Operator, answer: str) -> None:
    at(operator, "6", "Pair")
    operator.press("m")
    operator.sees(answer)
    operator.press("y")


def changes_addresses(operator: Operator, machine: Machine, wanted: str) -> None:
    at_the_machine(operator)
    operator.press("a")
    operator.sees("Interface:")
    operator.enters("")
    operator.sees("Addresses of eth0")
    operator.press("end")
    operator.press("ctrl-u")
    operator.enters(wanted)
    operator.sees(f"then +{re.escape(wanted)}")
    operator.press("y")
    operator.sees("unless kept")
    operator.press("a")
    operator.sees("They are on trial")
    operator.press("y")
    until(lambda: _machine(machine)["trial"] is None)


def changes_its_own_settings(operator: Operator, pair: Site) -> None:
    """In an editor, on a terminal for which Ctrl-S could mean something else."""
    before = main_process(pair.a)
    at(operator, "S", "Settings")
    operator.press("n")
    operator.sees("node.toml of a")
    operator.enters('keep_ended = "6d"')
    operator.press("ctrl-s")
    operator.sees("start anew; the other node serves")
    operator.enters("a")
    until(lambda: "keep_ended" in pair.a.run("cat", "/var/lib/twinpost/node.toml"))
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")
    assert main_process(pair.a) == before


def _machine(machine: Machine) -> Any:
    return json.loads(machine.run("twinpost", "machine", "status", "--json"))


def restarts_the_node(operator: Operator, pair: Site) -> None:
    before = main_process(pair.a)
    ends(operator, "r", "Restart the node")
    until(lambda: main_process(pair.a) not in ("0", before))
    until(lambda: mode(pair.a) == mode(pair.b) == "paired")


def main_process(machine: Machine) -> str:
    show = ("systemctl", "show", "--property=MainPID", "--value", "twinpost.service")
    return machine.run(*show).strip()


def ends(operator: Operator, key: str, title: str) -> None:
    at_the_machine(operator)
    operator.press(key)
    operator.sees(title)
    operator.enters("a")


def mounts(operator: Operator, *, let_go: bool = False) -> None:
    at_the_machine(operator)
    operator.sees("UPDATE .*/media/" if let_go else "UPDATE .*not mounted")
    operator.press("enter")
    operator.sees("UPDATE .*not mounted" if let_go else "It is at")


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
    operator.sees(rf"to {re.escape(_NEW)} +> b: ")
    operator.press("x")
    operator.sees("Stop the update of the pair")
    operator.press("y")
    operator.sees("stopped: an operator stopped it")
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
