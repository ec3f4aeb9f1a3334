"""`python -m appliance.machine`: what twinpost-helper.service runs, as root."""

from __future__ import annotations

import argparse
import asyncio
import os
import pwd
import signal
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from appliance.machine.clock import Clock
from appliance.machine.command import run, watch
from appliance.machine.disks import DiskInstaller, Places
from appliance.machine.helper import Helper, Operation
from appliance.machine.install import DESK
from appliance.machine.installing import Desk, Installing
from appliance.machine.names import Names
from appliance.machine.network import Network, gateway, links
from appliance.machine.power import Power
from appliance.machine.sticks import StickKeeper
from appliance.machine.system import System
from appliance.machine.updates import Updates
from appliance.machine.view import View
from appliance.monitor.events import Emit, EventLog
from bundle.install import Prefix
from bundle.service import DATA, PREFIX, go_on, updater

_USER = "twinpost"
_FIRST_PASSED = 3  # sd_listen_fds(3)


def operations(
    system: System, network: Network, user: pwd.struct_passwd, disks: Sequence[str]
) -> Sequence[Operation[Any]]:
    """Everything that can be asked for, family by family; sticks are on `disks` of these types."""
    clock, names, prefix = Clock(system, run), Names(system, run), Prefix(PREFIX)
    updates = Updates(
        DATA / "incoming" / "bundle", lambda: updater(prefix, lambda text: None), go_on
    )
    return (
        *View(system, clock, names, network, gateway).operations(),
        *clock.operations(),
        *names.operations(),
        *network.operations(),
        *StickKeeper(run, user.pw_uid, user.pw_gid, disks).operations(),
        *Power(run).operations(),
        *Installing(DiskInstaller(run, watch, Places()), run, Desk(DESK)).operations(),
        *updates.operations(),
    )


async def serve(listener: socket.socket, emit: Emit, disks: Sequence[str]) -> None:
    """Until SIGTERM; what is under way then ends first."""
    system, user = System(), pwd.getpwnam(_USER)
    network = Network(system, run, emit, links)
    helper = Helper(operations(system, network, user, disks), {0, user.pw_uid}, emit)
    await network.begin()
    serving = asyncio.create_task(helper.serve(listener))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    await asyncio.wait([serving])
    await network.end()
    if not serving.cancelled():
        serving.result()


def main() -> None:
    """The socket comes from systemd."""
    parser = argparse.ArgumentParser("twinpost-helper")
    parser.add_argument("--loop", action="store_true", help="loop devices are sticks, in tests")
    disks = ("disk", "rom", "loop") if parser.parse_args().loop else ("disk", "rom")
    emit: Emit = EventLog(partial(os.write, 1), "helper")
    with socket.socket(fileno=_FIRST_PASSED) as listener:
        asyncio.run(serve(listener, emit, disks))


if __name__ == "__main__":
    main()
