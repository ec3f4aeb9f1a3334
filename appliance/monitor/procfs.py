"""What the kernel says about processes and the machine (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.monitor.snapshot import Machine, Usage

_PROC = Path("/proc")


def usage(pid: int, proc: Path = _PROC) -> Usage | None:
    """How much a process uses; None if it is gone."""
    try:
        text = (proc / str(pid) / "stat").read_text("ascii", "replace")
        resident = int((proc / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    fields = text.rpartition(")")[2].split()  # its name may hold anything, parentheses too
    tick = 1000 // os.sysconf("SC_CLK_TCK")
    user, system, started = int(fields[11]), int(fields[12]), int(fields[19])
    return Usage(started * tick, (user + system) * tick, resident * os.sysconf("SC_PAGE_SIZE"))


def machine(proc: Path = _PROC) -> Machine | None:
    """How much of the machine is used; None where nobody says."""
    try:
        memory = dict(
            line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines() if line
        )
        total, free = (_kib(memory[name]) for name in ("MemTotal", "MemAvailable"))
        spent = [int(one) for one in (proc / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, KeyError, ValueError):
        return None
    tick = 1000 // os.sysconf("SC_CLK_TCK")
    idle = spent[3] + spent[4]  # and waiting for disks
    return Machine(total, free, (sum(spent) - idle) * tick, sum(spent) * tick)


def boot_id(proc: Path = _PROC) -> str:
    """A name of this start of the machine, "" where nobody says."""
    try:
        return (proc / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _kib(text: str) -> int:
    return int(text.split()[0]) * 1024
