"""The helper's part of an installation: it has it begin, and tells how far it is.

The helper itself may neither mount nor write to disks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from appliance.decoding import from_json
from appliance.ipc.installer import (
    Disks,
    GetDisks,
    GetInstallation,
    Installation,
    StartInstallation,
)
from appliance.machine.command import Run
from appliance.machine.disks import STEPS, DiskInstaller
from appliance.machine.helper import HelperError, Operation, Tell

_PATIENCE = 30.0
_UNIT = "twinpost-install.service"
_UNITS = (_UNIT, "twinpost-unattended.service")
_RUN = frozenset(("active", "activating", "reloading"))


class Desk:
    """A folder, root's alone: what is to be installed, and how far that is."""

    def __init__(self, folder: Path) -> None:
        self._request = folder / "request.json"
        self._state = folder / "state.json"
        self._folder = folder

    def ask(self, wanted: StartInstallation) -> None:
        """What the service is to do once it is started."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._write(self._request, msgspec.json.encode(wanted))

    def asked(self) -> StartInstallation:
        """What it is to do; raises OSError, msgspec.MsgspecError."""
        return from_json(self._request.read_bytes(), StartInstallation)

    def tell(self, state: Installation) -> None:
        """How far it is."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._write(self._state, msgspec.json.encode(state))

    def told(self) -> Installation:
        """How far it is."""
        try:
            return from_json(self._state.read_bytes(), Installation)
        except FileNotFoundError:
            return Installation(state="none")

    def _write(self, path: Path, content: bytes) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_bytes(content)
        os.replace(fresh, path)


class Installing:
    """The handlers."""

    def __init__(self, installer: DiskInstaller, run: Run, desk: Desk) -> None:
        self._installer = installer
        self._run = run
        self._desk = desk

    def operations(self) -> Sequence[Operation[Any]]:
        """Those of this family."""
        return (
            Operation(GetDisks, self._disks, _PATIENCE, changes=False),
            Operation(GetInstallation, self._look, _PATIENCE, changes=False),
            Operation(StartInstallation, self._start, _PATIENCE, changes=True),
        )

    async def _disks(self, asked: GetDisks, tell: Tell) -> Disks:
        return Disks(tuple(await self._installer.disks()))

    async def _look(self, asked: GetInstallation, tell: Tell) -> Installation:
        state = self._desk.told()
        if state.state == "running" and not await self._runs():
            # Its end was read before its last word, or it was killed.
            state = self._desk.told()
            if state.state == "running":
                return failed(state, "the installation broke off", "install again")
        return state

    async def _start(self, asked: StartInstallation, tell: Tell) -> Installation:
        if await self._runs():
            raise HelperError("an installation is under way", "wait for its end")
        await self._installer.check(asked)
        self._desk.ask(asked)
        state = running(asked.disk, STEPS[0], "", 0)
        self._desk.tell(state)
        await self._run("systemctl", "reset-failed", _UNIT)
        await self._run("systemctl", "--no-block", "start", _UNIT)
        return state

    async def _runs(self) -> bool:
        said = await self._run("systemctl", "show", "--property=ActiveState", "--value", *_UNITS)
        return not _RUN.isdisjoint(said.split())


def running(disk: str, step: str, text: str, percent: int) -> Installation:
    """It is in the midst of a step."""
    return Installation(
        state="running",
        disk=disk,
        step=STEPS.index(step) + 1,
        steps=len(STEPS),
        text=text,
        percent=percent,
    )


def failed(state: Installation, cause: str, hint: str) -> Installation:
    """It ended in a step."""
    return msgspec.structs.replace(state, state="failed", cause=cause, hint=hint)
