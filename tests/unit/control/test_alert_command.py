"""The command that is told of alerts: what it gets, and what it cannot do to us."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

import pytest

from appliance.control.alert_command import CommandFailed, run

_FOREVER = 600.0


def ended(pid: int) -> bool:
    """Whether the process has ended, or does within half a minute."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 30.0)[0])
    finally:
        os.close(descriptor)


async def test_it_gets_what_is_said_and_little_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINPOST_SECRET", "canary")
    told, seen = tmp_path / "told", tmp_path / "seen"
    await run(["/bin/sh", "-c", f"cat >{told}; env >{seen}; pwd >>{seen}"], b"{}", _FOREVER)
    assert told.read_bytes() == b"{}"
    assert "canary" not in seen.read_text()
    assert seen.read_text().endswith("\n/\n")


@pytest.mark.parametrize(
    "command, why",
    [
        (["/bin/sh", "-c", "exit 3"], "ended with 3"),
        (["/no/such/command"], "No such file"),
        (["/etc/passwd"], "Permission denied"),
        (["/bin/sh", "-c", "kill -9 $$"], "ended with -9"),
    ],
)
async def test_what_went_wrong_is_said(command: list[str], why: str) -> None:
    with pytest.raises(CommandFailed, match=why):
        await run(command, b"{}", _FOREVER)


async def test_one_that_reads_nothing_is_no_failure() -> None:
    await run(["/bin/true"], b"x" * (1 << 20), _FOREVER)


async def test_one_that_hangs_is_killed_with_all_it_started(tmp_path: Path) -> None:
    """Else each alert would leave processes behind."""
    pids = tmp_path / "pids"
    os.mkfifo(tmp_path / "never")
    script = f"(read x <{tmp_path}/never) & echo $$ $! >{pids}; read x <{tmp_path}/never"
    with pytest.raises(CommandFailed, match="took longer"):
        await run(["/bin/sh", "-c", script], b"{}", 0.5)
    assert all(ended(int(pid)) for pid in pids.read_text().split())


async def test_what_it_leaves_behind_is_killed_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"{sys.executable} -c 'import signal; signal.pause()' & echo $! >{pid_file}"
    await run(["/bin/sh", "-c", script], b"{}", _FOREVER)
    assert ended(int(pid_file.read_text()))
