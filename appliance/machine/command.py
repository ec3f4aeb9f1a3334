"""Runs the few programs of the system that the helper needs, without a shell."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from typing import Protocol

from appliance.machine.helper import HelperError
from appliance.mail.visible import visible

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_LONGEST = 300


class Run(Protocol):
    """Runs a program to its end."""

    async def __call__(self, *words: str, given: str = "") -> str:
        """What it said. Raises HelperError if it failed."""


async def run(*words: str, given: str = "") -> str:
    """A `Run`; whoever is cancelled takes the program and all that it started along."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except FileNotFoundError:
        hint = "install Twinpost's bundle again: it brings what it needs"
        raise HelperError(f"there is no {words[0]} on this machine", hint) from None
    try:
        said, complained = await process.communicate(given.encode("utf-8") or None)
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if process.returncode:
        lines = complained.decode("utf-8", "replace").strip().splitlines()
        why = visible(lines[-1], _LONGEST) if lines else f"exit code {process.returncode}"
        raise HelperError(f"{words[0]}: {why}", "see `journalctl -u twinpost-helper`")
    return said.decode("utf-8", "replace")
