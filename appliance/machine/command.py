"""Runs the few programs of the system that the helper needs, without a shell."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from appliance.machine.helper import HelperError
from appliance.mail.visible import visible

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_LONGEST = 300
_MOST = 100
_HINT = "try again; the journal of this machine has all that was said"


class Run(Protocol):
    """Runs a program to its end."""

    async def __call__(self, *words: str, given: str = "") -> str:
        """What it said. Raises HelperError if it failed."""


async def run(*words: str, given: str = "") -> str:
    """A `Run`; whoever is cancelled takes the program and all that it started along."""
    process = await _started(words, subprocess.PIPE if given else subprocess.DEVNULL)
    try:
        said, complained = await process.communicate(given.encode("utf-8") or None)
    except BaseException:
        await _ended(process)
        raise
    _check(words, process.returncode, complained)
    return said.decode("utf-8", "replace")


async def _started(words: Sequence[str], given: int) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *words,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except FileNotFoundError:
        hint = "install Twinpost's bundle again: it brings what it needs"
        raise HelperError(f"there is no {words[0]} on this machine", hint) from None


async def _ended(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _check(words: Sequence[str], code: int | None, complained: bytes) -> None:
    if code:
        lines = complained.decode("utf-8", "replace").strip().splitlines()
        # All of it to the journal; the console has room for what usually is the reason.
        for line in (f"{' '.join(words)}: exit code {code}", *lines[-_MOST:]):
            print(visible(line, _LONGEST), file=sys.stderr)
        why = visible(lines[-1], _LONGEST) if lines else f"exit code {code}"
        raise HelperError(f"{words[0]}: {why.removeprefix(f'{words[0]}: ')}", _HINT)


class Watch(Protocol):
    """Runs a program that says how far it is."""

    async def __call__(self, *words: str, line: Callable[[str], None]) -> None:
        """To its end; `line` hears what it says. Raises HelperError if it failed."""


async def watch(*words: str, line: Callable[[str], None]) -> None:
    """A `Watch`."""
    process = await _started(words, subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stderr is not None
    complaints = asyncio.create_task(process.stderr.read())
    try:
        async for said in process.stdout:
            line(said.decode("utf-8", "replace").strip())
        await process.wait()
        complained = await complaints
    except BaseException:
        complaints.cancel()
        await _ended(process)
        raise
    _check(words, process.returncode, complained)
