"""A terminal that has hung up takes its console with it."""

from __future__ import annotations

import os
import select
import signal
import threading


def end_with(terminal: int) -> None:
    """End this process, as SIGHUP does, when `terminal` (a descriptor) hangs up.

    The kernel tells only the session that the terminal controls. Textual reads on, without end.
    """
    threading.Thread(target=_watch, args=(terminal,), name="hangup", daemon=True).start()


def _watch(terminal: int) -> None:
    poll = select.poll()
    poll.register(terminal, 0)  # a hangup is told in any case, and nothing else
    poll.poll()
    os.kill(os.getpid(), signal.SIGHUP)
