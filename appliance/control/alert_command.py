"""The command that is told of alerts: with JSON, a time limit, and no way to stop anything."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress

_ENVIRONMENT = ("PATH", "HOME", "LANG", "TZ")


class CommandFailed(Exception):
    """It could not be run, took too long, or ended with something else than 0."""


async def run(command: Sequence[str], said: bytes, patience: float) -> None:
    """Run `command` with `said` on its standard input; raises CommandFailed.

    It has a process group of its own, which is killed after `patience` seconds: so is what it
    started. Of this process's environment it gets no more than it needs to find its way.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{command[0]}: {error}") from error
    try:
        async with asyncio.timeout(patience):
            await process.communicate(said)
    except TimeoutError:
        raise CommandFailed(f"{command[0]} took longer than {patience:.0f} s") from None
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        raise CommandFailed(f"{command[0]} ended with {process.returncode}")
