"""`python -m appliance.machine.install`: twinpost-install.service, as root, on the live system."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from appliance.ipc.installer import Installation, StartInstallation
from appliance.machine.command import run, watch
from appliance.machine.disks import STEPS, DiskInstaller, Places
from appliance.machine.helper import HelperError
from appliance.machine.installing import Desk, failed, running

DESK = Path("/run/twinpost-install")
_HINT = "look at the disk and the stick; then install again"


async def installed(
    installer: DiskInstaller,
    wanted: StartInstallation,
    tell: Callable[[Installation], None],
    own: Callable[[Path], None],
) -> bool:
    """Do it, and tell of every step; whether it is done."""
    state = running(wanted.disk, STEPS[0], "", 0)

    def told(step: str, text: str, percent: int) -> None:
        nonlocal state
        now = running(wanted.disk, step, text, percent)
        if now != state:
            state = now
            tell(state)

    try:
        await installer.install(wanted, told, own)
    except HelperError as error:
        tell(failed(state, str(error), error.hint))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        tell(failed(state, f"{where}{error.strerror or error}", _HINT))
    else:
        tell(Installation(state="done", disk=wanted.disk))
        return True
    return False


def nothing(target: Path) -> None:
    """The installed machine asks for what is its own when it boots first."""


def main() -> int:
    """Install what the helper was asked for."""
    desk = Desk(DESK)
    try:
        wanted = desk.asked()
    except (OSError, msgspec.MsgspecError) as error:
        print(f"twinpost: nothing was asked for: {error}", file=sys.stderr)
        return 1
    installer = DiskInstaller(run, watch, Places())
    return 0 if asyncio.run(installed(installer, wanted, desk.tell, nothing)) else 1


if __name__ == "__main__":
    sys.exit(main())
