"""`python -m appliance.machine`: what twinpost-helper.service runs, as root."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from appliance.machine.command import run
from appliance.machine.helper import Helper, Operation
from appliance.machine.power import Power
from appliance.machine.updates import Updates
from appliance.monitor.events import Emit, EventLog
from bundle.install import Prefix
from bundle.service import DATA, PREFIX, go_on, updater

_USER = "twinpost"
_FIRST_PASSED = 3  # sd_listen_fds(3)


def operations(emit: Emit) -> Sequence[Operation[Any]]:
    """Everything that can be asked for, family by family."""
    prefix = Prefix(PREFIX)
    updates = Updates(
        DATA / "incoming" / "bundle", lambda: updater(prefix, lambda text: None), go_on
    )
    return (*Power(run).operations(), *updates.operations())


async def serve(listener: socket.socket, emit: Emit) -> None:
    """Until SIGTERM; what is under way then ends first."""
    helper = Helper(operations(emit), {0, pwd.getpwnam(_USER).pw_uid}, emit)
    serving = asyncio.create_task(helper.serve(listener))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    await asyncio.wait([serving])
    if not serving.cancelled():
        serving.result()


def main() -> None:
    """The socket comes from systemd."""
    emit: Emit = EventLog(partial(os.write, 1), "helper")
    with socket.socket(fileno=_FIRST_PASSED) as listener:
        asyncio.run(serve(listener, emit))


if __name__ == "__main__":
    main()
