"""The machine's name and its console's keyboard."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from appliance.ipc.machine import Done, SetHostName, SetKeyboard
from appliance.machine.command import Run
from appliance.machine.helper import HelperError, Operation, Tell
from appliance.machine.system import System

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")  # RFC 1123 §2.1
_LONGEST = 64  # HOST_NAME_MAX
_LAYOUTS = "usr/share/X11/xkb/rules/base.lst"
_KEYBOARD = "etc/default/keyboard"
_SET = re.compile(r'^XKB(LAYOUT|VARIANT)="?([^"\n]*)', re.MULTILINE)
_HOST_NAME = "etc/hostname"
_HOSTS = "etc/hosts"
_PATIENCE = 60.0


class Names:
    """The handlers."""

    def __init__(self, system: System, run: Run) -> None:
        self._system = system
        self._run = run

    def operations(self) -> Sequence[Operation[Any]]:
        """Those of this family."""
        return (
            Operation(SetHostName, self.set_host_name, _PATIENCE, changes=True),
            Operation(SetKeyboard, self.set_keyboard, _PATIENCE, changes=True),
        )

    @property
    def host_name(self) -> str:
        """As it is set: the kernel's own, seen from the helper's sandbox, is that of its start."""
        return self._system.read(_HOST_NAME).strip() or os.uname().nodename

    @property
    def keyboard(self) -> str:
        """The layout that is set, with its variant: "no", "de:nodeadkeys"; "" if none is."""
        found = dict(_SET.findall(self._system.read(_KEYBOARD)))
        layout, variant = found.get("LAYOUT", ""), found.get("VARIANT", "")
        return f"{layout}:{variant}" if variant else layout

    def keyboards(self) -> Sequence[str]:
        """Every layout, and every layout with a variant."""
        found, section = [], ""
        for line in self._system.read(_LAYOUTS).splitlines():
            if line.startswith("!"):
                section = line[1:].strip()
            elif section == "layout" and (words := line.split()):
                found.append(words[0])
            elif section == "variant" and len(words := line.split()) > 1:
                found.append(f"{words[1].rstrip(':')}:{words[0]}")
        return sorted(set(found) - {"custom"})

    async def set_host_name(self, request: SetHostName, tell: Tell) -> Done:
        self._system.must_be_ours()
        name = request.name.lower()
        if len(name) > _LONGEST or not all(map(_LABEL.fullmatch, name.split("."))):
            raise HelperError("that is no name of a machine", 'for example "node-a"')
        self._system.write(_HOSTS, hosts(self._system.read(_HOSTS), name))
        await self._run("hostnamectl", "hostname", name)  # the helper itself may not
        return Done(f"the machine is called {name}")

    async def set_keyboard(self, request: SetKeyboard, tell: Tell) -> Done:
        self._system.must_be_ours()
        if request.name not in self.keyboards():
            raise HelperError("there is no such keyboard", 'for example "no" or "de:nodeadkeys"')
        layout, _, variant = request.name.partition(":")
        self._system.write(
            _KEYBOARD,
            f'XKBMODEL="pc105"\nXKBLAYOUT="{layout}"\nXKBVARIANT="{variant}"\n'
            'XKBOPTIONS=""\nBACKSPACE="guess"\n',
        )
        await self._run("setupcon", "--save", "--keyboard-only", "--force")
        return Done(f"the keyboard is {request.name}")


def hosts(text: str, name: str) -> str:
    """/etc/hosts with the machine's own name at 127.0.1.1, as Debian has it."""
    kept = [line for line in text.splitlines() if line.split()[:1] != ["127.0.1.1"]]
    short = name.partition(".")[0]
    names = name if name == short else f"{name} {short}"
    return "\n".join([*kept, f"127.0.1.1 {names}", ""])
